"""Entities and errors as JSON.

An image on this wire is the classic one (spec-v1 3) with tags: its attributes, ``properties``, ``tags``, ``is_public``, ``location`` and
``location_data``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, get_args

from glance import errors
from glance.model import properties, tags
from glance.model.attributes import ATTRIBUTES, BY_NAME
from glance.model.image import (
    SORT_KEYS,
    Condition,
    Direction,
    Failure,
    Held,
    Image,
    ImageChanges,
    ImageQuery,
    Location,
    LocationChange,
    LocationStatus,
    Member,
    Membership,
    MemberStatus,
    OnFailure,
    Operator,
    Scope,
    Standing,
    Started,
    StoredData,
    Upload,
)
from glance.model.quotas import MEASURES, Quotas, Usage
from glance.model.status import STATUSES
from glance.model.visibility import PUBLIC, SHARED, VISIBILITIES
from glance.registry.codec import (
    ANYTHING,
    FLAG,
    INTEGER,
    KINDS,
    TEXT,
    TEXTS,
    TIME,
    WORDS,
    Codec,
    Slot,
    at_key,
    listing,
    load_object,
    load_slots,
    one_of,
    optional,
    pair,
    record,
    same,
    several,
    table,
)

LOCATION = record(
    Location,
    Slot("url", TEXT),
    # A classic writer knows no stores: their set finds the one that reads the URL.
    Slot("store", TEXT, default=""),
    Slot("metadata", table(ANYTHING), default={}),
    Slot("status", one_of(*get_args(LocationStatus)), default="active"),
    Slot("id", optional(INTEGER), default=None),
    Slot("owned", FLAG, default=True),
    Slot("damaged", FLAG, default=False),
)
LOCATIONS = listing(LOCATION)
LOCATION_CHANGE = record(
    LocationChange,
    Slot("before", Codec(sorted, lambda data: frozenset(listing(INTEGER).load(data)))),
    Slot("after", several(LOCATION)),
)
STANDING = record(Standing, Slot("status", TEXT), Slot("locations", several(LOCATION)), Slot("uploading", FLAG))
PROPERTIES = table(optional(TEXT))

UPLOAD = record(
    Upload,
    Slot("image_id", TEXT),
    Slot("attempt", TEXT),
    Slot("store", TEXT),
    Slot("worker", TEXT),
    Slot("on_failure", one_of(*get_args(OnFailure))),
    Slot("reserved", INTEGER, default=0),
)
HELD = one_of(*get_args(Held))
FAILURE = record(Failure, Slot("at", TIME), Slot("status", TEXT), Slot("reason", TEXT), Slot("request_id", TEXT))
_MEASURES = tuple(Slot(measure, INTEGER) for measure in MEASURES)
_QUOTAS = Slot("quotas", optional(record(Quotas, *_MEASURES)), default=None)
#: What an owner's images take, with what they may take beside it; a registry of former days says nothing of that.
USAGE: Codec[tuple[Usage, Quotas | None]] = Codec(
    lambda value: {**dataclasses.asdict(value[0]), _QUOTAS.key: _QUOTAS.codec.dump(value[1])},
    lambda data: (Usage(**load_slots(_MEASURES, data)), _QUOTAS.load(data)),
)
STORED_DATA = record(
    StoredData,
    Slot("location", LOCATION),
    Slot("size", INTEGER),
    Slot("checksum", optional(TEXT)),
    Slot("virtual_size", optional(INTEGER)),
    Slot("os_hash_algo", optional(TEXT)),
    Slot("os_hash_value", optional(TEXT)),
)
#: Times by the ids of locations.
NOTED: Codec[Mapping[int, datetime]] = Codec(
    lambda noted: {str(location_id): at for location_id, at in noted.items()},
    lambda data: dict(map(_load_noted, table(TIME).load(data).items())),
)
MEMBER_STATUS = one_of(*get_args(MemberStatus))
MEMBER = record(
    Member,
    Slot("image_id", TEXT),
    Slot("member_id", TEXT, "member"),
    Slot("can_share", FLAG),
    Slot("status", MEMBER_STATUS),
    Slot("created_at", optional(TIME)),
    Slot("updated_at", optional(TIME)),
)
MEMBERSHIP = record(
    Membership,
    Slot("member_id", TEXT, "member"),
    Slot("can_share", optional(FLAG), default=None),
)


def _load_noted(item: tuple[str, datetime]) -> tuple[int, datetime]:
    if not item[0].isdecimal():
        raise errors.BodyMalformed(reason="Ids of locations are expected.")
    return int(item[0]), item[1]


def _load_value(data: object) -> str | int | bool:
    if isinstance(data, str | bool):
        return data
    return INTEGER.load(data)


def _load_equal(data: object) -> Mapping[str, str | int | bool]:
    equal = table(_VALUE).load(data)
    unknown = equal.keys() - BY_NAME.keys()
    if unknown:
        raise errors.BodyMalformed(reason=f"Images cannot be listed by {', '.join(sorted(unknown))}.")
    return equal


def _load_condition(data: object) -> Condition:
    named = load_slots(_COMPARED, data)
    kind = BY_NAME[named["attribute"]].kind
    among = named["operator"] == "in"
    if among and kind != "text":
        raise errors.BodyMalformed(reason="Only texts are looked for among several.")
    return Condition(**named, value=Slot("value", TEXTS if among else KINDS[kind]).load(data))


_VALUE: Codec[str | int | bool] = Codec(same, _load_value)
_COMPARED = (Slot("attribute", one_of(*BY_NAME)), Slot("operator", one_of(*get_args(Operator))))
CONDITION: Codec[Condition] = Codec(dataclasses.asdict, _load_condition)
QUERY = record(
    ImageQuery,
    Slot("equal", Codec(dict, _load_equal)),
    Slot("conditions", several(CONDITION)),
    Slot("properties", table(TEXT)),
    Slot("tags", TEXTS),
    Slot("member_status", optional(MEMBER_STATUS)),
    Slot("changes_since", optional(TIME)),
    Slot("deleted", optional(FLAG)),
    Slot("scope", one_of(*get_args(Scope))),
    Slot("sort", several(pair(Slot("key", one_of(*SORT_KEYS)), Slot("direction", one_of(*get_args(Direction)))))),
    Slot("marker", optional(TEXT)),
    Slot("limit", optional(INTEGER)),
)

_IS_PUBLIC = Slot("is_public", FLAG)
_PROPERTIES = Slot("properties", optional(PROPERTIES), default=None)
_TAGS = Slot("tags", optional(TEXTS), default=None)
_PURGE = Slot("purge_props", FLAG, default=False)
_DROPPED = Slot("drop_props", WORDS, default=frozenset())
_TAG = Slot("tag", optional(TEXT), default=None)
_UNTAG = Slot("untag", optional(TEXT), default=None)
_LOCATION_CHANGE = Slot("location_change", optional(LOCATION_CHANGE), default=None)
_LOCATION_DATA = Slot("location_data", LOCATIONS)
_CLASSIC_LOCATION = Slot("location", TEXT)
_NAMES = tuple(attribute.name for attribute in ATTRIBUTES)
_VALUES = attrgetter(*_NAMES)
_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Image)} | {"id": ""}
#: Images are most of what travels, so their attributes have a loop of their own instead of slots: how each is read, and what stands for none.
_LOADERS = tuple((attribute.name, KINDS[attribute.kind].load, _DEFAULTS[attribute.name]) for attribute in ATTRIBUTES)
#: Of ids the registry itself knows what is wrong with them.
_CHECKED = tuple(attribute for attribute in ATTRIBUTES if attribute.name != "id")
#: What the registry alone decides once an image exists; a classic client sends all of an image back.
_NEVER_CHANGED = frozenset({"id", "deleted"} | {attribute.name for attribute in ATTRIBUTES if attribute.kind == "time"})


def dump_brief(image: Image) -> dict[str, object]:
    """An image as the brief list shows it."""
    return {attribute.name: getattr(image, attribute.name) for attribute in ATTRIBUTES if attribute.in_brief}


def _dump_image(image: Image) -> dict[str, object]:
    location = image.location
    document = dict(zip(_NAMES, _VALUES(image), strict=True))
    document["is_public"] = image.visibility == PUBLIC
    document["properties"] = dict(image.properties)
    document["tags"] = image.tags
    document["location"] = location.url if location else None
    document["location_data"] = LOCATIONS.dump(image.locations)
    return document


def _load_image(data: object) -> Image:
    members = load_object(data)
    values = _load_attributes(members)
    return Image(**values, properties=_properties(members), tags=_TAGS.load(members) or (), locations=load_locations(members))


def _load_attributes(members: Mapping[str, object]) -> dict[str, Any]:
    """All core attributes of an image."""
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, load, default in _LOADERS:
            value = members.get(name)
            values[name] = default if value is None else load(value)
    except errors.BodyMalformed as error:
        raise at_key(name, error) from None
    if values["status"] not in STATUSES:
        raise errors.Invalid(reason=f"Invalid image status '{values['status'][:64]}' for image.")
    values["visibility"] = _visibility(members, values["visibility"])
    return values


def _load_kept_image(data: object) -> Image:
    """An image that a registry has: without id and status it is something else, from another program."""
    image = _load_image(data)
    if not image.id or "status" not in load_object(data):
        raise errors.BodyMalformed(reason="An image with an id and a status is expected.")
    return image


def load_locations(image: Mapping[str, object]) -> tuple[Location, ...]:
    """The locations in an image's JSON: those of ``location_data``, or else the one classic ``location``."""
    if image.get("location_data") is not None:
        return tuple(_LOCATION_DATA.load(image))
    if image.get("location") is not None:
        return (Location(_CLASSIC_LOCATION.load(image), store=""),)
    return ()


