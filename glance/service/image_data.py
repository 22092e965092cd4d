"""Reading an image's data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob, OpenFile
from glance.model.events import ImageSent
from glance.model.image import Image
from glance.model.status import COMPLETE, DEACTIVATED
from glance.service import Services, copies, images, protections
from glance.service.authorize import authorize


class _Told:
    """A blob that tells once, when it is closed, how many bytes were taken from it."""

    def __init__(self, blob: Blob, ended: Callable[[int], None]) -> None:
        self.length = blob.length
        self.file = None if blob.file is None else _ToldFile(blob.file, blob.length, self._close)
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
    """The file of a blob, which ends where the blob does, and closes it; what was taken is how far the file was read."""

    def __init__(self, file: OpenFile, length: int, closed: Callable[[int], None]) -> None:
        self._file = file
        self._closed = closed
        self._start = file.tell()
        self._end = self._start + length

    def read(self, size: int = -1, /) -> bytes:
        left = self._end - self._file.tell()
        return self._file.read(left if size < 0 else min(size, left))

    def fileno(self) -> int:
        return self._file.fileno()

    def tell(self) -> int:
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)

    def close(self) -> None:
        self._closed(self._file.tell() - self._start)


def get_readable(services: Services, ctx: RequestContext, image_id: str, *, strict: bool = False) -> Image:
    """An image whose data the caller may read now, as far as it may see it. ``strict`` opens deactivated ones to administrators, and deleted ones to
    nobody.

    Raises ImageNotFound, PolicyForbids, ImageDeactivated, ImageNotActive.
    """
    image = images.find(services, ctx, image_id, strict=strict)
    authorize(services, ctx, "download_image", image)
    if image.status == DEACTIVATED and not (strict and ctx.is_admin):
        raise errors.ImageDeactivated(image_id=image.id)
    if image.status not in COMPLETE:
        raise errors.ImageNotActive(image_id=image.id)
    return protections.shown(services, ctx, image)


def open_data(
    services: Services, ctx: RequestContext, image: Image, offset: int = 0, length: int | None = None, prefer: Sequence[str] = ()
) -> Blob | None:
    """The bytes of ``image``, which ``get_readable`` returned, from ``offset`` on, at most ``length``; None for an image of no bytes. Copies in
    the stores that ``prefer`` names are read before others. How many bytes the caller took is told when the blob, or its file, is closed.

    Raises ImageDataMissing, ImageDataDamaged, StoreUnavailable; PolicyForbids and InvalidParameter for ``prefer``. A blob that is returned is
    complete as far as its size can tell; what is found out later ends it short: ``glance.service.copies.Reading``.
    """
    if prefer:
        _check_preference(services, ctx, image, prefer)
    if image.location is None:
        if image.size:
            raise errors.ImageDataMissing(image_id=image.id)
        services.notifier.emit(ctx, ImageSent(image, 0, 0, ctx.user, ctx.project))
        return None
    locations = copies.in_reading_order(services.stores, image.active_locations, prefer)
    reading = copies.Reading(copies.Copies(services, ctx, image, locations), offset, length)
    return _Told(reading, lambda sent: services.notifier.emit(ctx, ImageSent(image, sent, reading.length, ctx.user, ctx.project, reading.store)))


def _check_preference(services: Services, ctx: RequestContext, image: Image, prefer: Sequence[str]) -> None:
    """Raises PolicyForbids, and InvalidParameter unless all are stores that clients may choose."""
    authorize(services, ctx, "download_from_store", image)
    if not services.stores.several:
        raise errors.InvalidParameter(reason="Store selection for download is not available when multiple backends are not enabled.")
    for name in prefer:
        if name not in services.stores.names:
            raise errors.InvalidParameter(reason=f"Store '{name[:64]}' is not configured.")
