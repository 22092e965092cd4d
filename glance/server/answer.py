"""The answer to one request: ``start_response``, framing, files sent by the kernel (PEP 3333, RFC 9112)."""

from __future__ import annotations

import logging
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from time import time
from types import TracebackType
from typing import BinaryIO

from glance.server.body import Body
from glance.server.connection import Connection
from glance.server.http import Head

LOG = logging.getLogger(__name__)

#: Bytes of a request body which the application left that are worth reading to keep a connection.
DISCARD = 64 * 1024
#: The methods that the applications may serve, as an Allow header.
METHODS = "GET, HEAD, POST, PUT, DELETE, OPTIONS"
#: A first piece of a body up to this size is sent together with the head.
_SMALL = 64 * 1024
_STATUS = re.compile(r"([1-9][0-9]{2}) [\t\x20-\x7e\x80-\xff]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_LENGTH = re.compile(r"[0-9]{1,18}")

Headers = list[tuple[str, str]]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]


class InvalidAnswer(Exception):
    """The application broke the rules of WSGI or HTTP."""


class FileWrapper:
    """``wsgi.file_wrapper``: the rest of an open file, sent by the kernel where that is possible."""

    def __init__(self, file: BinaryIO, block_size: int = 256 * 1024) -> None:
        self.file = file
        self._block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(self._block_size):
            yield block

    def close(self) -> None:
        if hasattr(self.file, "close"):
            self.file.close()

    def region(self) -> tuple[int, int, int] | None:
        """Descriptor, position and bytes from there, of a regular file; else None."""
        try:
            descriptor = self.file.fileno()
            status = os.fstat(descriptor)
            position = self.file.tell()
        except (AttributeError, OSError):
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return descriptor, position, max(0, status.st_size - position)


