"""``LocationRecords`` in SQL, and changing the locations of an image within a transaction of others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, exists, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from glance import errors
from glance.db.mapping import from_location, to_location
from glance.db.schema import image_locations, image_uploads, images
from glance.db.steps import add_location
from glance.db.transactions import Database
from glance.model.image import Location, LocationChange, Standing
from glance.model.status import DELETED, PENDING_DELETE

#: The status of data whose delay has ended.
CONDEMNED = "condemned"

#: Data that are to be erased, now or later.
WAITING = (PENDING_DELETE, CONDEMNED)


class Rare(GenericFunction[Any]):
    """A condition that few rows meet. SQLite has no statistics, or some by which any status is as frequent as all others: it would read every row."""

    inherit_cache = True


@compiles(Rare)
def _plain(element: Rare, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Rare, "sqlite")
def _hinted(element: Rare, compiler: SQLCompiler, **options: Any) -> str:
    return f"likelihood({compiler.process(element.clauses, **options)}, 0.0001)"


def change_locations(connection: Connection, image_id: str, change: LocationChange, now: datetime) -> None:
    """Makes the active locations what ``change`` says; whoever calls holds the image. Raises LocationsChanged, LocationTaken."""
    active = (image_locations.c.image_id == image_id) & (image_locations.c.status == "active")
    there = {row["id"]: to_location(row) for row in connection.execute(select(image_locations).where(active)).mappings()}
    kept = {location.id: location for location in change.after if location.id is not None}
    if change.before != there.keys() or not kept.keys() <= there.keys() or not change.after:
        raise errors.LocationsChanged(image_id=image_id)
    gone = sorted(there.keys() - kept.keys())
    if gone:
        connection.execute(update(image_locations).where(image_locations.c.id.in_(gone)).values(status=PENDING_DELETE, updated_at=now))
    for location_id, location in kept.items():
        if location.metadata != there[location_id].metadata:
            changed = {"meta_data": from_location(image_id, location, now)["meta_data"], "updated_at": now}
            connection.execute(update(image_locations).where(image_locations.c.id == location_id).values(changed))
    for location in change.after:
        if location.id is None:
            add_location(connection, image_id, location, now)


def gone(now: datetime) -> dict[str, object]:
    """What is written of a location that there is no more."""
    return {"status": DELETED, "deleted": True, "deleted_at": now, "updated_at": now}


def restore_locations(connection: Connection, image_id: str, deleted_at: datetime, now: datetime) -> None:
    """Makes active again what was so when the image was deleted; whoever calls holds the image. Raises Conflict unless all of that still waits."""
    of_image = image_locations.c.image_id == image_id
    waiting = of_image & (image_locations.c.status == PENDING_DELETE) & (image_locations.c.updated_at == deleted_at)
    restored = connection.execute(update(image_locations).where(waiting).values(status="active", updated_at=now)).rowcount
    lost = of_image & ((image_locations.c.status == CONDEMNED) | (image_locations.c.deleted_at >= deleted_at))
    if not restored or connection.execute(select(image_locations.c.id).where(lost).limit(1)).first() is not None:
        raise errors.Conflict(reason=f"Image {image_id} cannot be restored: its data are being erased.")


class SqlLocations:
    """``clock`` gives the time, UTC without zone."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def condemn(self, seconds: float) -> None:
        self._database.write(self._condemn, seconds)

    def condemned(self) -> list[tuple[str, Location]]:
        return self._database.read(self._condemned)

    def erased(self, location_id: int) -> None:
        self._database.write(self._erased, location_id)

    def named(self, image_ids: Sequence[str]) -> dict[str, Standing]:
        return self._database.read(self._named, image_ids)

    def claimed(self, urls: Sequence[str]) -> frozenset[str]:
        return self._database.read(self._claimed, urls)

    def mark(self, location_id: int, *, damaged: bool) -> bool:
        return self._database.write(self._mark, location_id, damaged)

    def _condemn(self, connection: Connection, seconds: float) -> None:
        now = self._clock()
        delayed = (images.c.id == image_locations.c.image_id) & (images.c.status == PENDING_DELETE)
        due = exists().where(delayed, images.c.deleted_at <= now - timedelta(seconds=seconds))
        waiting = Rare(image_locations.c.status == PENDING_DELETE)
        connection.execute(update(image_locations).where(waiting, due).values(status=CONDEMNED, updated_at=now))

    def _condemned(self, connection: Connection) -> list[tuple[str, Location]]:
        # An image in status pending_delete was deleted with a delay: only its end condemns the data.
        due = (image_locations.c.status == CONDEMNED) | (images.c.status != PENDING_DELETE)
        waiting = select(image_locations).join(images).where(Rare(image_locations.c.status.in_(WAITING)), due)
        rows = connection.execute(waiting.order_by(image_locations.c.id)).mappings()
        return [(row["image_id"], to_location(row)) for row in rows]

    def _erased(self, connection: Connection, location_id: int) -> None:
        now = self._clock()
        this = image_locations.c.id == location_id
        connection.execute(update(image_locations).where(this, image_locations.c.status.in_(WAITING)).values(gone(now)))
        delayed = select(images.c.id).join(image_locations).where(this, images.c.status == PENDING_DELETE).with_for_update()
        image_id = connection.scalar(delayed)
        if image_id is not None:
            left = exists().where(image_locations.c.image_id == images.c.id, image_locations.c.status.in_(WAITING))
            connection.execute(update(images).where(images.c.id == image_id, ~left).values(status=DELETED, updated_at=now))

    def _named(self, connection: Connection, image_ids: Sequence[str]) -> dict[str, Standing]:
        # Uploads come first: one that ends in between has its location by then.
        uploading = set(connection.scalars(select(image_uploads.c.image_id).where(image_uploads.c.image_id.in_(image_ids))))
        locations: defaultdict[str, list[Location]] = defaultdict(list)
        recorded = select(image_locations).where(image_locations.c.image_id.in_(image_ids)).order_by(image_locations.c.id)
        for row in connection.execute(recorded).mappings():
            locations[row["image_id"]].append(to_location(row))
        known = connection.execute(select(images.c.id, images.c.status).where(images.c.id.in_(image_ids)))
        return {image_id: Standing(status, tuple(locations[image_id]), image_id in uploading) for image_id, status in known}

    def _claimed(self, connection: Connection, urls: Sequence[str]) -> frozenset[str]:
        recorded = select(image_locations.c.value).where(image_locations.c.value.in_(urls), image_locations.c.status != DELETED)
        return frozenset(connection.scalars(recorded))

    def _mark(self, connection: Connection, location_id: int, damaged: bool) -> bool:
        other = (image_locations.c.id == location_id) & (image_locations.c.status == "active") & image_locations.c.damaged.is_(not damaged)
        return connection.execute(update(image_locations).where(other).values(damaged=damaged, updated_at=self._clock())).rowcount == 1
