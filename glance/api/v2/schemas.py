"""JSON schemas of what this version speaks, generated from the attribute table (spec-v2 2.2, 4.3), and the check of values against them.

What is served is what is enforced.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields
from types import NoneType
from typing import Any

import webob
import webob.exc

from glance import errors
from glance.api.request import Request, json_response
from glance.model import tags
from glance.model.attributes import ATTRIBUTES, Attribute
from glance.model.formats import Formats
from glance.model.image import Image
from glance.model.status import STATUSES
from glance.model.visibility import VISIBILITIES

Schema = dict[str, Any]

UUID = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
MEMBER_STATUSES = ("pending", "accepted", "rejected")

#: Core attributes that this version shows: a deleted image is never seen.
SHOWN = tuple(attribute for attribute in ATTRIBUTES if attribute.name not in {"deleted", "deleted_at"})
LINKS = {"self": "Path of the image.", "file": "Path of its data.", "schema": "Path of the schema that describes it."}
#: Names that stand for something else here, in this increment or in later ones.
RESERVED = frozenset({"location", "locations", "deleted", "deleted_at"})
RESERVED_PREFIX = "os_glance"
READ_ONLY = frozenset(
    {attribute.name for attribute in SHOWN if attribute.rule in {"fixed", "measured"}} | {"virtual_size", "direct_url", "stores", *LINKS}
)
CUSTOM: Schema = {"type": "string"}
TAGS: Schema = {"description": "Words that images are found by.", "type": "array", "items": {"type": "string", "maxLength": tags.LIMIT}}

_NAMED_KINDS = {"text": "string", "integer": "integer", "boolean": "boolean", "time": "string"}
_NULLABLE = frozenset(field.name for field in fields(Image) if field.default is None)
_TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "null": NoneType}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def image(formats: Formats) -> Schema:
    """The schema of an image; ``formats`` are those that the service accepts."""
    properties = {attribute.name: _attribute(attribute, formats) for attribute in SHOWN}
    properties["tags"] = TAGS
    properties |= {name: {"description": doc, "type": "string", "readOnly": True} for name, doc in LINKS.items()}
    links = [{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}]
    return {"name": "image", "properties": properties, "additionalProperties": CUSTOM, "links": links}


def member(formats: Formats) -> Schema:  # noqa: ARG001
    """The schema of a membership."""
    return {
        "name": "member",
        "properties": {
            "member_id": {"description": "Project that the image is shared with.", "type": "string"},
            "image_id": {"description": "Identifier of the image.", "type": "string", "pattern": UUID},
            "created_at": {"description": "When the image was shared, UTC.", "type": "string"},
            "updated_at": {"description": "When the membership last changed, UTC.", "type": "string"},
            "status": {"description": "What the project thinks of the image.", "type": "string", "enum": list(MEMBER_STATUSES)},
            "schema": {"description": LINKS["schema"], "type": "string", "readOnly": True},
        },
    }


def _images(formats: Formats) -> Schema:
    text = {"type": "string"}
    links = [{"rel": "first", "href": "{first}"}, {"rel": "next", "href": "{next}"}, {"rel": "describedby", "href": "{schema}"}]
    properties = {"images": {"type": "array", "items": image(formats)}, "first": text, "next": text, "schema": text}
    return {"name": "images", "properties": properties, "links": links}


def _members(formats: Formats) -> Schema:
    properties = {"members": {"type": "array", "items": member(formats)}, "schema": {"type": "string"}}
    return {"name": "members", "properties": properties, "links": [{"rel": "describedby", "href": "{schema}"}]}


SCHEMAS: dict[str, Callable[[Formats], Schema]] = {"image": image, "images": _images, "member": member, "members": _members}


def show(request: Request, name: str) -> webob.Response:
    """GET /v2/schemas/{name}."""
    if name not in SCHEMAS:
        raise webob.exc.HTTPNotFound
    return json_response(SCHEMAS[name](request.services.formats))


def refuse_unwritable(name: str) -> None:
    """Raises Forbidden for an attribute that no client sets."""
    if name in READ_ONLY:
        raise errors.Forbidden(reason=f"Attribute '{name}' is read-only.")
    if is_reserved(name):
        raise errors.Forbidden(reason=f"Attribute '{name[:64]}' is reserved.")


def is_reserved(name: str) -> bool:
    """True for names that no custom property has in this version: only the service says what they stand for."""
    return name in READ_ONLY or name in RESERVED or name.startswith(RESERVED_PREFIX)


def check(name: str, value: Any, schema: Schema) -> None:
    """Raises InvalidValue, naming the attribute and what it accepts, for a ``value`` that is not as its ``schema`` says."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is_of_kind(value, kind) for kind in kinds):
        raise _invalid(name, value, f"It must be of type {' or '.join(kinds)}.")
    if "enum" in schema and value not in schema["enum"]:
        raise _invalid(name, value, f"Choose one of {', '.join('null' if one is None else one for one in schema['enum'])}.")
    if isinstance(value, str):
        _check_text(name, value, schema)
    elif isinstance(value, list):
        for item in value:
            check(name, item, schema["items"])
    elif isinstance(value, int) and "maximum" in schema:
        _check_number(name, value, schema)


def _is_of_kind(value: Any, kind: str) -> bool:
    return isinstance(value, _TYPES[kind]) and not (kind == "integer" and isinstance(value, bool))


def _check_text(name: str, value: str, schema: Schema) -> None:
    limit = schema.get("maxLength", len(value))
    if len(value) > limit:
        raise _invalid(name, value, f"It has {len(value)} characters and can't exceed {limit} characters.")
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value):
        raise _invalid(name, value, f"It does not match {schema['pattern']}")
    if schema is not CUSTOM and _CONTROL.search(value):
        raise _invalid(name, "...", "Control characters are not allowed.")


def _check_number(name: str, value: int, schema: Schema) -> None:
    if value < 0:
        raise _invalid(name, value, "Cannot be a negative value")
    if value > schema["maximum"]:
        raise _invalid(name, value, f"'{name}' value out of range, must not exceed {schema['maximum']}.")


def _invalid(name: str, value: Any, reason: str) -> errors.InvalidValue:
    shown = str(value)[:64] if isinstance(value, str | int | float | NoneType) else type(value).__name__
    return errors.InvalidValue(value=shown, attribute=name[:64], reason=reason)


def _attribute(attribute: Attribute, formats: Formats) -> Schema:
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
        schema["pattern"] = UUID
    elif attribute.kind == "text":
        schema["maxLength"] = attribute.limit
    elif attribute.kind == "integer":
        schema |= {"minimum": 0, "maximum": attribute.limit}
    return schema
