"""However a stream arrives, and whatever is in it: the same decision, in little time and memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import disk_images
from tests.disk_images import MIB, SIZE, patched
from tests.unit.inspector.decisions import decide
from tests.unit.inspector.test_decisions import HOSTILE, TABLE, footed

SAMPLES = {
    **{name: data for name, (_, data) in HOSTILE.items()},
    **{name: data for name, (_, data, *_) in TABLE.items()},
    "VMDK stream": footed(),
}
DECLARED = ("raw", "qcow2", "vmdk", "vhdx", "iso", "ami")
MAGICS = (b"QFI\xfb", b"QED\0", b"conectix", b"vhdxfile", b"KDMV", b"LUKS\xba\xbe", b"\x01CD001", b"\x7f\x10\xda\xbe", b"\x55\xaa", b"COWD", b"\xff")
#: Offsets where formats have what tells them apart.
HEADERS = st.one_of(st.integers(0, 700), st.integers(32768, 33000), st.integers(192 * 1024, 193 * 1024))


def cut(data: bytes, sizes: Sequence[int], rest: int) -> Iterator[bytes]:
    """``data`` in pieces of those sizes, then of ``rest`` bytes each."""
    start = 0
    for size in sizes:
        yield data[start : start + size]
        start += size
    for one in range(start, len(data), rest):
        yield data[one : one + rest]


@given(
    data=st.sampled_from(list(SAMPLES.values())),
    declared=st.sampled_from(DECLARED),
    sizes=st.lists(st.integers(1, 700), max_size=50),
    rest=st.sampled_from([4096, 65521, MIB - 1, MIB, MIB + 1]),
    must_match=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_stream_when_cut_anywhere_then_the_same_decision(data: bytes, declared: str, sizes: list[int], rest: int, must_match: bool) -> None:
    assert decide(cut(data, sizes, rest), declared, must_match=must_match) == decide([data], declared, must_match=must_match)


@pytest.mark.parametrize("name", SAMPLES)
def test_stream_when_it_begins_byte_by_byte_then_the_same_decision(name: str) -> None:
    data = SAMPLES[name]
    for declared in ("raw", "vmdk"):
        assert decide(cut(data, [1] * 2000, MIB), declared) == decide([data], declared)


@given(
    data=st.sampled_from(list(SAMPLES.values())),
    changes=st.lists(
        st.tuples(st.one_of(st.integers(0, 700), st.integers(32768, 33000), st.integers(192 * 1024, 193 * 1024)), st.binary(max_size=9))
    ),
    magics=st.lists(st.tuples(st.sampled_from([0, 64, 510, 32768]), st.sampled_from(MAGICS)), max_size=3),
    length=st.one_of(st.none(), st.integers(0, 3 * MIB)),
    declared=st.sampled_from(DECLARED),
)
@settings(max_examples=300, deadline=None)
def test_data_when_damaged_or_several_things_at_once_then_one_decision_and_no_crash(
    data: bytes, changes: list[tuple[int, bytes]], magics: list[tuple[int, bytes]], length: int | None, declared: str
) -> None:
    damaged = patched(data, *changes, *magics)[:length]
    outcome = decide([damaged], declared)
    assert outcome in {"data-format-mismatch", "image-unsafe", None} or 0 < int(str(outcome)) < 2**63


@pytest.mark.parametrize("magic", MAGICS)
def test_magic_when_it_stands_alone_then_raw_or_refused(magic: bytes) -> None:
    assert decide([magic], "raw") in {"data-format-mismatch", "image-unsafe", len(magic)}


LONG = {
    **{name: data for name, (_, data) in HOSTILE.items()},
    "VHDX of many regions, none of them metadata": patched(disk_images.vhdx(2047), (192 * 1024 + 16 + 2046 * 32, b"\x11" * 32)),
    "VHDX of endless metadata": patched(disk_images.vhdx(), (MIB + 10, b"\xff\xff")),
    "VMDK stream without end": footed(),
    "text without end": b"text " * (MIB // 5),
}


@pytest.mark.parametrize("name", LONG)
def test_hostile_header_when_much_follows_then_little_time_and_memory(name: str) -> None:
    rest = bytes(MIB)
    begun = time.thread_time()
    decide([LONG[name], *[rest] * 32], "raw")
    assert time.thread_time() - begun < 0.5
    tracemalloc.start()
    try:
        decide([LONG[name], *[rest] * 8], "raw")
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * MIB + len(LONG[name])


def test_stream_when_it_is_very_long_then_its_length_is_known() -> None:
    piece = bytes(MIB)
    assert decide((piece for _ in range(1 << 16)), "raw") == 1 << 36
    assert decide([disk_images.gpt_disk(), *[piece] * 100], "raw") == 101 * MIB
    assert decide([disk_images.vhdx(), *[piece] * 100], "vhdx") == SIZE
