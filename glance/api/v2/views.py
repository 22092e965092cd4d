"""Images and members as JSON (spec-v2 2.1, 4.1)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from glance.api.v2.schemas import SHOWN, is_reserved
from glance.model.image import Image, Member


def image(shown: Image) -> dict[str, Any]:
    """All fields of an image. A custom property without value is an empty text; one that v1 gave the name of a field is left out, lest a client
    takes it for the service's own.
    """
    path = f"/v2/images/{shown.id}"
    return {
        **{name: value or "" for name, value in shown.properties.items() if not is_reserved(name)},
        **{attribute.name: _value(getattr(shown, attribute.name)) for attribute in SHOWN},
        "tags": list(shown.tags),
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }


def member(shown: Member) -> dict[str, Any]:
    """All fields of a membership."""
    return {
        "member_id": shown.member,
        "image_id": shown.image_id,
        "status": shown.status,
        "created_at": _value(shown.created_at),
        "updated_at": _value(shown.updated_at),
        "schema": "/v2/schemas/member",
    }


def _value(value: Any) -> Any:
    return f"{value:%Y-%m-%dT%H:%M:%S}Z" if isinstance(value, datetime) else value
