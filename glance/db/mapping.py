"""Rows to entities and back. Nothing here runs SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import RowMapping

from glance.model.attributes import BY_NAME
from glance.model.image import Failure, Image, Location, Member, Upload

#: The core attributes, which are columns of ``images`` by the same name, and the first fields of Image in that order.
IMAGE_FIELDS = tuple(field.name for field in fields(Image) if field.name in BY_NAME)
_CORE = len(IMAGE_FIELDS)

#: The metadata of most locations.
_NOTHING_SAID = "{}"


def to_image(row: RowMapping) -> Image:
    """An image, its properties, tags and locations not yet filled in."""
    return Image(**{name: row[name] for name in IMAGE_FIELDS})


def to_whole_image(row: Sequence[Any]) -> Image:
    """An image from a row of its core attributes, and of what belongs to it as ``glance.db.belongings`` selects that."""
    properties, tags, locations = [orjson.loads(text) if text else {} for text in row[_CORE:]]
    places = tuple([_to_location(int(key), *locations[key]) for key in sorted(locations, key=int)])
    values = (*row[:_CORE], properties, tuple(sorted(tags)), places)  # sorted here: each database has an alphabet of its own
    return Image(*values)


def _to_location(location_id: int, url: str, store: str | None, metadata: str | None, status: Any, owned: int, damaged: int) -> Location:
    said = json.loads(metadata) if metadata and metadata != _NOTHING_SAID else {}
    return Location(url, store or "", said, status, location_id, bool(owned), bool(damaged))


def from_image(image: Image) -> dict[str, Any]:
    """The row of ``images``."""
    return {name: getattr(image, name) for name in IMAGE_FIELDS}


def to_location(row: RowMapping) -> Location:
    """A location; rows older than the names of stores have none."""
    return _to_location(row["id"], row["value"], row["store"], row["meta_data"], row["status"], row["owned"], row["damaged"])


def from_location(image_id: str, location: Location, now: datetime) -> dict[str, Any]:
    """The row of ``image_locations``, without id."""
    return {
        "image_id": image_id,
        "value": location.url,
        "meta_data": json.dumps(dict(location.metadata)),
        "store": location.store or None,
        "status": location.status,
        "owned": location.owned,
        "damaged": location.damaged,
        "created_at": now,
        "updated_at": now,
    }


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
