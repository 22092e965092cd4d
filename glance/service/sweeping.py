"""What lies in stores and belongs to no image: parts of uploads that died unseen, and data that no record names.

Nothing that an image needs is erased (``orphans``). All that is near an upload on record is left to recovery. What the records of another service
may name cannot be known: therefore nothing goes that has changed lately, and complete data only where the operator says that nobody else keeps
images there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from glance import errors
from glance.interfaces import Listed, Store
from glance.model import metrics
from glance.model.stores import Found
from glance.service import Services, failures
from glance.service.orphans import Orphans, is_of_our_time, pages

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
        self._orphans = Orphans(services, store)
        self._erased = self._left = 0

    @cached_property
    def _newest(self) -> datetime | None:
        """When the database changed last."""
        return self._services.registry.audits.newest()

    def run(self) -> int:
        try:
            old = pages(self._services, self._old(), _PAGE)
            while self._may_go_on() and (page := next(old, None)):
                self._erase(self._orphans.among(page))
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

    def _erase(self, orphans: Sequence[Found]) -> None:
        for found in orphans:
            if found.kind == "data" and not (self._erases_data and is_of_our_time(found, self._newest)):
                self._left += 1
            elif self._may_go_on() and self._orphans.among([found]) and self._place.remove(found):  # asked once more: an upload may have begun
                self._erased += 1
                LOG.info("Erased from store '%s', where no image needs it: %s (%s)", self._store.name, found.name, found.kind)
                if self._services.tallies is not None:
                    self._services.tallies.count(metrics.ORPHANS_ERASED.name, self._store.name, found.kind)
