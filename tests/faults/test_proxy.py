"""The fault proxy itself: each fault does what it says, and when it is over all passes again."""

from __future__ import annotations

import contextlib
import http.client
import socket
import socketserver
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import BUSY, ERROR, GARBAGE, REFUSED, SILENT, TRUNCATED, Fault, Proxy
from tests.running import running

DATA = bytes(range(256)) * 40


class Echo(socketserver.BaseRequestHandler):
    """Sends back what it receives."""

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.request.recv(65536):
                self.request.sendall(data)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    with running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo)) as echo:
        yield echo.server_address[1]


@pytest.fixture
def proxy(server: int) -> Iterator[Proxy]:
    with Proxy(server) as proxy:
        yield proxy


def connect(proxy: Proxy, timeout: float = 20) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout)


def exchange(connection: socket.socket, data: bytes = DATA) -> bytes:
    """What comes back of ``data``, as long as anything does."""
    connection.sendall(data)
    received = b""
    while len(received) < len(data) and (part := connection.recv(65536)):
        received += part
    return received


def test_proxy_without_a_fault_then_passes_everything_and_ends(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert exchange(connection) == DATA
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert (proxy.sent, proxy.received) == (len(DATA), len(DATA))


def test_refused_then_old_and_new_connections_fail_until_it_is_over(proxy: Proxy) -> None:
    with connect(proxy) as old:
        exchange(old)
        for _round in range(3):
            proxy.fault = REFUSED
            with pytest.raises(ConnectionRefusedError):
                connect(proxy)
            proxy.fault = None
            with connect(proxy) as new:
                assert exchange(new) == DATA
        with pytest.raises(ConnectionResetError):
            old.recv(1)


def test_silence_then_no_byte_passes_until_it_is_over(proxy: Proxy) -> None:
    proxy.fault = SILENT
    with connect(proxy, timeout=0.2) as connection:
        with pytest.raises(TimeoutError):
            exchange(connection)
        proxy.fault = None
        connection.settimeout(20)
        assert connection.recv(len(DATA), socket.MSG_WAITALL) == DATA


@pytest.mark.parametrize(("fault", "passed"), [(Fault("up", reset_up=1000), 1000), (Fault("down", reset_down=0), len(DATA))])
def test_reset_then_comes_after_that_many_bytes(proxy: Proxy, fault: Fault, passed: int) -> None:
    with connect(proxy) as connection:
        exchange(connection)
        proxy.fault = fault
        with pytest.raises(ConnectionResetError):
            exchange(connection)
    assert proxy.sent == len(DATA) + passed


def test_reset_when_it_is_for_one_connection_then_the_next_one_passes(proxy: Proxy) -> None:
    proxy.fault = Fault("once", reset_down=5, times=1)
    with connect(proxy) as first:
        first.sendall(DATA)
        assert first.recv(5, socket.MSG_WAITALL) == DATA[:5]
        with pytest.raises(ConnectionResetError):
            first.recv(1)
    with connect(proxy) as second:
        assert exchange(second) == DATA


def test_rate_and_delay_then_bytes_come_late(proxy: Proxy) -> None:
    for fault in (Fault("slow", rate=len(DATA) * 2), Fault("late", delay=0.5)):
        proxy.fault = fault
        started = time.monotonic()
        with connect(proxy) as connection:
            assert exchange(connection) == DATA
        assert time.monotonic() - started > 0.5


@pytest.mark.parametrize(("fault", "status"), [(ERROR, 500), (BUSY, 503)], ids=lambda value: getattr(value, "name", None))
def test_answer_then_replaces_that_of_the_server_also_in_the_middle_of_a_request(proxy: Proxy, fault: Fault, status: int) -> None:
    proxy.fault = fault
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    client.request("PUT", "/", bytes(3_000_000))
    answer = client.getresponse()
    assert (answer.status, answer.getheader("Retry-After")) == (status, "1" if fault is BUSY else None)
    assert answer.read()
    client.close()
    assert proxy.sent == 0


@pytest.mark.parametrize(
    ("fault", "error"), [(GARBAGE, http.client.BadStatusLine), (TRUNCATED, http.client.IncompleteRead)], ids=["garbage", "truncated"]
)
def test_answer_of_no_use_then_the_client_finds_out(proxy: Proxy, fault: Fault, error: type[Exception]) -> None:
    proxy.fault = fault
    client = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=20)
    client.request("GET", "/")
    with pytest.raises(error):
        client.getresponse().read()
    client.close()


def test_armed_fault_then_begins_with_the_pattern_also_in_pieces(proxy: Proxy) -> None:
    proxy.arm(REFUSED, b"/last-object")
    with connect(proxy) as connection:
        assert exchange(connection, b"PUT /first-object") == b"PUT /first-object"
        assert exchange(connection, b"PUT /last") == b"PUT /last"
        with pytest.raises(ConnectionResetError):
            exchange(connection, b"-object")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)


@pytest.mark.parametrize("fault", [SILENT, Fault("late", delay=60), Fault("slow", rate=0.1)], ids=lambda fault: fault.name)
def test_heal_then_what_was_stuck_is_lost_and_all_else_passes(proxy: Proxy, fault: Fault) -> None:
    with connect(proxy) as old:
        exchange(old)
        proxy.fault = fault
        sent = proxy.sent
        old.sendall(DATA)
        time.sleep(0.1)  # until it is stuck; the test holds without
        proxy.heal()
        with pytest.raises(ConnectionResetError):
            old.recv(1)
        assert proxy.sent < sent + len(DATA)
    with connect(proxy) as new:
        assert exchange(new) == DATA


def test_end_of_the_proxy_when_connections_are_stuck_then_they_end_too(server: int) -> None:
    with Proxy(server) as proxy:
        proxy.fault = SILENT
        connection = connect(proxy)
        connection.sendall(DATA)
    with connection, contextlib.suppress(ConnectionResetError):
        assert connection.recv(1) == b""
