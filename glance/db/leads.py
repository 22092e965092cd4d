"""Lists whose cost does not grow with the table.

A list walks the index of its order, and checks on the way what is asked for: many images meet it, and a page of them is soon together. Where few
meet one of the filters, or where the caller sees few, that walk would not end; so every filter that has an index is asked first for its images,
and where these are few, the list is made among them, unless there are so few images at all that the walk is shorter. That many meet them all is
kept in mind for a moment, and how many images there are: it decides how a list is made, and never what is in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from time import monotonic
from typing import Any

from sqlalchemy import ScalarSelect, Select, Subquery, func, select, union_all

from glance import errors
from glance.context import RequestContext
from glance.db import query as sql
from glance.db.mapping import to_whole_image
from glance.db.query import Shape
from glance.db.schema import image_members, image_properties, image_tags, images
from glance.db.transactions import Reading
from glance.model.image import Image, ImageQuery, Operator

#: As many images as are looked at one by one, for a page of 25.
FEW = 500

#: Times as many images as ``few``: among more, a walk to few of them is not shorter, for a page of 25.
_MOST = 20

#: Seconds in which many images are taken to be many still, and questions of which that is kept in mind.
_SECONDS, _NOTED = 5.0, 1000

#: Filters that say little, whatever their values are; every list of version 2 has it.
_VAGUE = frozenset({"os_hidden"})

_INDEXED = frozenset({"id", "owner", "visibility", "created_at", "updated_at", "status", *sql.MAY_MISS})


class Lists:
    """Makes pages; ``few`` images are as many as it looks at one by one. ``dialect`` is SQLAlchemy's word for the database."""

    def __init__(self, few: int, dialect: str) -> None:
        self._few = few
        self._dialect = dialect
        #: Questions without their markers, which are answered by a walk: until when they are not counted again.
        self._walked: dict[Hashable, float] = {}
        #: How many images there are, as far as that matters, and until when this is believed.
        self._total, self._believed = 0, 0.0

    def page(self, reading: Reading, ctx: RequestContext, query: ImageQuery) -> list[Image]:
        """``ImageRecords.list``."""
        shape, values = sql.shape_of(ctx, query), sql.values_of(ctx, query)
        lead = self._prepare(reading, shape, values, query.limit)
        # The walk alone depends on values: how many images meet a filter decides whether the planner takes it.
        is_walk_to_any = lead is None and not (shape.properties or shape.tags) and all(one[0] in _VAGUE for one in shape.compared)
        # A plan for all values does not know how few rows the page has, unless the statement says so; one for the values of this time knows. And a
        # plan of a lead should not know: it would begin to walk.
        limit = query.limit if is_walk_to_any else None
        rows = reading.rows(values, _page, shape, lead, limit, self._dialect, prepared=is_walk_to_any or lead is not None)
        return [to_whole_image(row) for row in rows]

    def _prepare(self, reading: Reading, shape: Shape, values: dict[str, Any], limit: int | None) -> int | None:
        """The number of the lead that the page is made of, None for all images. Adds the position of the marker to ``values``. One statement at most.
        Raises InvalidParameter where the caller does not see the marker."""
        key = shape._replace(has_marker=False), *(value for name, value in values.items() if name != "marker")
        now = monotonic()
        counted = _has_leads(shape) and self._walked.get(key, 0) < now
        if not (counted or shape.has_marker):
            return None
        weighed = counted and self._believed < now
        rows = reading.rows(values, _questions, shape, self._few, counted, weighed, prepared=True)
        if not rows:
            raise errors.InvalidParameter(reason="Invalid marker. Image could not be found.")
        known = list(rows[0])
        if weighed:
            self._total, self._believed = known.pop(), now + _SECONDS
        counts = known[len(shape.order) :] if shape.has_marker else known
        if shape.has_marker:
            values |= {f"after_{number}": value for number, value in enumerate(known[: len(shape.order)])}
        if not counted:
            return None
        fewest = min(counts)
        if fewest <= self._few and not self._walk_is_shorter(fewest, limit):
            return counts.index(fewest)
        self._note(key, now)
        return None

    def _walk_is_shorter(self, found: int, limit: int | None) -> bool:
        """Whether a page of ``limit`` images of which ``found`` come into question is together before as many were looked at one by one."""
        return limit is not None and self._total < _MOST * (self._few + 1) and limit * self._total < found * found

    def _note(self, key: Hashable, now: float) -> None:
        if len(self._walked) >= _NOTED:
            self._walked.clear()
        self._walked[key] = now + _SECONDS


def _questions(shape: Shape, few: int, counted: bool, weighed: bool) -> Select[Any]:
    """What must be known before the page is read, in one row: the position of the marker; where they are ``counted``, how many images each lead has,
    as far as it matters; where that is ``weighed``, how many images there are. No row where the caller does not see the marker.

    How far is counted is a value, though always the same: so a plan for all values stays dear, and PostgreSQL goes on to plan for those of each
    time. As part of the statement it could make a plan cheap that reads whole tables.
    """
    counts: list[Any] = [_count(one, few + 1) for one in _leads(shape, few + 1)] if counted else []
    if weighed:
        counts.append(_count(select(images.c.id), _MOST * (few + 1)))
    return sql.position(shape).add_columns(*counts) if shape.has_marker else select(*counts)


def _page(shape: Shape, lead: int | None, limit: int | None, dialect: str) -> Select[Any]:
    return sql.page(shape, None if lead is None else list(_leads(shape))[lead], limit, dialect)


def _has_leads(shape: Shape) -> bool:
    return bool(not shape.caller.is_admin or shape.properties or shape.tags) or any(map(_is_lead, shape.compared))


def _is_lead(compared: tuple[str, Operator, int]) -> bool:
    attribute, operator, _count = compared
    return attribute in _INDEXED and operator != "neq"


def _leads(shape: Shape, most: int | None = None) -> Iterator[Select[Any]]:
    """The ids that meet one filter, for each that has an index: those of all images that the list can show, and of some others. They are complete
    where they are fewer than ``most``."""
    for number, compared in enumerate(shape.compared):
        if _is_lead(compared):
            yield select(images.c.id).where(sql.compare(shape, number, sql.sort_key(compared[0])))
    for number in range(len(shape.properties)):
        yield select(image_properties.c.image_id).where(*sql.has_property(shape, number))
    for number in range(shape.tags):
        yield select(image_tags.c.image_id).where(*sql.has_tag(number))
    if not shape.caller.is_admin:
        yield select(_seen(shape, most))


def _count(ids: Select[Any], limit: int) -> ScalarSelect[int]:
    return select(func.count()).select_from(ids.limit(limit).subquery()).scalar_subquery()


def _seen(shape: Shape, limit: int | None) -> Subquery:
    """The ids of what the caller sees in lists, all of them where they are fewer than ``limit``. A visibility that is asked for leaves out those that
    cannot have it. Each part has the limit, since MariaDB would read a union to its end."""
    opened = [one for one in sql.opened(shape) if shape.visibility in {None, one}]
    parts = [select(images.c.id).where(sql.among(images.c.visibility, opened or [""]))]
    if shape.caller.has_owner:
        parts.append(select(images.c.id).where(images.c.owner == sql.OWNER))
        parts.append(select(image_members.c.image_id).where(image_members.c.member == sql.OWNER))
    return union_all(*(parts if limit is None else (select(part.limit(limit).subquery()) for part in parts))).subquery()
