"""Which things in stores belong to nobody: the one rule by which the sweep and a check that repairs erase.

An upload is on record before its first byte is stored, and stays there until its location is, or its data are gone; so what was found first, and is
named by no record afterwards, is nobody's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Store
from glance.model.image import Location, Standing
from glance.model.status import DELETED
from glance.model.stores import Found
from glance.service import Services


def pages(services: Services, contents: Iterable[Found], size: int) -> Iterator[list[Found]]:
    """What a place lists, so many things at a time. A number is foreign unless an image of that number is on record: others count files, too. Raises
    RegistryUnavailable, DatabaseUnavailable."""
    remaining = iter(contents)
    while page := list(islice(remaining, size)):
        numbers = {found.image_id for found in page if found.image_id.isdecimal()}
        known = services.registry.locations.named(sorted(numbers)) if numbers else {}
        yield [replace(found, kind="foreign", image_id="") if found.image_id in numbers - known.keys() else found for found in page]


def is_of_our_time(found: Found, newest: datetime | None) -> bool:
    """Whether the database, whose ``newest`` change that is, has changed since a thing did. Else it may be a new one, or an older copy, and know
    nothing of its image."""
    return newest is not None and found.modified is not None and found.modified <= newest.replace(tzinfo=UTC)


class Orphans:
    """What belongs to nobody of the things in the place of one store."""

    def __init__(self, services: Services, store: Store) -> None:
        self._services = services
        self._store = store

    def among(self, things: Sequence[Found]) -> list[Found]:
        """Those that no record names, or may mean in another spelling, and whose image is held by no upload, and has all its data elsewhere. Raises
        RegistryUnavailable, DatabaseUnavailable."""
        locations = self._services.registry.locations
        standings = locations.named([found.image_id for found in things if found.image_id])
        orphans = [found for found in things if self._is_orphan(found, standings.get(found.image_id))]
        named = [found.location_url for found in orphans if found.location_url is not None]
        claimed = locations.claimed(named) if named else ()
        return [found for found in orphans if found.location_url not in claimed]

    def lies_elsewhere(self, location: Location, found: Found) -> bool:
        """Whether the data at a location are certainly not what was found: another place knows them, and this one does not."""
        stores = self._services.stores
        others = [*(stores.get(name) for name in stores.names), stores.staging]
        return not (self._store.recognizes(location) or found.may_be_at(location.url)) and any(one.recognizes(location) for one in others)

    def _is_orphan(self, found: Found, standing: Standing | None) -> bool:
        if found.kind == "foreign":
            return False
        if standing is None:
            return True
        if standing.uploading:
            return False
        kept = [one for one in standing.locations if one.status != DELETED]
        if found.kind == "data" and not all(self.lies_elsewhere(one, found) for one in kept):
            return False
        return all(self._is_there(one) for one in kept)

    def _is_there(self, location: Location) -> bool:
        """Whether an image has its data where its record says, for all that is known. If not, what was found may be all that is left of them."""
        try:
            self._services.stores.of(location).size(unauthenticated(), location)
        except errors.GlanceError:
            return False
        return not location.damaged
