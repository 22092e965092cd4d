"""Reads request heads, strictly (RFC 9110, RFC 9112): pure functions on bytes, no sockets.

Leniency lets two programs disagree about where a request ends, which is how requests are smuggled; so whatever is not plainly correct is a row of
``REFUSALS``, and the connection ends with it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

#: Cause -> status and the sentence that the client is told.
REFUSALS = {
    "request-line": (400, "The request line is malformed."),
    "request-line-long": (414, "The request line is too long."),
    "version": (505, "Only HTTP/1.0 and HTTP/1.1 are spoken here."),
    "method": (405, "This method is not served."),
    "target": (400, "The request target must be a path or an absolute http URL, correctly percent-encoded."),
    "target-null": (400, "The path contains a null byte."),
    "line-end": (400, "Lines must end with CR LF, and neither may stand alone."),
    "control": (400, "The request head contains a control character."),
    "folded": (400, "A header is folded over several lines."),
    "header-name": (400, "A header line has no valid name followed directly by a colon."),
    "header-repeated": (400, "A header that may come once came twice with different values."),
    "header-line-long": (431, "A header line is too long."),
    "headers-large": (431, "The headers are too large in total."),
    "headers-many": (431, "There are too many headers."),
    "host-missing": (400, "An HTTP/1.1 request needs a Host header."),
    "host-repeated": (400, "There is more than one Host header."),
    "host": (400, "The Host header is not a host name with an optional port."),
    "length": (400, "Content-Length is not a plain decimal number."),
    "length-repeated": (400, "There are two different Content-Length headers."),
    "length-and-encoding": (400, "Content-Length and Transfer-Encoding are not allowed together."),
    "encoding": (400, "The only Transfer-Encoding served is chunked."),
    "encoding-version": (400, "HTTP/1.0 has no Transfer-Encoding."),
    "expect": (417, "The only expectation met is 100-continue."),
    "slow": (408, "The request head did not arrive in time."),
}

_REQUEST_LINE = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+) ([!-~]+) HTTP/([0-9]\.[0-9])")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HOST = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(r"https?://[^/?#]*", re.IGNORECASE)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LENGTH = re.compile(r"[0-9]{1,18}")
_HEAD_END = b"\r\n\r\n"
#: The target, and the path, of an OPTIONS request about no resource in particular; all other paths begin with a slash.
WHOLE_SERVER = "*"
_NO_METHODS = frozenset({"TRACE", "CONNECT"})


class Refused(Exception):
    """A request that is not answered by the application; ``cause`` is a key of ``REFUSALS``."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        self.status, self.text = REFUSALS[cause]
        super().__init__(self.text)


@dataclass(frozen=True, slots=True)
class HeadRules:
    """What a head may look like; the fields are those of ``ServerSettings``."""

    max_header_line: int = 8192
    max_headers_size: int = 65536
    max_header_count: int = 256
    allow_conflicting_framing: bool = False
    single_header_prefixes: tuple[str, ...] = ()
    single_fields: frozenset[str] = frozenset()


class Head(NamedTuple):
    """A request head that keeps all rules. ``path`` is percent-decoded, as latin-1 (PEP 3333); ``fields`` has CGI names (``HTTP_HOST``)."""

    method: str
    target: str
    path: str
    query: str
    version: str
    fields: dict[str, str]
    length: int
    chunked: bool
    keep_alive: bool
    expects_continue: bool


def find_head_end(buffer: bytearray, seen: int, rules: HeadRules) -> int | None:
    """The offset just behind a complete head at the start of ``buffer``, None while it is incomplete. The first ``seen`` bytes were looked at
    before. Raises Refused as soon as no continuation could make the head acceptable."""
    end = buffer.find(_HEAD_END, max(0, seen - len(_HEAD_END) + 1))
    if end >= 0:
        return end + len(_HEAD_END)
    if _BARE_LINE_FEED.search(buffer, max(0, seen - 1)):
        raise Refused("line-end")
    first = buffer.find(b"\r\n")
    if first < 0:
        if len(buffer) > rules.max_header_line:
            raise Refused("request-line-long")
        return None
    if seen <= first + 1:
        _request_line(buffer[:first].decode("latin-1"), rules)
    if len(buffer) - buffer.rfind(b"\n") - 1 > rules.max_header_line:
        raise Refused("header-line-long")
    if len(buffer) - first > rules.max_headers_size:
        raise Refused("headers-large")
    return None


