"""Steps that several parts of the registry take within their transactions: hold an image, change it, give it data, fill in what belongs to it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, String, bindparam, insert, select, update

from glance import errors
from glance.context import RequestContext
from glance.db import query
from glance.db.belongings import belongings
from glance.db.mapping import from_image, from_location, to_image, to_whole_image
from glance.db.schema import image_locations
from glance.db.schema import images as images_table
from glance.model import visibility
from glance.model.image import Image, Location


def utc_now() -> datetime:
    """The time, UTC without zone."""
    return datetime.now(UTC).replace(tzinfo=None)


def lock(connection: Connection, ctx: RequestContext, image_id: str) -> Image:
    """The bare image, held until the transaction ends, so that changes of one image follow each other. Raises ImageNotFound."""
    asked = query.image(ctx.kind, held=True)
    row = connection.execute(asked, {"image_id": image_id, "owner": ctx.owner}).mappings().one_or_none()
    if row is None:
        raise errors.ImageNotFound(image_id=image_id)
    return to_image(row)


def lock_to_change(connection: Connection, ctx: RequestContext, image_id: str, action: str) -> Image:
    """As ``lock``, for a caller who may change the image. Raises ImageNotFound, and ImageForbidden for what everybody sees (spec-v1 7.3)."""
    image = lock(connection, ctx, image_id)
    if visibility.may_change(ctx, image):
        return image
    if image.visibility in visibility.OPEN:
        raise errors.ImageForbidden(action=action, image_id=image_id)
    raise errors.ImageNotFound(image_id=image_id)


def lock_if(connection: Connection, image_id: str, column: str, now: datetime) -> Image | None:
    """The image, held, if ``column`` says ``now``: then it is this very change that was committed, and only the answer to it was lost."""
    row = connection.execute(query.IMAGES.where(images_table.c.id == image_id).with_for_update()).mappings().one_or_none()
    return complete(connection, to_image(row)) if row is not None and row[column] == now else None


def change(connection: Connection, image: Image, from_status: Collection[str], values: Mapping[str, Any]) -> Image:
    """Writes ``values`` if the image, not deleted, is in one of ``from_status`` now; raises StatusConflict otherwise."""
    expected = (images_table.c.id == image.id, images_table.c.status.in_(sorted(from_status)), images_table.c.deleted.is_(False))
    if connection.execute(update(images_table).where(*expected).values(**values)).rowcount != 1:
        raise errors.StatusConflict
    return replace(image, **values)


def add_location(connection: Connection, image_id: str, location: Location, now: datetime) -> Location:
    """Records where an image's data is; returns the location with its id. Raises LocationTaken."""
    if not location.owned:
        _refuse_taken(connection, image_id, location)
    added = connection.execute(insert(image_locations).values(from_location(image_id, location, now)))
    (location_id,) = added.inserted_primary_key or (None,)
    return replace(location, id=location_id)


def _refuse_taken(connection: Connection, image_id: str, location: Location) -> None:
    """Data that this service wrote for one image are never the data of another, which may outlive it (LP 1546507)."""
    same = (image_locations.c.value == location.url) & (image_locations.c.image_id != image_id)
    kept = image_locations.c.owned.is_(True) & image_locations.c.deleted.is_(False)
    if connection.execute(select(image_locations.c.id).where(same, kept).limit(1)).first() is not None:
        raise errors.LocationTaken


def complete(connection: Connection, image: Image) -> Image:
    """The image with its properties, tags and locations."""
    row = connection.execute(_BELONGINGS, {"image_id": image.id}).one()
    return to_whole_image((*from_image(image).values(), *row))


_BELONGINGS = select(*belongings(bindparam("image_id", type_=String())))