class Answer:
    """The answer to one request: what the application calls as ``start_response``, and how its result is sent. ``may_keep`` tells, when the head
    is sent, whether another request may follow."""

    def __init__(self, conn: Connection, head: Head, body: Body, may_keep: Callable[[], bool]) -> None:
        self._conn = conn
        self._body = body
        self._is_head = head.method == "HEAD"
        self._can_chunk = head.version == "1.1"
        self._headers: Headers = []
        self._status = ""
        self._left: int | None = None
        self._chunked = False
        self._may_keep = may_keep
        self.keep_alive = head.keep_alive
        self.head_sent = False
        self.sent = 0
        self.request_id = "-"

    @property
    def code(self) -> int:
        return int(self._status[:3] or 0)

    def start(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        """``start_response``."""
        if exc_info is not None and self.head_sent and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if exc_info is None and self._status:
            raise InvalidAnswer("start_response was called a second time")
        self._accept(status, headers)
        return self.write

    def _accept(self, status: str, headers: Headers) -> None:
        if _STATUS.fullmatch(status) is None:
            raise InvalidAnswer("the status line is malformed")
        kept: Headers = []
        length = None
        keep_alive = self.keep_alive
        for name, value in headers:
            if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
                raise InvalidAnswer("a header has characters that do not belong there")
            lower = name.lower()
            if lower == "connection":
                keep_alive = keep_alive and value.lower() != "close"
                continue
            if lower == "transfer-encoding" or (lower == "content-length" and (length is not None or not _LENGTH.fullmatch(value))):
                raise InvalidAnswer("a header about the length of the body is wrong")
            if lower == "content-length":
                length = int(value)
            elif lower == "x-openstack-request-id":
                self.request_id = value
            kept.append((name, value))
        self._status, self._headers, self._left, self.keep_alive = status, kept, length, keep_alive

    @property
    def _bodyless(self) -> bool:
        return self._is_head or self.code in (204, 304) or self.code < 200

    def write(self, data: bytes) -> None:
        """Sends a piece of the body, the head before the first one; what exceeds the declared length is dropped."""
        if not self._status:
            raise InvalidAnswer("the application gave data before it called start_response")
        head = b"" if self.head_sent else self._head()
        if self._bodyless:
            data = b""
        elif self._left is not None:
            if len(data) > self._left:
                LOG.warning("An application gave more data than the Content-Length it declared")
                data = data[: self._left]
            self._left -= len(data)
        self.sent += len(data)
        if self._chunked and data:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if head and len(data) > _SMALL:
            self._conn.send(head)
            head = b""
        if head or data:
            self._conn.send(head + data if head else data)

    def _head(self) -> bytes:
        """The head; decides how the end of the body will be marked."""
        if self._body.is_beyond(DISCARD) or not self._may_keep():
            self.keep_alive = False
        headers = self._headers
        if self._bodyless:
            if self.code in (204, 304):
                headers = [header for header in headers if header[0].lower() != "content-length"]
        elif self._left is None:
            self._chunked = self._can_chunk
            self.keep_alive = self.keep_alive and self._can_chunk
            if self._chunked:
                headers = [*headers, ("Transfer-Encoding", "chunked")]
        self.head_sent = True
        return format_head(self._status, headers, keep_alive=self.keep_alive)

    def send(self, result: Iterable[bytes]) -> None:
        """Sends what the application returned."""
        if self._status and isinstance(result, list | tuple) and self._left is None and not self._bodyless and not self.head_sent:
            self._set_length(sum(map(len, result)))
        if isinstance(result, FileWrapper) and self._send_file(result):
            return
        for data in result:
            if data:
                self.write(data)
                if self._bodyless:
                    break

    def _set_length(self, length: int) -> None:
        self._left = length
        self._headers.append(("Content-Length", str(length)))

    def _send_file(self, result: FileWrapper) -> bool:
        """Sends a regular file without reading it; False where that cannot be done."""
        region = result.region()
        if region is None or self._bodyless or not self._status:
            return False
        descriptor, position, available = region
        if self._left is None:
            self._set_length(available)
        count = min(available, self._left or 0)
        self.write(b"")
        sent = self._conn.sendfile(descriptor, position, count)
        self.sent += sent
        self._left = (self._left or 0) - sent
        return True

    def finish(self) -> None:
        """Marks the end of the body. Raises InvalidAnswer where it is shorter than declared."""
        if not self.head_sent:
            if self._left is None and self._status and not self._bodyless:
                self._set_length(0)
            self.write(b"")
        if self._bodyless:
            return
        if self._left:
            raise InvalidAnswer("the body is shorter than the declared Content-Length")
        if self._chunked:
            self._conn.send(b"0\r\n\r\n")

    def replace(self, code: int, text: str) -> None:
        """Sends a plain answer instead of the application's; the head must not have been sent."""
        self._status = plain_status(code)
        data = text.encode()
        self._conn.send(plain_answer(code, data, with_body=not self._is_head))
        self.keep_alive = False
        self.head_sent = True
        self.sent = len(data)


def format_head(status: str, headers: Sequence[tuple[str, str]], *, keep_alive: bool) -> bytes:
    """The bytes of an answer's head."""
    lines = [f"HTTP/1.1 {status}\r\nDate: {_http_date(int(time()))}\r\n"]
    lines.extend(f"{name}: {value}\r\n" for name, value in headers)
    lines.append("\r\n" if keep_alive else "Connection: close\r\n\r\n")
    return "".join(lines).encode("latin-1")


def plain_status(code: int) -> str:
    """A status line's code and reason."""
    return f"{code} {HTTPStatus(code).phrase}"


def plain_answer(code: int, data: bytes, *, with_body: bool = True) -> bytes:
    """A whole answer of plain text, after which the connection ends."""
    headers = [("Content-Type", "text/plain; charset=UTF-8"), ("Content-Length", str(len(data)))]
    if code == 405:
        headers.append(("Allow", METHODS))
    return format_head(plain_status(code), headers, keep_alive=False) + (data if with_body else b"")


@lru_cache(maxsize=2)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)
