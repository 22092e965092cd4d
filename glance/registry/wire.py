"""Entities and errors as JSON.

An image on this wire is the classic one (spec-v1 3): its attributes, ``properties``, ``is_public``, ``location`` and ``location_data``. ``dump``
makes plain values that orjson can write, times included; ``load`` makes entities of what orjson has read, and raises Invalid for all else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from glance import errors
from glance.model import properties
from glance.model.attributes import ATTRIBUTES, BY_NAME, MAX_BIG_INTEGER
from glance.model.image import SORT_KEYS, Image, ImageChanges, ImageQuery, Location, Member, Membership, StoredData, Upload
from glance.model.query import parse_time
from glance.model.status import STATUSES
from glance.model.visibility import PUBLIC, SHARED, VISIBILITIES

T = TypeVar("T")
S = TypeVar("S")


@dataclasses.dataclass(frozen=True, slots=True)
class Codec(Generic[T]):
    """How one kind of value travels."""

    dump: Callable[[T], object]
    load: Callable[[object], T]


class _Required:
    """Stands for the default of a slot that has none."""


REQUIRED: Final = _Required()


@dataclasses.dataclass(frozen=True, slots=True)
class Slot(Generic[T]):
    """A member of a JSON object: ``key`` there, ``name`` (where it differs) as attribute or argument here."""

    key: str
    codec: Codec[T]
    name: str = ""
    default: T | _Required = REQUIRED

    @property
    def argument(self) -> str:
        return self.name or self.key

    def load(self, document: object) -> T:
        """The value in a JSON object. Raises Invalid, naming the key where nothing better is known."""
        members = load_object(document)
        if self.key not in members:
            if isinstance(self.default, _Required):
                raise errors.BodyMalformed(reason=f"'{self.key}' is missing.")
            return self.default
        try:
            return self.codec.load(members[self.key])
        except errors.BodyMalformed as error:
            raise _named(self.key, error) from None


def _named(key: str, error: errors.BodyMalformed) -> errors.BodyMalformed:
    return errors.BodyMalformed(reason=f"'{key}': {error.message}")


def load_object(data: object) -> dict[str, Any]:
    """A JSON object as it is. Raises BodyMalformed for anything else."""
    if not isinstance(data, dict):
        raise errors.BodyMalformed(reason="An object is expected.")
    return data


def dump_slots(slots: Sequence[Slot[Any]], value_of: Callable[[str], Any]) -> dict[str, object]:
    """A JSON object with every slot; ``value_of`` finds the value for a name."""
    return {slot.key: slot.codec.dump(value_of(slot.argument)) for slot in slots}


def load_slots(slots: Sequence[Slot[Any]], document: object) -> dict[str, Any]:
    """The values of a JSON object by the slots' names; members without slot are ignored."""
    return {slot.argument: slot.load(document) for slot in slots}


def _same(value: T) -> T:
    return value


def _exactly(kind: type[T], expected: str) -> Codec[T]:
    def load(data: object) -> T:
        if type(data) is not kind:
            raise errors.BodyMalformed(reason=f"{expected} is expected.")
        return data

    return Codec(_same, load)


def _load_integer(data: object) -> int:
    if type(data) is not int or data > MAX_BIG_INTEGER:
        raise errors.BodyMalformed(reason="An integer is expected.")
    return data


def _load_time(data: object) -> datetime:
    try:
        return parse_time(TEXT.load(data))
    except ValueError:
        raise errors.BodyMalformed(reason="A time in the form of ISO 8601 is expected.") from None


def optional(codec: Codec[T]) -> Codec[T | None]:
    """The same, or null."""
    return Codec(
        lambda value: None if value is None else codec.dump(value),
        lambda data: None if data is None else codec.load(data),
    )


def listing(codec: Codec[T]) -> Codec[Sequence[T]]:
    """An array."""

    def load(data: object) -> Sequence[T]:
        if not isinstance(data, list):
            raise errors.BodyMalformed(reason="An array is expected.")
        return [codec.load(item) for item in data]

    return Codec(lambda values: [codec.dump(value) for value in values], load)


def table(codec: Codec[T]) -> Codec[Mapping[str, T]]:
    """An object with any keys."""
    return Codec(
        lambda values: {key: codec.dump(value) for key, value in values.items()},
        lambda data: {key: codec.load(value) for key, value in load_object(data).items()},
    )


