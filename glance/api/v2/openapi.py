"""The OpenAPI document of this version (OpenAPI 3.1): paths from the route table, words from the docstrings of handlers, schemas from those that are
served, statuses from the table of errors. What cannot be read off these, what each handler takes and gives, is ``OPERATIONS``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from glance import errors
from glance.api.data import DATA_TYPE
from glance.api.errors import status_of
from glance.api.request import Request
from glance.api.routing import Handler, Table
from glance.api.v2 import locations, patch, query, schemas
from glance.api.v2.schemas import Schema
from glance.api.versions import NEWEST

JSON = "application/json"
TEXT: Schema = {"type": "string"}
#: A JSON pointer (RFC 6901) to an attribute, or to one of its locations.
POINTER: Schema = {"type": "string", "pattern": "^/([^/~]|~[01])+(/(-|[0-9]+))?$"}
#: What a part of a path stands for, by its name in the route table.
PATH_PARAMETERS = {
    "image_id": "Identifier of an image.",
    "member": "Project that an image is shared with.",
    "name": "The name itself; a slash in it cannot be escaped.",
    "store": "Name of a store.",
}
#: What every request may meet.
ALWAYS = (errors.Invalid, errors.NotAuthenticated, errors.PolicyForbids, errors.RateLimited, errors.Unavailable)
_IMAGE = (errors.ImageNotFound,)
_CHANGE = (*_IMAGE, errors.ReadOnlyContext, errors.ImageForbidden, errors.StatusConflict)
_BODY = (errors.BodyMalformed, errors.ClientDisconnected, errors.LimitExceeded)
_UPLOAD = (
    *(*_IMAGE, errors.ImageForbidden, errors.NotQueued, errors.ContentTypeUnsupported, errors.ContentEncodingUnsupported, errors.UploadLost),
    *(errors.ImageTooLarge, errors.StreamTooLarge, errors.StorageFull, errors.StoreUnavailable),
)


@dataclass(frozen=True, slots=True)
class Operation:
    """What a handler takes and gives. ``answers``: status -> name of a component schema, None for no body; ``body``: media type -> the same;
    ``raises``: errors that it may meet beside ``ALWAYS``; each stands for its status."""

    answers: Mapping[int, str | None]
    body: Mapping[str, str] | None = None
    parameters: tuple[Schema, ...] = ()
    raises: tuple[type[errors.GlanceError], ...] = ()


def _parameter(name: str, place: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": place, "description": description, "schema": schema}


_SIZE = _parameter("x-openstack-image-size", "header", "Bytes that the data have.", {"type": "integer", "minimum": 0})
_STORE = _parameter("x-image-meta-store", "header", "The store, where the site has several.", TEXT)
_RANGE = _parameter("Range", "header", "The part of the data that is wanted, bytes=FIRST-LAST.", {**TEXT, "pattern": "^bytes=[0-9]*-[0-9]*$"})
_PREFER = _parameter("prefer", "query", "Stores that the data are read from first, comma-separated, where the site has several.", TEXT)
_FLAG: Schema = {"type": "string", "enum": ["true"]}
_OFFER: dict[str, Schema] = {"id": TEXT, "description": TEXT, "default": _FLAG, "read-only": _FLAG}
_OFFER_DETAIL: dict[str, Schema] = {"type": TEXT, "weight": {"type": "integer"}, "properties": {"type": "object"}}
_FILTERS = (
    *(_parameter(name, "query", description, schema) for name, (description, schema) in query.PARAMETERS.items()),
    _parameter("properties", "query", "Any other name: the value of a custom property.", {"type": "object", "additionalProperties": TEXT}),
)
_PATCHES = {patch.V21: "changes", patch.V20: "changes_2_0"}

#: By module and name of the handler.
OPERATIONS: dict[str, Operation] = {
    "images.index": Operation({200: "images"}, parameters=_FILTERS, raises=(errors.LimitExceeded,)),
    "images.create": Operation({201: "image"}, {JSON: "new_image"}, raises=(*_BODY, errors.OwnerForbidden, errors.ImageExists)),
    "images.show": Operation({200: "image"}, raises=_IMAGE),
    "images.update": Operation({200: "image"}, _PATCHES, raises=(*_CHANGE, *_BODY, errors.Conflict, errors.ContentTypeUnsupported)),
    "images.delete": Operation({204: None}, raises=(*_CHANGE, errors.ImageProtected)),
    "images.deactivate": Operation({204: None}, raises=(*_CHANGE, errors.StatusForbidden)),
    "images.reactivate": Operation({204: None}, raises=(*_CHANGE, errors.StatusForbidden)),
    "images.tag": Operation({204: None}, raises=(*_CHANGE, errors.TagQuotaExceeded)),
    "images.untag": Operation({204: None}, raises=(*_CHANGE, errors.TagNotFound)),
    "image_data.download": Operation(
        {200: "data", 206: "data", 204: None},
        parameters=(_RANGE, _PREFER),
        raises=(*_IMAGE, errors.ImageDeactivated, errors.ImageDataMissing, errors.RangeNotSatisfiable, errors.StoreUnavailable),
    ),
    "image_data.upload": Operation(
        {204: None},
        {DATA_TYPE: "data"},
        (_SIZE, _STORE),
        (*_UPLOAD, errors.FormatMissing, errors.DataFormatMismatch, errors.ImageUnsafe, errors.StoreUnknown, errors.StoreReadOnly),
    ),
    "image_data.stage": Operation({204: None}, {DATA_TYPE: "data"}, (_SIZE,), (*_UPLOAD, errors.MethodUnavailable)),
    "locations.index": Operation({200: "locations"}, raises=_IMAGE),
    "locations.register": Operation({202: None}, {JSON: "new_location"}, raises=(*_CHANGE, *_BODY, errors.Conflict, errors.FormatMissing)),
    "members.index": Operation({200: "members"}, raises=(*_IMAGE, errors.NotShared)),
    "members.show": Operation({200: "member"}, raises=(*_IMAGE, errors.MemberNotFound)),
    "members.add": Operation(
        {200: "member"}, {JSON: "new_member"}, raises=(*_CHANGE, *_BODY, errors.NotShared, errors.ShareForbidden, errors.MemberExists)
    ),
    "members.answer": Operation({200: "member"}, {JSON: "member_status"}, raises=(*_CHANGE, *_BODY, errors.Forbidden, errors.MemberNotFound)),
    "members.remove": Operation({204: None}, raises=(*_CHANGE, errors.ShareForbidden, errors.MemberNotFound)),
    "schemas.show": Operation({200: "document"}, raises=(errors.NotFound,)),
    "info.import_methods": Operation({200: "import_methods"}),
    "info.stores": Operation({200: "stores"}, raises=(errors.NotFound,)),
    "info.stores_in_detail": Operation({200: "stores_in_detail"}, raises=(errors.NotFound,)),
    "info.usage": Operation({200: "usage"}),
    "stores.delete": Operation({204: None}, raises=(*_CHANGE, errors.NotFound, errors.Conflict, errors.Forbidden, errors.LocationsChanged)),
    "routes.describe": Operation({200: "document"}),
}


def document(table: Table, request: Request) -> Schema:
    """The document of the service that ``request`` reached, with its own formats and custom properties."""
    most = request.settings.max_json_body_size
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "Image API",
            "version": NEWEST[0].removeprefix("v"),
            "description": f"Images of virtual machines: their metadata and data. A JSON body has at most {most} bytes.",
        },
        "servers": [{"url": f"{request.root_url}/v2"}],
        "security": [{}, {"token": []}],
        "paths": {path: _path_item(path, handlers) for path, handlers in table.items()},
        "components": {
            "schemas": _components(request),
            "responses": {"error": {"description": "What went wrong, in the form that Accept asks for.", "content": _error_content()}},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def name_of(handler: Handler) -> str:
    """The key of a handler in ``OPERATIONS``."""
    return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"


def summary_of(handler: Handler) -> str:
    """What a handler does: its docstring begins with ``METHOD /path:``, and the words up to the end of that paragraph are the summary."""
    paragraph = " ".join((handler.__doc__ or "").partition("\n\n")[0].split())
    return paragraph.partition(": ")[2]


def _path_item(path: str, handlers: Mapping[str, Handler]) -> Schema:
    item: Schema = {method.lower(): _operation(method, path, handler) for method, handler in handlers.items()}
    names = re.findall(r"{(\w+)}", path)
    if names:
        item["parameters"] = [{**_parameter(name, "path", PATH_PARAMETERS[name], {**TEXT, "minLength": 1}), "required": True} for name in names]
    return item


def _operation(method: str, path: str, handler: Handler) -> Schema:
    operation = OPERATIONS[name_of(handler)]
    described: Schema = {
        "operationId": "_".join([method.lower(), *re.findall(r"\w+", path)]),
        "summary": summary_of(handler),
        "responses": {str(status): answer for status, answer in sorted(_answers(operation))},
    }
    if operation.parameters:
        described["parameters"] = list(operation.parameters)
    if operation.body:
        described["requestBody"] = {"required": True, "content": {media_type: _content(name) for media_type, name in operation.body.items()}}
    return described


def _answers(operation: Operation) -> Iterator[tuple[int, Schema]]:
    for status, name in operation.answers.items():
        answer: Schema = {"description": "Done." if name is None else f"The {name}."}
        if name is not None:
            answer["content"] = {DATA_TYPE if name == "data" else JSON: _content(name)}
        yield status, answer
    by_status: dict[int, list[str]] = {431: ["The request id is too long."]}
    met: tuple[type[errors.GlanceError], ...] = (*ALWAYS, *operation.raises)
    for error in met:
        by_status.setdefault(status_of(error, "v2"), []).append(error.code)
    for status, causes in by_status.items():
        yield status, {"$ref": "#/components/responses/error", "description": ", ".join(causes)}


def _content(name: str) -> Schema:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _error_content() -> Schema:
    flat = {"message": TEXT, "code": TEXT, "title": TEXT}
    return {JSON: {"schema": _object(flat)}, "text/html": {"schema": TEXT}, "text/plain": {"schema": TEXT}}


def _components(request: Request) -> dict[str, Schema]:
    """What bodies are, by name. An answer has all attributes of the service's own; a request those that clients set."""
    image, member = request.image_schema, schemas.member(request.settings)
    writable = {name: schema for name, schema in image["properties"].items() if not schema.get("readOnly") and not schemas.is_reserved(name)}
    return {
        "image": {**_object(image["properties"], required=schemas.CORE), "additionalProperties": schemas.CUSTOM},
        "new_image": {**_object(writable, required=image.get("required", ())), "additionalProperties": schemas.CUSTOM},
        "images": _object({"images": _list_of("image"), "first": TEXT, "next": TEXT, "schema": TEXT}, required=("images", "first", "schema")),
        "locations": {"type": "array", "items": schemas.LOCATION},
        "new_location": locations.REGISTRATION,
        "member": _object(member["properties"]),
        "members": _object({"members": _list_of("member"), "schema": TEXT}),
        "new_member": _object({"member": {**TEXT, "minLength": 1, "maxLength": 255}}),
        "member_status": _object({"status": member["properties"]["status"]}),
        "changes": {"type": "array", "maxItems": patch.MAX_OPERATIONS, "items": _change_2_1()},
        "changes_2_0": {"type": "array", "maxItems": patch.MAX_OPERATIONS, "items": {"oneOf": [_change_2_0(name) for name in patch.NAMES]}},
        "data": {**TEXT, "format": "binary"},
        "import_methods": _object({"import-methods": _object({"description": TEXT, "type": TEXT, "value": {"type": "array", "items": TEXT}})}),
        "usage": _object({"usage": {"type": "object"}}),
        "store": _object(_OFFER, required=("id",)),
        "stores": _object({"stores": _list_of("store")}),
        "store_in_detail": _object({**_OFFER, **_OFFER_DETAIL}, required=("id", *_OFFER_DETAIL)),
        "stores_in_detail": _object({"stores": _list_of("store_in_detail")}),
        "document": {"type": "object"},
    }


def _object(properties: Mapping[str, Schema], required: Any = None) -> Schema:
    """An object; all of its properties are there unless ``required`` names those that are."""
    described: Schema = {"type": "object", "properties": dict(properties)}
    names = sorted(properties if required is None else required)
    return {**described, "required": names} if names else described


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _change_2_1() -> Schema:
    """An operation of RFC 6902; ``remove`` needs no value."""
    return _object({"op": {"enum": list(patch.NAMES)}, "path": POINTER, "value": {}}, required=("op", "path"))


def _change_2_0(name: str) -> Schema:
    return {**_object({name: POINTER, "value": {}}, required=(name,)), "additionalProperties": False}
