"""The x-image-meta codec: from request headers to attributes (spec-v1 2.2), and from an image to headers and JSON (2.3, 2.4, 2.14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from glance import errors
from glance.api.request import Request, utf8
from glance.model.attributes import ATTRIBUTES, BY_NAME, Attribute
from glance.model.formats import CLASSIC_TYPES
from glance.model.image import Image
from glance.model.query import parse_time
from glance.model.visibility import PUBLIC, SHARED

PREFIX = "HTTP_X_IMAGE_META_"
PROPERTY_PREFIX = "HTTP_X_IMAGE_META_PROPERTY_"
TRUE_WORDS = frozenset({"1", "t", "true", "on", "y", "yes"})
#: Fields that clients send back because they once received them; nothing follows from them.
INERT = frozenset({"uri", "copy_from", "deleted"})
#: Values by which replicating clients of python write that there is none.
ABSENT_WORDS = {"checksum": "None", "owner": "None", "virtual_size": "None", "deleted_at": "None"}
_INTEGER = re.compile(r"-?[0-9]{1,24}\Z")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(slots=True)
class Metadata:
    """What the x-image-meta headers of one request say. ``values`` has an attribute only if the request does; None stands for an empty header."""

    values: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str | None] = field(default_factory=dict)
    store: str | None = None
    location: str | None = None


def parse(request: Request) -> Metadata:
    """Reads the headers. Raises InvalidHeader for an unknown field, InvalidValue and Invalid for a value that its field cannot have."""
    metadata = Metadata()
    for name, text in _sent(request):
        if name.startswith("property_"):
            metadata.properties[name.removeprefix("property_")] = text or None
        elif name == "store":
            metadata.store = text or None
        elif name == "location":
            metadata.location = text or None
        elif name == "is_public":
            if text:
                metadata.values["visibility"] = PUBLIC if is_true(text) else SHARED
        elif name in BY_NAME and BY_NAME[name].in_v1 and name not in INERT:
            _take(metadata, BY_NAME[name], text)
        elif name == "type":
            _take_classic_type(metadata, text)
        elif name not in INERT:
            raise errors.InvalidHeader(header=f"x-image-meta-{name}")
    _complete_classic_type(metadata)
    return metadata


def is_true(text: str) -> bool:
    """The union of what servers of all years took for true; everything else is false."""
    return text.strip().lower() in TRUE_WORDS


def _sent(request: Request) -> Iterator[tuple[str, str]]:
    """(name after the prefix with underscores, value as text) of each x-image-meta header."""
    for key, value in request.environ.items():
        if key.startswith(PREFIX):
            name = key.removeprefix(PREFIX).lower()
            text = utf8(value, f"x-image-meta-{name}").strip()
            yield decoded(request, name), decoded(request, text)


def decoded(request: Request, text: str) -> str:
    """``text`` of a header without the percent-encoding that glanceclient puts on it (spec-v1 8.1, trap 10)."""
    encoded = request.settings.decode_percent and (request.user_agent or "").startswith("python-glanceclient")
    return unquote(text) if encoded else text


def _take(metadata: Metadata, attribute: Attribute, text: str) -> None:
    if text == ABSENT_WORDS.get(attribute.name):
        return
    if attribute.kind == "text":
        if attribute.rule != "fixed":
            _check_length(attribute, text)
        if text or attribute.rule in {"free", "admin"}:
            metadata.values[attribute.name] = text or None
    elif attribute.kind == "integer" and text:
        metadata.values[attribute.name] = _integer(attribute, text)
    elif attribute.kind == "boolean" and text:
        metadata.values[attribute.name] = is_true(text)
    elif attribute.kind == "time" and text:
        _check_time(attribute, text)


def _check_length(attribute: Attribute, text: str) -> None:
    if attribute.limit is not None and len(text) > attribute.limit:
        raise _invalid(attribute, text, f"It has {len(text)} characters and can't exceed {attribute.limit} characters.")
    if _CONTROL.search(text):
        raise _invalid(attribute, "...", "Control characters are not allowed.")


def _integer(attribute: Attribute, text: str) -> int:
    if not _INTEGER.match(text):
        raise _invalid(attribute, text, f"Cannot convert image {attribute.name} '{text[:64]}' to an integer.")
    number = int(text)
    if number < 0:
        raise _invalid(attribute, text, "Cannot be a negative value.")
    if attribute.limit is not None and number > attribute.limit:
        raise _invalid(attribute, text, f"'{attribute.name}' value out of range, must not exceed {attribute.limit}.")
    return number


def _check_time(attribute: Attribute, text: str) -> None:
    try:
        acceptable = parse_time(text).year >= 1900
    except ValueError:
        acceptable = False
    if not acceptable:
        raise errors.Invalid(reason=f"Invalid time format for {attribute.name}.")


def _invalid(attribute: Attribute, text: str, reason: str) -> errors.InvalidValue:
    return errors.InvalidValue(value=text[:64], attribute=attribute.name, reason=reason)


def _take_classic_type(metadata: Metadata, text: str) -> None:
    if text and text not in CLASSIC_TYPES:
        raise errors.InvalidValue(value=text[:64], attribute="type", reason=f"Choose one of {', '.join(CLASSIC_TYPES)}.")
    metadata.properties["type"] = text or None


def _complete_classic_type(metadata: Metadata) -> None:
    """The ``type`` of 2010 stands for a pair of formats, where none are given."""
    formats = CLASSIC_TYPES.get(metadata.properties.get("type") or "")
    if formats and "disk_format" not in metadata.values and "container_format" not in metadata.values:
        metadata.values["disk_format"], metadata.values["container_format"] = formats


def brief(request: Request, image: Image) -> dict[str, Any]:
    """The few fields of GET /images."""
    document = {attribute.name: _value(request, image, attribute) for attribute in ATTRIBUTES if attribute.in_brief}
    if request.versionless:
        document |= _versionless_fields(request, image, with_store=False)
    return document


def full(request: Request, image: Image) -> dict[str, Any]:
    """All fields, as JSON has them. A location is never among them."""
    document = {attribute.name: _value(request, image, attribute) for attribute in ATTRIBUTES if attribute.in_v1}
    document |= {"is_public": image.visibility == PUBLIC, "properties": dict(image.properties)}
    if request.versionless:
        document |= _versionless_fields(request, image, with_store=True)
    return document


def headers(request: Request, image: Image) -> list[tuple[str, str]]:
    """All fields as response headers, and the ETag. What has no value is an empty header on versionless paths, except for the checksum,
    which clients would verify against, and is left out on the others."""
    named = full(request, image)
    properties = named.pop("properties")
    lines = [
        (f"X-Image-Meta-{name.capitalize()}", _text(value))
        for name, value in named.items()
        if value is not None or (request.versionless and name != "checksum")
    ]
    lines += [(f"X-Image-Meta-Property-{_header_name(name)}", _text(value)) for name, value in properties.items()]
    return lines + etag(image)


def etag(image: Image) -> list[tuple[str, str]]:
    """The ETag header, without quotes as all servers of this API send it; none without a checksum."""
    return [("ETag", image.checksum)] if image.checksum else []


def _value(request: Request, image: Image, attribute: Attribute) -> Any:
    value = getattr(image, attribute.name)
    if attribute.kind == "time" and value is not None:
        return value.isoformat()
    if attribute.name == "size":
        return value or 0
    if attribute.name == "id" and request.versionless and request.settings.integer_ids and value.isdecimal():
        return int(value)
    return value


def _versionless_fields(request: Request, image: Image, *, with_store: bool) -> dict[str, Any]:
    """The fields that only the documents of 2010 knew."""
    fields: dict[str, Any] = {"uri": f"{request.root_url}/images/{image.id}"}
    if "type" in image.properties:
        fields["type"] = image.properties["type"]
    if with_store:
        fields["store"] = image.location.url.partition(":")[0] if image.location else None
    return fields


def _text(value: object) -> str:
    """A header value: UTF-8 bytes as latin-1, without the characters that could start another header."""
    text = "" if value is None else str(value)
    return _CONTROL.sub(" ", text).encode().decode("latin-1")


def _header_name(name: str) -> str:
    """A property's name as part of a header's; what may not stand there becomes an underscore."""
    return re.sub(r"[^A-Za-z0-9!#$%&'*+.^_`|~-]", "_", name.lower()).capitalize()
