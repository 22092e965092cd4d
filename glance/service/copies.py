"""The copies of an image's data: which is read first, how reading goes on where one fails, and what is noted about those that are damaged."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob, OpenFile, Stores
from glance.model.events import ImageDamaged
from glance.model.image import Image, Location
from glance.model.stores import StoreTraits
from glance.service import Services, failures
from glance.stream import Digest

LOG = logging.getLogger(__name__)

#: How long an object may be invisible after an image was changed, without counting as missing.
GRACE = timedelta(minutes=1)


def ordered(stores: Stores, locations: Sequence[Location]) -> tuple[Location, ...]:
    """``locations`` by the weight of their stores, the greatest first. Marks do not count: clients name locations by their position, and a position
    must not mean another one because somebody else has read the image."""
    return tuple(sorted(locations, key=lambda location: -store_of(stores, location)[1].weight))


def in_reading_order(stores: Stores, locations: Sequence[Location], prefer: Sequence[str] = ()) -> tuple[Location, ...]:
    """``locations`` in the order in which they are read: those in stores that are to be preferred first, then by weight; damaged ones last."""

    def rank(location: Location) -> tuple[bool, int]:
        name = store_name(stores, location)
        return location.damaged, prefer.index(name) if name in prefer else len(prefer)

    return tuple(sorted(ordered(stores, locations), key=rank))


def store_name(stores: Stores, location: Location) -> str:
    """The store that a location lies in, by its name of today; the name in the row where it is not configured any more."""
    return store_of(stores, location)[0]


def store_of(stores: Stores, location: Location) -> tuple[str, StoreTraits]:
    """``store_name``, and the traits of that store; none of one that is not configured any more."""
    try:
        name = stores.of(location).name
        return name, stores.traits(name)
    except errors.StoreUnknown:
        return location.store, StoreTraits()


class Copies:
    """The copies of one image, in the order in which one reader tries them. Each is opened once, and once more at the end if it broke.

    What is wrong with one is logged, without its URL. A copy that is missing or damaged is marked in the registry, and one that turned out to be good
    is unmarked, but only where the image has a digest: nobody else knows what was stored.
    """

    def __init__(self, services: Services, ctx: RequestContext, image: Image, locations: Sequence[Location]) -> None:
        self.image = image
        self.digest = _digest_of(image)
        self._services = services
        self._ctx = ctx
        self._left = deque(locations)
        self._broken: list[Location] = []
        self._failures: list[errors.GlanceError] = []
        self._compared = self.digest is not None and any(map(self.must_compare, locations))

    def name_of(self, location: Location) -> str:
        """The name of a copy's store, for people."""
        return store_name(self._services.stores, location)

    def comparison(self) -> Digest | None:
        """What the bytes of a whole image have to pass; None where the operator wants that for none of the copies."""
        return Digest(*self.digest) if self._compared and self.digest is not None else None

    def must_compare(self, location: Location) -> bool:
        """Whether a whole image that is read there must be compared with its digest."""
        return location.damaged or store_of(self._services.stores, location)[1].verify_on_read

    def open(self, offset: int, length: int | None, expected: int | None) -> tuple[Location, Blob]:
        """The next copy that can be opened, with ``expected`` bytes from ``offset`` on unless that is None.

        Raises what was wrong with the copies, once none is left: StoreUnavailable where one may be there again later, else ImageDataMissing or
        ImageDataDamaged.
        """
        while self._left:
            location = self._left.popleft()
            try:
                return location, self._open(location, offset, length, expected)
            except (errors.NotFound, errors.Unavailable) as error:
                self.failed(location, error)
        raise next((error for error in self._failures if isinstance(error, errors.Unavailable)), self._failures[-1])

    def _open(self, location: Location, offset: int, length: int | None, expected: int | None) -> Blob:
        try:
            blob = self._services.stores.of(location).open(self._ctx, location, offset, length)
        except errors.LocationNotFound:
            if self._may_appear(location):
                raise errors.StoreUnavailable(store=self.name_of(location)) from None
            raise errors.ImageDataMissing(image_id=self.image.id) from None
        except errors.StoreUnknown:
            raise errors.StoreUnavailable(store=self.name_of(location)) from None
        if expected is not None and blob.length != expected:
            blob.close()
            raise errors.ImageDataDamaged(image_id=self.image.id, finding=f"its store holds {blob.length} bytes instead of {expected}")
        return blob

    def _may_appear(self, location: Location) -> bool:
        """Whether a copy that is not seen may have been stored a moment ago."""
        if self.image.updated_at is None or not store_of(self._services.stores, location)[1].appears_late:
            return False
        return datetime.now(UTC) - self.image.updated_at.replace(tzinfo=UTC) < GRACE

    def broke(self, location: Location, error: errors.GlanceError) -> None:
        """A copy ended too early; it is worth another try, after the others."""
        if location not in self._broken:
            self._broken.append(location)
            self._left.append(location)
        self.failed(location, error)

    def failed(self, location: Location, error: errors.GlanceError) -> None:
        """Notes why a copy is not, or no longer, read."""
        self._failures.append(error)
        store = self.name_of(location)
        failures.note(self._services, store, "read", error)
        level = logging.ERROR if isinstance(error, errors.ImageDataDamaged) else logging.WARNING
        LOG.log(level, "The copy of image %s in store '%s' cannot be read: %s", self.image.id, store, error)
        if isinstance(error, errors.ImageDataMissing | errors.ImageDataDamaged) and self._mark(location, damaged=True):
            LOG.error("The copy of image %s in store '%s' is marked as damaged; other copies are read before it.", self.image.id, store)
            self._services.notifier.emit(self._ctx, ImageDamaged(self.image, store))

    def proved_good(self, location: Location) -> None:
        """All bytes of a copy were compared with the digest."""
        if self._mark(location, damaged=False):
            LOG.info("The copy of image %s in store '%s' is whole again.", self.image.id, self.name_of(location))

    def _mark(self, location: Location, *, damaged: bool) -> bool:
        """Whether the mark is new. Reading never fails because it cannot be made: the next reader finds the same."""
        if self.digest is None or location.id is None or location.damaged is damaged:
            return False
        try:
            return self._services.registry.locations.mark(location.id, damaged=damaged)
        except errors.GlanceError as error:
            LOG.warning("The registry does not note that a copy of image %s is damaged (%s): %s", self.image.id, damaged, error.code)
            return False


