"""The byte loop and its taps."""

from __future__ import annotations

import hashlib
import io
import threading
from concurrent.futures import thread as futures_thread
from types import FrameType

import pytest

from glance import errors
from glance.stream import Count, Digest, Limit, flow, read_chunks
from glance.testing.servers import wait_until

DATA = bytes(range(256)) * 64
#: More than a digest may be behind, in chunks that it hashes on a thread of its own.
LONG = [bytes([number]) * (1 << 18) for number in range(20)]


def pieces(size: int) -> list[bytes]:
    return [DATA[start : start + size] for start in range(0, len(DATA), size)]


@pytest.mark.parametrize("size", [1, 1000, len(DATA), 10 * len(DATA)])
def test_flow_when_it_ends_then_all_taps_have_seen_all(size: int) -> None:
    count, limit = Count(len(DATA)), Limit(len(DATA))
    md5, sha512 = Digest("md5"), Digest("sha512")
    assert b"".join(flow(iter(pieces(size)), (count, limit, md5, sha512))) == DATA
    assert count.total == len(DATA)
    assert (md5.hexdigest, sha512.hexdigest) == (hashlib.md5(DATA).hexdigest(), hashlib.sha512(DATA).hexdigest())


def test_flow_when_it_ends_or_breaks_off_then_no_thread_is_left() -> None:
    before = threading.active_count()
    b"".join(flow(iter(LONG), [Digest("md5")]))
    broken = flow(iter(LONG), [Digest("md5"), Digest("sha512")])
    assert [next(broken) for _ in range(10)] == LONG[:10]
    assert threading.active_count() == before + 2
    broken.close()
    with pytest.raises(errors.StreamTooLarge):
        b"".join(flow(iter(LONG), [Digest("md5"), Limit(1 << 20)]))
    assert threading.active_count() == before


def test_digest_when_chunks_are_long_and_short_in_turn_then_hashed_in_order() -> None:
    chunks = [*pieces(1000), *LONG[:6], *pieces(100), *LONG[6:], b"end"]
    digest = Digest("sha256")
    assert b"".join(flow(iter(chunks), [digest])) == b"".join(chunks)
    assert digest.hexdigest == hashlib.sha256(b"".join(chunks)).hexdigest()


def test_digest_when_chunks_are_short_then_no_thread_is_needed() -> None:
    before = threading.active_count()
    for _ in flow(iter(pieces(100)), [Digest("md5")]):
        assert threading.active_count() == before


def test_digest_when_short_chunks_follow_a_long_one_then_its_thread_has_no_more_to_do() -> None:
    by_thread: list[str] = []

    def watch(frame: FrameType, event: str, _arg: object) -> None:
        if event == "return" and frame.f_code.co_name == "run" and frame.f_code.co_filename == futures_thread.__file__:
            by_thread.append("chunk")

    digest = Digest("md5")
    threading.setprofile(watch)
    try:
        digest.update(LONG[0])
    finally:
        threading.setprofile(None)
    wait_until(lambda: by_thread == ["chunk"], "the long chunk to be hashed")
    for chunk in pieces(1000):
        digest.update(chunk)
    digest.finish()
    digest.close()
    assert by_thread == ["chunk"]
    assert digest.hexdigest == hashlib.md5(LONG[0] + DATA).hexdigest()


@pytest.mark.parametrize(
    ("tap", "error"),
    [
        (Count(len(DATA) + 1), errors.SizeMismatch),
        (Digest("md5", "0" * 32), errors.ChecksumMismatch),
        (Limit(len(DATA) - 1), errors.StreamTooLarge),
    ],
)
def test_flow_when_a_tap_refuses_then_it_does_not_end(tap: Count | Digest | Limit, error: type[Exception]) -> None:
    with pytest.raises(error):
        list(flow(iter(pieces(1000)), [tap]))


def test_digest_when_another_case_is_expected_then_it_is_the_same() -> None:
    assert b"".join(flow(iter([DATA]), [Digest("md5", hashlib.md5(DATA).hexdigest().upper())])) == DATA


def test_chunks_when_the_source_has_more_then_only_what_was_announced() -> None:
    source = io.BytesIO(DATA)
    assert b"".join(read_chunks(source, 100)) == DATA[:100]
    assert source.read() == DATA[100:]


def test_chunks_when_the_source_ends_early_then_the_client_is_gone() -> None:
    with pytest.raises(errors.ClientDisconnected):
        list(read_chunks(io.BytesIO(DATA), len(DATA) + 1))
    assert b"".join(read_chunks(io.BytesIO(DATA))) == DATA


def test_chunks_when_the_server_cannot_read_on_then_the_client_is_gone() -> None:
    class Cut(io.BytesIO):
        """A body as servers of others have it, whose client has reset the connection."""

        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError(size)

    with pytest.raises(errors.ClientDisconnected):
        list(read_chunks(Cut()))