def _load_new_image(data: object) -> Image:
    image = _load_image(data)
    _check({attribute.name: getattr(image, attribute.name) for attribute in ATTRIBUTES}, image.properties, image.tags)
    return image


def _dump_changes(changes: ImageChanges) -> dict[str, object]:
    return {
        **changes.values,
        "properties": PROPERTIES.dump(changes.properties),
        "purge_props": changes.purge,
        "drop_props": WORDS.dump(changes.dropped),
        "tags": changes.tags,
        "tag": changes.tag,
        "untag": changes.untag,
        "location_change": optional(LOCATION_CHANGE).dump(changes.locations),
    }


def _load_changes(data: object) -> ImageChanges:
    members = load_object(data)
    values = {name: value for name, value in _given(members).items() if name not in _NEVER_CHANGED}
    named = _properties(members)
    words, added = _TAGS.load(members), _TAG.load(members)
    _check(values, named, (*(words or ()), *([] if added is None else [added])))
    return ImageChanges(
        values, named, _DROPPED.load(members), _PURGE.load(members), words, added, _UNTAG.load(members), _LOCATION_CHANGE.load(members)
    )


IMAGE: Codec[Image] = Codec(_dump_image, _load_kept_image)
NEW_IMAGE: Codec[Image] = Codec(_dump_image, _load_new_image)
CHANGES: Codec[ImageChanges] = Codec(_dump_changes, _load_changes)
_LIMITED = Slot("limited", FLAG, default=False)
STARTED: Codec[Started] = Codec(
    lambda started: {**_dump_image(started.image), _LIMITED.key: started.limited},
    lambda data: Started(_load_kept_image(data), _LIMITED.load(data)),
)