def record(make: Callable[..., T], *slots: Slot[Any]) -> Codec[T]:
    """An object with known keys; ``make`` is called with what its slots hold."""
    return Codec(
        lambda value: dump_slots(slots, lambda name: getattr(value, name)),
        lambda data: make(**load_slots(slots, data)),
    )


def pair(first: Slot[T], second: Slot[S]) -> Codec[tuple[T, S]]:
    """Two things that belong together, as an object."""
    return Codec(
        lambda value: {first.key: first.codec.dump(value[0]), second.key: second.codec.dump(value[1])},
        lambda data: (first.load(data), second.load(data)),
    )


def one_of(*words: str) -> Codec[str]:
    """One of a few words."""

    def load(data: object) -> str:
        if data not in words:
            raise errors.BodyMalformed(reason=f"One of {', '.join(words)} is expected.")
        return data

    return Codec(_same, load)


ANYTHING: Codec[object] = Codec(_same, _same)
TEXT = _exactly(str, "A text")
FLAG = _exactly(bool, "A truth value")
INTEGER: Codec[int] = Codec(_same, _load_integer)
TIME: Codec[datetime] = Codec(_same, _load_time)

LOCATION = record(
    Location,
    Slot("url", TEXT),
    # A classic writer knows no stores: their set finds the one that reads the URL.
    Slot("store", TEXT, default=""),
    Slot("metadata", table(ANYTHING), default={}),
    Slot("status", one_of("active", "pending_delete", "deleted"), default="active"),
    Slot("id", optional(INTEGER), default=None),
)
LOCATIONS = listing(LOCATION)
PROPERTIES = table(optional(TEXT))

UPLOAD = record(
    Upload,
    Slot("image_id", TEXT),
    Slot("attempt", TEXT),
    Slot("store", TEXT),
    Slot("worker", TEXT),
    Slot("on_failure", one_of("killed", "queued")),
)
STORED_DATA = record(
    StoredData,
    Slot("location", LOCATION),
    Slot("size", INTEGER),
    Slot("checksum", optional(TEXT)),
    Slot("virtual_size", optional(INTEGER)),
)
MEMBER = record(
    Member,
    Slot("image_id", TEXT),
    Slot("member_id", TEXT, "member"),
    Slot("can_share", FLAG),
    Slot("status", TEXT),
)
MEMBERSHIP = record(
    Membership,
    Slot("member_id", TEXT, "member"),
    Slot("can_share", optional(FLAG), default=None),
)


def _load_condition(data: object) -> str | int | bool:
    if isinstance(data, str | bool):
        return data
    return INTEGER.load(data)


def _load_conditions(data: object) -> Mapping[str, str | int | bool]:
    conditions = table(CONDITION).load(data)
    unknown = conditions.keys() - BY_NAME.keys()
    if unknown:
        raise errors.BodyMalformed(reason=f"Images cannot be listed by {', '.join(sorted(unknown))}.")
    return conditions


CONDITION: Codec[str | int | bool] = Codec(_same, _load_condition)
QUERY = record(
    ImageQuery,
    Slot("equal", Codec(dict, _load_conditions)),
    Slot("properties", table(TEXT)),
    Slot("size_min", optional(INTEGER)),
    Slot("size_max", optional(INTEGER)),
    Slot("changes_since", optional(TIME)),
    Slot("deleted", optional(FLAG)),
    Slot("scope", one_of("default", "private", "all")),
    Slot("sort_key", one_of(*SORT_KEYS)),
    Slot("sort_dir", one_of("asc", "desc")),
    Slot("marker", optional(TEXT)),
    Slot("limit", optional(INTEGER)),
)

_KINDS: dict[str, Codec[Any]] = {"text": TEXT, "integer": INTEGER, "boolean": FLAG, "time": TIME}
_IS_PUBLIC = Slot("is_public", FLAG)
_PROPERTIES = Slot("properties", optional(PROPERTIES), default=None)
_LOCATION_DATA = Slot("location_data", LOCATIONS)
_CLASSIC_LOCATION = Slot("location", TEXT)
_NAMES = tuple(attribute.name for attribute in ATTRIBUTES)
_VALUES = attrgetter(*_NAMES)
#: Images are most of what travels, so their attributes have a loop of their own instead of slots.
_LOADERS = tuple((attribute.name, _KINDS[attribute.kind].load) for attribute in ATTRIBUTES)
_NULLABLE = frozenset(field.name for field in dataclasses.fields(Image) if field.default is None)
#: Of ids the registry itself knows what is wrong with them.
_CHECKED = tuple(attribute for attribute in ATTRIBUTES if attribute.name != "id")
#: What the registry alone decides once an image exists; a classic client sends all of an image back.
_NEVER_CHANGED = frozenset({"id", "deleted"} | {attribute.name for attribute in ATTRIBUTES if attribute.kind == "time"})


