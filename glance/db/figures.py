"""What operators watch of a database: whether it answers as it should, and how much is in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Connection, Engine, event, func, select

from glance import errors
from glance.db.revisions import Revisions
from glance.db.schema import image_uploads, images
from glance.db.transactions import Database

_IN_USE = "glance_in_use"


class SqlFigures:
    """Of the database of ``engine``."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)
        self._revisions = Revisions()
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._inode = self._look()

    def check_answer(self) -> None:
        """Raises DatabaseUnavailable."""
        self._check_file()
        self._database.read(_one)

    def check_schema(self) -> None:
        """Raises SchemaOutdated, DatabaseUnavailable."""
        self._check_file()
        if not self._database.read(self._revisions.fit):
            raise errors.SchemaOutdated

    def images(self) -> Mapping[tuple[str, ...], int]:
        """How many images there are of each status and visibility, deleted ones aside."""
        return self._database.read(_count_images)

    def uploads(self) -> int:
        """How many uploads are on record."""
        return self._database.read(_count_uploads)

    def _check_file(self) -> None:
        """A file of SQLite that was moved away still serves whoever has it open, and all that is lost."""
        if self._look() != self._inode:
            raise errors.DatabaseUnavailable

    def _look(self) -> tuple[int, int] | None:
        """Which file the database is; None for one that is not a file, or is not there."""
        try:
            status = os.stat(self._path or "")
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino


def watch_pool(engine: Engine, changed: Callable[[int], None]) -> None:
    """Tells by how many the connections in use become more."""

    @event.listens_for(engine, "checkout")
    def taken(_connection: Any, record: Any, _proxy: Any) -> None:
        record.record_info[_IN_USE] = True
        changed(1)

    @event.listens_for(engine, "checkin")
    def returned(_connection: Any, record: Any) -> None:
        if record.record_info.pop(_IN_USE, False):  # what could not even connect is returned, too
            changed(-1)


def _one(connection: Connection) -> None:
    connection.scalar(select(1))


def _count_images(connection: Connection) -> dict[tuple[str, ...], int]:
    columns = images.c.visibility, images.c.status
    rows = connection.execute(select(*columns, func.count()).where(~images.c.deleted).group_by(*columns))
    return {(status, visibility): count for visibility, status, count in rows}


def _count_uploads(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(image_uploads)) or 0