def _given(members: Mapping[str, object]) -> dict[str, Any]:
    """The core attributes that are given; null, where an attribute cannot be that, is as good as absent."""
    given = {name for name, _load, default in _LOADERS if members.get(name) is not None or (name in members and default is None)}
    if members.get("is_public") is not None:
        given.add("visibility")
    return {name: value for name, value in _load_attributes(members).items() if name in given}


def _visibility(members: Mapping[str, object], visibility: str) -> str:
    """Where ``is_public`` says something else, that is what a classic client has changed."""
    if members.get("is_public") is not None and _IS_PUBLIC.load(members) is not (visibility == PUBLIC):
        return SHARED if visibility == PUBLIC else PUBLIC
    if visibility not in VISIBILITIES:
        raise errors.Invalid(reason=f"Invalid image visibility '{visibility[:64]}' for image.")
    return visibility


def _properties(members: Mapping[str, object]) -> Mapping[str, str | None]:
    return _PROPERTIES.load(members) or {}


def _check(values: Mapping[str, object], named: Mapping[str, str | None], words: Iterable[str]) -> None:
    """Raises InvalidValue for what a database could not keep."""
    properties.check(named.items())
    tags.check(words)
    for attribute in _CHECKED:
        value = values.get(attribute.name)
        if isinstance(value, str) and ("\0" in value or len(value) > (attribute.limit or len(value))):
            raise errors.InvalidValue(
                value=ascii(value[:64])[1:-1], attribute=attribute.name, reason=f"At most {attribute.limit} characters, none NUL."
            )
        if type(value) is int and not 0 <= value <= (attribute.limit or value):
            raise errors.InvalidValue(value=value, attribute=attribute.name, reason=f"A number from 0 to {attribute.limit} is expected.")


_ERRORS = {error.code: error for error in errors.every_error()}


def dump_error(error: errors.GlanceError) -> dict[str, object]:
    """An error as a JSON document."""
    return {"error": {"code": error.code, "message": error.message, "details": error.details}}


def load_error(document: object) -> errors.GlanceError:
    """The error in a JSON document, of the class that was raised. Raises BodyMalformed for one that this program does not know."""
    content = Slot("error", Codec(same, load_object)).load(document)
    details = Slot("details", Codec(same, load_object)).load(content)
    try:
        return _ERRORS[Slot("code", TEXT).load(content)](**details)
    except (KeyError, TypeError):
        raise errors.BodyMalformed(reason="An unknown error is told.") from None
