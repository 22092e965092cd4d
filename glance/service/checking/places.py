"""Place by place: whether the database names what lies there. For stores that list what they hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Listed, Store
from glance.model.checks import Kind
from glance.model.image import Image, Location, Standing
from glance.model.status import COMPLETE, DELETED
from glance.model.stores import GIVEN_ID, Found
from glance.service import Services
from glance.service.checking.evidence import Evidence, Suspicion
from glance.service.orphans import Orphans, pages

#: Things that the registry is asked about at a time.
PAGE = 500

#: By how much clocks may differ before data count as newer than their record.
MARGIN = timedelta(minutes=5)

#: For how long a file with which a process tries a directory may lie there: nothing on record tells of it.
TRIAL = timedelta(minutes=1)


def walk_place(services: Services, evidence: Evidence, store: Store, listed: Listed) -> Iterator[Suspicion]:
    """What lies in ``store``, which is ``listed`` too, and should not, or not so. Raises RegistryUnavailable, DatabaseUnavailable."""
    place = _Place(services, evidence, store)
    partial: list[Found] = []
    try:
        for page in pages(services, _chosen(listed.contents(), evidence.options.since), PAGE):
            evidence.figures.objects += len(page)
            kinds: dict[str, list[Found]] = {"data": [], "partial": [], "foreign": []}
            for found in page:
                kinds[found.kind].append(found)
            partial += place.abandoned(kinds["partial"])
            yield from place.foreign(kinds["foreign"])
            yield from place.data(kinds["data"])
            if not evidence.is_asked(store.name):
                return
        if partial:
            yield from place.still_there(listed, partial)
    except (errors.StoreUnavailable, errors.StoreWriteDenied) as error:
        yield evidence.put_aside(store.name, error)


def is_on_record(services: Services, found: Found) -> bool:
    """Whether a location names what was found, or an upload may be storing it."""
    standing = services.registry.locations.named([found.image_id]).get(found.image_id)
    if standing is not None and standing.uploading:
        return True
    return found.location_url is not None and bool(services.registry.locations.claimed([found.location_url]))


class _Place:
    """One store, and what is on record of it."""

    def __init__(self, services: Services, evidence: Evidence, store: Store) -> None:
        self._registry = services.registry
        self._services = services
        self._evidence = evidence
        self._store = store
        self._orphans = Orphans(services, store)

    # What uploads left

    def abandoned(self, partial: Sequence[Found]) -> list[Found]:
        """Those of which no upload is on record."""
        standings = self._named(found.image_id for found in partial)
        return [found for found in partial if found.image_id not in standings or not standings[found.image_id].uploading]

    def still_there(self, listed: Listed, partial: Sequence[Found]) -> Iterator[Suspicion]:
        """Those that are there when all is listed again: the uploads of the others have ended meanwhile."""
        names, before = {found.name for found in partial}, listed.now() - TRIAL
        again = (found for found in listed.contents() if found.kind == "partial" and found.name in names)
        for page in pages(self._services, (found for found in again if found.image_id or found.modified is None or found.modified < before), PAGE):
            for found in self.abandoned(page):
                yield self._suspicion(Kind.TEMPORARY, found, "No upload is on record that would go on with it.")

    # What this service did not name

    def foreign(self, things: Sequence[Found]) -> Iterator[Suspicion]:
        standings = self._named(map(_meant, things))
        for found in things:
            image_id = _meant(found)
            image = self._complete(image_id) if image_id in standings else None
            if image is None or any(_last(location.url) == _last(found.name) for location in image.active_locations):
                yield self._suspicion(Kind.FOREIGN, found, "This service gives nothing such a name.")
            else:
                yield self._other_case(found, image)

    def _other_case(self, found: Found, image: Image) -> Suspicion:
        location = next((one for one in image.active_locations if one.owned and found.size == image.size and self._is_away(image, one)), None)
        if location is None:
            return Suspicion(Kind.CASE, self._store.name, image.id, "It is called like the image, in upper case, and is not its data.", found=found)
        self._explain(location)
        return Suspicion(Kind.CASE, self._store.name, image.id, "The data of the image lie under its id in upper case.", image, location, found)

    # Data

    def data(self, things: Sequence[Found]) -> Iterator[Suspicion]:
        standings = self._named(found.image_id for found in things)
        unnamed: list[Found] = []
        named: list[tuple[Found, Location]] = []
        for found in things:
            location = _location_of(found, standings)
            if location is None:
                unnamed.append(found)
            elif location.status == "active" and location.id is not None:
                named.append((found, location))
        claimed = self._registry.locations.claimed([found.location_url or "" for found in unnamed]) if unnamed else frozenset()
        for found in unnamed:
            if found.location_url not in claimed and self._evidence.is_asked(self._store.name):
                yield from self._looked_at(found, standings.get(found.image_id))
        yield from self._newer(named)

    def _looked_at(self, found: Found, standing: Standing | None) -> Iterator[Suspicion]:
        try:
            yield from self._unnamed(found, standing)
        except (errors.StoreUnavailable, errors.StoreWriteDenied) as error:
            yield self._evidence.unanswered(self._store.name, found.image_id, error)
        else:
            self._evidence.answered(self._store.name)

    def _unnamed(self, found: Found, standing: Standing | None) -> Iterator[Suspicion]:
        if standing is None:
            suspicion: Suspicion | None = self._suspicion(Kind.ORPHAN, found, "There is no image of that id.")
        elif standing.status == DELETED:
            suspicion = self._suspicion(Kind.TOMBSTONE, found, "The image is deleted.")
        else:
            suspicion = self._beside(found, standing)
        # What is erased goes before its record does, so the record is asked first.
        if suspicion is not None and not is_on_record(self._services, found) and self._is_there(found):
            if suspicion.location is not None:
                self._explain(suspicion.location)
            yield suspicion

    def _beside(self, found: Found, standing: Standing) -> Suspicion | None:
        """What data mean that lie under the name of an image whose locations name others."""
        image = self._complete(found.image_id)
        location = None if image is None else next((one for one in image.active_locations if one.owned and self._is_away(image, one)), None)
        if image is not None and location is not None and self._size(found) == image.size:
            return Suspicion(Kind.MOVED, self._store.name, image.id, "The data of the image lie here now.", image, location, found)
        kept = [one for one in standing.locations if one.status != DELETED]
        if not all(self._orphans.lies_elsewhere(one, found) for one in kept):
            return None  # it may well be the same, in another spelling of former days
        return self._suspicion(Kind.ORPHAN, found, "The image has its data elsewhere." if kept else "The image has no data.")

    def _newer(self, named: Sequence[tuple[Found, Location]]) -> Iterator[Suspicion]:
        """Data that were written, or written anew, after their location was recorded: not by this service."""
        noted = self._registry.audits.noted([location.id or 0 for _found, location in named]) if named else {}
        for found, location in named:
            at: datetime | None = noted.get(location.id or 0)
            if at is None or found.modified is None or found.modified <= at.replace(tzinfo=UTC) + MARGIN:
                continue
            image = self._complete(found.image_id)
            if image is not None and location in image.active_locations:
                detail = "The data were written after they were recorded."
                yield Suspicion(Kind.NEWER, self._store.name, image.id, detail, image, location, found)

    # Questions

    def _named(self, image_ids: Iterable[str]) -> Mapping[str, Standing]:
        asked = sorted({image_id for image_id in image_ids if image_id})
        return self._registry.locations.named(asked) if asked else {}

    def _complete(self, image_id: str) -> Image | None:
        """The image of that id, if it should have data."""
        try:
            image = self._registry.images.get(unauthenticated(), image_id)
        except errors.ImageNotFound:
            return None
        return image if image.status in COMPLETE else None

    def _is_away(self, image: Image, location: Location) -> bool:
        """Whether the data at a location are not there."""
        try:
            fault = self._evidence.fault(image, location, read=False)
        except (errors.StoreUnavailable, errors.StoreWriteDenied, errors.SourceRefused):
            return False  # the row will tell
        return fault is not None and fault.away

    def _is_there(self, found: Found) -> bool:
        try:
            self._size(found, again=True)
        except errors.LocationNotFound:
            return False
        return True

    def _size(self, found: Found, *, again: bool = False) -> int:
        if found.size is not None and not again:
            return found.size
        return self._store.size(unauthenticated(), Location(found.location_url or "", self._store.name))

    def _explain(self, location: Location) -> None:
        if location.id is not None:
            self._evidence.explained.add(location.id)

    def _suspicion(self, kind: Kind, found: Found, detail: str) -> Suspicion:
        return Suspicion(kind, self._store.name, found.image_id, detail, found=found)


def _location_of(found: Found, standings: Mapping[str, Standing]) -> Location | None:
    """The location that names what was found, and whose data are not erased."""
    standing = standings.get(found.image_id)
    locations = standing.locations if standing is not None else ()
    return next((location for location in locations if location.url == found.location_url and location.status != "deleted"), None)


def _last(name: str) -> str:
    """The last part of the name of a thing, or of a URL: what images are called by."""
    return name.rpartition("/")[2]


def _meant(found: Found) -> str:
    """The id of an image that a foreign name spells in another way, "" where it spells none."""
    name = _last(found.name).lower()
    return name if re.fullmatch(GIVEN_ID, name) else ""


def _chosen(contents: Iterable[Found], since: datetime | None) -> Iterator[Found]:
    for found in contents:
        if since is None or found.modified is None or found.modified >= since.replace(tzinfo=UTC):
            yield found
