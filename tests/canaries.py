"""Servers that count who connects to them, and a resolver that says what a test wants: what a guard of connections is tried with.

A test that uses these reaches nobody beyond this machine, whatever the guard lets through.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

#: A place that the guards of tests permit, and one that they do not; both are loopback.
PERMITTED = "127.0.0.2"
CANARY = "127.0.0.1"

#: What the resolver answers where a test says nothing else; the guard must not depend on how the real one reads strange numbers.
NAMES = {
    "localhost": ["127.0.0.1", "::1"],
    "good": ["8.8.8.8"],
    "inward": ["127.0.0.1"],
    "both": ["8.8.8.8", "127.0.0.1"],
    "mapped": ["::ffff:127.0.0.1"],
    "sixes": ["::1"],
    "canonical.example": ["fe80::1%lo"],
    "public.site.example": ["198.41.0.4"],
    "permitted.example": [PERMITTED],
    "other.example": [PERMITTED],
}

#: The bytes that answer a request, by the head of the request and its number, from 1.
Respond = Callable[[str, int], Iterable[bytes]]


class FakeDns:
    """A resolver like ``socket.getaddrinfo``: a name's answers by query, the last one for ever. Reads numbers as the C library does."""

    def __init__(self, **changing: list[list[str]]) -> None:
        self.changing = changing
        self.asked: list[str] = []

    def __call__(self, host: str, port: int, *, type: int) -> list[tuple[Any, ...]]:
        self.asked.append(host)
        addresses = self._next(host) if host in self.changing else NAMES.get(host) or self._numeric(host)
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, type, 6, "", (one, port)) for one in addresses]

    def _next(self, host: str) -> list[str]:
        answers = self.changing[host]
        return answers.pop(0) if len(answers) > 1 else answers[0]

    def _numeric(self, host: str) -> list[str]:
        try:
            return [socket.inet_ntoa(socket.inet_aton(host))]
        except OSError:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


class Listener:
    """Counts the connections to an address, and gives each the answer of ``respond``, which may be set anew."""

    def __init__(self, address: str, respond: Respond, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.heads: list[str] = []
        self.connections = 0
        self.respond = respond
        self._tls = tls
        self._listening = socket.create_server((address, port), family=socket.AF_INET6 if ":" in address else socket.AF_INET)
        self._listening.settimeout(0.02)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._listening.getsockname()[1])

    def close(self) -> None:
        self._ended.set()
        self._thread.join(30)
        self._listening.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _peer = self._listening.accept()
            except TimeoutError:
                continue
            self.connections += 1
            with connection:
                connection.settimeout(10)
                try:
                    self._answer(connection)
                except OSError:
                    continue

    def _answer(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                piece = connection.recv(65536)
                if not piece:
                    return
                head += piece
            self.heads.append(head.decode())
            for piece in self.respond(self.heads[-1], len(self.heads)):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)


Listen = Callable[..., Listener]


def reply(status: int = 200, body: bytes = b"", **headers: str) -> list[bytes]:
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}", *(f"{name}: {value}" for name, value in headers.items())]
    return ["\r\n".join(lines).encode() + b"\r\n\r\n" + body]


def marker(head: str, number: int) -> list[bytes]:
    """The answer of a place that has data."""
    return reply(body=b"marker")


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guard that lets something through fails its test here, and reaches nobody."""
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if not ipaddress.ip_address(address[0]).is_loopback:
            pytest.fail(f"a connection to {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture
def listen() -> Iterator[Listen]:
    made: list[Listener] = []

    def start(respond: Respond = marker, address: str = PERMITTED, tls: ssl.SSLContext | None = None) -> Listener:
        made.append(Listener(address, respond, tls))
        return made[-1]

    yield start
    for listener in made:
        listener.close()


@pytest.fixture
def canaries(listen: Listen) -> list[Listener]:
    """Listeners on the loopback addresses of both families that nobody may reach."""
    return [listen(address=CANARY), listen(address="::1")]
