"""The staging store is a store like any other, without a check at start."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext
from glance.store.drivers.file import FileStoreSettings
from glance.store.staging import StagingStore
from glance.testing.store_contract import ListedStoreContract

CTX = RequestContext()


@pytest.fixture
def datadir(tmp_path: Path) -> Path:
    return tmp_path / "staging"


class TestStagingStore(ListedStoreContract):
    @pytest.fixture
    def store(self, datadir: Path) -> StagingStore:
        return StagingStore(FileStoreSettings(datadir))


def test_staging_store_when_never_needed_then_holds_nothing_and_makes_nothing(datadir: Path) -> None:
    store = StagingStore(FileStoreSettings(datadir))
    assert (list(store.contents()), datadir.exists()) == ([], False)


def test_staging_store_when_first_asked_to_discard_then_its_directory_is_made(datadir: Path) -> None:
    StagingStore(FileStoreSettings(datadir)).discard(CTX, str(uuid.uuid4()))
    assert datadir.is_dir()


def test_staging_store_when_its_directory_cannot_be_made_then_unavailable_until_it_can(datadir: Path) -> None:
    store = StagingStore(FileStoreSettings(datadir))
    datadir.write_text("a file in its place")
    with pytest.raises(errors.StoreUnavailable):
        store.add(CTX, "one", [b"data"], 4)
    datadir.unlink()
    assert store.size(CTX, store.add(CTX, "one", [b"data"], 4)) == 4
