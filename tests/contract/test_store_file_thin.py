"""The file driver with thin provisioning: zeros are read back, but take no room."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.context import RequestContext
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.testing.store_contract import MIB, ListedStoreContract, noise

CTX = RequestContext()
BLOCK = 65536


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    store = FileStore("file", FileStoreSettings(tmp_path / "images", chunk_size=BLOCK, thin=True))
    store.check()
    return store


class TestThinFileStore(ListedStoreContract):
    @pytest.fixture
    def store(self, store: FileStore) -> FileStore:
        return store


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


@pytest.mark.parametrize("piece", [1000, BLOCK, BLOCK + 1, MIB])
def test_add_of_zeros_between_data_then_reads_the_same_and_takes_the_room_of_the_data(store: FileStore, tmp_path: Path, piece: int) -> None:
    data = noise(BLOCK) + bytes(4 * MIB) + noise(100) + bytes(BLOCK - 100) + bytes(2 * MIB) + noise(BLOCK)

    location = store.add(CTX, "one", pieces(data, piece), None)

    file = tmp_path / "images" / "one"
    assert file.read_bytes() == data
    assert store.size(CTX, location) == len(data)
    assert file.stat().st_blocks * 512 <= 4 * BLOCK


@pytest.mark.parametrize("data", [bytes(3 * MIB), noise(100) + bytes(3 * MIB), bytes(1)], ids=["all", "the end", "one byte"])
def test_add_when_zeros_end_the_data_then_the_file_is_as_long(store: FileStore, tmp_path: Path, data: bytes) -> None:
    store.add(CTX, "one", pieces(data, MIB), len(data))

    file = tmp_path / "images" / "one"
    assert file.read_bytes() == data
    assert file.stat().st_blocks * 512 <= BLOCK


def test_add_of_zeros_when_not_thin_then_takes_their_room(tmp_path: Path) -> None:
    store = FileStore("file", FileStoreSettings(tmp_path / "images"))
    store.check()

    store.add(CTX, "one", [bytes(4 * MIB)], 4 * MIB)

    assert (tmp_path / "images" / "one").stat().st_blocks * 512 >= 4 * MIB
