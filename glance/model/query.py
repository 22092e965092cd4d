"""The query string of a list as an ``ImageQuery``: the same words at glance-api and at glance-registry (spec-v1 2.10)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, get_args

from glance import errors
from glance.model.attributes import MAX_BIG_INTEGER, MAX_INTEGER
from glance.model.image import SORT_KEYS, Condition, Direction, ImageQuery, Operator, Scope

IdFormat = Literal["uuid", "integer"]

#: Conditions on custom properties that one query may join; each has its images counted, and no image has more properties by default.
MAX_PROPERTY_FILTERS = 128

_PROPERTY_PREFIX = "property-"
_TEXT_FILTERS = ("name", "status", "container_format", "disk_format")
_BOUNDS: dict[str, Operator] = {"size_min": "gte", "size_max": "lte"}
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_SCOPES: dict[str, Scope] = {"true": "default", "1": "default", "false": "private", "0": "private", "none": "all"}
_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)

# ASCII digits only, and fewer than int() refuses to convert.
_INTEGER = re.compile(r"-?[0-9]{1,1000}")
_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE)
_IDENTIFIERS = {"uuid": _UUID, "integer": re.compile(r"[0-9]{1,36}")}

#: No image asks for so little disk: the condition that no image meets.
_NEVER = -1


def parse(params: Mapping[str, str], *, is_admin: bool, default_limit: int, max_limit: int, id_format: IdFormat = "uuid") -> ImageQuery:
    """The query that ``params`` ask for; raises InvalidParameter, with the classic sentence, for a value that cannot be used.

    Unknown parameters are ignored, and so are ``is_public`` and ``deleted`` unless the caller ``is_admin``. glance-api, whose users cannot ask for
    ``deleted``, leaves it out of ``params``.
    """
    _refuse_nul(params)
    return ImageQuery(
        equal=_equal(params),
        conditions=_bounds(params),
        properties=_properties(params),
        changes_since=_changes_since(params),
        deleted=_boolean(params, "deleted") if is_admin else None,
        scope=_scope(params) if is_admin else "default",
        sort=((_sort_key(params), _sort_dir(params)),),
        marker=_marker(params, id_format),
        limit=_limit(params, default_limit, max_limit),
    )


def parse_time(text: str) -> datetime:
    """An ISO 8601 time as UTC without zone; one without zone is UTC already. Raises ValueError."""
    if len(text) > 64:
        raise ValueError("too long for a time")
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        return time
    try:
        return time.astimezone(UTC).replace(tzinfo=None)
    except OverflowError as error:
        raise ValueError("outside the calendar") from error


def _refuse_nul(params: Mapping[str, str]) -> None:
    """NUL cannot be in any value on record, and databases refuse to look for it."""
    for name, value in params.items():
        if "\0" in name or "\0" in value:
            raise errors.InvalidParameter(reason="A query parameter contains a NUL character")


def _equal(params: Mapping[str, str]) -> dict[str, str | int | bool]:
    equal: dict[str, str | int | bool] = {name: params[name] for name in _TEXT_FILTERS if name in params}
    min_ram = _natural(params, "min_ram", MAX_INTEGER)
    if min_ram is not None:
        equal["min_ram"] = min_ram
    if "min_disk" in params:
        # Classic servers never refused a value here; one that is no number meets nothing.
        min_disk = _integer(params["min_disk"])
        equal["min_disk"] = min_disk if min_disk is not None and 0 <= min_disk <= MAX_INTEGER else _NEVER
    protected = _boolean(params, "protected")
    if protected is not None:
        equal["protected"] = protected
    return equal


def _properties(params: Mapping[str, str]) -> dict[str, str]:
    found = {name.removeprefix(_PROPERTY_PREFIX): value for name, value in params.items() if name.startswith(_PROPERTY_PREFIX)}
    if len(found) > MAX_PROPERTY_FILTERS:
        raise errors.InvalidParameter(reason=f"At most {MAX_PROPERTY_FILTERS} properties can be filtered by at once")
    return found


def _bounds(params: Mapping[str, str]) -> tuple[Condition, ...]:
    """What sizes are asked for. Beyond what a size can be, all numbers say the same."""
    sizes = ((operator, _natural(params, name)) for name, operator in _BOUNDS.items())
    return tuple(Condition("size", operator, min(size, MAX_BIG_INTEGER)) for operator, size in sizes if size is not None)


def _natural(params: Mapping[str, str], name: str, maximum: int | None = None) -> int | None:
    if name not in params:
        return None
    number = _integer(params[name])
    if number is None or number < 0 or (maximum is not None and number > maximum):
        raise _bad_value(name, params[name])
    return number


def _boolean(params: Mapping[str, str], name: str) -> bool | None:
    if name not in params:
        return None
    value = _BOOLEANS.get(params[name].lower())
    if value is None:
        raise _bad_value(name, params[name])
    return value


def _scope(params: Mapping[str, str]) -> Scope:
    text = params.get("is_public", "true")
    scope = _SCOPES.get(text.lower())
    if scope is None:
        raise _bad_value("is_public", text)
    return scope


def _changes_since(params: Mapping[str, str]) -> datetime | None:
    if "changes-since" not in params:
        return None
    try:
        return parse_time(params["changes-since"])
    except ValueError as error:
        raise errors.InvalidParameter(reason="Unrecognized changes-since value") from error


def _sort_key(params: Mapping[str, str]) -> str:
    key = params.get("sort_key", "created_at")
    if key not in SORT_KEYS:
        raise errors.InvalidParameter(reason=f"Unsupported sort_key. Acceptable values: {', '.join(SORT_KEYS)}")
    return key


def _sort_dir(params: Mapping[str, str]) -> Direction:
    text = params.get("sort_dir", "desc")
    for direction in _DIRECTIONS:
        if text == direction:
            return direction
    raise errors.InvalidParameter(reason=f"Unsupported sort_dir. Acceptable values: {', '.join(_DIRECTIONS)}")


def _marker(params: Mapping[str, str], id_format: IdFormat) -> str | None:
    marker = params.get("marker")
    if not marker:
        return None
    if not _IDENTIFIERS[id_format].fullmatch(marker):
        raise errors.InvalidParameter(reason="Invalid marker format")
    return marker


def _limit(params: Mapping[str, str], default: int, maximum: int) -> int:
    if "limit" not in params:
        return min(default, maximum)
    limit = _integer(params["limit"])
    if limit is None:
        raise errors.InvalidParameter(reason="limit param must be an integer")
    if limit < 0:
        raise errors.InvalidParameter(reason="limit param must be positive")
    return min(limit, maximum)


def _integer(text: str) -> int | None:
    return int(text) if _INTEGER.fullmatch(text) else None


def _bad_value(name: str, value: str) -> errors.InvalidParameter:
    return errors.InvalidParameter(reason=f"Bad value passed to filter {name} got {value[:64]}")
