"""Where an image's data comes from: four sources, one shape.

``check`` refuses whatever can be refused before the image is reserved or changed, and returns the image with what it learned; ``attach`` gives the
data to a queued image.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from glance import errors
from glance.context import RequestContext
from glance.interfaces import ByteSource, Store
from glance.model.events import ImageActivated
from glance.model.image import Image, Location, OnFailure
from glance.service import Services
from glance.service.authorize import authorize_change
from glance.service.uploading import Uploading
from glance.stream import read_chunks, refuse_longer


class DataSource(Protocol):
    def check(self, services: Services, ctx: RequestContext, image: Image) -> Image: ...

    def attach(self, services: Services, ctx: RequestContext, image: Image) -> Image: ...

    def refusal(self, image: Image) -> errors.GlanceError:
        """Why an image that is not queued cannot take this source."""


@dataclass(frozen=True, slots=True)
class NoBytes:
    """An image that is complete with nothing in it (spec-v1 2.6: size 0 and no data)."""

    def check(self, services: Services, ctx: RequestContext, image: Image) -> Image:  # noqa: ARG002
        return image

    def attach(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        return _activate(services, ctx, image, None)

    def refusal(self, image: Image) -> errors.GlanceError:  # noqa: ARG002
        return errors.NotQueued()


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes that a client sends: ``length`` of them, None when it does not say. ``match_format``: they must have the format declared."""

    data: ByteSource
    length: int | None
    store: str | None = None
    require_formats: bool = True
    on_failure: OnFailure = "killed"
    match_format: bool = False

    def check(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        authorize_change(services, ctx, "upload_image", image)
        check_formats(image, required=self.require_formats)
        refuse_longer(self.length if self.length is not None else image.size, services.limits.image_size)
        _writable(services, self.store)
        return image

    def attach(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        uploading = Uploading.begin(services, ctx, image, _writable(services, self.store), self.on_failure, length=self.length)
        return uploading.store(read_chunks(self.data, self.length), self.length, match_format=self.match_format)

    def refusal(self, image: Image) -> errors.GlanceError:  # noqa: ARG002
        return errors.NotQueued()


@dataclass(frozen=True, slots=True)
class External:
    """Data that stays where it is: the image only points to it (v1 ``x-image-meta-location``)."""

    url: str
    require_formats: bool = True

    def check(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        authorize_change(services, ctx, "set_image_location", image)
        check_formats(image, required=self.require_formats)
        store, location = external(services, self.url)
        actual = external_size(store, ctx, location)
        refuse_longer(actual, services.limits.image_size)
        if image.size is not None and image.size != actual:
            raise errors.SourceSizeMismatch(expected=image.size, actual=actual)
        return replace(image, size=actual)

    def attach(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        _, location = external(services, self.url)
        return _activate(services, ctx, image, location)

    def refusal(self, image: Image) -> errors.GlanceError:
        return _location_refusal(image)


@dataclass(frozen=True, slots=True)
class Copied:
    """Data that the service fetches and keeps, after the request was answered (v1 ``x-glance-api-copy-from``)."""

    url: str
    store: str | None = None
    require_formats: bool = True

    def check(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        authorize_change(services, ctx, "copy_from", image)
        authorize_change(services, ctx, "upload_image", image)
        check_formats(image, required=self.require_formats)
        _writable(services, self.store)
        store, location = external(services, self.url)
        size = image.size if image.size is not None else external_size(store, ctx, location)
        refuse_longer(size, services.limits.image_size)
        return replace(image, size=size)

    def attach(self, services: Services, ctx: RequestContext, image: Image) -> Image:
        source, location = external(services, self.url)
        uploading = Uploading.begin(services, ctx, image, _writable(services, self.store), "killed")
        services.background.submit(lambda: uploading.store(contents(source, ctx, location), image.size, match_format=False))
        return image

    def refusal(self, image: Image) -> errors.GlanceError:
        return _location_refusal(image)


def _activate(services: Services, ctx: RequestContext, image: Image, location: Location | None) -> Image:
    """Makes an image active whose data needs no upload."""
    activated = services.registry.images.activate(ctx, image.id, location, (image.size or 0) if location else 0)
    services.notifier.emit(ctx, ImageActivated(activated))
    return activated


def contents(store: Store, ctx: RequestContext, location: Location) -> Iterator[bytes]:
    """The data at a location; nothing is opened before it is read."""
    blob = store.open(ctx, location)
    try:
        yield from blob
    finally:
        blob.close()


def check_formats(image: Image, *, required: bool) -> None:
    """Raises FormatMissing where both formats are ``required`` and one is not set."""
    for kind, value in (("Disk", image.disk_format), ("Container", image.container_format)):
        if required and value is None:
            raise errors.FormatMissing(kind=kind)


def _writable(services: Services, name: str | None) -> Store:
    store = services.stores.choose(name or services.stores.default)
    if not store.writable:
        raise errors.StoreReadOnly(store=store.name)
    return store


def external(services: Services, url: str) -> tuple[Store, Location]:
    """The location that a client's URL means, and the store that reads it. Raises Invalid, SourceRefused."""
    if not url:
        raise errors.Invalid(reason="External source should not be empty")
    store = services.stores.for_external(url)
    return store, Location(url=url, store=store.name, owned=False)


def external_size(store: Store, ctx: RequestContext, location: Location) -> int:
    """Bytes at an external location. Only an answer that there is nothing is told apart: closed, silent and filtered ports must look the same, or
    callers map the network (CVE-2017-7200)."""
    try:
        return store.size(ctx, location)
    except errors.Unavailable as error:
        raise errors.SourceUnreadable(reason="it does not answer as an image should") from error


def _location_refusal(image: Image) -> errors.GlanceError:
    return errors.Invalid(reason=f"Attempted to update Location field for an image not in queued status: it is {image.status}.")
