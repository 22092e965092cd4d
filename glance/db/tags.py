"""The tags of an image. One that was removed keeps its row, marked as deleted, and returns in it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from glance import errors
from glance.db.schema import image_tags
from glance.model.image import ImageChanges


def add_tags(connection: Connection, image_id: str, tags: Iterable[str], now: datetime) -> None:
    """Stores tags that the image never had."""
    rows = [{"image_id": image_id, "value": value, "created_at": now, "updated_at": now} for value in sorted(set(tags))]
    if rows:
        connection.execute(insert(image_tags), rows)


def set_tags(connection: Connection, image_id: str, changes: ImageChanges, now: datetime) -> None:
    """Writes only what differs from what is there. Raises TagNotFound."""
    if changes.tags is None and changes.tag is None and changes.untag is None:
        return
    there = {row.value: row for row in connection.execute(select(image_tags).where(image_tags.c.image_id == image_id))}
    live = {value for value, row in there.items() if not row.deleted}
    wanted = _wanted(image_id, live, changes)
    mark = update(image_tags).where(image_tags.c.image_id == image_id)
    if gone := live - wanted:
        connection.execute(mark.where(image_tags.c.value.in_(sorted(gone))).values(deleted=True, deleted_at=now, updated_at=now))
    if back := wanted & there.keys() - live:
        connection.execute(mark.where(image_tags.c.value.in_(sorted(back))).values(deleted=False, deleted_at=None, updated_at=now))
    add_tags(connection, image_id, wanted - there.keys(), now)


def _wanted(image_id: str, live: set[str], changes: ImageChanges) -> set[str]:
    wanted = live if changes.tags is None else set(changes.tags)
    if changes.tag is not None:
        wanted = wanted | {changes.tag}
    if changes.untag is None:
        return wanted
    if changes.untag not in wanted:
        raise errors.TagNotFound(image_id=image_id)
    return wanted - {changes.untag}
