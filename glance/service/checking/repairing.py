"""Mending what a check has found, as far as that is safe. Nothing is erased unless other data of the image were read and are right, or there is no
image; and nothing that is young, or newer than all that the database knows."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Listed, Store
from glance.model.checks import Kind
from glance.model.events import ImageDamaged
from glance.model.image import Image, Location
from glance.model.status import COMPLETE
from glance.model.stores import Found
from glance.service import Services, copies
from glance.service.checking.evidence import Evidence, Suspicion, digests_of, for_owner
from glance.service.orphans import Orphans, is_of_our_time

LOG = logging.getLogger(__name__)

#: Whether it is mended, and a sentence about how, or why not.
Mended = tuple[bool, str]


class Repair:
    """What ``check`` mends with."""

    def __init__(self, services: Services, evidence: Evidence) -> None:
        self._services = services
        self._evidence = evidence
        self._registry = services.registry
        self._ways = {
            Kind.MISSING: self._replace,
            Kind.WRONG_SIZE: self._replace,
            Kind.WRONG_DATA: self._replace,
            Kind.QUARANTINED: self._release,
            Kind.WRONG_STORE: self._rename,
            Kind.MOVED: self._follow,
            Kind.CASE: self._respell,
            Kind.NEWER: self._acknowledge,
            Kind.DUPLICATE: self._merge,
            Kind.ORPHAN: self._erase,
            Kind.TOMBSTONE: self._erase,
            Kind.TEMPORARY: self._erase,
        }

    def mend(self, suspicion: Suspicion) -> Mended:
        """Raises RegistryUnavailable, DatabaseUnavailable."""
        way = self._ways.get(suspicion.kind)
        if way is None:
            return False, "What is not this service's is left alone."
        try:
            mended, how = way(suspicion)
        except (errors.RegistryUnavailable, errors.DatabaseUnavailable):
            raise
        except errors.GlanceError as error:
            mended, how = False, f"It could not be mended: {error.message}"
        LOG.info("check: %s, store '%s', image %s: %s", suspicion.kind, suspicion.store, suspicion.image_id or "unknown", how)
        return mended, how

    # Rows whose data are bad

    def _replace(self, suspicion: Suspicion) -> Mended:
        image, location = _subject(suspicion)
        if location.status != "active" or not location.owned:
            return False, "These data are not this service's to replace."
        copy = next(self._good_copies(image, location), None)
        if copy is None:
            return False, f"There is no good copy in another store{self._marked(image, location)}."
        store = self._evidence.store_of(location)
        if not store.writable:
            return False, f"The store is never written{self._marked(image, location)}."
        if any(url == location.url and image_id != image.id for url, image_id in self._evidence.twins):
            return False, "Another image names the same data."
        if suspicion.kind is not Kind.MISSING:
            store.delete(for_owner(image), location)
        return self._stored_again(image, location, store, copy)

    def _stored_again(self, image: Image, location: Location, store: Store, copy: Location) -> Mended:
        """Stores the data of ``copy``, compared on their way, in place of those at ``location``."""
        ctx = for_owner(image)
        stored = store.add(ctx, image.id, self._evidence.verified(image, copy), image.size)
        if location.id is None or not self._registry.audits.relocate(location.id, location.url, stored):
            store.delete(ctx, stored)
            return False, "The image was changed meanwhile."
        return True, f"Stored again, from the copy in the store '{copies.store_name(self._services.stores, copy)}'."

    def _good_copies(self, image: Image, location: Location) -> Iterator[Location]:
        """Copies in other stores that were read, and are right."""
        store = copies.store_name(self._services.stores, location)
        for other in image.active_locations:
            if other.id != location.id and copies.store_name(self._services.stores, other) != store and self._is_good(image, other):
                yield other

    def _is_good(self, image: Image, location: Location) -> bool:
        try:
            return self._evidence.is_good(image, location)
        except (errors.StoreUnavailable, errors.StoreWriteDenied):
            return False

    def _marked(self, image: Image, location: Location) -> str:
        """The end of a sentence."""
        if location.damaged or not digests_of(image) or location.id is None:
            return ""
        if self._registry.locations.mark(location.id, damaged=True):
            self._services.notifier.emit(unauthenticated(), ImageDamaged(image, copies.store_name(self._services.stores, location)))
        return "; it is marked as damaged now"

    def _release(self, suspicion: Suspicion) -> Mended:
        image, location = _subject(suspicion)
        if not self._evidence.is_good(image, location):
            return self._replace(suspicion)
        if location.id is not None:
            self._registry.locations.mark(location.id, damaged=False)
        return True, "The data are right: the mark is taken away."

    # Rows whose data are good

    def _rename(self, suspicion: Suspicion) -> Mended:
        image, location = _subject(suspicion)
        return self._noted(image, location, Location(location.url, self._evidence.store_of(location).name))

    def _follow(self, suspicion: Suspicion) -> Mended:
        image, location = _subject(suspicion)
        return self._noted(image, location, self._place_of(suspicion))

    def _noted(self, image: Image, location: Location, found: Location) -> Mended:
        if not self._evidence.is_good(image, found):
            return False, "The data there are not known to be those of the image."
        if location.id is None or not self._registry.audits.relocate(location.id, location.url, found):
            return False, "The image was changed meanwhile."
        return True, "The data are right: the location says where they are."

    def _acknowledge(self, suspicion: Suspicion) -> Mended:
        image, location = _subject(suspicion)
        if not self._evidence.is_good(image, location):
            return self._replace(suspicion)
        return self._noted(image, location, location)

    def _respell(self, suspicion: Suspicion) -> Mended:
        """The data are stored once more, under the right name; where the file system takes both names for one, that is refused."""
        if suspicion.image is None:
            return False, "What is not this service's is left alone."
        image, location = _subject(suspicion)
        source = Location(location.url.rpartition("/")[0] + "/" + self._name_of(suspicion), suspicion.store)
        if not self._evidence.is_good(image, source):
            return False, "These are not known to be the data of the image."
        store = self._services.stores.get(suspicion.store)
        mended, how = self._stored_again(image, location, store, source)
        if not mended:
            return False, how
        if suspicion.found is None or self._is_young(suspicion.found, store):
            return True, "Stored once more, under the right name; the old one is too young to be erased."
        if self._registry.locations.claimed([source.url]):
            return True, "Stored once more, under the right name; another image names the old one."
        store.delete(for_owner(image), source)
        return True, "Stored under the right name."

    def _merge(self, suspicion: Suspicion) -> Mended:
        location = suspicion.location
        if location is None or location.id is None or not self._registry.audits.forget(location.id):
            return False, "Two images share these data: deleting one of them would take those of the other."
        return True, "The second location is taken off the record; the data stay."

    # Things without row

    def _erase(self, suspicion: Suspicion) -> Mended:
        found = suspicion.found
        store = self._services.stores.get(suspicion.store)
        if found is None or not isinstance(store, Listed):
            return False, ""
        refusal = self._refusal(found, store)
        if refusal:
            return False, refusal
        if not store.remove(found):
            return False, "It stays: it has changed, or is gone."
        return True, "Erased."

    def _refusal(self, found: Found, store: Store) -> str:
        """Why something must stay, "" where nothing speaks for it."""
        if self._is_young(found, store):
            return f"It stays: it is not known to be older than {self._evidence.options.grace.total_seconds() / 3600:g} hours."
        if not is_of_our_time(found, self._evidence.newest):
            return "It stays: it is newer than all that the database knows. Is this an older copy of the database?"
        if not Orphans(self._services, store).among([found]):
            return "It stays: it is on record now, or its image has not all its data elsewhere."
        if found.kind == "data" and not self._has_good_data(found.image_id):
            return "It stays: it may be the last data of its image."
        return ""

    def _is_young(self, found: Found, store: Store) -> bool:
        """By the clock of the place."""
        return not isinstance(store, Listed) or found.modified is None or store.now() - found.modified < self._evidence.options.grace

    def _has_good_data(self, image_id: str) -> bool:
        """Whether data of an image were read and are right; true where it needs none."""
        try:
            image = self._registry.images.get(unauthenticated(), image_id)
        except errors.ImageNotFound:
            return True
        return image.status not in COMPLETE or any(self._is_good(image, location) for location in image.active_locations)

    def _place_of(self, suspicion: Suspicion) -> Location:
        url = suspicion.found.location_url if suspicion.found is not None else None
        return Location(url or "", suspicion.store)

    def _name_of(self, suspicion: Suspicion) -> str:
        """What images are called by."""
        return suspicion.found.name.rpartition("/")[2] if suspicion.found is not None else ""


def _subject(suspicion: Suspicion) -> tuple[Image, Location]:
    """The image and the location that are to be mended. Raises ImageNotFound, which cannot be: these kinds have both."""
    if suspicion.image is None or suspicion.location is None:
        raise errors.ImageNotFound(image_id=suspicion.image_id)
    return suspicion.image, suspicion.location
