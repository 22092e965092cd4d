"""Generic attacks over raw sockets, each sent as it stands in the table: every one gets one answer, the right one, and does no harm.

The numbers (G..) are those of the list of attacks that the project keeps.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from glance.testing.wire import request_bytes
from tests.functional.attacks import attack

if TYPE_CHECKING:
    from conftest import Target

    from tests.functional.attacks import Attack

MIB = 1024 * 1024
ARABIC_FIVE = "\u0665"  # a digit to str.isdigit and int
VICTIM = "33333333-2222-4333-8444-555555555555"
FORMATS = "x-image-meta-disk_format: raw", "x-image-meta-container_format: bare"
UPLOAD = (*FORMATS, "Content-Type: application/octet-stream")


def get(path: str, *headers: str | bytes) -> bytes:
    return request_bytes(f"GET {path} HTTP/1.1", *headers)


def post(*headers: str | bytes, body: bytes = b"") -> bytes:
    return request_bytes("POST /v1/images HTTP/1.1", *headers, body=body)


def upload(*headers: str | bytes, body: bytes = b"") -> bytes:
    return post(*UPLOAD, *headers, body=body)


def chunked(body: bytes) -> bytes:
    return upload("Transfer-Encoding: chunked", body=body)


PATHS = [
    attack(f"G01-path-{number}", get(path), 300, 400, 404)
    for number, path in enumerate(
        (
            "/v1/images/../../etc/passwd",
            "/v1/images/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
            "/v1/images/..%252f..%252fetc%252fpasswd",
            "/v1/images/%c0%ae%c0%ae/etc/passwd",
            "/v1/images/%2Fetc%2Fpasswd",
            "/v1/images/..",
            "/v1/images/.",
            "/v1/images/a/b",
            "/v1/images/a%5Cb",
            "/v1/images/CON",
            "/v1/images/" + "x" * 300,
            "/images/../../etc/passwd",
            "/v1/shared-images/../../etc/passwd",
            "//evil.example/v1",
            "/%09/evil",
            "/v1//evil",
            "/v1/images//detail",
        )
    )
]

IDS = [
    attack(f"G02-id-{number}", post(f"x-image-meta-id: {value}"), 400, 403)
    for number, value in enumerate(("../../x", "..", "a/b", "1", "x" * 300, "%2e%2e%2fx", f"{VICTIM}/../x"))
]

HEADS = [
    attack("G04-null-in-path", get("/v1/images/%00"), 400, 404),
    attack("G04-null-in-header", post(b"x-image-meta-name: a\0b"), 400),
    attack("G07-folded-header", post("x-image-meta-name: a", " b"), 400),
    attack("G07-bare-line-feed", b"GET /v1/images HTTP/1.1\nHost: glance\n\n", 400),
    attack("G07-bare-line-feed-in-header", post(b"x-image-meta-name: a\nx-image-meta-owner: b"), 400),
    attack("G07-bare-carriage-return", post(b"x-image-meta-name: a\rb"), 400),
    attack("G08-long-line", get("/v1/images", "X-A: " + "a" * 16385), 400, 431),
    attack("G08-many-headers", get("/v1/images", *(f"X-{n}: a" for n in range(1000))), 400, 431),
    attack("G08-large-headers", get("/v1/images", *(f"X-{n}: {'a' * 8000}" for n in range(9))), 400, 431),
    attack("G08-long-request-line", get("/v1/images?" + "a" * 9000), 400, 414),
    attack("G10-two-hosts", get("/v1/images", "Host: other"), 400),
    attack("G10-no-host", request_bytes("GET /v1/images HTTP/1.1", host=None), 400),
    attack("G10-two-ids", post(f"x-image-meta-id: {uuid.uuid4()}", f"x-image-meta-id: {uuid.uuid4()}"), 400),
    attack("G10-two-lengths-different", upload("Content-Length: 3", "Content-Length: 4", body=b"abcd"), 400),
    attack("G10-two-lengths-equal", upload("Content-Length: 3", "Content-Length: 3", body=b"abc"), 201, 400),
    attack("G11-two-spellings", post("x-image-meta-property-a_b: 1", "x-image-meta-property-a-b: 2"), 400),
    attack("G12-latin-1", post(b"x-image-meta-name: caf\xe9"), 400),
    attack("G12-overlong-utf-8", post(b"x-image-meta-name: \xc0\xae"), 400),
    attack("header-without-colon", get("/v1/images", "nonsense"), 400),
    attack("header-with-empty-name", get("/v1/images", ": nonsense"), 400),
    attack("header-with-space-in-name", get("/v1/images", "X A: b"), 400),
]

FRAMES = [
    *(
        attack(f"G17-chunk-{number}", chunked(body), 400)
        for number, body in enumerate(
            (
                b"FFFFFFFFFFFFFFFF\r\nabc\r\n0\r\n\r\n",
                b"-1\r\nabc\r\n0\r\n\r\n",
                b"0x3\r\nabc\r\n0\r\n\r\n",
                b"+3\r\nabc\r\n0\r\n\r\n",
                b"0_3\r\nabc\r\n0\r\n\r\n",
                b" 3\r\nabc\r\n0\r\n\r\n",
                b"3\r\nabcd\r\n0\r\n\r\n",
                b"3\nabc\n0\n\n",
                b"xyz\r\nabc\r\n0\r\n\r\n",
                b"\r\nabc\r\n0\r\n\r\n",
                b"3;" + b"e" * MIB + b"\r\nabc\r\n0\r\n\r\n",
            )
        )
    ),
    *(
        attack(f"G31-transfer-{number}", upload(*framing, body=b"3\r\nabc\r\n0\r\n\r\n"), 400, 501)
        for number, framing in enumerate(
            (
                ("Content-Length: 3", "Transfer-Encoding: chunked"),
                ("Transfer-Encoding: chunked, identity",),
                ("Transfer-Encoding: identity, chunked",),
                ("Transfer-Encoding: xchunked",),
                ("Transfer-Encoding: \x0bchunked",),
                ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
                ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"),
                ("Transfer-Encoding : chunked",),
                ("Transfer-Encoding: gzip",),
            )
        )
    ),
    *(
        attack(f"G31-length-{number}", upload(f"Content-Length: {value}", body=b"abcde"), 400)
        for number, value in enumerate(("+5", "5,5", "0x5", "-5", "0_5", "5 5", "five", ARABIC_FIVE, "", "9" * 400))
    ),
    attack(
        "G31-chunked-in-1.0", request_bytes("POST /v1/images HTTP/1.0", *UPLOAD, "Transfer-Encoding: chunked", body=b"3\r\nabc\r\n0\r\n\r\n"), 400
    ),
    attack("G31-request-in-trailer", chunked(b"3\r\nabc\r\n0\r\nGET /v1/images HTTP/1.1\r\nHost: glance\r\n\r\n"), 201, 400),
]

METHODS = [
    *(
        attack(f"G32-{method}", request_bytes(f"{method} /v1/images HTTP/1.1"), 400, 405, 501)
        for method in ("TRACE", "TRACK", "PROPFIND", "get", "GET\t", "G(T")
    ),
    attack("G32-CONNECT", request_bytes("CONNECT glance:80 HTTP/1.1"), 400, 405, 501),
    attack("G32-OPTIONS", request_bytes("OPTIONS /v1/images HTTP/1.1"), 200, 405),
    attack("G32-override", request_bytes(f"GET /v1/images/{VICTIM} HTTP/1.1", "X-HTTP-Method-Override: DELETE"), 200),
    attack("G33-version-0.9", b"GET /v1/images\r\n\r\n", 400, 505),
    attack("G33-version-1.0", request_bytes("GET /v1/images HTTP/1.0", close=False), 200),
    attack("G33-version-2-preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, 505),
    attack("G33-version-9.9", request_bytes("GET /v1/images HTTP/9.9"), 400, 505),
    attack("G33-no-version", request_bytes("GET /v1/images FTP/1.1"), 400, 505),
    attack("request-line-of-nothing", b"\0\0\0\0\r\n\r\n", 400),
    attack("request-line-of-tls", bytes.fromhex("16030100a5010000a10303") + b"x" * 64 + b"\r\n\r\n", 400),
]

LISTS = [
    *(
        attack(f"G25-{name}-{number}", get(f"/v1/images?{name}={value}"), 200)
        for name in ("name", "status", "disk_format", "property-a", "min_disk")
        for number, value in enumerate(("%27%20OR%201=1--", "%22;%20DROP%20TABLE%20images", "%25", "_", "%5C"))
    ),
    *(attack(f"G26-sort-{value}", get(f"/v1/images?sort_key={value}"), 400) for value in ("password", "locations", "__class__", "name,id", "%27")),
    attack("G26-direction", get("/v1/images?sort_dir=sideways"), 400),
    attack("G25-marker-quote", get("/v1/images?marker=%27%20OR%201=1--"), 400),
    attack("G30-marker-unknown", get(f"/v1/images?marker={uuid.uuid4()}"), 400),
    *(
        attack(f"G27-limit-{number}", get(f"/v1/images?limit={value}"), 400)
        for number, value in enumerate(("-1", "1e3", "%205", "%2B5", "%D9%A5", "x", "0x5", "1_0", ""))
    ),
    attack("G27-limit-huge", get(f"/v1/images?limit={10**30}"), 200, 400),
    *(attack(f"G27-size-{number}", get(f"/v1/images?size_min={value}"), 400) for number, value in enumerate(("-1", "abc", "1.5", "%D9%A5"))),
    attack("G27-size-huge", get(f"/v1/images?size_min={10**30}"), 200, shows='"images": []'),
    attack("G29-many-parameters", get("/v1/images?" + "&".join(f"p{n}=1" for n in range(900))), 200, 400, 414),
    attack("G29-long-query", get("/v1/images?name=" + "a" * MIB), 400, 414, 431),
    attack("latin-1-query", get("/v1/images?name=caf%E9"), 200, 400),
    *(
        attack(f"G51-changes-since-{number}", get(f"/v1/images?changes-since={value}"), 400)
        for number, value in enumerate(("9999-12-31T23:59:60Z", "0000", "0000-00-00T00:00:00", "1" * 5000, "%27", ""))
    ),
    attack("G50-time-of-many-digits", get("/v1/images?changes-since=" + "2" * 8000), 400, 414),
    attack("G49-format-string", get("/v1/images/%25s%25n%7B0.__class__%7D"), 404),
    attack("G34-absolute-form", get("http://evil.example/v1/images"), 200, 400),
    attack(
        "G20-members-deep-json", request_bytes(f"PUT /v1/images/{VICTIM}/members HTTP/1.1", "Content-Length: 100000", body=b"[" * 100_000), 400, 413
    ),
    attack("G22-members-not-json", request_bytes(f"PUT /v1/images/{VICTIM}/members HTTP/1.1", "Content-Length: 3", body=b"\xff\xfe{"), 400),
    attack("G22-members-of-numbers", request_bytes(f"PUT /v1/images/{VICTIM}/members HTTP/1.1", "Content-Length: 9", body=b"[1,2,null"), 400),
    attack(
        "G21-members-64-mib", request_bytes(f"PUT /v1/images/{VICTIM}/members HTTP/1.1", f"Content-Length: {64 * MIB}", body=b" " * 2 * MIB), 400, 413
    ),
    attack("G03-member-name", request_bytes(f"PUT /v1/images/{VICTIM}/members/..%2f..%2fx HTTP/1.1", "Content-Length: 0"), 204, 400, 404),
]

CREATES = [
    attack("G09-properties-over-the-quota", post(*(f"x-image-meta-property-p{n}: 1" for n in range(129))), 413, 431),
    attack("G28-property-name-of-256", post(f"x-image-meta-property-{'p' * 256}: 1"), 400),
    attack("G28-property-without-name", post("x-image-meta-property-: 1"), 400),
    *(
        attack(f"G27-{name}-{number}", post(f"x-image-meta-{name}: {value}"), 400)
        for name in ("min_disk", "min_ram", "size")
        for number, value in enumerate(("-1", "1.5", "true", ARABIC_FIVE, "1_0", "0x5", str(2**63), "9" * 5000))
    ),
    *(attack(f"G27-{name}-over-32-bits", post(f"x-image-meta-{name}: {2**31}"), 400) for name in ("min_disk", "min_ram")),
    attack("G24-name-of-256", post("x-image-meta-name: " + "é" * 256), 400),
    attack("G24-emoji", post("x-image-meta-name: \U0001f427", "x-image-meta-property-flag: \u202eabc"), 201, shows="\U0001f427"),
    attack("G24-name-of-255", post("x-image-meta-name: " + "é" * 255), 201, shows="é" * 255),
    attack("G49-format-strings", post("x-image-meta-name: %s%s%n {0.__class__}"), 201, shows="%s%s%n {0.__class__}"),
    attack("G46-taken-id", post(f"x-image-meta-id: {VICTIM}"), 409),
    attack("G47-unknown-attributes", post("x-image-meta-_sa_instance_state: 1"), 400),
    attack("G47-fixed-attributes", post("x-image-meta-deleted: true", "x-image-meta-status: active"), 201, shows='"status": "queued"'),
    attack("G36-content-type", post(*FORMATS, "Content-Type: application/json", "Content-Length: 2", body=b"{}"), 400),
    attack("G36-long-content-type", post(*FORMATS, "Content-Type: " + "a" * 1024, "Content-Length: 2", body=b"{}"), 400),
    attack("G37-content-encoding", upload("Content-Encoding: gzip", "Content-Length: 3", body=b"abc"), 201, 415),
    attack("G40-expectation", upload("Expect: x", "Content-Length: 3", body=b"abc"), 417),
    *(
        attack(f"location-{number}", post(*FORMATS, f"x-image-meta-location: {url}"), 400)
        for number, url in enumerate(("file:///etc/passwd", "http://127.0.0.1/", "http://169.254.169.254/latest"))
    ),
]

RANGES = [
    attack("G39-many-ranges", get(f"/v1/images/{VICTIM}", "Range: bytes=" + ",".join(["0-"] * 500)), 200, 400, 416),
    attack("G39-no-bytes", get(f"/v1/images/{VICTIM}", "Range: bytes=-0"), 200, 416),
    attack("G39-backwards", get(f"/v1/images/{VICTIM}", "Range: bytes=5-4"), 200, 400, 416),
    attack("G39-beyond", get(f"/v1/images/{VICTIM}", f"Range: bytes={10**20}-"), 416),
    attack("G39-number-of-many-digits", get(f"/v1/images/{VICTIM}", "Range: bytes=" + "9" * 5000 + "-"), 200, 416),
    attack("G39-other-unit", get(f"/v1/images/{VICTIM}", "Range: lines=1-2"), 200),
]

ATTACKS = [*PATHS, *IDS, *HEADS, *FRAMES, *METHODS, *LISTS, *CREATES, *RANGES]


@pytest.mark.parametrize("one", ATTACKS, ids=lambda one: one.name)
def test_attack_when_sent_then_answered_once_and_harmless(target: Target, one: Attack) -> None:
    one.run(target)
