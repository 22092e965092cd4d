"""The driver against the suite that every store of Glance passes."""

import os
import sqlite3
from contextlib import closing

import pytest
from glance_sqlite_store import SqliteStore

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.testing.store_contract import MIB, BrokenSource, StoreContract, new_id


def make(path, max_size=0):
    return SqliteStore("shelf", {"sqlite_store_path": str(path), "sqlite_store_max_size": max_size})


class TestSqliteStore(StoreContract):
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "images.sqlite"

    @pytest.fixture
    def store(self, path):
        store = make(path)
        store.check()
        yield store
        store.close()

    @pytest.fixture
    def held(self, path):
        def held():
            with closing(sqlite3.connect(path)) as database:
                return database.execute("SELECT image FROM upload").fetchall() + database.execute("SELECT upload FROM piece").fetchall()

        return held

    @pytest.fixture
    def failing_adds(self, tmp_path):
        gone, small, read_only = (make(tmp_path / name, max_size=1) for name in ("gone", "small", "read-only"))
        small.check()
        read_only.check()
        with (tmp_path / "read-only").open("r+b") as file:
            file.seek(18)
            file.write(b"\3")  # the version of SQLite files that may write here (sqlite.org/fileformat2.html, 1.3.3): one that there is not
        return [(gone, errors.StoreUnavailable), (small, errors.StorageFull), (read_only, errors.StoreWriteDenied)]

    @pytest.fixture
    def failing_reads(self, tmp_path):
        garbage = tmp_path / "garbage"
        garbage.write_bytes(b"no database" * MIB)
        return [(make(path), Location(url=f"sqlite://{path}/some-image", store="shelf")) for path in (tmp_path / "gone", garbage)]


def test_add_when_it_cannot_take_back_its_pieces_says_that_something_is_left(tmp_path):
    store = make(tmp_path / "images.sqlite")
    store.check()

    def breaking():
        yield bytes(MIB)
        os.truncate(tmp_path / "images.sqlite", 100)
        raise BrokenSource

    with pytest.raises(errors.UploadLeftBehind):
        store.add(RequestContext(), new_id(), breaking(), None)