class Reading:
    """An image's data from ``offset`` on, ``length`` bytes or all of them, as a Blob. A copy that breaks is followed by another one from that very
    byte, where the image has a digest: it says that all copies are the same.

    A whole image is compared with its digest where a store of its copies wants that: its last piece is held back until all are known to be right,
    else iterating raises ImageDataDamaged, so that nobody gets bad data as complete. ``file`` goes past that, for stores that do not want it.

    Raises ImageDataMissing, ImageDataDamaged, StoreUnavailable.
    """

    def __init__(self, copies: Copies, offset: int = 0, length: int | None = None) -> None:
        self._copies = copies
        self._offset = offset
        self._asked = length
        self._location, self._blob = copies.open(offset, length, self._expected())
        self._chunks = iter(self._blob)
        self._sources: list[Location] = []
        self._comparison = None if offset or length is not None else copies.comparison()
        self.length = self._blob.length
        self.store = copies.name_of(self._location)
        self.file: OpenFile | None = None if self._comparison and copies.must_compare(self._location) else self._blob.file

    def _expected(self) -> int | None:
        """Bytes that a good copy must have. Nothing was measured when external data was registered: then the whole is passed on as it is; a part is
        what was asked for, or refused."""
        if self._asked is None and self._copies.digest is None:
            return None
        left = (self._copies.image.size or 0) - self._offset
        return left if self._asked is None else min(left, self._asked)

    def __iter__(self) -> Iterator[bytes]:
        given = 0
        while given < self.length:
            try:
                chunk = self._read(given)
            except (errors.NotFound, errors.Unavailable) as error:
                self._go_on(given, error)
            else:
                given += len(chunk)
                yield chunk

    def close(self) -> None:
        self._blob.close()
        if self._comparison is not None:
            self._comparison.close()

    def _read(self, given: int) -> bytes:
        """The piece after the first ``given`` bytes; the last one only where all were right."""
        chunk = next(self._chunks, None)
        if chunk is None:
            raise errors.StoreUnavailable(store=self._copies.name_of(self._location))
        if not self._sources or self._sources[-1] is not self._location:
            self._sources.append(self._location)
        if self._comparison is not None:
            self._comparison.update(chunk)
            if given + len(chunk) >= self.length:
                self._compare(self._comparison)
        return chunk

    def _compare(self, comparison: Digest) -> None:
        try:
            comparison.finish()
        except errors.ChecksumMismatch:
            raise errors.ImageDataDamaged(image_id=self._copies.image.id, finding="its bytes do not have its digest") from None
        if len(self._sources) == 1:
            self._copies.proved_good(self._location)

    def _go_on(self, given: int, error: errors.GlanceError) -> None:
        """Opens the next copy. Raises ``error`` where its bytes cannot follow those that were given."""
        self._blob.close()
        damaged = isinstance(error, errors.ImageDataDamaged)
        if not damaged:
            self._copies.broke(self._location, error)
        elif len(self._sources) == 1:
            self._copies.failed(self._location, error)
        else:
            stores = ", ".join(map(self._copies.name_of, self._sources))
            LOG.error("One of the copies of image %s that were joined is damaged; they are in: %s", self._copies.image.id, stores)
        if given and (damaged or self._copies.digest is None):
            raise error
        left = None if self._asked is None else self._asked - given
        self._location, self._blob = self._copies.open(self._offset + given, left, self.length - given)
        self._chunks = iter(self._blob)
        if damaged:
            self._sources.clear()
            self._comparison = self._copies.comparison()


def _digest_of(image: Image) -> tuple[str, str] | None:
    """Algorithm and hexadecimal value of the digest that an image's data must have; None where nobody knows them."""
    if image.os_hash_algo is not None and image.os_hash_value is not None:
        return image.os_hash_algo, image.os_hash_value
    return None if image.checksum is None else ("md5", image.checksum)
