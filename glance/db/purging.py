"""Rows that nobody needs any more: of images that were deleted long ago, and of what was taken from images that are there.

An image's rows go together, and only when its data are erased and no upload is on record. Its id stays in ``deleted_ids``: nobody is given it again,
as who still uses it would get other data (OSSN-0075).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from sqlalchemy import ColumnElement, Connection, Engine, Table, delete, exists, insert, select

from glance import errors
from glance.db import migrate
from glance.db.schema import deleted_ids, image_locations, image_uploads, images, metadata
from glance.db.transactions import Database
from glance.model.status import DELETED

#: Images, or other rows, in a transaction: others wait for no longer than a moment.
_BATCH = 200

#: What belongs to images, and what is marked there when it is taken from one.
_CHILDREN = [table for table in metadata.sorted_tables if "image_id" in table.c]
_MARKED = [table for table in _CHILDREN if "deleted_at" in table.c]

#: Rows of a table, by the names of its columns.
Rows: TypeAlias = Sequence[Mapping[str, Any]]


class Keep(Protocol):
    """Is given rows before they are removed, and returns when they are safe; the same rows may come again."""

    def __call__(self, table: str, rows: Rows) -> None: ...


def purge(engine: Engine, before: datetime, most: int | None, keep: Keep | None = None) -> Mapping[str, int]:
    """Removes what was deleted ``before`` then (UTC without zone): ``most`` images at most, the oldest first, and as many other rows of each table.

    Gives how many rows of which table were removed. Safe while services run, and at any number at once. Raises ConfigurationError where programs may
    still run that do not know the ids of purged images, and for a database that fails.
    """
    if migrate.due(engine):
        raise errors.ConfigurationError(reason="Programs of an older release may still use the database: run glance-manage db_sync first.")
    database, removed = Database(engine), Counter[str]()
    with migrate.explained(engine):
        for table in _MARKED:
            _batches(database, most, _Leftovers(table, before), keep, removed)
        _batches(database, most, _Images(before), keep, removed)
    return removed


class _Leftovers:
    """Rows of one table, taken from images that are there."""

    def __init__(self, table: Table, before: datetime) -> None:
        self._table = table
        here = select(images.c.id).where(images.c.deleted.is_(False))
        self._doomed = table.c.deleted.is_(True) & (table.c.deleted_at <= before)
        self._found = select(table.c.id).where(self._doomed, table.c.image_id.in_(here)).order_by(table.c.id)

    def find(self, connection: Connection, most: int) -> Sequence[Any]:
        return connection.execute(self._found.limit(most)).scalars().all()

    def rows(self, connection: Connection, ids: Sequence[Any]) -> list[tuple[Table, Rows]]:
        return [(self._table, _rows(connection, self._table, self._table.c.id.in_(ids)))]

    def remove(self, connection: Connection, ids: Sequence[Any]) -> Counter[str]:
        owners = select(self._table.c.image_id).where(self._table.c.id.in_(ids))
        # Who takes a row back has looked for it, holding its image: now it is back already, or is added anew.
        connection.execute(select(images.c.id).where(images.c.id.in_(owners)).order_by(images.c.id).with_for_update()).all()
        these = self._table.c.id.in_(ids) & self._doomed
        return Counter({self._table.name: connection.execute(delete(self._table).where(these)).rowcount})


class _Images:
    """Images with all that belongs to them."""

    def __init__(self, before: datetime) -> None:
        waiting = exists().where(image_locations.c.image_id == images.c.id, image_locations.c.deleted.is_(False))
        uploading = exists().where(image_uploads.c.image_id == images.c.id)
        self._doomed = (images.c.status == DELETED) & images.c.deleted.is_(True) & (images.c.deleted_at <= before) & ~waiting & ~uploading

    def find(self, connection: Connection, most: int) -> Sequence[Any]:
        found = select(images.c.id).where(self._doomed).order_by(images.c.created_at, images.c.id).limit(most)
        return connection.execute(found).scalars().all()

    def rows(self, connection: Connection, ids: Sequence[Any]) -> list[tuple[Table, Rows]]:
        children = [(table, _rows(connection, table, table.c.image_id.in_(ids))) for table in _CHILDREN]
        return [(images, _rows(connection, images, images.c.id.in_(ids))), *children]

    def remove(self, connection: Connection, ids: Sequence[Any]) -> Counter[str]:
        held = connection.execute(select(images.c.id).where(images.c.id.in_(ids), self._doomed).with_for_update()).scalars().all()
        known = exists().where(deleted_ids.c.id == images.c.id)
        burnt = select(images.c.id, images.c.deleted_at).where(images.c.id.in_(held), ~known)
        connection.execute(insert(deleted_ids).from_select(["id", "deleted_at"], burnt))
        removed = {table.name: connection.execute(delete(table).where(table.c.image_id.in_(held))).rowcount for table in _CHILDREN}
        removed[images.name] = connection.execute(delete(images).where(images.c.id.in_(held))).rowcount
        return Counter(removed)


def _batches(database: Database, most: int | None, kind: _Leftovers | _Images, keep: Keep | None, removed: Counter[str]) -> None:
    left = most
    while left is None or left > 0:
        ids = database.read(kind.find, _BATCH if left is None else min(left, _BATCH))
        if not ids:
            return
        if keep is not None:
            for table, rows in database.read(kind.rows, ids):
                keep(table.name, rows)
        removed.update(database.write(kind.remove, ids))
        left = None if left is None else left - len(ids)


def _rows(connection: Connection, table: Table, which: ColumnElement[bool]) -> Rows:
    """What the database does not compute by itself."""
    columns = [column for column in table.c if column.computed is None]
    return [row._asdict() for row in connection.execute(select(*columns).where(which))]
