"""Handlers of locations, and what a JSON patch means for them (spec-v2 2.6, 3.8)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import webob

from glance import errors
from glance.api.request import Request, json_response
from glance.api.v2 import patch, schemas, views
from glance.model.image import Image
from glance.model.locations import AddLocation, LocationStep, RemoveLocation, ReplaceLocations, StatedHashes, StatedLocation
from glance.service import locations, registration

#: What is registered: a URL, and what its data must be.
REGISTRATION: schemas.Schema = {
    "type": "object",
    "properties": {
        "url": schemas.LOCATION_URL,
        "validation_data": {
            "type": "object",
            "properties": {
                "os_hash_algo": {"type": "string", "enum": ["sha1", "sha256", "sha512", "md5"]},
                "os_hash_value": {"type": "string", "maxLength": 128},
            },
            "dependencies": {"os_hash_algo": ["os_hash_value"], "os_hash_value": ["os_hash_algo"]},
            "additionalProperties": False,
        },
    },
    "required": ["url"],
    "additionalProperties": False,
}

_POSITION = re.compile(r"0|[1-9][0-9]{0,8}")


def index(request: Request, image_id: str) -> webob.Response:
    """GET /images/{id}/locations: where the data are, for other services."""
    return json_response(views.locations(locations.list_locations(request.services, request.ctx, image_id)))


def register(request: Request, image_id: str) -> webob.Response:
    """POST /images/{id}/locations: gives a queued image the data at a URL, which are hashed."""
    sent = request.json_object()
    schemas.check("location", sent, REGISTRATION)
    registration.register(request.services, request.ctx, image_id, sent["url"], _hashes(sent))
    return webob.Response(status=202, content_type=None)


def apply(request: Request, image_id: str, operations: Sequence[patch.Operation]) -> Image:
    """What PATCH of an image makes of it where its operations are about locations: all of them, since these are a request of their own."""
    for operation in operations:
        if not request.settings.show_locations:
            raise errors.Forbidden(reason=f"It's not allowed to {operation.name} locations if locations are invisible.")
        if operation.attribute != "locations":
            raise errors.Invalid(reason=f"Change locations and {operation.attribute[:64]} with a request each.")
    return locations.change(request.services, request.ctx, image_id, [_step(operation) for operation in operations])


def _step(operation: patch.Operation) -> LocationStep:
    match operation.name, operation.rest:
        case "add", (position,):
            schemas.check("locations", [operation.value], schemas.LOCATIONS["locations"])
            return AddLocation(_stated(operation.value), None if position == "-" else _number(position))
        case "replace", ():
            schemas.check("locations", operation.value, schemas.LOCATIONS["locations"])
            return ReplaceLocations(tuple(map(_stated, operation.value)))
        case "remove", (position,):
            return RemoveLocation(int(position) if _POSITION.fullmatch(position) else None)
    wanted = "/locations" if operation.name == "replace" else "/locations/POSITION"
    raise errors.Invalid(reason=f"Invalid JSON pointer for this resource: {operation.name} takes {wanted}.")


def _number(position: str) -> int:
    if not _POSITION.fullmatch(position):
        raise errors.LocationInvalid(reason="a position is a number that counts from 0, or - for the end.")
    return int(position)


def _stated(document: Mapping[str, Any]) -> StatedLocation:
    return StatedLocation(document["url"], document["metadata"], _hashes(document))


def _hashes(document: Mapping[str, Any]) -> StatedHashes | None:
    stated = document.get("validation_data")
    return StatedHashes(**stated) if stated else None
