"""JSON schemas of what this version speaks, generated from the attribute table (spec-v2 2.2, 4.3), and the check of values against them.

What is served is what is enforced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import fields
from typing import Any, get_args

import webob
import webob.exc
from jsonschema import Draft4Validator, ValidationError
from jsonschema.exceptions import best_match

from glance import errors
from glance.api.request import Request, json_response
from glance.api.settings import ApiSettings
from glance.model import tags
from glance.model.attributes import ATTRIBUTES, Attribute
from glance.model.formats import Formats
from glance.model.image import Image, MemberStatus
from glance.model.properties import RESERVED_PREFIX
from glance.model.status import STATUSES
from glance.model.visibility import VISIBILITIES

Schema = dict[str, Any]

_UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
#: Images that were made before a service counted in integers keep their ids.
_INTEGER_OR_UUID = f"^[1-9][0-9]*$|{_UUID}"
MEMBER_STATUSES = get_args(MemberStatus)

#: Core attributes that this version shows: a deleted image is never seen.
SHOWN = tuple(attribute for attribute in ATTRIBUTES if attribute.name not in {"deleted", "deleted_at"})
LINKS = {"self": "Path of the image.", "file": "Path of its data.", "schema": "Path of the schema that describes it."}
#: Names that stand for something else here.
RESERVED = frozenset({"location", "locations", "deleted", "deleted_at"})
READ_ONLY = frozenset(
    {attribute.name for attribute in SHOWN if attribute.rule in {"fixed", "measured"}} | {"virtual_size", "direct_url", "stores", *LINKS}
)
_TAKEN = READ_ONLY | RESERVED
CUSTOM: Schema = {"type": "string"}
_VALIDATION: Schema = {
    "description": "What the data at the location must be; never shown.",
    "type": "object",
    "writeOnly": True,
    "properties": {
        "checksum": {"description": "MD5, hexadecimal.", "type": "string", "minLength": 32, "maxLength": 32},
        "os_hash_algo": {"description": "Algorithm of os_hash_value.", "type": "string", "maxLength": 64},
        "os_hash_value": {"description": "Digest, hexadecimal.", "type": "string", "maxLength": 128},
    },
    "required": ["os_hash_algo", "os_hash_value"],
    "additionalProperties": False,
}
LOCATION_URL: Schema = {"description": "URL of the data.", "type": "string", "maxLength": 255}
LOCATION: Schema = {
    "type": "object",
    "properties": {
        "url": LOCATION_URL,
        "metadata": {"description": "What clients say of it; store names the store.", "type": "object"},
        "validation_data": _VALIDATION,
    },
    "required": ["url", "metadata"],
}
#: Where data is, for sites that show it or have several stores.
LOCATIONS: dict[str, Schema] = {
    "locations": {"description": "Where the data is, where the site shows that.", "type": "array", "items": LOCATION},
    "direct_url": {"description": "The first of the locations, where the site shows that.", "type": "string", "readOnly": True},
    "stores": {"description": "Names of the stores that hold the data, where the site has several.", "type": "string", "readOnly": True},
}
TAGS: Schema = {"description": "Words that images are found by.", "type": "array", "items": {"type": "string", "maxLength": tags.LIMIT}}

_NAMED_KINDS = {"text": "string", "integer": "integer", "boolean": "boolean", "time": "string"}
_NULLABLE = frozenset(field.name for field in fields(Image) if field.default is None)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def image(formats: Formats, settings: ApiSettings) -> Schema:
    """The schema of an image: with the ``formats`` that the service accepts, its kind of ids, and custom properties as its operator describes."""
    links = [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}]
    document: Schema = {"name": "image", "properties": {**_core(formats, settings), **LOCATIONS}, "additionalProperties": CUSTOM, "links": links}
    custom = settings.custom_properties
    # Clients take what is not base for a custom property: it may be removed.
    document["properties"] |= {name: {**schema, "is_base": False} for name, schema in custom.schemas.items()}
    if custom.required:
        document["required"] = list(custom.required)
    return document


def member(settings: ApiSettings) -> Schema:
    """The schema of a membership."""
    return {
        "name": "member",
        "properties": {
            "member_id": {"description": "Project that the image is shared with.", "type": "string"},
            "image_id": {"description": "Identifier of the image.", "type": "string", "pattern": _id_pattern(settings)},
            "created_at": {"description": "When the image was shared, UTC.", "type": "string"},
            "updated_at": {"description": "When the membership last changed, UTC.", "type": "string"},
            "status": {"description": "What the project thinks of the image.", "type": "string", "enum": list(MEMBER_STATUSES)},
            "schema": {"description": LINKS["schema"], "type": "string", "readOnly": True},
        },
    }


def _images(request: Request) -> Schema:
    text = {"type": "string"}
    links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"}]
    properties = {"images": {"type": "array", "items": request.image_schema}, "first": text, "next": text, "schema": text}
    return {"name": "images", "properties": properties, "links": links}


def _members(request: Request) -> Schema:
    properties = {"members": {"type": "array", "items": member(request.settings)}, "schema": {"type": "string"}}
    return {"name": "members", "properties": properties, "links": [{"rel": "describedby", "href": "{schema}"}]}


#: The schemas that are served, by name.
SCHEMAS: dict[str, Callable[[Request], Schema]] = {
    "image": lambda request: request.image_schema,
    "images": _images,
    "member": lambda request: member(request.settings),
    "members": _members,
}


def show(request: Request, name: str) -> webob.Response:
    """GET /schemas/{name}: what images and members look like, as JSON schema."""
    if name not in SCHEMAS:
        raise webob.exc.HTTPNotFound
    return json_response(SCHEMAS[name](request))


def refuse_unwritable(name: str) -> None:
    """Raises Forbidden for an attribute that no client sets."""
    if name in READ_ONLY:
        raise errors.Forbidden(reason=f"Attribute '{name}' is read-only.")
    if is_reserved(name):
        raise errors.Forbidden(reason=f"Attribute '{name[:64]}' is reserved.")


def is_reserved(name: str) -> bool:
    """True for names that no custom property has in this version: only the service says what they stand for."""
    return name in _TAKEN or name.startswith(RESERVED_PREFIX)


def check(name: str, value: Any, schema: Schema) -> None:
    """Raises InvalidValue, naming the attribute and what it accepts, for a ``value`` that is not as its ``schema`` says."""
    error = best_match(Draft4Validator(schema).iter_errors(value))
    if error is not None:
        raise _invalid(name, error.instance, _reason(name, error))
    if schema is CUSTOM or not schema.get("is_base", True):
        return  # a tab is welcome there; ``glance.model.properties`` refuses the rest
    for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and _CONTROL.search(text):
            raise _invalid(name, "...", "Control characters are not allowed.")


def _reason(name: str, error: ValidationError) -> str:
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            return f"It must be of type {wanted if isinstance(wanted, str) else ' or '.join(wanted)}."
        case "enum":
            return f"Choose one of {', '.join('null' if one is None else str(one) for one in wanted)}."
        case "maxLength":
            return f"It has {len(error.instance)} characters and can't exceed {wanted} characters."
        case "pattern":
            return f"It does not match {wanted}"
        case "minimum":
            return "Cannot be a negative value"
        case "maximum":
            return f"'{name}' value out of range, must not exceed {wanted}."
        case "required":
            return f"It needs {', '.join(wanted)}."
        case "dependencies":
            return f"It needs all or none of {', '.join(wanted)}."
        case "additionalProperties":
            return f"It may have only {', '.join(error.schema['properties'])}."
    return f"It does not fulfil {error.validator}: {wanted}."


def _invalid(name: str, value: Any, reason: str) -> errors.InvalidValue:
    return errors.InvalidValue(value=_shown(value), attribute=name[:64], reason=reason)


def _shown(value: Any) -> str:
    """A value as JSON names it; of one that has parts the type."""
    match value:
        case str():
            return value[:64]
        case dict():
            return "object"
        case list():
            return "array"
    return json.dumps(value)[:64]


def _core(formats: Formats, settings: ApiSettings) -> dict[str, Schema]:
    links = {name: {"description": doc, "type": "string", "readOnly": True} for name, doc in LINKS.items()}
    return {**{attribute.name: _attribute(attribute, formats, settings) for attribute in SHOWN}, "tags": TAGS, **links}


def _id_pattern(settings: ApiSettings) -> str:
    return _INTEGER_OR_UUID if settings.integer_ids else _UUID


def _attribute(attribute: Attribute, formats: Formats, settings: ApiSettings) -> Schema:
    kind = _NAMED_KINDS[attribute.kind]
    nullable = attribute.name in _NULLABLE and attribute.kind != "time"
    schema: Schema = {"description": attribute.doc, "type": ["null", kind] if nullable else kind}
    if attribute.name in READ_ONLY:
        schema["readOnly"] = True
    enums: dict[str, list[str | None]] = {
        "status": [*sorted(STATUSES)],
        "visibility": [*sorted(VISIBILITIES)],
        "disk_format": [None, *formats.disk],
        "container_format": [None, *formats.container],
    }
    if attribute.name in enums:
        schema["enum"] = enums[attribute.name]
    elif attribute.name == "id":
        schema["pattern"] = _id_pattern(settings)
    elif attribute.kind == "text":
        schema["maxLength"] = attribute.limit
    elif attribute.kind == "integer":
        schema |= {"minimum": 0, "maximum": attribute.limit}
    return schema


#: Attributes that are the service's own; all others are custom properties, also those that the operator describes.
CORE = frozenset({*(attribute.name for attribute in SHOWN), "tags", *LINKS})