def parse_head(raw: bytes, rules: HeadRules) -> Head:
    """The head in ``raw``, which ends with the empty line. Raises Refused."""
    text = raw[: -len(_HEAD_END)].decode("latin-1")
    first, *lines = text.split("\r\n")
    version, method, target = _request_line(first, rules)
    if text.count("\r") != len(lines) or text.count("\n") != len(lines):
        raise Refused("line-end")
    if _CONTROL.search(text):
        raise Refused("control")
    fields = _fields(lines, rules)
    _check_host(fields, version)
    path, query = (target, "") if (method, target) == ("OPTIONS", WHOLE_SERVER) else _split_target(target)
    length, chunked, conflict = _framing(fields, version, rules)
    connection = fields.get("HTTP_CONNECTION", "").lower()
    return Head(
        method=method,
        target=target,
        path=path,
        query=query,
        version=version,
        fields=fields,
        length=length,
        chunked=chunked,
        keep_alive=version == "1.1" and not conflict and "close" not in (option.strip() for option in connection.split(",")),
        expects_continue=_expects_continue(fields, version),
    )


def _request_line(line: str, rules: HeadRules) -> tuple[str, str, str]:
    if len(line) > rules.max_header_line:
        raise Refused("request-line-long")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise Refused("request-line")
    method, target, version = match.groups()
    if version not in ("1.0", "1.1"):
        raise Refused("version")
    if method in _NO_METHODS:
        raise Refused("method")
    return version, method, target


def _fields(lines: Sequence[str], rules: HeadRules) -> dict[str, str]:
    if len(lines) > rules.max_header_count:
        raise Refused("headers-many")
    if sum(map(len, lines)) + 2 * len(lines) > rules.max_headers_size:
        raise Refused("headers-large")
    fields: dict[str, str] = {}
    for line in lines:
        if len(line) > rules.max_header_line:
            raise Refused("header-line-long")
        if line[0] in " \t":
            raise Refused("folded")
        name, colon, value = line.partition(":")
        key, cause = _field_key(name, rules.single_header_prefixes, rules.single_fields) if colon else ("", "header-name")
        if key:
            _add_field(fields, key, value.strip(" \t"), cause)
        elif cause:
            raise Refused(cause)
    return fields


@lru_cache(maxsize=1024)
def _field_key(name: str, single_prefixes: tuple[str, ...], single_fields: frozenset[str]) -> tuple[str, str]:
    """The CGI name of a header, and the cause of refusal when it comes twice ("": the values are joined). No name: refused, or dropped."""
    if _TOKEN.fullmatch(name) is None:
        return "", "header-name"
    lower = name.lower()
    single = lower.startswith(single_prefixes)
    if "_" in name and not single:
        return "", ""
    key = lower.replace("-", "_").upper()
    if key == "CONTENT_LENGTH":
        return key, "length-repeated"
    if key == "CONTENT_TYPE":
        return key, "header-repeated"
    if key == "HOST":
        return "HTTP_HOST", "host-repeated"
    key = f"HTTP_{key}"
    return key, "header-repeated" if single or key in single_fields else ""


def _add_field(fields: dict[str, str], key: str, value: str, cause: str) -> None:
    previous = fields.get(key)
    if previous is None:
        fields[key] = value
    elif not cause:
        fields[key] = f"{previous},{value}"
    elif value != previous or key == "HTTP_HOST":
        raise Refused(cause)


def _check_host(fields: dict[str, str], version: str) -> None:
    host = fields.get("HTTP_HOST")
    if host is None:
        if version == "1.1":
            raise Refused("host-missing")
    elif _HOST.fullmatch(host) is None:
        raise Refused("host")


def _split_target(target: str) -> tuple[str, str]:
    """The decoded path and the query. The host of an absolute URL is of no interest: nothing here depends on it."""
    match = _ABSOLUTE.match(target)
    if match:
        target = target[match.end() :]
        if not target.startswith("/"):
            target = f"/{target}"
    if not target.startswith("/"):
        raise Refused("target")
    path, _, query = target.partition("?")
    if "%" not in path:
        return path, query
    if _BAD_ESCAPE.search(path):
        raise Refused("target")
    decoded = unquote_to_bytes(path).decode("latin-1")
    if "\0" in decoded:
        raise Refused("target-null")
    return decoded, query


def _framing(fields: dict[str, str], version: str, rules: HeadRules) -> tuple[int, bool, bool]:
    """Length, whether chunked, and whether both were declared. ``fields`` keeps only what counts."""
    length = fields.get("CONTENT_LENGTH")
    if length is not None and _LENGTH.fullmatch(length) is None:
        raise Refused("length")
    encoding = fields.get("HTTP_TRANSFER_ENCODING")
    if encoding is not None:
        if version == "1.0":
            raise Refused("encoding-version")
        encoding = encoding.lower()
        if encoding not in ("chunked", "identity"):
            raise Refused("encoding")
    if encoding != "chunked":
        fields.pop("HTTP_TRANSFER_ENCODING", None)
        return int(length or 0), False, False
    if length is None:
        return 0, True, False
    if not rules.allow_conflicting_framing:
        raise Refused("length-and-encoding")
    del fields["CONTENT_LENGTH"]
    return 0, True, True


def _expects_continue(fields: dict[str, str], version: str) -> bool:
    expect = fields.get("HTTP_EXPECT")
    if expect is None or version == "1.0":
        return False
    if expect.lower() != "100-continue":
        raise Refused("expect")
    return True
