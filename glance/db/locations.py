"""``LocationRecords`` in SQL, and changing the locations of an image within a transaction of others."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection, select, update

from glance import errors
from glance.db.mapping import dump_metadata, to_location
from glance.db.schema import image_locations, images
from glance.db.steps import add_location
from glance.db.transactions import Database
from glance.model.image import Location, LocationChange
from glance.model.status import PENDING_DELETE


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
            changed = {"meta_data": dump_metadata(location), "updated_at": now}
            connection.execute(update(image_locations).where(image_locations.c.id == location_id).values(changed))
    for location in change.after:
        if location.id is None:
            add_location(connection, image_id, location, now)


class SqlLocations:
    """``clock`` gives the time, UTC without zone."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def condemned(self) -> list[tuple[str, Location]]:
        return self._database.read(self._condemned)

    def erased(self, location_id: int) -> None:
        self._database.write(self._erased, location_id)

    def mark(self, location_id: int, *, damaged: bool) -> bool:
        return self._database.write(self._mark, location_id, damaged)

    def _condemned(self, connection: Connection) -> list[tuple[str, Location]]:
        # An image in status pending_delete was deleted with a delay: its data waits for the scrubber.
        waiting = (
            select(image_locations)
            .join(images)
            .where(image_locations.c.status == PENDING_DELETE, images.c.status != PENDING_DELETE)
            .order_by(image_locations.c.id)
        )
        return [(row["image_id"], to_location(row)) for row in connection.execute(waiting).mappings()]

    def _erased(self, connection: Connection, location_id: int) -> None:
        now = self._clock()
        waiting = (image_locations.c.id == location_id) & (image_locations.c.status == PENDING_DELETE)
        gone = {"status": "deleted", "deleted": True, "deleted_at": now, "updated_at": now}
        connection.execute(update(image_locations).where(waiting).values(gone))

    def _mark(self, connection: Connection, location_id: int, damaged: bool) -> bool:
        other = (image_locations.c.id == location_id) & (image_locations.c.status == "active") & image_locations.c.damaged.is_(not damaged)
        return connection.execute(update(image_locations).where(other).values(damaged=damaged, updated_at=self._clock())).rowcount == 1
