"""Image data in an SQLite file: a store driver that is no part of Glance, for docs/writing-a-driver.md.

It keeps every promise of glance.interfaces.Store, and suits a few images on one machine: all writers wait for each other.
"""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, BinaryIO
from urllib.parse import quote

from oslo_config import cfg

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.store import location as urls

LOG = logging.getLogger(__name__)

OPTIONS = (
    cfg.StrOpt("sqlite_store_path", help="File that images are kept in; made at start when it is missing."),
    cfg.IntOpt("sqlite_store_max_size", default=0, min=0, help="Megabytes that the file may have. 0: no limit."),
)

#: Bytes of each row of image data; the last one of an image may be shorter.
_PIECE = 1 << 20
_PAGE = 4096
_BUSY_SECONDS = 30.0
_DENIED = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})

#: An upload has a size once it is complete, and one of an image can. Ids are never used again: whoever still reads an erased upload must not meet
#: the pieces of another one.
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS upload (id INTEGER PRIMARY KEY AUTOINCREMENT, image TEXT NOT NULL, size INTEGER)",
    "CREATE UNIQUE INDEX IF NOT EXISTS complete ON upload (image) WHERE size IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS piece (upload REFERENCES upload ON DELETE CASCADE, number INTEGER, data BLOB NOT NULL, PRIMARY KEY (upload, number))",
)


class Database:
    """One connection, on which each statement is a transaction. Raises errors of Glance only; what SQLite says may name the file."""

    def __init__(self, store: str, path: str, max_size: int) -> None:
        self._store = store
        try:
            # mode=rw: a file that was there at start and is not now, such as one on a share that is not mounted, is not made anew.
            uri = f"file:{quote(path)}?mode=rw"
            self._connection = sqlite3.connect(uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._meaning(error) from None
        try:
            for pragma in ("foreign_keys = ON", "synchronous = FULL", f"page_size = {_PAGE}", f"max_page_count = {max_size // _PAGE}"):
                self.run(f"PRAGMA {pragma}")
        except BaseException:
            self.close()
            raise

    def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows that a statement gives. It is done, and on stable storage, when this returns."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._meaning(error) from None

    def close(self) -> None:
        self._connection.close()

    def _meaning(self, error: sqlite3.Error) -> errors.GlanceError:
        LOG.error("The store '%s' failed: %s", self._store, error.sqlite_errorname)
        code = error.sqlite_errorcode & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return errors.StorageFull(store=self._store)
        return errors.StoreWriteDenied(store=self._store) if code in _DENIED else errors.StoreUnavailable(store=self._store)


class SqliteBlob:
    """The bytes of an upload from ``start`` up to ``end``. Raises StoreUnavailable when they are erased meanwhile."""

    file: BinaryIO | None = None

    def __init__(self, store: str, database: Database, upload: int, start: int, end: int) -> None:
        self.length = end - start
        self._store = store
        self._database = database
        self._upload = upload
        self._start, self._end = start, end

    def __iter__(self) -> Iterator[bytes]:
        position = self._start
        while position < self._end:
            number, skipped = divmod(position, _PIECE)
            rows = self._database.run("SELECT data FROM piece WHERE upload = ? AND number = ?", self._upload, number)
            if not rows:
                raise errors.StoreUnavailable(store=self._store)
            part: bytes = rows[0][0][skipped : skipped + self._end - position]
            position += len(part)
            yield part

    def close(self) -> None:
        self._database.close()


class SqliteStore:
    """``sqlite://<path of the file>/<image id>``; a connection lasts as long as one call, or one blob."""

    schemes: tuple[str, ...] = ("sqlite",)
    writable = True

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        self.name = name
        self._max_size: int = settings["sqlite_store_max_size"] << 20
        if not settings["sqlite_store_path"]:
            raise errors.ConfigurationError(reason=f"The store '{name}' needs sqlite_store_path.")
        self._path: str = os.path.abspath(settings["sqlite_store_path"])

    @property
    def properties(self) -> Mapping[str, object]:
        return {"path": self._path, "max_size": self._max_size}

    def check(self) -> None:
        """Makes the file, which only its owner and group may read, and its tables."""
        try:
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o640))
        except OSError as error:
            raise errors.ConfigurationError(reason=f"The file of the store '{self.name}' cannot be used: {error.strerror}.") from None
        with closing(self._open()) as database:
            for statement in _SCHEMA:
                database.run(statement)

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        with closing(self._open()) as database:
            if database.run("SELECT id FROM upload WHERE image = ? AND size IS NOT NULL", image_id):
                raise errors.ObjectExists(image_id=image_id)
            [(upload,)] = database.run("INSERT INTO upload (image) VALUES (?) RETURNING id", image_id)
            try:
                stored = 0
                for number, piece in enumerate(_cut(chunks)):
                    database.run("INSERT INTO piece VALUES (?, ?, ?)", upload, number, piece)
                    stored += len(piece)
                if not database.run("UPDATE OR IGNORE upload SET size = ? WHERE id = ? RETURNING id", stored, upload):
                    raise errors.ObjectExists(image_id=image_id)  # another one was complete first
            except BaseException as error:
                try:
                    database.run("DELETE FROM upload WHERE id = ?", upload)
                except errors.GlanceError:
                    if not isinstance(error, errors.ObjectExists):  # discard would erase what is there
                        raise errors.UploadLeftBehind(store=self.name) from None
                raise
        return Location(url=f"sqlite://{self._path}/{image_id}", store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        database = self._open()
        try:
            upload, size = self._find(database, location)
        except BaseException:
            database.close()
            raise
        start = min(offset, size)
        end = size if length is None else min(start + length, size)
        return SqliteBlob(self.name, database, upload, start, end)

    def size(self, ctx: RequestContext, location: Location) -> int:
        with closing(self._open()) as database:
            return self._find(database, location)[1]

    def delete(self, ctx: RequestContext, location: Location) -> None:
        with closing(self._open()) as database:
            upload, _size = self._find(database, location)
            database.run("DELETE FROM upload WHERE id = ?", upload)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        with closing(self._open()) as database:
            database.run("DELETE FROM upload WHERE image = ?", image_id)

    def recognizes(self, location: Location) -> bool:
        return bool(self._image_id(location))

    def close(self) -> None:
        """Nothing is kept between calls."""

    def _open(self) -> Database:
        return Database(self.name, self._path, self._max_size)

    def _find(self, database: Database, location: Location) -> tuple[int, int]:
        """(upload, size in bytes). Raises LocationNotFound."""
        rows = database.run("SELECT id, size FROM upload WHERE image = ? AND size IS NOT NULL", self._image_id(location))
        if not rows:
            raise errors.LocationNotFound(store=self.name)
        return rows[0][0], rows[0][1]

    def _image_id(self, location: Location) -> str:
        """ "" for a location in another place."""
        url = urls.parse(location.url)
        if url is None or url.scheme not in self.schemes or url.authority:
            return ""
        path, _, image_id = url.path.rpartition("/")
        return image_id if path == self._path else ""


def _cut(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """``chunks`` as pieces of one size, the last one excepted."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= _PIECE:
            yield bytes(held[:_PIECE])
            del held[:_PIECE]
    if held:
        yield bytes(held)
