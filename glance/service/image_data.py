"""Reading an image's data."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob, OpenFile
from glance.model.events import ImageSent
from glance.model.image import Image, Location
from glance.model.status import ACTIVE, DEACTIVATED
from glance.service import Services, images
from glance.service.authorize import authorize

LOG = logging.getLogger(__name__)


class _Told:
    """A blob that tells once, when it is closed, how many bytes were taken from it."""

    def __init__(self, blob: Blob, ended: Callable[[int], None]) -> None:
        self.length = blob.length
        self.file = None if blob.file is None else _ToldFile(blob.file, self._close)
        self._blob = blob
        self._ended: Callable[[int], None] | None = ended
        self._taken = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._blob:
            yield chunk
            self._taken += len(chunk)  # whoever comes for the next one has passed this one on

    def close(self) -> None:
        self._close(self._taken)

    def _close(self, taken: int) -> None:
        self._blob.close()
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(taken)


class _ToldFile:
    """The file of a blob, which closes the blob; what was taken is how far the file was read."""

    def __init__(self, file: OpenFile, closed: Callable[[int], None]) -> None:
        self._file = file
        self._closed = closed
        self._start = file.tell()

    def read(self, size: int = -1, /) -> bytes:
        return self._file.read(size)

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._closed(self._file.tell() - self._start)


def get_readable(services: Services, ctx: RequestContext, image_id: str, *, strict: bool = False) -> Image:
    """An image whose data the caller may read now. ``strict`` opens deactivated ones to administrators, and deleted ones to nobody.

    Raises ImageNotFound, PolicyForbids, ImageDeactivated, ImageNotActive.
    """
    image = images.get(services, ctx, image_id, strict=strict)
    authorize(services, ctx, "download_image", image)
    if image.status == DEACTIVATED and strict and ctx.is_admin:
        return image
    if image.status == DEACTIVATED:
        raise errors.ImageDeactivated(image_id=image.id)
    if image.status != ACTIVE:
        raise errors.ImageNotActive(image_id=image.id)
    return image


def open_data(services: Services, ctx: RequestContext, image: Image, offset: int = 0, length: int | None = None) -> Blob | None:
    """The bytes of ``image``, which ``get_readable`` returned, from ``offset`` on, at most ``length``; None for an image of no bytes. How many of
    them the caller took is told when the blob, or its file, is closed.

    Raises ImageDataMissing, ImageDataDamaged, StoreUnavailable. A blob that is returned is complete as far as its size can tell: a short one
    never looks like the whole.
    """
    if image.location is None:
        if image.size:
            raise errors.ImageDataMissing(image_id=image.id)
        services.notifier.emit(ctx, ImageSent(image, 0, 0, ctx.user, ctx.project))
        return None
    blob = _open_any(services, ctx, image, offset, length)
    return _Told(blob, lambda sent: services.notifier.emit(ctx, ImageSent(image, sent, blob.length, ctx.user, ctx.project)))


def _open_any(services: Services, ctx: RequestContext, image: Image, offset: int, length: int | None) -> Blob:
    """The data at the first location that can be opened. Raises what the last one does."""
    *others, last = image.active_locations
    for location in others:
        try:
            return _open(services, ctx, image, location, offset, length)
        except (errors.NotFound, errors.Unavailable) as error:
            LOG.warning("One location of image %s cannot be read, the next one is tried: %s", image.id, error.code)
    return _open(services, ctx, image, last, offset, length)


def _open(services: Services, ctx: RequestContext, image: Image, location: Location, offset: int, length: int | None) -> Blob:
    store = services.stores.of(location)
    try:
        blob = store.open(ctx, location, offset, length)
    except errors.LocationNotFound:
        raise errors.ImageDataMissing(image_id=image.id) from None
    expected = (image.size or 0) - offset
    if length is not None:
        expected = min(expected, length)
    # Nothing was measured when external data was registered: the whole is passed on as it is; a part is what was asked for, or refused.
    measured = image.checksum is not None
    if (measured or length is not None) and blob.length != expected:
        blob.close()
        raise errors.ImageDataDamaged(image_id=image.id, actual=blob.length, expected=expected)
    return blob
