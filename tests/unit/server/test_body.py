"""Request bodies: exact framing, or ClientDisconnected."""

import random
import time
import tracemalloc

import pytest

from glance import errors
from glance.server.body import Body, ChunkedBody, LengthBody


class Pieces:
    """A wire that delivers ``data`` in pieces of at most ``size`` bytes, then its end."""

    def __init__(self, data: bytes, size: int = 1 << 20) -> None:
        self.data = data
        self.size = size

    def receive(self, size: int) -> bytes:
        piece = self.data[: min(size, self.size)]
        self.data = self.data[len(piece) :]
        return piece

    def unread(self, data: bytes) -> None:
        self.data = data + self.data


def chunks(*pieces: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def test_body_with_length_when_read_then_the_next_request_stays_on_the_wire() -> None:
    wire = Pieces(b"hello" + b"GET / HTTP/1.1")
    body = LengthBody(wire, 5)
    assert body.read() == b"hello"
    assert body.read(10) == b""
    assert body.finished
    assert wire.data == b"GET / HTTP/1.1"


def test_body_in_chunks_when_a_client_pauses_then_what_was_read_is_held_no_longer() -> None:
    held: list[int] = []

    class Pausing(Pieces):
        def receive(self, size: int) -> bytes:
            if not self.data:
                held.append(tracemalloc.get_traced_memory()[0])
            return super().receive(size)

    tracemalloc.start()
    try:
        body = ChunkedBody(Pausing(b"%x\r\n%b" % (2 << 20, bytes(1 << 20))))
        body.read((1 << 20) - 64)
        with pytest.raises(errors.ClientDisconnected):
            body.read(1 << 20)
    finally:
        tracemalloc.stop()
    assert held[-1] < 256 * 1024


def test_body_with_length_when_the_client_ends_early_then_an_error_every_time() -> None:
    body = LengthBody(Pieces(b"he"), 5)
    assert body.read(2) == b"he"
    for _ in range(2):
        with pytest.raises(errors.ClientDisconnected):
            body.read(1)
    assert body.broken


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
def test_chunked_body_when_it_comes_in_pieces_then_read_exactly(size: int) -> None:
    wire = Pieces(chunks(b"hello", b" ", b"world" * 30_000) + b"GET", size)
    body = ChunkedBody(wire)
    assert body.read() == b"hello " + b"world" * 30_000
    assert body.finished
    assert wire.data == b"GET"


def test_chunked_body_when_read_in_random_sizes_then_equal() -> None:
    generator = random.Random(1)
    pieces = [generator.randbytes(generator.choice((1, 2, 5, 300, 70_000))) for _ in range(300)]
    body = ChunkedBody(Pieces(chunks(*pieces), 1000))
    data = b""
    while more := body.read(generator.choice((1, 3, 4096, 100_000))):
        data += more
    assert data == b"".join(pieces)


GOOD_CHUNKS = {
    "empty": (b"0\r\n\r\n", b""),
    "upper-case": (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "leading-zeros": (b"0005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "extension": (b'5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n', b"hello"),
    "trailers": (b"5\r\nhello\r\n0\r\nX-A: a\r\nX-B: GET / HTTP/1.1\r\n\r\n", b"hello"),
}


@pytest.mark.parametrize(("raw", "data"), GOOD_CHUNKS.values(), ids=GOOD_CHUNKS)
@pytest.mark.parametrize("size", [1, 1000])
def test_chunked_body_when_correct_then_only_its_data_is_seen(raw: bytes, data: bytes, size: int) -> None:
    wire = Pieces(raw + b"next", size)
    assert ChunkedBody(wire).read() == data
    assert wire.data == b"next"


BROKEN_CHUNKS = {
    "size-hex-prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size-underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size-plus": b"+5\r\nhello\r\n0\r\n\r\n",
    "size-negative": b"-1\r\nhello\r\n0\r\n\r\n",
    "size-space-before": b" 5\r\nhello\r\n0\r\n\r\n",
    "size-space-after": b"5 \r\nhello\r\n0\r\n\r\n",
    "size-space-extension": b"5 ;a\r\nhello\r\n0\r\n\r\n",
    "size-empty": b"\r\nhello\r\n0\r\n\r\n",
    "size-overflow": b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "size-bare-lf": b"5\nhello\r\n0\r\n\r\n",
    "size-too-small": b"4\r\nhello\r\n0\r\n\r\n",
    "size-too-large": b"6\r\nhello\r\n0\r\n\r\n",
    "extension-long": b"5;" + b"a" * 300 + b"\r\nhello\r\n0\r\n\r\n",
    "extension-huge": b"5;" + b"a" * (1 << 20),
    "extension-control": b"5;a\0\r\nhello\r\n0\r\n\r\n",
    "data-bare-lf": b"5\r\nhello\n0\r\n\r\n",
    "end-in-size": b"5\r\nhello\r\n1",
    "end-in-data": b"5\r\nhel",
    "end-before-last-chunk": b"5\r\nhello\r\n",
    "end-in-trailers": b"0\r\nX-A: a\r\n",
    "trailer-folded": b"0\r\nX-A: a\r\n b\r\n\r\n",
    "trailer-bare-lf": b"0\r\nX-A: a\n\r\n",
    "trailers-large": b"0\r\n" + b"X-A: aaaaaaaaaaaaaaaaaaaa\r\n" * 1000 + b"\r\n",
}


@pytest.mark.parametrize("raw", BROKEN_CHUNKS.values(), ids=BROKEN_CHUNKS)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_chunked_body_when_its_framing_breaks_then_an_error_and_never_an_end(raw: bytes, size: int) -> None:
    body = ChunkedBody(Pieces(raw, size))
    with pytest.raises(errors.ClientDisconnected):
        body.read()
    assert body.broken
    assert not body.finished
    assert body.is_beyond(1 << 30)


def test_chunked_body_when_it_has_a_million_chunks_of_one_byte_then_it_costs_less_than_two_seconds() -> None:
    body = ChunkedBody(Pieces(b"1\r\nx\r\n" * 10**6 + b"0\r\n\r\n"))
    started = time.process_time()
    count = 0
    while data := body.read(1 << 20):
        count += len(data)
    assert count == 10**6
    assert time.process_time() - started < 2


def test_read_when_little_has_come_then_waits_for_64_kib_and_no_longer() -> None:
    body = LengthBody(Pieces(b"x" * (1 << 20), 1000), 1 << 20)
    assert 65536 <= len(body.read(1 << 20)) < 67000
    assert len(body.read(5000)) == 5000


def test_body_when_used_as_a_file_then_lines_and_buffers_work() -> None:
    body = ChunkedBody(Pieces(chunks(b"one\ntw", b"o\nthree")))
    assert body.readline() == b"one\n"
    buffer = bytearray(2)
    assert body.readinto(buffer) == 2
    assert buffer == b"tw"
    assert list(body) == [b"o\n", b"three"]


@pytest.mark.parametrize("make", [lambda wire, asked: LengthBody(wire, 3, asked), ChunkedBody])
def test_expectation_when_the_body_is_read_then_met_once_before_the_first_byte(make) -> None:
    asked: list[str] = []
    body: Body = make(Pieces(b"abc" if make is not ChunkedBody else chunks(b"abc")), lambda: asked.append("100"))
    assert body.is_beyond(100)
    assert asked == []
    assert body.read() == b"abc"
    assert asked == ["100"]


def test_expectation_when_the_client_is_gone_then_an_error_and_no_further_request() -> None:
    def send_100() -> None:
        raise errors.ClientDisconnected

    body = LengthBody(Pieces(b"abc"), 3, send_100)
    with pytest.raises(errors.ClientDisconnected):
        body.read()
    assert body.broken


@pytest.mark.parametrize(("length", "discarded"), [(0, True), (1000, True), (1001, False)])
def test_discard_when_more_than_the_limit_is_left_then_refused(length: int, discarded: bool) -> None:
    body = LengthBody(Pieces(b"x" * length), length)
    assert body.is_beyond(1000) is not discarded
    assert body.discard(1000) is discarded


@pytest.mark.parametrize(("raw", "discarded"), [(chunks(b"x" * 1000), True), (chunks(b"x" * 1001), False), (b"5\r\nhel", False)])
def test_discard_when_chunked_then_bounded_as_well(raw: bytes, discarded: bool) -> None:
    assert ChunkedBody(Pieces(raw, 300)).discard(1000) is discarded


def test_discard_when_the_client_waits_for_100_then_never_reads() -> None:
    assert not LengthBody(Pieces(b"xxx"), 3, lambda: None).discard(1000)
