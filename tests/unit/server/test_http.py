"""The head parser against raw bytes: each case is a request and what must come of it."""

import pytest

from glance.server.http import REFUSALS, Head, HeadRules, Refused, find_head_end, parse_head

RULES = HeadRules(single_header_prefixes=("x-image-meta-", "x-glance-"), single_fields=frozenset({"HTTP_X_ROLES"}))
HOST = b"Host: a\r\n"


def request(headers: bytes = b"", line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    return line + b"\r\n" + host + headers + b"\r\n"


def line(text: bytes) -> bytes:
    return request(line=text)


def parse(raw: bytes, rules: HeadRules = RULES) -> Head:
    """What the server does with bytes that arrive at once."""
    buffer = bytearray(raw)
    end = find_head_end(buffer, 0, rules)
    assert end is not None, "the parser waits for more"
    return parse_head(bytes(buffer[:end]), rules)


REFUSED = [
    ("content-lengths-differ", request(b"Content-Length: 5\r\nContent-Length: 6\r\n"), "length-repeated"),
    ("content-length-plus", request(b"Content-Length: +5\r\n"), "length"),
    ("content-length-negative", request(b"Content-Length: -5\r\n"), "length"),
    ("content-length-underscore", request(b"Content-Length: 0_5\r\n"), "length"),
    ("content-length-hex", request(b"Content-Length: 0x5\r\n"), "length"),
    ("content-length-list", request(b"Content-Length: 5,5\r\n"), "length"),
    ("content-length-empty", request(b"Content-Length:\r\n"), "length"),
    ("content-length-superscript", request(b"Content-Length: \xb2\r\n"), "length"),
    ("content-length-inner-space", request(b"Content-Length: 1 2\r\n"), "length"),
    ("content-length-huge", request(b"Content-Length: " + b"9" * 30 + b"\r\n"), "length"),
    ("length-and-chunked", request(b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), "length-and-encoding"),
    ("encoding-identity-chunked", request(b"Transfer-Encoding: identity, chunked\r\n"), "encoding"),
    ("encoding-chunked-identity", request(b"Transfer-Encoding: chunked, identity\r\n"), "encoding"),
    ("encoding-twice", request(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), "encoding"),
    ("encoding-xchunked", request(b"Transfer-Encoding: xchunked\r\n"), "encoding"),
    ("encoding-gzip", request(b"Transfer-Encoding: gzip\r\n"), "encoding"),
    ("encoding-empty", request(b"Transfer-Encoding:\r\n"), "encoding"),
    ("encoding-vertical-tab", request(b"Transfer-Encoding: \x0bchunked\r\n"), "control"),
    ("encoding-space-before-colon", request(b"Transfer-Encoding : chunked\r\n"), "header-name"),
    ("encoding-in-1.0", request(b"Transfer-Encoding: chunked\r\n", b"PUT / HTTP/1.0"), "encoding-version"),
    ("folded-space", request(b"X-A: one\r\n two\r\n"), "folded"),
    ("folded-tab", request(b"X-A: one\r\n\ttwo\r\n"), "folded"),
    ("folded-first", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "folded"),
    ("null-in-value", request(b"X-A: a\0b\r\n"), "control"),
    ("escape-in-value", request(b"X-A: a\x1bb\r\n"), "control"),
    ("delete-in-value", request(b"X-A: a\x7fb\r\n"), "control"),
    ("bare-cr-in-value", request(b"X-A: a\rb\r\n"), "line-end"),
    ("bare-lf-in-value", request(b"X-A: a\nX-B: b\r\n"), "line-end"),
    ("bare-lf-only", b"GET / HTTP/1.1\nHost: a\n\n", "line-end"),
    ("no-colon", request(b"X-A\r\n"), "header-name"),
    ("empty-name", request(b": a\r\n"), "header-name"),
    ("name-with-space", request(b"X A: a\r\n"), "header-name"),
    ("name-with-slash", request(b"X/A: a\r\n"), "header-name"),
    ("name-not-ascii", request(b"X-\xe9: a\r\n"), "header-name"),
    ("host-missing", request(host=b""), "host-missing"),
    ("host-twice", request(b"Host: b\r\n"), "host-repeated"),
    ("host-twice-equal", request(b"Host: a\r\n"), "host-repeated"),
    ("host-with-path", request(host=b"Host: a/b\r\n"), "host"),
    ("host-with-user", request(host=b"Host: a@b\r\n"), "host"),
    ("host-with-quote", request(host=b'Host: a"b\r\n'), "host"),
    ("host-bad-port", request(host=b"Host: a:b\r\n"), "host"),
    ("request-line-long", line(b"GET /" + b"a" * 8192 + b" HTTP/1.1"), "request-line-long"),
    ("request-line-endless", b"GET /" + b"a" * 9000, "request-line-long"),
    ("header-line-long", request(b"X-A: " + b"a" * 8192 + b"\r\n"), "header-line-long"),
    ("header-line-endless", b"GET / HTTP/1.1\r\nX-A: " + b"a" * 9000, "header-line-long"),
    ("headers-large", request(b"".join(b"X-%d: %s\r\n" % (i, b"a" * 8000) for i in range(9))), "headers-large"),
    ("headers-large-endless", b"GET / HTTP/1.1\r\n" + (b"X-A: " + b"a" * 8000 + b"\r\n") * 9, "headers-large"),
    ("headers-many", request(b"X-A: a\r\n" * 256), "headers-many"),
    ("version-0.9", b"GET /\r\n", "request-line"),
    ("version-2.0", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "version"),
    ("version-9.9", line(b"GET / HTTP/9.9"), "version"),
    ("version-1.2", line(b"GET / HTTP/1.2"), "version"),
    ("version-lower-case", line(b"GET / http/1.1"), "request-line"),
    ("version-long", line(b"GET / HTTP/1.10"), "request-line"),
    ("trace", line(b"TRACE / HTTP/1.1"), "method"),
    ("connect", line(b"CONNECT a:80 HTTP/1.1"), "method"),
    ("method-with-tab", line(b"GET\t/ HTTP/1.1"), "request-line"),
    ("method-empty", line(b" / HTTP/1.1"), "request-line"),
    ("two-spaces", line(b"GET  / HTTP/1.1"), "request-line"),
    ("trailing-space", line(b"GET / HTTP/1.1 "), "request-line"),
    ("target-with-space", line(b"GET /a b HTTP/1.1"), "request-line"),
    ("target-not-ascii", line(b"GET /\xe9 HTTP/1.1"), "request-line"),
    ("target-control", line(b"GET /\x01 HTTP/1.1"), "request-line"),
    ("target-null", line(b"GET /%00 HTTP/1.1"), "target-null"),
    ("target-bad-escape", line(b"GET /%zz HTTP/1.1"), "target"),
    ("target-cut-escape", line(b"GET /%4 HTTP/1.1"), "target"),
    ("target-relative", line(b"GET a HTTP/1.1"), "target"),
    ("target-star", line(b"GET * HTTP/1.1"), "target"),
    ("target-star-and-more", line(b"OPTIONS *?a HTTP/1.1"), "target"),
    ("target-other-scheme", line(b"GET ftp://a/ HTTP/1.1"), "target"),
    ("expect-unknown", request(b"Expect: x\r\n"), "expect"),
    ("image-header-twice", request(b"x-image-meta-name: a\r\nx-image-meta-name: b\r\n"), "header-repeated"),
    ("image-header-both-spellings", request(b"x-image-meta-disk_format: a\r\nX-Image-Meta-Disk-Format: b\r\n"), "header-repeated"),
    ("single-header-twice", request(b"X-Roles: member\r\nx-roles: admin\r\n"), "header-repeated"),
    ("content-type-twice", request(b"Content-Type: a/b\r\nContent-Type: c/d\r\n"), "header-repeated"),
]


@pytest.mark.parametrize(("raw", "cause"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_head_when_not_plainly_correct_then_refused_with_the_cause(raw: bytes, cause: str) -> None:
    with pytest.raises(Refused) as caught:
        parse(raw)
    assert caught.value.cause == cause


def test_table_of_refusals_when_compared_with_the_cases_then_every_cause_is_provoked() -> None:
    assert {cause for _, _, cause in REFUSED} | {"slow"} == set(REFUSALS)


ACCEPTED = [
    ("plain", request(), {"HTTP_HOST": "a"}),
    ("content-length-equal-twice", request(b"Content-Length: 5\r\nContent-Length: 5\r\n"), {"CONTENT_LENGTH": "5"}),
    ("value-trimmed", request(b"X-A: \t a b \t\r\n"), {"HTTP_X_A": "a b"}),
    ("value-empty", request(b"X-A:\r\n"), {"HTTP_X_A": ""}),
    ("value-utf-8", request(b"x-image-meta-name: \xc3\xa9\r\n"), {"HTTP_X_IMAGE_META_NAME": "\xc3\xa9"}),
    ("value-repeated", request(b"X-A: a\r\nX-A: b\r\n"), {"HTTP_X_A": "a,b"}),
    ("underscore-kept", request(b"x-image-meta-disk_format: raw\r\n"), {"HTTP_X_IMAGE_META_DISK_FORMAT": "raw"}),
    ("spellings-agree", request(b"x-image-meta-a_b: 1\r\nX-Image-Meta-A-B: 1\r\n"), {"HTTP_X_IMAGE_META_A_B": "1"}),
    ("single-header-equal-twice", request(b"X-Roles: a\r\nX-Roles: a\r\n"), {"HTTP_X_ROLES": "a"}),
    ("content-type", request(b"Content-Type: a/b\r\n"), {"CONTENT_TYPE": "a/b"}),
    ("host-empty", request(host=b"Host:\r\n"), {"HTTP_HOST": ""}),
    ("host-address", request(host=b"Host: [::1]:9292\r\n"), {"HTTP_HOST": "[::1]:9292"}),
    ("1.0-without-host", request(host=b"", line=b"GET / HTTP/1.0"), {}),
    ("identity-is-none", request(b"Transfer-Encoding: identity\r\n"), {"HTTP_HOST": "a"}),
]


@pytest.mark.parametrize(("raw", "fields"), [case[1:] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_head_when_correct_then_its_fields_are_kept(raw: bytes, fields: dict[str, str]) -> None:
    assert fields.items() <= parse(raw).fields.items()


def test_head_when_it_asks_about_the_whole_server_then_the_path_is_a_star() -> None:
    head = parse(line(b"OPTIONS * HTTP/1.1"))
    assert (head.method, head.target, head.path, head.query) == ("OPTIONS", "*", "*", "")


@pytest.mark.parametrize("name", ["X_User_Id", "X_Tenant_Id", "X_Image_Meta_Owner", "X-Roles_", "X_Roles"])
def test_header_with_underscore_when_outside_the_prefixes_then_dropped(name: str) -> None:
    assert parse(request(name.encode() + b": a\r\n")).fields == {"HTTP_HOST": "a"}


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v1/images?name=a%20b", "/v1/images", "name=a%20b"),
        ("/a%2Fb%20c", "/a/b c", ""),
        ("/%c3%a9", "/\xc3\xa9", ""),
        ("//evil/v1", "//evil/v1", ""),
        ("http://evil/v1?x=1", "/v1", "x=1"),
        ("HTTPS://evil", "/", ""),
        ("http://evil?x", "/", "x"),
        ("/a?b?c=%zz", "/a", "b?c=%zz"),
    ],
)
def test_target_when_accepted_then_split_and_decoded_once(target: str, path: str, query: str) -> None:
    head = parse(line(f"GET {target} HTTP/1.1".encode()))
    assert (head.path, head.query, head.fields["HTTP_HOST"]) == (path, query, "a")


@pytest.mark.parametrize(
    ("raw", "keep"),
    [
        (request(), True),
        (request(b"Connection: close\r\n"), False),
        (request(b"Connection: TE, Close\r\n"), False),
        (request(b"Connection: keep-alive\r\n"), True),
        (request(line=b"GET / HTTP/1.0"), False),
    ],
)
def test_connection_when_named_in_a_head_then_kept_or_closed_as_asked(raw: bytes, keep: bool) -> None:
    assert parse(raw).keep_alive is keep


def test_conflicting_framing_when_allowed_then_chunked_wins_and_the_connection_ends() -> None:
    head = parse(request(b"Content-Length: 5\r\nTransfer-Encoding: Chunked\r\n"), HeadRules(allow_conflicting_framing=True))
    assert head.chunked
    assert not head.keep_alive
    assert "CONTENT_LENGTH" not in head.fields


@pytest.mark.parametrize(("version", "expected"), [("1.1", True), ("1.0", False)])
def test_expectation_when_100_continue_then_met_for_http_1_1_only(version: str, expected: bool) -> None:
    assert parse(request(b"Expect: 100-Continue\r\n", f"PUT / HTTP/{version}".encode())).expects_continue is expected


def test_head_when_it_comes_byte_by_byte_then_ends_where_it_ends_at_once() -> None:
    raw = request(b"X-A: a\r\n")
    buffer = bytearray()
    for count, byte in enumerate(raw + b"GET"):
        seen = len(buffer)
        buffer.append(byte)
        end = find_head_end(buffer, seen, RULES)
        assert (end is None) == (count < len(raw) - 1), count
        if end is not None:
            assert end == len(raw)
            break
