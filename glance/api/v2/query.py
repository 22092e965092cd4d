"""The query string of a list as an ``ImageQuery``, and the paths of its pages (spec-v2 2.4)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import get_args
from urllib.parse import urlencode

from glance import errors
from glance.api.settings import ApiSettings
from glance.api.v2.schemas import SHOWN, Schema
from glance.model.image import SORT_KEYS, Condition, Direction, ImageQuery, MemberStatus, Operator, Scope
from glance.model.query import MAX_PROPERTY_FILTERS, parse_time
from glance.model.visibility import COMMUNITY, VISIBILITIES

Pairs = Sequence[tuple[str, str]]

PATH = "/v2/images"
#: Parameters that are read elsewhere than in ``_take``.
_READ_APART = frozenset({"limit", "marker", "sort", "sort_key", "sort_dir", "tag"})
_LISTABLE = frozenset({"name", "id", "status", "container_format", "disk_format"})
_EXACT = frozenset({"owner", "checksum", "os_hash_algo", "os_hash_value"})
_TIMES = frozenset({"created_at", "updated_at"})
_NUMBERS = {attribute.name: attribute.limit or 0 for attribute in SHOWN if attribute.kind == "integer"}
_RANGES: dict[str, tuple[str, Operator]] = {
    **{f"{name}_min": (name, "gte") for name in _NUMBERS},
    **{f"{name}_max": (name, "lte") for name in _NUMBERS},
}
_TIME_OPERATORS: tuple[Operator, ...] = ("gt", "gte", "lt", "lte", "eq", "neq")
_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_MEMBER_STATUSES: dict[str, MemberStatus | None] = {**{status: status for status in get_args(MemberStatus)}, "all": None}

#: Values of which an attribute may have one.
MAX_LISTED = 256

_NUMBER: Schema = {"type": "integer", "minimum": 0}
_WORD: Schema = {"type": "string"}
#: What the parameters mean and take; one of no other name is the value of a custom property.
PARAMETERS: dict[str, tuple[str, Schema]] = {
    "limit": ("Images on a page.", _NUMBER),
    "marker": ("The image, by id, after which the page starts.", _WORD),
    "sort": ("Keys with their directions, name:asc,size:desc.", _WORD),
    "sort_key": ("Keys to sort by, in their order.", {"type": "array", "items": {"type": "string", "enum": list(SORT_KEYS)}}),
    "sort_dir": ("Directions of these keys, or of all.", {"type": "array", "items": {"type": "string", "enum": list(_DIRECTIONS)}}),
    "tag": ("Tags that an image must have.", {"type": "array", "items": _WORD}),
    "visibility": ("Images of that visibility.", {"type": "string", "enum": [*sorted(VISIBILITIES), "all"]}),
    "member_status": ("Shared images of which the caller thinks so.", {"type": "string", "enum": list(_MEMBER_STATUSES)}),
    **{name: ("Images where that holds, or not.", {"type": "string", "enum": ["true", "false"]}) for name in ("os_hidden", "protected")},
    **dict.fromkeys(sorted(_LISTABLE), ("That value; in:a,b for one of several.", _WORD)),
    **dict.fromkeys(sorted(_EXACT), ("Exactly that value.", _WORD)),
    **dict.fromkeys(sorted(_TIMES), ("An ISO 8601 time, after gt:, gte:, lt:, lte:, eq: or neq:.", _WORD)),
    **dict.fromkeys((*_NUMBERS, *_RANGES), ("That number; _min and _max are bounds, included.", _NUMBER)),
}

# ASCII digits only, and fewer than int() refuses to convert.
_INTEGER = re.compile(r"-?[0-9]{1,1000}")
_TIME_WITH_OPERATOR = re.compile(r"([A-Za-z]+):(.*)", re.DOTALL)
#: No image has so little of anything: the condition that no image meets.
_NEVER = -1


@dataclass(slots=True)
class _Filters:
    """What the parameters that are seen so far ask for."""

    equal: dict[str, str | int | bool] = field(default_factory=lambda: {"os_hidden": False})
    conditions: list[Condition] = field(default_factory=list)
    properties: dict[str, str] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    scope: Scope = "accessible"
    member_status: MemberStatus | None = "accepted"


def parse(pairs: Pairs, settings: ApiSettings) -> ImageQuery:
    """The query that parameters ask for. Raises InvalidParameter for a value that cannot be used. Of a parameter that repeats the last one counts,
    except for tags and sort keys."""
    if any("\0" in text for pair in pairs for text in pair):
        raise errors.InvalidParameter(reason="A query parameter contains a NUL character")
    params = dict(pairs)
    filters = _Filters(tags=[value for name, value in pairs if name == "tag"])
    for name, value in params.items():
        if name not in _READ_APART:
            _take(filters, name, value)
    if max(len(filters.properties), len(filters.tags)) > MAX_PROPERTY_FILTERS:
        raise errors.InvalidParameter(reason=f"At most {MAX_PROPERTY_FILTERS} properties or tags can be filtered by at once")
    return ImageQuery(
        equal=filters.equal,
        conditions=tuple(filters.conditions),
        properties=filters.properties,
        tags=tuple(filters.tags),
        scope=filters.scope,
        member_status=filters.member_status,
        sort=_sort(pairs),
        marker=params.get("marker") or None,
        limit=_limit(params, settings),
    )


def link(pairs: Pairs, marker: str | None = None) -> str:
    """The path of the first page of a list, or of the page after ``marker``; other parameters stay as they are."""
    kept = [(name, value) for name, value in pairs if name != "marker"]
    if marker is not None:
        kept.append(("marker", marker))
    return f"{PATH}?{urlencode(kept)}" if kept else PATH


def _take(filters: _Filters, name: str, value: str) -> None:
    """Adds the filter that one parameter stands for; one of no other meaning is a custom property."""
    if name in _SPECIAL:
        _SPECIAL[name](filters, name, value)
    elif name in _LISTABLE:
        _take_listable(filters, name, value)
    elif name in _EXACT:
        filters.equal[name] = value
    elif name in _TIMES:
        filters.conditions.append(_time(name, value))
    elif name in _NUMBERS:
        number = _natural(name, value)
        filters.equal[name] = number if number <= _NUMBERS[name] else _NEVER
    elif name in _RANGES:
        attribute, operator = _RANGES[name]
        filters.conditions.append(Condition(attribute, operator, min(_natural(name, value), _NUMBERS[attribute])))
    else:
        filters.properties[name] = value


def _take_visibility(filters: _Filters, name: str, value: str) -> None:  # noqa: ARG001
    if value not in {*VISIBILITIES, "all"}:
        raise errors.InvalidParameter(reason=f"Invalid visibility value: {value[:64]}")
    if value in {COMMUNITY, "all"}:
        filters.scope = "everything"
    if value != "all":
        filters.equal["visibility"] = value


def _take_member_status(filters: _Filters, name: str, value: str) -> None:  # noqa: ARG001
    if value not in _MEMBER_STATUSES:
        raise errors.InvalidParameter(reason=f"Invalid status: {value[:64]}")
    filters.member_status = _MEMBER_STATUSES[value]


def _take_hidden(filters: _Filters, name: str, value: str) -> None:
    _take_boolean(filters, name, value.lower())


def _take_boolean(filters: _Filters, name: str, value: str) -> None:
    if value not in {"true", "false"}:
        raise errors.InvalidParameter(reason=f"Invalid value '{value[:64]}' for '{name}' filter. Valid values are 'true' or 'false'.")
    filters.equal[name] = value == "true"


def _refuse_changes_since(filters: _Filters, name: str, value: str) -> None:  # noqa: ARG001
    raise errors.InvalidParameter(reason='The "changes-since" filter is no longer available on v2.')


_SPECIAL: dict[str, Callable[[_Filters, str, str], None]] = {
    "visibility": _take_visibility,
    "member_status": _take_member_status,
    "os_hidden": _take_hidden,
    "protected": _take_boolean,
    "changes-since": _refuse_changes_since,
}


def _take_listable(filters: _Filters, name: str, value: str) -> None:
    """``value``, ``eq:value`` or ``in:value,value``."""
    operator, colon, operand = value.partition(":")
    if colon and operator not in {"eq", "in"}:
        raise _unknown_operator(operator)
    if operator == "in" and colon:
        filters.conditions.append(Condition(name, "in", _listed(name, operand)))
    else:
        filters.conditions.append(Condition(name, "eq", operand if colon else value))


def _listed(name: str, text: str) -> tuple[str, ...]:
    """Values between commas, each once; quotes guard commas inside a value."""
    try:
        [values] = csv.reader([text], strict=True) if text else [[""]]
    except (csv.Error, ValueError):
        raise errors.InvalidParameter(reason=f"Invalid filter value for '{name}': the quoting or a line break is wrong.") from None
    listed = tuple(dict.fromkeys(values))
    if len(listed) > MAX_LISTED:
        raise errors.InvalidParameter(reason=f"At most {MAX_LISTED} values can be listed for '{name}'.")
    return listed


def _time(name: str, value: str) -> Condition:
    match = _TIME_WITH_OPERATOR.fullmatch(value)
    asked, text = match.groups() if match else ("eq", value)
    operator = next((one for one in _TIME_OPERATORS if one == asked), None)
    if operator is None:
        raise _unknown_operator(asked)
    try:
        # A plus sign that nobody escaped arrives as a space.
        return Condition(name, operator, parse_time(text.replace(" ", "+")))
    except ValueError:
        raise errors.InvalidParameter(reason=f'Bad "{name}" query filter format. Use ISO 8601 DateTime notation.') from None


def _unknown_operator(operator: str) -> errors.InvalidParameter:
    return errors.InvalidParameter(reason=f"Unable to filter by unknown operator '{operator[:64]}'.")


def _natural(name: str, value: str) -> int:
    if not _INTEGER.fullmatch(value) or value.startswith("-"):
        kind = "on a range with a non-numeric value" if name in _RANGES else f"by '{name}' with a value that is no number"
        raise errors.InvalidParameter(reason=f"Unable to filter {kind}.")
    return int(value)


def _limit(params: dict[str, str], settings: ApiSettings) -> int:
    text = params.get("limit", str(settings.default_limit))
    if not _INTEGER.fullmatch(text):
        raise errors.InvalidParameter(reason="limit param must be an integer")
    if int(text) < 0:
        raise errors.InvalidParameter(reason="limit param must be positive")
    return min(int(text), settings.max_limit)


def _sort(pairs: Pairs) -> tuple[tuple[str, Direction], ...]:
    """Keys with their directions, each key once."""
    keys = [value for name, value in pairs if name == "sort_key"]
    directions = [value for name, value in pairs if name == "sort_dir"]
    sort = dict(pairs).get("sort")
    if sort is not None:
        if keys or directions:
            raise errors.InvalidParameter(reason="Old and new sorting syntax cannot be combined")
        entries = [part.strip().partition(":") for part in sort.split(",")]
        keys, directions = [key for key, _, _ in entries], [direction or "desc" for _, _, direction in entries]
    keys = keys or ["created_at"]
    directions = directions or ["desc"]
    if len(directions) == 1:
        directions *= len(keys)
    if len(directions) != len(keys):
        raise errors.InvalidParameter(reason="Number of sort dirs does not match the number of sort keys")
    ordered: dict[str, Direction] = {}
    for key, direction in zip(keys, directions, strict=True):
        if key not in SORT_KEYS:
            raise errors.InvalidParameter(reason=f"Invalid sort key: {key[:64]}. It must be one of the following: {', '.join(SORT_KEYS)}.")
        ordered.setdefault(key, _direction(direction))
    return tuple(ordered.items())


def _direction(text: str) -> Direction:
    for direction in _DIRECTIONS:
        if text == direction:
            return direction
    raise errors.InvalidParameter(reason=f"Invalid sort direction: {text[:64]}")
