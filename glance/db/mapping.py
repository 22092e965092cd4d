"""Rows to entities and back. Nothing here runs SQL."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping

from glance.model.attributes import ATTRIBUTES
from glance.model.image import Failure, Image, Location, Member, Upload

#: The core attributes, which are fields of Image and columns of ``images`` by the same name.
IMAGE_FIELDS = tuple(attribute.name for attribute in ATTRIBUTES)


def to_image(row: RowMapping) -> Image:
    """An image, its properties, tags and locations not yet filled in."""
    return Image(**{name: row[name] for name in IMAGE_FIELDS})


def from_image(image: Image) -> dict[str, Any]:
    """The row of ``images``."""
    return {name: getattr(image, name) for name in IMAGE_FIELDS}


def to_location(row: RowMapping) -> Location:
    """A location; rows older than the names of stores have none."""
    metadata = json.loads(row["meta_data"] or "{}")
    return Location(row["value"], row["store"] or "", metadata, row["status"], row["id"], row["owned"], row["damaged"])


def from_location(image_id: str, location: Location, now: datetime) -> dict[str, Any]:
    """The row of ``image_locations``, without id."""
    return {
        "image_id": image_id,
        "value": location.url,
        "meta_data": dump_metadata(location),
        "store": location.store or None,
        "status": location.status,
        "owned": location.owned,
        "damaged": location.damaged,
        "created_at": now,
        "updated_at": now,
    }


def dump_metadata(location: Location) -> str:
    """What clients say of a location, as its column keeps it."""
    return json.dumps(dict(location.metadata))


def to_member(row: RowMapping) -> Member:
    """A membership that has not ended."""
    return Member(row["image_id"], row["member"], row["can_share"], row["status"], row["created_at"], row["updated_at"])


def to_upload(row: RowMapping) -> Upload:
    """An attempt on record."""
    return Upload(row["image_id"], row["attempt"], row["store"], row["worker"], row["on_failure"], row["reserved"])


def to_failure(row: RowMapping) -> Failure:
    """The last failure of an image."""
    return Failure(row["failed_at"], row["status"], row["reason"], row["request_id"])


def from_failure(image_id: str, failure: Failure) -> dict[str, Any]:
    """The row of ``image_failures``."""
    return {
        "image_id": image_id,
        "failed_at": failure.at,
        "status": failure.status,
        "reason": failure.reason,
        "request_id": failure.request_id,
    }
