"""A connection's limits on slow peers, on socket pairs."""

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glance import errors
from glance.server.connection import Connection, Pace, PeerGone
from tests.certificates import Certificate, certificate  # noqa: F401 - a fixture


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Connection(ours, ("client", 1)), theirs


def test_pace_when_a_byte_comes_every_30_seconds_then_ends_after_the_window() -> None:
    pace = Pace(900)
    for _ in range(29):
        pace.add(30, 1)
    with pytest.raises(TimeoutError):
        pace.add(30, 1)


def test_pace_when_slow_but_steady_then_goes_on() -> None:
    pace = Pace(10)
    for _ in range(1000):
        pace.add(1, 200)


def test_receive_when_nothing_comes_then_the_client_counts_as_gone(pair) -> None:
    conn, _ = pair
    conn.block(0.05)
    with pytest.raises(errors.ClientDisconnected):
        conn.receive(10)


def test_receive_when_bytes_were_put_back_then_they_come_first(pair) -> None:
    conn, theirs = pair
    conn.block(5)
    theirs.sendall(b"cd")
    conn.unread(b"ab")
    assert conn.receive(1) == b"a"
    assert conn.receive(10) == b"b"
    assert conn.receive(10) == b"cd"


@pytest.mark.parametrize("pieces", [[b"\r\nGET"], [b"\r\n", b"GET"], [b"\r", b"\nGET"]])
def test_request_when_an_empty_line_comes_before_it_then_only_the_line_is_dropped(pair, pieces: list[bytes]) -> None:
    conn, theirs = pair
    has_begun = []
    for piece in pieces:
        theirs.sendall(piece)
        has_begun.append(conn.await_request(5))
    assert (has_begun, conn.buffer) == ([False] * (len(pieces) - 1) + [True], b"GET")


def test_receive_when_much_comes_then_more_at_a_time_until_little_comes_again(pair) -> None:
    conn, theirs = pair
    conn.block(5)
    theirs.sendall(bytes(200_000))
    assert [len(conn.receive(size)) for size in (1 << 20, 6, 1 << 20, 1 << 20)] == [65_536, 6, 131_072, 200_000 - 65_536 - 6 - 131_072]
    theirs.sendall(bytes(100_000))
    assert len(conn.receive(1 << 20)) == 65_536


def test_send_when_nobody_reads_then_given_up(pair) -> None:
    conn, _ = pair
    conn.block(0.1)
    with pytest.raises(PeerGone):
        conn.send(b"x" * (8 << 20))


def test_send_when_the_client_reads_a_little_now_and_then_then_given_up(pair) -> None:
    conn, theirs = pair
    conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    done = threading.Event()

    def sip() -> None:
        while not done.wait(0.02):
            theirs.recv(1)

    reader = threading.Thread(target=sip)
    reader.start()
    conn.block(0.3)
    started = time.monotonic()
    try:
        with pytest.raises(PeerGone):
            conn.send(b"x" * (1 << 20))
    finally:
        done.set()
        reader.join()
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(("offset", "count", "sent"), [(0, 1 << 20, 1 << 20), (5, 100, 100), ((1 << 20) - 10, 100, 10)])
def test_sendfile_when_given_a_region_then_sends_what_there_is_of_it(pair, offset: int, count: int, sent: int) -> None:
    conn, theirs = pair
    conn.block(5)
    data = bytes(range(256)) * 4096
    received = bytearray()

    def read() -> None:
        while more := theirs.recv(65536):
            received.extend(more)

    reader = threading.Thread(target=read)
    reader.start()
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        assert conn.sendfile(file.fileno(), offset, count) == sent
        assert file.tell() == offset + sent
    conn.sock.shutdown(socket.SHUT_WR)
    reader.join()
    assert bytes(received) == data[offset : offset + count]


def test_sendfile_when_nobody_reads_then_given_up(pair) -> None:
    conn, _ = pair
    conn.block(0.1)
    with tempfile.TemporaryFile() as file:
        file.truncate(64 << 20)
        with pytest.raises(PeerGone):
            conn.sendfile(file.fileno(), 0, 64 << 20)


SENDFILE = """
import socket, sys
from glance.server.connection import Connection, PeerGone

ours, theirs = socket.socketpair()
conn = Connection(ours, ("client", 1))
conn.block(5)
try:
    with open(sys.executable, "rb") as file:
        conn.sendfile(file.fileno(), 0, 100)
except (PeerGone, OSError) as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("error", "raised"),
    [("EPIPE", "PeerGone"), ("ETIMEDOUT", "PeerGone"), ("EHOSTUNREACH", "PeerGone"), ("ENETUNREACH", "PeerGone"), ("EIO", "OSError")],
)
def test_sendfile_when_it_fails_then_the_peer_is_told_from_the_file(error: str, raised: str) -> None:
    command = ["strace", "-o", "/dev/null", "-e", "trace=sendfile", "-e", f"inject=sendfile:error={error}", sys.executable, "-c", SENDFILE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == [raised], done.stderr


def test_receive_when_many_records_of_tls_have_come_then_all_at_once_and_the_rest_is_waited_for(certificate: Certificate) -> None:  # noqa: F811
    ours, theirs = socket.socketpair()
    trusting = ssl.create_default_context(cafile=str(certificate.public))
    trusting.check_hostname = False
    with ThreadPoolExecutor(1) as pool:
        client_side = pool.submit(trusting.wrap_socket, theirs)
        with certificate.server_context().wrap_socket(ours, server_side=True) as secured, client_side.result() as client:
            conn = Connection(secured, ("client", 1))
            conn.block(5)
            client.sendall(bytes(50_000))
            assert len(conn.receive(1 << 20)) == 50_000
            assert conn.sock.gettimeout() == 5
            later = pool.submit(lambda: time.sleep(0.1) or client.sendall(b"later"))
            assert conn.receive(1 << 20) == b"later"
            later.result()
