"""What the walks through rows and places ask about data: whether they are there, how large they are, and, where wanted, whether they are right."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.interfaces import Store, Tap
from glance.model.checks import Figures, Kind
from glance.model.image import Image, Location
from glance.model.stores import Found
from glance.service import Services, copies
from glance.service.data_sources import contents
from glance.stream import Count, Digest, Watcher, flow

#: How long nothing is erased that no row names: an older copy of the database may have been restored, and a newer one may still be.
GRACE = timedelta(hours=24)

#: Things in a row that cannot be looked at, until their store counts as one that cannot be asked.
SEVERAL = 5

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator asks of a check. ``store``: look only there. ``since`` (UTC without zone): only at what has changed then or later.
    ``read_data``: compare all data with the digests of their images. ``rate``: read no more bytes than that in a second. ``repair``: mend what can be
    mended safely, and erase nothing that is younger than ``grace``."""

    store: str | None = None
    since: datetime | None = None
    read_data: bool = False
    rate: int = 20 * MIB
    repair: bool = False
    grace: timedelta = GRACE


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A disagreement, and what is needed to mend it. ``found`` is what lies in a place, ``location`` what a row names; one of the two may be
    missing."""

    kind: Kind
    store: str
    image_id: str
    detail: str
    image: Image | None = None
    location: Location | None = None
    found: Found | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong about the data at a location. ``away``: there are none."""

    kind: Kind
    detail: str
    away: bool = False


class _Pace(Watcher):
    """A tap that lets no more than ``rate`` bytes through in a second."""

    def __init__(self, rate: int, figures: Figures) -> None:
        self._rate = rate
        self._figures = figures
        self._free_at = time.monotonic()

    def update(self, chunk: bytes) -> None:
        self._figures.read += len(chunk)
        now = time.monotonic()
        self._free_at = max(self._free_at, now) + len(chunk) / self._rate
        time.sleep(max(0.0, self._free_at - now))


class Evidence:
    """``explained`` are ids of locations about which everything has been said."""

    def __init__(self, services: Services, options: Options, figures: Figures) -> None:
        self.options = options
        self.figures = figures
        self.explained: set[int] = set()
        self.newest = services.registry.audits.newest()
        self._services = services
        self._pace = _Pace(options.rate, figures)
        self._away: set[str] = set()
        self._unanswered: Counter[str] = Counter()

    @cached_property
    def twins(self) -> set[tuple[str, str]]:
        """(URL, image id) of locations whose URL others have, too; asked for once."""
        return {(location.url, image_id) for image_id, location in self._services.registry.audits.twins()}

    def store_of(self, location: Location) -> Store:
        """Raises StoreUnknown."""
        return self._services.stores.of(location)

    def is_wanted(self, location: Location) -> bool:
        """Whether the check is about that location: its store is chosen, or claimed by it, and can still be asked."""
        name = copies.store_name(self._services.stores, location)
        return self.is_asked(name) and self.options.store in {None, name, location.store}

    def is_asked(self, store: str) -> bool:
        """Whether nobody has put a store aside."""
        return store not in self._away

    def answered(self, store: str) -> None:
        """Something there was looked at."""
        del self._unanswered[store]

    def unanswered(self, store: str, image_id: str, error: errors.GlanceError) -> Suspicion:
        """What is told of something that could not be looked at. Where that happens several times in a row it is the store that cannot be asked."""
        self._unanswered[store] += 1
        if self._unanswered[store] == SEVERAL:
            return self.put_aside(store, error)
        return Suspicion(Kind.UNCHECKED, store, image_id, f"{error.message} It was not checked.")

    def put_aside(self, store: str, error: errors.GlanceError) -> Suspicion:
        """What is told of a store that cannot be asked; it is left alone from now on."""
        self._away.add(store)
        return Suspicion(Kind.UNCHECKED, store, "", f"{error.message} What lies there, or was to be seen yet, was not checked.")

    def fault(self, image: Image, location: Location, *, read: bool) -> Fault | None:
        """What is wrong about the data at an active or staged location, None where nothing is, or they may appear yet.

        Raises StoreUnavailable, StoreWriteDenied, SourceRefused.
        """
        try:
            store = self.store_of(location)
            size = self._size(store, image, location)
        except errors.StoreUnknown:
            return Fault(Kind.WRONG_STORE, f"It says '{location.store}', and no store of that name, or with that URL, is configured.", away=True)
        except errors.LocationNotFound:
            if self._may_appear(image, location):
                return None
            return Fault(Kind.MISSING, "There are no data where the location says.", away=True)
        if location.status == "active":
            return self._wrong_size(image, location, size) or self._misnamed(location, store) or self._unlike(image, location, read=read)
        return None

    def _size(self, store: Store, image: Image, location: Location) -> int:
        """Raises StoreUnknown, too: for a place of this service's that is none of its stores today, and cannot be asked."""
        try:
            return store.size(for_owner(image), location)
        except (errors.StoreUnavailable, errors.StoreWriteDenied, errors.SourceRefused):
            if location.owned and not store.recognizes(location):
                raise errors.StoreUnknown(store=location.store, enabled=store.name) from None
            raise

    def is_good(self, image: Image, location: Location) -> bool:
        """Whether the data at a location are those of the image, to the last bit; false where nobody knows what those are.

        Raises StoreUnavailable, StoreWriteDenied.
        """
        if not digests_of(image):
            return False
        try:
            for _chunk in self.verified(image, location):
                pass
        except (errors.NotFound, errors.Invalid):
            return False
        return True

    def verified(self, image: Image, location: Location) -> Iterator[bytes]:
        """The data at a location, at the pace of the check. Raises ChecksumMismatch or SizeMismatch at the end where they are not the image's, and as
        ``Store.open`` does, and StoreUnknown."""
        taps: tuple[Tap, ...] = (self._pace, Count(image.size), *(Digest(*digest) for digest in digests_of(image)))
        return flow(contents(self.store_of(location), for_owner(image), location), taps)

    def _wrong_size(self, image: Image, location: Location, size: int) -> Fault | None:
        if image.size in {None, size} or not (location.owned or digests_of(image)):
            return None
        return Fault(Kind.WRONG_SIZE, f"There are {size} bytes, and the image has {image.size}.")

    def _misnamed(self, location: Location, store: Store) -> Fault | None:
        if not location.owned or location.store in {"", store.name}:
            return None
        return Fault(Kind.WRONG_STORE, f"It says '{location.store}', and its URL lies in the store '{store.name}'.")

    def _unlike(self, image: Image, location: Location, *, read: bool) -> Fault | None:
        if location.damaged:
            return Fault(Kind.QUARANTINED, "The location is marked as damaged.")
        if not (read and digests_of(image)) or self.is_good(image, location):
            return None
        return Fault(Kind.WRONG_DATA, "The data do not have the digest of the image.")

    def _may_appear(self, image: Image, location: Location) -> bool:
        late = copies.store_of(self._services.stores, location)[1].appears_late
        return late and image.updated_at is not None and datetime.now(UTC) - image.updated_at.replace(tzinfo=UTC) < copies.GRACE


def for_owner(image: Image) -> RequestContext:
    """This service, about to touch data of the image's owner."""
    return replace(unauthenticated(), project=image.owner)


def digests_of(image: Image) -> list[tuple[str, str]]:
    """(algorithm, hexadecimal value) of everything that was recorded of the data."""
    recorded = (("md5", image.checksum), (image.os_hash_algo, image.os_hash_value))
    return [(algorithm, value) for algorithm, value in recorded if algorithm and value]
