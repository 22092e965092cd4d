"""Reading an image's data."""

from __future__ import annotations

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Image, Location
from glance.model.status import ACTIVE, DEACTIVATED
from glance.service import Services, images
from glance.service.authorize import authorize


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
    """The bytes of ``image``, which ``get_readable`` returned, from ``offset`` on, at most ``length``; None for an image of no bytes.

    Raises ImageDataMissing, ImageDataDamaged, StoreUnavailable. A blob that is returned is complete as far as its size can tell: a short one
    never looks like the whole.
    """
    location = image.location
    if location is None:
        if image.size:
            raise errors.ImageDataMissing(image_id=image.id)
        return None
    return _open(services, ctx, image, location, offset, length)


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
