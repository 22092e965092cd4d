"""A server for tests of clients: it says what the test wants, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import io
import json
import os
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from glance.client import Client
from tests.running import running

TIMEOUT = 10.0
DATA = os.urandom(150_000)


@dataclass
class Request:
    """What arrived; ``chunks`` are the body's pieces as they were framed."""

    method: str
    path: str
    headers: dict[str, str]
    chunks: list[bytes]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def framing(self) -> tuple[str | None, str | None]:
        return self.headers.get("content-length"), self.headers.get("transfer-encoding")


@dataclass
class Reply:
    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    read_first: bool = True  # or answer without reading the request's body
    cut: int = 0  # bytes of the body that are promised, but not sent


def reply(document: object, status: int = 200) -> Reply:
    return Reply(status, json.dumps(document).encode())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def answer(self) -> None:
        script = self.server.replies.pop(0)
        headers = {name.lower(): value.encode("latin-1").decode() for name, value in self.headers.items()}
        self.server.requests.append(Request(self.command, self.path, headers, list(self.chunks()) if script.read_first else []))
        self.send_response(script.status)
        for name, value in ({"Content-Length": str(len(script.body))} | script.headers).items():
            self.send_header(name, value.encode().decode("latin-1"))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(script.body[: len(script.body) - script.cut])
        self.close_connection = bool(script.cut) or not script.read_first

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def chunks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") != "chunked":
            yield self.rfile.read(int(self.headers.get("Content-Length", 0)))
            return
        while size := int(self.rfile.readline(), 16):
            yield self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.server.closed.set()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """Answers with ``replies``, one after the other. ``closed`` is set when a connection has ended."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[Request] = []
        self.replies: list[Reply] = []
        self.closed = threading.Event()
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no news."""

    def client(self, **options: Any) -> Client:
        return Client("127.0.0.1", self.port, **{"timeout": TIMEOUT, **options})


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    with running(Server(tls)) as server:
        yield server


class Pipe(io.RawIOBase):
    """A source that cannot seek, as a pipe; its reads give less than they are asked for."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(min(size, 40_000))
