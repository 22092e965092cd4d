"""Steps that several parts of the registry take within their transactions: hold an image, change it, fill in what belongs to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from glance import errors
from glance.context import RequestContext
from glance.db import query
from glance.db.mapping import to_image, to_location
from glance.db.schema import image_locations, image_properties, image_tags
from glance.db.schema import images as images_table
from glance.model import visibility
from glance.model.image import Image, Location

#: Databases take some ten thousands of parameters in a statement.
_IDS_PER_STATEMENT = 10_000


def lock(connection: Connection, ctx: RequestContext, image_id: str) -> Image:
    """The bare image, held until the transaction ends, so that changes of one image follow each other. Raises ImageNotFound."""
    row = connection.execute(query.image(ctx, image_id).with_for_update()).mappings().one_or_none()
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


def change(connection: Connection, image: Image, from_status: Collection[str], values: Mapping[str, Any]) -> Image:
    """Writes ``values`` if the image, not deleted, is in one of ``from_status`` now; raises StatusConflict otherwise."""
    expected = (images_table.c.id == image.id, images_table.c.status.in_(sorted(from_status)), images_table.c.deleted.is_(False))
    if connection.execute(update(images_table).where(*expected).values(**values)).rowcount != 1:
        raise errors.StatusConflict
    return image.changed(values)


def complete(connection: Connection, images: Sequence[Image]) -> list[Image]:
    """The images with their properties, tags and locations, in three statements."""
    properties: defaultdict[str, dict[str, str | None]] = defaultdict(dict)
    tags: defaultdict[str, list[str]] = defaultdict(list)
    locations: defaultdict[str, list[Location]] = defaultdict(list)
    for begin in range(0, len(images), _IDS_PER_STATEMENT):
        ids = [image.id for image in images[begin : begin + _IDS_PER_STATEMENT]]
        for row in connection.execute(_PROPERTIES.where(image_properties.c.image_id.in_(ids))):
            properties[row.image_id][row.name] = row.value
        for tag in connection.execute(_TAGS.where(image_tags.c.image_id.in_(ids))):
            tags[tag.image_id].append(tag.value)
        for location in connection.execute(_LOCATIONS.where(image_locations.c.image_id.in_(ids))).mappings():
            locations[location["image_id"]].append(to_location(location))
    return [
        # Sorted here: each database has an alphabet of its own.
        replace(image, properties=properties[image.id], tags=tuple(sorted(tags[image.id])), locations=tuple(locations[image.id]))
        for image in images
    ]


_PROPERTIES = (
    select(image_properties.c.image_id, image_properties.c.name, image_properties.c.value)
    .where(image_properties.c.deleted.is_(False))
    .order_by(image_properties.c.id)
)
_TAGS = select(image_tags.c.image_id, image_tags.c.value).where(image_tags.c.deleted.is_(False))
_LOCATIONS = select(image_locations).where(image_locations.c.deleted.is_(False)).order_by(image_locations.c.id)
