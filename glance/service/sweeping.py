"""What lies in stores and belongs to no image: parts of uploads that died unseen, and data that no record names.

Nothing that an image needs is erased. An upload is on record before its first byte is stored, and stays there until its location is, or its data are
gone; so what was found first, and is named by no record afterwards, is nobody's. All that is near an upload on record is left to recovery. What
the records of another service may name cannot be known: therefore nothing goes that has changed lately, and complete data only where the operator
says that nobody else keeps images there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import islice

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Listed, Store
from glance.model import metrics
from glance.model.image import Location, Standing
from glance.model.status import DELETED
from glance.model.stores import Found
from glance.service import Services, failures

LOG = logging.getLogger(__name__)

#: Things that the registry is asked about at a time.
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Sweeping:
    """What has changed in the last ``grace`` seconds is left. ``data``: also complete data that no record names are erased; else they are told."""

    grace: float = 86400.0
    data: bool = False


def sweep(services: Services, settings: Sweeping, may_go_on: Callable[[], bool] = lambda: True) -> int:
    """Looks through all stores, and the one for staging, whose data are always ours; returns how many things were erased. ``may_go_on`` is asked
    before each step, and after a no nothing is done."""
    erased = 0
    stores = [*(services.stores.get(name) for name in services.stores.names), services.stores.staging]
    for store in stores:
        if store.writable and isinstance(store, Listed):
            erased += _Sweep(services, settings, may_go_on, store, store).run()
    return erased


class _Sweep:
    """One store, swept once; ``place`` is the same store."""

    def __init__(self, services: Services, settings: Sweeping, may_go_on: Callable[[], bool], store: Store, place: Listed) -> None:
        self._services = services
        self._grace = timedelta(seconds=settings.grace)
        self._erases_data = settings.data or store is services.stores.staging
        self._may_go_on = may_go_on
        self._store = store
        self._place = place
        self._erased = self._left = 0

    @cached_property
    def _newest(self) -> datetime | None:
        """When the database changed last."""
        return self._services.registry.audits.newest()

    def run(self) -> int:
        try:
            found = self._old()
            while self._may_go_on() and (page := list(islice(found, _PAGE))):
                self._erase(self._orphans(page))
        except (errors.StoreUnavailable, errors.StoreWriteDenied, errors.StorageFull) as error:
            failures.note(self._services, self._store.name, "delete", error)
            LOG.warning("What no image needs in store '%s' cannot be erased yet: %s", self._store.name, error.code)
        if self._left:
            message = "Data that no image names lie in store '%s': %d of them. See glance-manage check, and remove_orphans."
            LOG.warning(message, self._store.name, self._left)
        return self._erased

    def _old(self) -> Iterator[Found]:
        """What could be erased, for all that the place tells."""
        before = None
        for found in self._place.contents():
            if found.kind != "foreign" and found.modified is not None:
                before = before or self._place.now() - self._grace
                if found.modified < before:
                    yield found

    def _orphans(self, page: Sequence[Found]) -> list[Found]:
        locations = self._services.registry.locations
        standings = locations.named([found.image_id for found in page if found.image_id])
        orphans = [found for found in page if self._is_orphan(found, standings.get(found.image_id))]
        named = [found.location_url for found in orphans if found.location_url is not None]
        claimed = locations.claimed(named) if named else ()
        return [found for found in orphans if found.location_url not in claimed]

    def _is_orphan(self, found: Found, standing: Standing | None) -> bool:
        if standing is None:
            return True
        if standing.uploading:
            return False
        kept = [one for one in standing.locations if one.status != DELETED]
        if found.kind == "data" and not all(self._lies_elsewhere(one, found) for one in kept):
            return False
        return all(self._is_there(one) for one in kept)

    def _is_of_our_time(self, found: Found) -> bool:
        """Whether the database has changed since data did. Else it may be a new one, or an older copy, and know nothing of their image."""
        return self._newest is not None and found.modified is not None and found.modified <= self._newest.replace(tzinfo=UTC)

    def _lies_elsewhere(self, location: Location, found: Found) -> bool:
        """Whether the data at a location are certainly not what was found: another place knows them, and this one does not."""
        stores = self._services.stores
        others = [*(stores.get(name) for name in stores.names), stores.staging]
        return not (self._store.recognizes(location) or found.may_be_at(location.url)) and any(one.recognizes(location) for one in others)

    def _is_there(self, location: Location) -> bool:
        """Whether an image has its data where its record says, for all that is known. If not, what was found may be all that is left of them."""
        try:
            self._services.stores.of(location).size(unauthenticated(), location)
        except errors.GlanceError:
            return False
        return not location.damaged

    def _erase(self, orphans: Sequence[Found]) -> None:
        for found in orphans:
            if found.kind == "data" and not (self._erases_data and self._is_of_our_time(found)):
                self._left += 1
            elif self._may_go_on() and self._orphans([found]) and self._place.remove(found):  # asked once more: an upload may have begun
                self._erased += 1
                LOG.info("Erased from store '%s', where no image needs it: %s (%s)", self._store.name, found.name, found.kind)
                if self._services.tallies is not None:
                    self._services.tallies.count(metrics.ORPHANS_ERASED.name, self._store.name, found.kind)
