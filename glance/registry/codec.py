"""How values travel as JSON, and how larger codecs are built of small ones.

``dump`` makes plain values that orjson can write, times included; ``load`` makes ours of what orjson has read, and raises Invalid for all else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, Final, Generic, TypeVar

from glance import errors
from glance.model.attributes import MAX_BIG_INTEGER
from glance.model.query import parse_time

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
    argument: str = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "argument", self.name or self.key)

    def load(self, document: object) -> T:
        """The value in a JSON object. Raises Invalid, naming the key where nothing better is known."""
        members = load_object(document)
        return self.convert(members[self.key]) if self.key in members else self.absent()

    def convert(self, data: object) -> T:
        """The value of what the member is. Raises Invalid, naming the key where nothing better is known."""
        try:
            return self.codec.load(data)
        except errors.BodyMalformed as error:
            raise at_key(self.key, error) from None

    def absent(self) -> T:
        """The value where there is no such member. Raises BodyMalformed."""
        if isinstance(self.default, _Required):
            raise errors.BodyMalformed(reason=f"'{self.key}' is missing.")
        return self.default


def at_key(key: str, error: errors.BodyMalformed) -> errors.BodyMalformed:
    """The error, which says where in an object it is."""
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
    members = load_object(document)
    values: dict[str, Any] = {}
    for slot in slots:
        value = members.get(slot.key, REQUIRED)
        values[slot.argument] = slot.absent() if value is REQUIRED else slot.convert(value)
    return values


def same(value: T) -> T:
    """What travels as it is."""
    return value


def _exactly(kind: type[T], expected: str) -> Codec[T]:
    def load(data: object) -> T:
        if type(data) is not kind:
            raise errors.BodyMalformed(reason=f"{expected} is expected.")
        return data

    return Codec(same, load)


def _load_integer(data: object) -> int:
    if type(data) is not int or data > MAX_BIG_INTEGER:
        raise errors.BodyMalformed(reason="An integer is expected.")
    return data


def _load_number(data: object) -> float:
    return float(data) if type(data) is float else _load_integer(data)


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


def several(codec: Codec[T]) -> Codec[tuple[T, ...]]:
    """An array, as a tuple here."""
    array = listing(codec)
    return Codec(array.dump, lambda data: tuple(array.load(data)))


def table(codec: Codec[T]) -> Codec[Mapping[str, T]]:
    """An object with any keys."""
    return Codec(
        lambda values: {key: codec.dump(value) for key, value in values.items()},
        lambda data: {key: codec.load(value) for key, value in load_object(data).items()},
    )


def record(make: Callable[..., T], *slots: Slot[Any]) -> Codec[T]:
    """An object with several known keys; ``make`` is called with what its slots hold."""
    keys = [slot.key for slot in slots]
    values_of = attrgetter(*(slot.argument for slot in slots))
    changed = [(slot.key, slot.codec.dump) for slot in slots if slot.codec.dump is not same]

    def dump(value: T) -> dict[str, object]:
        members = dict(zip(keys, values_of(value), strict=True))
        for key, change in changed:
            members[key] = change(members[key])
        return members

    return Codec(dump, lambda data: make(**load_slots(slots, data)))


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

    return Codec(same, load)


ANYTHING: Codec[object] = Codec(same, same)
TEXT = _exactly(str, "A text")
FLAG = _exactly(bool, "A truth value")
INTEGER: Codec[int] = Codec(same, _load_integer)
NUMBER: Codec[float] = Codec(same, _load_number)
TIME: Codec[datetime] = Codec(same, _load_time)
TEXTS = several(TEXT)
WORDS: Codec[frozenset[str]] = Codec(sorted, lambda data: frozenset(TEXTS.load(data)))
#: How values of each kind of attribute travel.
KINDS: dict[str, Codec[Any]] = {"text": TEXT, "integer": INTEGER, "boolean": FLAG, "time": TIME}
