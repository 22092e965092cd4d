"""Images and members as JSON (spec-v2 2.1, 4.1)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

from glance.api.settings import ApiSettings
from glance.api.v2.schemas import SHOWN, is_reserved
from glance.model.image import Failure, Image, Location, Member
from glance.model.quotas import Quotas, Usage
from glance.service.stores import Offer

MIB = 1024 * 1024

_NAMES = tuple(attribute.name for attribute in SHOWN)
_TIMES = tuple(attribute.name for attribute in SHOWN if attribute.kind == "time")
_VALUES = attrgetter(*_NAMES)


def image(shown: Image, settings: ApiSettings, places: Sequence[Location] = (), stores: Sequence[str] = ()) -> dict[str, Any]:
    """All fields of an image; ``places`` are its locations as far as the caller may see them, ``stores`` the names of those that hold its data. A
    custom property without value is an empty text, or null where the operator's schema has that; one that v1 gave the name of a field is left out,
    lest a client takes it for the service's own.
    """
    path = f"/v2/images/{shown.id}"
    view: dict[str, Any] = {
        name: "" if value is None and not settings.custom_properties.may_be_null(name) else value
        for name, value in shown.properties.items()
        if not is_reserved(name)
    }
    view.update(zip(_NAMES, _VALUES(shown), strict=True))
    for name in _TIMES:
        view[name] = _value(view[name])
    if settings.show_locations:
        view["locations"] = locations(places)
    if settings.show_direct_url and places:
        view["direct_url"] = places[0].url
    view |= {"tags": shown.tags, "self": path, "file": f"{path}/file", "schema": "/v2/schemas/image"}
    if stores:
        view["stores"] = ",".join(stores)
    return view


def failure(shown: Failure) -> dict[str, str]:
    """Why an image has no data, under names that clients can only read."""
    return {
        "os_glance_failure_at": f"{shown.at:%Y-%m-%dT%H:%M:%S}Z",
        "os_glance_failure_status": shown.status,
        "os_glance_failure_reason": shown.reason,
        "os_glance_failure_request_id": shown.request_id,
    }


def locations(shown: Sequence[Location]) -> list[dict[str, Any]]:
    """Locations, as a service of others or the image itself shows them."""
    return [{"url": location.url, "metadata": location.metadata} for location in shown]


def store(shown: Offer) -> dict[str, str]:
    """What every client learns of a store that it may choose; what does not hold of the store is left out."""
    return {
        "id": shown.store.name,
        **({"description": shown.traits.description} if shown.traits.description else {}),
        **({"default": "true"} if shown.is_default else {}),
        **({} if shown.store.writable else {"read-only": "true"}),
    }


def store_in_detail(shown: Offer) -> dict[str, Any]:
    """``store`` with how the store is set up."""
    return {**store(shown), "type": shown.traits.driver, "weight": shown.traits.weight, "properties": dict(shown.store.properties)}


def usage(used: Usage, quotas: Quotas | None) -> dict[str, dict[str, int]]:
    """What an owner's images take, with the limit of each, -1 for none; sizes in MiB, those used rounded up. Empty without ``quotas``."""
    if quotas is None:
        return {}
    return {
        "image_size_total": {"usage": -(-used.stored // MIB), "limit": quotas.stored // MIB},
        "image_stage_total": {"usage": -(-used.staged // MIB), "limit": quotas.staged // MIB},
        "image_count_total": {"usage": used.images, "limit": quotas.images},
        "image_count_uploading": {"usage": used.uploading, "limit": quotas.uploading},
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
    return f"{value.isoformat(timespec='seconds')}Z" if isinstance(value, datetime) else value
