"""``AuditRecords`` in SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import ColumnElement, Connection, Select, exists, func, select, update

from glance.db.locations import gone
from glance.db.mapping import from_location, to_image, to_location
from glance.db.query import IMAGES, Checked
from glance.db.schema import image_locations, images
from glance.db.transactions import Database
from glance.model.image import Image, Location

#: Data that should be there, and that nobody is about to erase.
_KEPT = Checked(image_locations.c.status).in_(("active", "staged"))
_ACTIVE = image_locations.c.status == "active"


class SqlAudits:
    """``clock`` gives the time, UTC without zone."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def count(self, since: datetime | None = None) -> int:
        return self._database.read(_count, since)

    def newest(self) -> datetime | None:
        return self._database.read(_newest)

    def page(self, after: str, limit: int, since: datetime | None = None) -> Sequence[Image]:
        return self._database.read(_page, after, limit, since)

    def noted(self, location_ids: Sequence[int]) -> Mapping[int, datetime]:
        return self._database.read(_noted, location_ids)

    def twins(self) -> Sequence[tuple[str, Location]]:
        return self._database.read(_twins)

    def relocate(self, location_id: int, url: str, found: Location) -> bool:
        now = self._clock()
        return self._database.write.once(partial(_changed, location_id, now), _relocate, location_id, url, found, now)

    def forget(self, location_id: int) -> bool:
        now = self._clock()
        return self._database.write.once(partial(_changed, location_id, now), _forget, location_id, now)


def _relocate(connection: Connection, location_id: int, url: str, found: Location, now: datetime) -> bool:
    values = from_location("", found, now)
    changed = {name: values[name] for name in ("value", "store", "updated_at")}
    there = (image_locations.c.id == location_id) & (image_locations.c.value == url) & _ACTIVE
    return connection.execute(update(image_locations).where(there).values(damaged=False, **changed)).rowcount == 1


def _forget(connection: Connection, location_id: int, now: datetime) -> bool:
    row = connection.execute(select(image_locations).where(image_locations.c.id == location_id, _ACTIVE).with_for_update()).mappings().one_or_none()
    if row is None:
        return False
    same = (image_locations.c.image_id == row["image_id"]) & (image_locations.c.value == row["value"]) & (image_locations.c.id != location_id)
    if connection.scalar(select(image_locations.c.id).where(same, _ACTIVE).limit(1)) is None:
        return False
    connection.execute(update(image_locations).where(image_locations.c.id == location_id).values(gone(now)))
    return True


def _changed(location_id: int, now: datetime, connection: Connection) -> bool | None:
    """True where the last change of the location, which is held, is the one made at ``now``."""
    at = connection.scalar(select(image_locations.c.updated_at).where(image_locations.c.id == location_id).with_for_update())
    return True if at == now else None


def _chosen(since: datetime | None) -> ColumnElement[bool]:
    """Images that have data, and changed at that time or later."""
    has_data = images.c.deleted.is_(False) & exists().where(image_locations.c.image_id == images.c.id, _KEPT)
    return has_data if since is None else has_data & (images.c.updated_at >= since)


def _count(connection: Connection, since: datetime | None) -> int:
    return connection.scalar(select(func.count()).select_from(images).where(_chosen(since))) or 0


def _newest(connection: Connection) -> datetime | None:
    newest: datetime | None = connection.scalar(select(func.max(images.c.updated_at)))
    return newest


def _page(connection: Connection, after: str, limit: int, since: datetime | None) -> list[Image]:
    rows = connection.execute(IMAGES.where(_chosen(since), images.c.id > after).order_by(images.c.id).limit(limit)).mappings()
    found = [to_image(row) for row in rows]
    kept: Select[tuple[object, ...]] = select(image_locations).where(image_locations.c.image_id.in_([image.id for image in found]), _KEPT)
    locations: defaultdict[str, list[Location]] = defaultdict(list)
    for row in connection.execute(kept.order_by(image_locations.c.id)).mappings():
        locations[row["image_id"]].append(to_location(row))
    return [replace(image, locations=tuple(locations[image.id])) for image in found]


def _noted(connection: Connection, location_ids: Sequence[int]) -> dict[int, datetime]:
    columns = image_locations.c.id, image_locations.c.updated_at
    rows = connection.execute(select(*columns).where(image_locations.c.id.in_(location_ids)))
    return {row.id: row.updated_at for row in rows}


def _twins(connection: Connection) -> list[tuple[str, Location]]:
    several = select(image_locations.c.value).where(_ACTIVE).group_by(image_locations.c.value).having(func.count() > 1)
    rows = connection.execute(
        select(image_locations).where(_ACTIVE, image_locations.c.value.in_(several)).order_by(image_locations.c.value, image_locations.c.id)
    )
    return [(row["image_id"], to_location(row)) for row in rows.mappings()]
