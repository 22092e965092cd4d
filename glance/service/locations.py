"""Where an image's data is, as clients see and change it (spec-v2 2.1, 2.6). Operators allow it for consumers that clone data in the back end."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace

from glance import errors
from glance.context import RequestContext
from glance.model.events import ImageActivated, ImageUpdated
from glance.model.image import Image, ImageChanges, Location, LocationChange
from glance.model.locations import (
    AddLocation,
    LocationStep,
    RemoveFromStore,
    RemoveLocation,
    ReplaceLocations,
    StatedHashes,
    StatedLocation,
    shown_url,
)
from glance.model.status import ACTIVE, DEACTIVATED, PENDING_DELETE, QUEUED
from glance.service import Services, copies, images, protections
from glance.service.authorize import authorize, authorize_change, check_may_change
from glance.service.data_sources import check_formats, external, external_size
from glance.service.erasing import erase_condemned
from glance.service.measuring import measure
from glance.stream import refuse_longer

#: Characters that the metadata of one location may have as JSON.
METADATA_LIMIT = 16 * 1024

_LEARNED = ("status", "size", "checksum", "os_hash_algo", "os_hash_value")


def visible(services: Services, ctx: RequestContext, image: Image) -> tuple[Location, ...]:
    """The active locations of an image that the caller sees, as it may see them: in the order in which they are read, without credentials, and
    with the name of the store in the metadata. None of a deactivated image, but for administrators, and none where the policy
    ``get_image_location`` does not allow it."""
    if image.status == DEACTIVATED and not ctx.is_admin:
        return ()
    try:
        authorize(services, ctx, "get_image_location", image)
    except errors.PolicyForbids:
        return ()
    return _shown(services, image)


def stores_of(services: Services, image: Image) -> tuple[str, ...]:
    """The stores that hold the data of an image, each once, those first that are read first, else by name. None where the site offers no choice."""
    if not services.stores.several:
        return ()
    by_name = sorted(image.active_locations, key=lambda one: copies.store_name(services.stores, one))
    names = dict.fromkeys(copies.store_name(services.stores, one) for one in copies.ordered(services.stores, by_name))
    return tuple(name for name in names if name)


def list_locations(services: Services, ctx: RequestContext, image_id: str) -> tuple[Location, ...]:
    """The active locations of an image, for other services, in the form of ``visible``. Raises ImageNotFound, PolicyForbids."""
    image = images.find(services, ctx, image_id, strict=True, rule="fetch_image_location")
    return _shown(services, image)


def change(services: Services, ctx: RequestContext, image_id: str, steps: Sequence[LocationStep]) -> Image:
    """Changes the locations of an image in several steps, all or none; a queued image becomes active with its first one.

    Data that are added to data that this service wrote are read, and must be the same. Raises LocationInvalid, SourceRefused, SourceUnreadable,
    FormatMissing, Forbidden, LocationTaken, Conflict, LocationMismatch, LocationsChanged, LocationQuotaExceeded, ImageNotFound, PolicyForbids.
    """
    image = images.find(services, ctx, image_id, strict=True)
    for rule in sorted({step.rule for step in steps}):
        authorize_change(services, ctx, rule, image)
    check_may_change(ctx, image, "update")
    revision = _Revision(services, ctx, image)
    for step in steps:
        revision.apply(step)
    revision.verify()
    changed = services.registry.images.update(ctx, image_id, revision.changes(), frozenset({image.status}))
    for location in changed.locations:
        if location.status == PENDING_DELETE:
            erase_condemned(services, image_id, location, ctx)
    if image.status == QUEUED:
        services.notifier.emit(ctx, ImageActivated(changed))
    services.notifier.emit(ctx, ImageUpdated(changed))
    return protections.shown(services, ctx, changed)


def point_to(services: Services, ctx: RequestContext, image: Image, url: str) -> tuple[Location, int]:
    """The location that a client's URL means for ``image``, and the number of bytes there. Raises LocationInvalid, SourceRefused, SourceUnreadable,
    ImageTooLarge, and SourceSizeMismatch where the image is said to have another size."""
    if shown_url(url) != url:
        raise errors.LocationInvalid(reason="a URL with credentials is not accepted.")
    store, location = external(services, url)
    try:
        size = external_size(store, ctx, location)
    except errors.LocationNotFound:
        size = 0
    if size == 0:
        raise errors.LocationInvalid(reason="there are no data.")
    refuse_longer(size, services.limits.image_size)
    if image.size not in {None, size}:
        raise errors.SourceSizeMismatch(expected=image.size or 0, actual=size)
    return location, size


class _Revision:
    """The locations of an image, and what the image learns from them, while the steps of one request change them."""

    def __init__(self, services: Services, ctx: RequestContext, image: Image) -> None:
        self._services = services
        self._ctx = ctx
        self._found = image
        self._before = copies.ordered(services.stores, image.active_locations)
        self._image = image
        self._locations = list(self._before)

    def apply(self, step: LocationStep) -> None:
        """Raises what ``change`` documents; nothing is written."""
        match step:
            case AddLocation():
                self._require({QUEUED, ACTIVE}, "add")
                self._add(step.location, len(self._locations) if step.position is None else step.position)
            case ReplaceLocations():
                self._require({QUEUED, ACTIVE}, "replace")
                self._replace(step.locations)
            case RemoveLocation():
                self._require({ACTIVE}, "remove")
                self._remove(step.position)
            case RemoveFromStore():
                self._remove_from(step.store)

    def verify(self) -> None:
        """Data that this service wrote are what every further location must hold, and they stay: what is elsewhere can change at any time
        (CVE-2022-4134). Raises LocationMismatch, SourceUnreadable, Forbidden."""
        if not any(location.owned for location in self._before):
            return
        for location in self._locations:
            if location.id is None:
                self._compare(location)
        if not any(location.owned for location in self._locations):
            raise errors.Forbidden(reason="These are the only data that this service wrote for the image: they cannot be removed.")

    def changes(self) -> ImageChanges:
        """All that has changed, for the registry."""
        before = frozenset(location.id for location in self._before if location.id is not None)
        values = {name: getattr(self._image, name) for name in _LEARNED if getattr(self._image, name) != getattr(self._found, name)}
        return ImageChanges(values, locations=LocationChange(before, tuple(self._locations)))

    def _require(self, statuses: Collection[str], action: str) -> None:
        if self._image.status not in statuses:
            raise errors.Conflict(reason=f"It's not allowed to {action} locations if image status is {self._image.status}.")

    def _add(self, stated: StatedLocation, position: int) -> None:
        if position > len(self._locations):
            raise errors.LocationInvalid(reason=f"there is no position {position} to add one at.")
        if shown_url(stated.url) in {shown_url(location.url) for location in self._locations}:
            raise errors.LocationInvalid(reason="the image has that location already.")
        limit = self._services.limits.locations
        if 0 <= limit <= len(self._locations):
            raise errors.LocationQuotaExceeded(attempted=len(self._locations) + 1, maximum=limit)
        check_formats(self._image, required=True)
        self._learn(stated.hashes)
        location, size = point_to(self._services, self._ctx, self._image, stated.url)
        self._locations.insert(position, replace(location, metadata=_metadata(stated, location.store)))
        self._image = replace(self._image, status=ACTIVE, size=size)

    def _replace(self, stated: Sequence[StatedLocation]) -> None:
        if not stated:
            raise errors.Forbidden(reason="Cannot set locations to empty list.")
        for one in stated:
            self._learn(one.hashes)
        if not self._locations:
            for one in stated:
                self._add(one, len(self._locations))
            return
        there = {shown_url(location.url): location for location in self._locations}
        wanted = {shown_url(one.url): one for one in stated}
        if wanted.keys() != there.keys() or len(wanted) != len(stated):
            raise errors.Invalid(reason="Original locations is not empty: only their metadata can be replaced.")
        names = {url: copies.store_name(self._services.stores, location) for url, location in there.items()}
        self._locations = [replace(there[url], metadata=_metadata(one, names[url])) for url, one in wanted.items()]

    def _remove(self, position: int | None) -> None:
        if position is None or position >= len(self._locations):
            raise errors.Invalid(reason="Invalid position for removing a location.")
        if len(self._locations) == 1:
            raise errors.Forbidden(reason="Cannot remove last location in the image.")
        del self._locations[position]

    def _remove_from(self, store: str) -> None:
        left = [location for location in self._locations if copies.store_name(self._services.stores, location) != store]
        if len(left) == len(self._locations):
            raise errors.NotFound(reason=f"Image {self._image.id} is not stored in store {store}.")
        if not left:
            raise errors.Forbidden(reason="Cannot delete image data from the only store containing it. Consider deleting the image instead.")
        self._require({ACTIVE}, "remove")
        self._locations = left

    def _learn(self, hashes: StatedHashes | None) -> None:
        """Takes over what a client says about the data of an image that has none yet; later it can only agree."""
        if hashes is None:
            return
        algorithm = self._image.os_hash_algo or self._services.hashing_algorithm
        if hashes.os_hash_algo != algorithm:
            raise errors.Conflict(reason=f"os_hash_algo must be {algorithm}." if algorithm else "This service computes MD5 only.")
        if fault := hashes.fault():
            raise errors.Conflict(reason=fault)
        stated = {"checksum": hashes.checksum, "os_hash_algo": algorithm, "os_hash_value": hashes.os_hash_value}
        for name, value in stated.items():
            if value is None or value.lower() == getattr(self._image, name):
                continue
            if getattr(self._image, name) is not None or self._image.status != QUEUED:
                raise errors.Conflict(reason=f"{name} is not that of the image, which cannot change any more.")
            self._image = self._image.changed({name: value.lower()})

    def _compare(self, location: Location) -> None:
        image = self._image
        expected = [("md5", image.checksum), (image.os_hash_algo or self._services.hashing_algorithm, image.os_hash_value)]
        known = [(algorithm, digest) for algorithm, digest in expected if digest is not None]
        try:
            measured = measure(self._services, image, location, dict(known))
        except (errors.LocationNotFound, errors.Unavailable) as error:
            raise errors.SourceUnreadable(reason="it does not answer as an image should") from error
        if not known or measured.size != image.size or any(measured.digests[algorithm] != digest for algorithm, digest in known):
            raise errors.LocationMismatch(image_id=image.id)


def _shown(services: Services, image: Image) -> tuple[Location, ...]:
    return tuple(
        replace(one, url=shown_url(one.url), metadata={**one.metadata, "store": copies.store_name(services.stores, one)})
        for one in copies.ordered(services.stores, image.active_locations)
    )


def _metadata(stated: StatedLocation, store: str) -> dict[str, object]:
    """What is kept of a client's metadata; "store" is not, as the store follows from the URL."""
    metadata = dict(stated.metadata)
    if metadata.pop("store", store) != store:
        raise errors.LocationInvalid(reason=f"its store is {store}, as its URL says.")
    if len(json.dumps(metadata)) > METADATA_LIMIT:
        raise errors.LocationInvalid(reason=f"its metadata are longer than {METADATA_LIMIT} characters.")
    return metadata
