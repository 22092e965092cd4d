"""A proxy in front of a server, for tests of what happens when answers are others than that server's, or get lost."""

from __future__ import annotations

import contextlib
import http.client
import ssl
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Front(ThreadingHTTPServer):
    """Passes requests on; ``answer`` may give a (status, headers, body) instead, ``lose`` says whose answers get lost."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self.answer: Callable[[Handler], tuple[int, dict[str, str], bytes] | None] = lambda _request: None
        self.lose: Callable[[Handler], bool] = lambda _request: False
        self.seen: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def encrypt(self, certificate: Path, key: Path) -> None:
        """From now on by TLS only."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, key)
        # Hands are shaken by the thread of the connection, at its first read.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that closes early is no error here."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Front

    def serve(self) -> None:
        self.server.seen.append(f"{self.command} {self.path}")
        body = self.body()
        special = self.server.answer(self)
        status, headers, data = special or self.passed_on(body)
        if special is None and self.server.lose(self):
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in {**headers, "Content-Length": headers.get("Content-Length", str(len(data)))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815 - the names are the library's

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def passed_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=20)
        with contextlib.closing(connection):
            sent = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
            connection.request(self.command, self.path, body, sent)
            answer = connection.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in ("transfer-encoding", "connection", "date")}
            return answer.status, kept, answer.read()

    def log_message(self, *args: object) -> None:
        """Tests print nothing."""
