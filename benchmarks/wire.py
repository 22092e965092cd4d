"""Requests at little cost to the client, which shares the processors with what it measures: no header is looked at that is not needed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

MIB = 1024 * 1024
#: Bytes of an upload that are sent at a time. Nothing looks at them but hashes, which take the same time for all bytes.
BLOCK = os.urandom(4 * MIB)
#: The same as clients send data of which they do not tell the length: in chunks of 64 KiB.
CHUNKED_BLOCK = b"".join(b"10000\r\n%b\r\n" % BLOCK[at : at + 65536] for at in range(0, len(BLOCK), 65536))

Headers = Mapping[str, str]
Statuses = tuple[int, ...]

_PATIENCE = 600
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


class Unexpected(Exception):
    """An answer of another status than a measure needs."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``seconds`` passed until the first byte was there."""

    status: int
    body: bytes
    seconds: float

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Connection:
    """A connection to a base URL that is kept as long as the server keeps it."""

    def __init__(self, url: str, headers: Headers | None = None) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "127.0.0.1", parts.port or 80)
        self._headers = {"Host": parts.netloc, **(headers or {})}
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, method: str, path: str, body: bytes | None = None, headers: Headers | None = None, expected: Statuses = ()) -> Answer:
        """One request and its whole answer. Raises Unexpected where its status is none of the expected; () takes any success."""
        length = {} if body is None else {"Content-Length": str(len(body))}
        self.send_head(method, path, {**length, **(headers or {})}, body or b"")
        return self.answer(expected)

    def call_json(self, method: str, path: str, document: object, expected: Statuses = ()) -> Answer:
        """Likewise with a document as the body."""
        return self.call(method, path, json.dumps(document).encode(), {"Content-Type": "application/json"}, expected)

    def send_head(self, method: str, path: str, headers: Headers, body: bytes = b"") -> socket.socket:
        """Sends a request, or the beginning of one whose body the caller sends on the socket."""
        if self._socket is None:
            self._socket = socket.create_connection(self._address, _PATIENCE)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in {**self._headers, **headers}.items())]
        self._socket.sendall("\r\n".join([*lines, "\r\n"]).encode() + body)
        return self._socket

    def answer(self, expected: Statuses = (), *, drop: bool = False) -> Answer:
        """The answer to the request that was sent. ``drop``: the kernel drops the body (tcp(7), MSG_TRUNC), so that it costs us little."""
        started = time.perf_counter()
        head, rest = self._head()
        seconds = time.perf_counter() - started
        status = int(head[9:12])
        closes, length = _CLOSE.search(head) is not None, _LENGTH.search(head)
        if length is not None:
            missing = int(length[1]) - len(rest)
            rest += self._drop(missing) if drop else self._receive(missing)
        elif closes and status != 204:
            rest += self._receive_all()
        if closes:
            self.close()
        if status not in expected if expected else not 200 <= status < 300:
            raise Unexpected(f"{status}: {rest[:300]!r}")
        return Answer(status, rest, seconds)

    def _head(self) -> tuple[bytes, bytes]:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._more(self._open.recv(16384))
        head, _, rest = received.partition(b"\r\n\r\n")
        return head, rest

    def _receive(self, missing: int) -> bytes:
        parts = []
        while missing > 0:
            parts.append(self._more(self._open.recv(min(missing, MIB))))
            missing -= len(parts[-1])
        return b"".join(parts)

    def _receive_all(self) -> bytes:
        parts = []
        while part := self._open.recv(MIB):
            parts.append(part)
        return b"".join(parts)

    def _drop(self, missing: int) -> bytes:
        buffer = bytearray(min(missing, MIB))
        while missing > 0:
            received = self._open.recv_into(buffer, min(missing, MIB), socket.MSG_TRUNC | socket.MSG_WAITALL)
            if not received:
                raise ConnectionError("the answer was cut")
            missing -= received
        return b""

    @property
    def _open(self) -> socket.socket:
        if self._socket is None:
            raise ConnectionError("nothing was sent")
        return self._socket

    @staticmethod
    def _more(received: bytes) -> bytes:
        if not received:
            raise ConnectionError("the connection ended in the middle of an answer")
        return received


def upload(connection: Connection, method: str, path: str, headers: Headers, size: int, *, chunked: bool = False) -> float:
    """Seconds that a body of ``size`` bytes, a multiple of 4 MiB, takes until its answer is there."""
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(size)}
    started = time.perf_counter()
    sock = connection.send_head(method, path, {"Content-Type": "application/octet-stream", **headers, **framing})
    with contextlib.suppress(ConnectionError):  # who refuses the body tells why
        for _ in range(size // len(BLOCK)):
            sock.sendall(CHUNKED_BLOCK if chunked else BLOCK)
        if chunked:
            sock.sendall(b"0\r\n\r\n")
    connection.answer()
    return time.perf_counter() - started


def download(connection: Connection, path: str, headers: Headers | None = None, expected: int = 200) -> Answer:
    """An answer whose body is dropped. Raises Unexpected for another status: who ignores a range sends all."""
    connection.send_head("GET", path, headers or {})
    answer = connection.answer(drop=True)
    if answer.status != expected:
        raise Unexpected(f"GET {path}: {answer.status} in place of {expected}")
    return answer
