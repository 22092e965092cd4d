"""One request on one connection: who sends a file, and the line in the access log."""

from __future__ import annotations

import io
import logging
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pytest

from glance import errors
from glance.server.connection import Connection
from glance.server.http import HeadRules, find_head_end
from glance.server.settings import ServerSettings
from glance.server.wsgi import Outcome, Site
from tests.certificates import Certificate, certificate  # noqa: F401 - a fixture

LENGTH = 300_000
DATA = os.urandom(LENGTH)


class Unread(io.FileIO):
    """A file that only the kernel reads."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise AssertionError(f"{size} bytes were read in this process")


@pytest.fixture
def file() -> Iterator[BinaryIO]:
    with tempfile.NamedTemporaryFile(buffering=0) as file:
        file.write(DATA)
        file.seek(0)
        yield file  # type: ignore[misc]


def download(claimed_scheme: str, opened: BinaryIO | io.FileIO) -> Callable[..., Any]:
    """An application that believes what a proxy says of the way to its client, and sends a file as the server offers it."""

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        environ["wsgi.url_scheme"] = claimed_scheme
        start_response("200 OK", [("Content-Length", str(LENGTH))])
        return environ.get("wsgi.file_wrapper", lambda file: iter(lambda: file.read(65536), b""))(opened)

    return application


@contextmanager
def answering(application: Callable[..., Any], ours: socket.socket, outcomes: list[Outcome]) -> Iterator[None]:
    """Carries out one request that comes on a socket."""
    site, conn = Site(application, ServerSettings(), ("127.0.0.1", 1)), Connection(ours, ("client", 1))

    def serve() -> None:
        conn.block(20)
        end = None
        while end is None:
            conn.buffer += conn.sock.recv(65536)
            end = find_head_end(conn.buffer, 0, HeadRules())
        outcomes.append(site.serve(conn, end, may_keep=lambda: False, may_stay=lambda: False))
        conn.sock.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def ask(theirs: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of the answer to a request."""
    theirs.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    with theirs.makefile("rb") as answer:
        head, _, body = answer.read().partition(b"\r\n\r\n")
    return head, body


def test_file_when_a_proxy_speaks_tls_with_the_client_then_the_kernel_sends_it(file: BinaryIO) -> None:
    ours, theirs = socket.socketpair()
    outcomes: list[Outcome] = []
    with theirs, answering(download("https", Unread(file.name)), ours, outcomes):
        head, body = ask(theirs)
    assert (head[:15], body == DATA, outcomes) == (b"HTTP/1.1 200 OK", True, [Outcome.CLOSE])


def test_file_when_we_speak_tls_then_it_is_encrypted_whatever_a_header_says(file: BinaryIO, certificate: Certificate) -> None:  # noqa: F811
    context = certificate.server_context()
    trusting = ssl.create_default_context(cafile=str(certificate.public))
    ours, theirs = socket.socketpair()
    outcomes: list[Outcome] = []
    secured: list[ssl.SSLSocket] = []
    handshake = threading.Thread(target=lambda: secured.append(context.wrap_socket(ours, server_side=True)))
    handshake.start()
    with trusting.wrap_socket(theirs, server_hostname="permitted.example") as client:
        handshake.join()
        with answering(download("http", file), secured[0], outcomes):
            head, body = ask(client)
    assert (head[:15], body == DATA, outcomes) == (b"HTTP/1.1 200 OK", True, [Outcome.CLOSE])


def test_file_when_it_is_shorter_than_announced_then_the_connection_is_cut(file: BinaryIO) -> None:
    file.truncate(LENGTH - 1)
    ours, theirs = socket.socketpair()
    outcomes: list[Outcome] = []
    with theirs, answering(download("http", file), ours, outcomes):
        head, body = ask(theirs)
    assert (b"Content-Length: 300000" in head, body == DATA[:-1], outcomes) == (True, True, [Outcome.CUT])


def test_expectation_when_the_client_is_gone_before_it_is_met_then_the_application_learns_that() -> None:
    gone, learned = threading.Event(), threading.Event()

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        gone.wait(20)
        try:
            environ["wsgi.input"].read()
        except errors.ClientDisconnected:
            learned.set()
        start_response("400 Bad Request", [])
        return []

    ours, theirs = socket.socketpair()
    outcomes: list[Outcome] = []
    with answering(application, ours, outcomes):
        theirs.sendall(b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        theirs.close()
        gone.set()
    assert (outcomes, learned.is_set()) == ([Outcome.CUT], True)


def test_access_log_when_the_records_are_made_by_others_then_it_gets_those(caplog: pytest.LogCaptureFixture) -> None:
    class Marked(logging.LogRecord):
        """What a library of tracing adds to each record."""

        trace = "trace-1"

    ours, theirs = socket.socketpair()
    made = logging.getLogRecordFactory()
    caplog.set_level(logging.INFO, logger="glance.access")
    logging.setLogRecordFactory(Marked)
    try:
        with theirs, answering(lambda _environ, start: start("204 No Content", []) and [], ours, []):
            ask(theirs)
    finally:
        logging.setLogRecordFactory(made)
    [record] = [record for record in caplog.records if record.name == "glance.access"]
    assert getattr(record, "trace", None) == "trace-1"
    assert record.getMessage().startswith('client "GET /" 204 0 ')