def dump_brief(image: Image) -> dict[str, object]:
    """An image as the brief list shows it."""
    return {attribute.name: getattr(image, attribute.name) for attribute in ATTRIBUTES if attribute.in_brief}


def _dump_image(image: Image) -> dict[str, object]:
    location = image.location
    return {
        **dict(zip(_NAMES, _VALUES(image), strict=True)),
        "is_public": image.visibility == PUBLIC,
        "properties": dict(image.properties),
        "location": location.url if location else None,
        "location_data": LOCATIONS.dump(image.locations),
    }


def _load_image(data: object) -> Image:
    members = load_object(data)
    values = _attributes(members)
    values["properties"] = _properties(members)
    values["locations"] = load_locations(members)
    return Image(**{"id": "", **values})


def load_locations(image: Mapping[str, object]) -> tuple[Location, ...]:
    """The locations in an image's JSON: those of ``location_data``, or else the one classic ``location``."""
    if image.get("location_data") is not None:
        return tuple(_LOCATION_DATA.load(image))
    if image.get("location") is not None:
        return (Location(_CLASSIC_LOCATION.load(image), store=""),)
    return ()


def _load_new_image(data: object) -> Image:
    image = _load_image(data)
    _check({attribute.name: getattr(image, attribute.name) for attribute in ATTRIBUTES}, image.properties)
    return image


def _dump_changes(changes: ImageChanges) -> dict[str, object]:
    return {**changes.values, "properties": PROPERTIES.dump(changes.properties), "purge_props": changes.purge}


def _load_changes(data: object) -> ImageChanges:
    members = load_object(data)
    values = {name: value for name, value in _attributes(members).items() if name not in _NEVER_CHANGED}
    named = _properties(members)
    _check(values, named)
    return ImageChanges(values, named, Slot("purge_props", FLAG, default=False).load(members))


IMAGE: Codec[Image] = Codec(_dump_image, _load_image)
NEW_IMAGE: Codec[Image] = Codec(_dump_image, _load_new_image)
CHANGES: Codec[ImageChanges] = Codec(_dump_changes, _load_changes)


def _attributes(members: Mapping[str, object]) -> dict[str, Any]:
    """The core attributes that are given; null, where an attribute cannot be that, is as good as absent."""
    values: dict[str, Any] = {}
    name = ""
    try:
        for name, load in _LOADERS:
            value = members.get(name)
            if value is not None:
                values[name] = load(value)
            elif name in members and name in _NULLABLE:
                values[name] = None
    except errors.BodyMalformed as error:
        raise _named(name, error) from None
    if values.get("status", "queued") not in STATUSES:
        raise errors.Invalid(reason=f"Invalid image status '{values['status'][:64]}' for image.")
    if members.get("is_public") is not None:
        values["visibility"] = _visibility(values.get("visibility", SHARED), is_public=_IS_PUBLIC.load(members))
    if values.get("visibility", SHARED) not in VISIBILITIES:
        raise errors.Invalid(reason=f"Invalid image visibility '{values['visibility'][:64]}' for image.")
    return values


def _visibility(visibility: str, *, is_public: bool) -> str:
    """Where the two disagree, ``is_public`` is what a classic client has changed."""
    if is_public:
        return PUBLIC
    return SHARED if visibility == PUBLIC else visibility


def _properties(members: Mapping[str, object]) -> Mapping[str, str | None]:
    return _PROPERTIES.load(members) or {}


def _check(values: Mapping[str, object], named: Mapping[str, str | None]) -> None:
    """Raises InvalidValue for what a database could not keep."""
    properties.check(named.items())
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
    content = Slot("error", Codec(_same, load_object)).load(document)
    details = Slot("details", Codec(_same, load_object)).load(content)
    try:
        return _ERRORS[Slot("code", TEXT).load(content)](**details)
    except (KeyError, TypeError):
        raise errors.BodyMalformed(reason="An unknown error is told.") from None
