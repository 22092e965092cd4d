"""Changes of an image as JSON patch, in the dialects of v2.1 (RFC 6902) and of v2.0 (spec-v2 2.6)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import webob.exc

from glance import errors
from glance.api.request import Request
from glance.api.v2 import schemas
from glance.model.image import Image, ImageChanges

Name = Literal["add", "replace", "remove"]

NAMES: tuple[Name, ...] = ("add", "replace", "remove")
#: Operations that one request may have: more than any image has attributes.
MAX_OPERATIONS = 1000
V20 = "application/openstack-images-v2.0-json-patch"
V21 = "application/openstack-images-v2.1-json-patch"
_BAD_ESCAPE = re.compile(r"~(?![01])")


@dataclass(frozen=True, slots=True)
class Operation:
    """One change of one attribute. ``exclusive``: an ``add`` of what is there conflicts, as v2.0 has it. ``rest`` leads on, into the locations."""

    name: Name
    attribute: str
    rest: tuple[str, ...] = ()
    value: Any = None
    exclusive: bool = False


def parse(request: Request) -> list[Operation]:
    """The operations of a request. Raises HTTPUnsupportedMediaType, BodyMalformed, Invalid, LimitExceeded."""
    readers: dict[str, Callable[[dict[str, Any]], Operation]] = {V20: _read_v20, V21: _read_v21}
    read = readers.get(request.content_type.lower())
    if read is None:
        accepted = ", ".join(readers)
        raise webob.exc.HTTPUnsupportedMediaType(detail=f"Content-Type must be one of {accepted}", headers={"Accept-Patch": accepted})
    document = request.json_document()
    if not isinstance(document, list):
        raise errors.BodyMalformed(reason="Request body must be a JSON array of operation objects.")
    if len(document) > MAX_OPERATIONS:
        raise errors.LimitExceeded(reason=f"One request changes an image by at most {MAX_OPERATIONS} operations.")
    if not all(isinstance(element, dict) for element in document):
        raise errors.Invalid(reason="Operations must be JSON objects.")
    return [read(element) for element in document]


def apply(image: Image, operations: list[Operation], schema: schemas.Schema) -> ImageChanges:
    """What ``operations``, one after the other, make of ``image``. Raises Forbidden, InvalidValue, Conflict."""
    values: dict[str, object] = {}
    properties = dict(image.properties)
    for operation in operations:
        _check(operation, schema["properties"])
        if operation.name == "remove" and (operation.attribute in schemas.CORE or operation.attribute in schema.get("required", ())):
            raise errors.Forbidden(reason=f"Property {operation.attribute} may not be removed.")
        if operation.attribute in schemas.CORE:
            _change_attribute(values, operation)
        else:
            _change_property(properties, operation)
    tags: Any = values.pop("tags", None)
    return ImageChanges(
        values,
        {name: value for name, value in properties.items() if name not in image.properties or image.properties[name] != value},
        dropped=frozenset(image.properties) - frozenset(properties),
        tags=None if tags is None else tuple(sorted(set(tags))),
    )


def _check(operation: Operation, known: Mapping[str, schemas.Schema]) -> None:
    attribute = operation.attribute
    if attribute == "id":
        raise errors.Forbidden(reason="Attribute 'id' is read-only.")
    schemas.refuse_unwritable(attribute)
    if operation.name != "remove":
        schemas.check(attribute, operation.value, known.get(attribute, schemas.CUSTOM))


def _change_attribute(values: dict[str, object], operation: Operation) -> None:
    if operation.exclusive and operation.name == "add":
        raise errors.Conflict(reason=f"Property {operation.attribute} already present.")
    values[operation.attribute] = operation.value


def _change_property(properties: dict[str, str | None], operation: Operation) -> None:
    name = operation.attribute
    if operation.name == "add":
        if operation.exclusive and name in properties:
            raise errors.Conflict(reason=f"Property {name[:64]} already present.")
    elif name not in properties:
        raise errors.Conflict(reason=f"Property {name[:64]} does not exist.")
    if operation.name == "remove":
        del properties[name]
    else:
        properties[name] = operation.value


def _read_v21(element: dict[str, Any]) -> Operation:
    for key in ("op", "path"):
        if key not in element:
            raise errors.Invalid(reason=f"Each operation needs a member '{key}'.")
    name = next((one for one in NAMES if one == element["op"]), None)
    if name is None:
        shown = element["op"][:64] if isinstance(element["op"], str) else "not a text"
        raise errors.Invalid(reason=f"Invalid operation: `{shown}`. It must be one of the following: {', '.join(sorted(NAMES))}.")
    return Operation(name, *_pointer(element["path"]), _value(name, element))


def _read_v20(element: dict[str, Any]) -> Operation:
    found = [one for one in NAMES if one in element]
    if len(found) != 1:
        raise errors.Invalid(reason=f"Operation objects must contain exactly one member of: {', '.join(sorted(NAMES))}.")
    [name] = found
    return Operation(name, *_pointer(element[name]), _value(name, element), exclusive=True)


def _value(name: Name, element: dict[str, Any]) -> Any:
    if name != "remove" and "value" not in element:
        raise errors.Invalid(reason=f"Operation '{name}' needs a member 'value'.")
    return element.get("value")


def _pointer(pointer: Any) -> tuple[str, tuple[str, ...]]:
    """The attribute that a JSON pointer (RFC 6901) names, and what follows: only locations have more than one level."""
    if not isinstance(pointer, str):
        raise errors.Invalid(reason="A JSON pointer must be a text.")
    shown = pointer[:64]
    if not pointer.startswith("/"):
        raise errors.Invalid(reason=f'Pointer `{shown}` does not start with "/".')
    if "//" in pointer:
        raise errors.Invalid(reason=f'Pointer `{shown}` contains adjacent "/".')
    if pointer.endswith("/"):
        raise errors.Invalid(reason=f'Pointer `{shown}` ends with "/".')
    if _BAD_ESCAPE.search(pointer):
        raise errors.Invalid(reason=f'Pointer `{shown}` contains "~" not part of a recognized escape sequence.')
    first, *rest = pointer[1:].split("/")
    if rest and first != "locations":
        raise errors.Invalid(reason=f"Invalid JSON pointer for this resource: '{shown}'")
    return first.replace("~1", "/").replace("~0", "~"), tuple(rest)
