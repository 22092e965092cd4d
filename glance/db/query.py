"""Conditions and selects: who sees what, what a list contains, in which order. Values are always parameters.

``glance.model.visibility`` says the same about visibility in Python; the registry contract compares them on every combination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, true, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from glance import errors
from glance.context import RequestContext
from glance.db.mapping import IMAGE_FIELDS
from glance.db.schema import VALUE_KEY, image_members, image_properties, image_tags, images
from glance.model.image import SORT_KEYS, Condition, Direction, ImageQuery, MemberStatus, Operator, Scope
from glance.model.status import HIDDEN
from glance.model.visibility import COMMUNITY, PUBLIC, SHARED, open_to

Clause = ColumnElement[bool]

#: The bare images; made once, since to name many columns takes long.
IMAGES = select(*(images.c[name] for name in IMAGE_FIELDS))

#: Attributes that are sorted by another column, which is never null.
MAY_MISS = frozenset({"name", "disk_format", "container_format", "size"})

#: Databases that do not look up a position in an index where whole rows are compared; the others do only there.
_COLUMN_BY_COLUMN = frozenset({"mysql", "mariadb"})

_COMPARISONS: dict[Operator, Callable[[Any, Any], Clause]] = {
    "eq": eq,
    "neq": ne,
    "gt": gt,
    "gte": ge,
    "lt": lt,
    "lte": le,
    "in": lambda column, values: column.in_(values),
}


class Checked(GenericFunction[Any]):
    """A column that a row is checked by, and never found by: a planner without statistics would prefer the index of any filter to that of the
    order, and then sort half of the table. SQLite is such a one; the others know better.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(Checked)
def _plain(element: Checked, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(Checked, "sqlite")
def _without_index(element: Checked, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"  # www.sqlite.org/optoverview.html, 2.1


def may_see(ctx: RequestContext) -> Clause:
    """The caller may know that the image exists."""
    return true() if ctx.is_admin else and_(_may_have_seen(ctx), images.c.deleted.is_(False))


def listed(ctx: RequestContext, scope: Scope, member_status: MemberStatus | None = None) -> Clause:
    """The image is in the caller's lists, as far as visibility decides; memberships of other states do not count."""
    if ctx.is_admin and scope in {"all", "everything"}:
        return true()
    if ctx.is_admin and scope == "private":
        return images.c.visibility != PUBLIC
    if ctx.is_admin and scope == "accessible":
        return or_(images.c.visibility != COMMUNITY, *_owned(ctx))
    return or_(Checked(images.c.visibility).in_(opened(ctx, scope)), *_owned(ctx), *_shared(ctx, member_status))


def opened(ctx: RequestContext, scope: Scope) -> list[str]:
    """The visibilities of which lists of ``scope`` show all images."""
    return sorted(open_to(ctx)) if scope == "everything" else [PUBLIC]


def image(ctx: RequestContext, image_id: str) -> Select[Any]:
    """The image of that id, if the caller may see it."""
    return IMAGES.where(images.c.id == image_id, may_see(ctx))


def page(ctx: RequestContext, query: ImageQuery, after: Sequence[Any] | None, among: Select[Any] | None, dialect: str) -> Select[Any]:
    """The images that ``query`` asks for; ``after`` is the position of the last image of the page before, as ``position`` selects it; ``among``
    selects the ids that come into question, None where these are too many to be looked at one by one. ``dialect`` is SQLAlchemy's word."""
    order = _order(query)
    clauses = [listed(ctx, query.scope, query.member_status), *_shown(ctx, query), *_filters(query)]
    if among is not None:
        clauses.append(images.c.id.in_(among))
    if after is not None:
        clauses.append(_behind(order, after, by_rows=dialect not in _COLUMN_BY_COLUMN))
    sorting = [key.asc() if direction == "asc" else key.desc() for key, direction in order]
    return IMAGES.where(*clauses).order_by(*sorting).limit(query.limit)


def position(ctx: RequestContext, query: ImageQuery) -> Select[Any]:
    """Where the marker of ``query`` stands in its order, if the caller may see it there."""
    shown = [] if _shows_deleted(ctx, query) else [images.c.deleted.is_(False)]
    return select(*(key for key, _direction in _order(query))).where(images.c.id == query.marker, _may_have_seen(ctx), *shown)


def _may_have_seen(ctx: RequestContext) -> Clause:
    """``may_see``, whether the image was deleted or not."""
    if ctx.is_admin:
        return true()
    unowned = [images.c.owner.is_(None)] if ctx.owner is not None else []
    return or_(images.c.visibility.in_(sorted(open_to(ctx))), *unowned, *_owned(ctx), *_shared(ctx))


def _owned(ctx: RequestContext) -> Iterator[Clause]:
    """The image belongs to the caller; nothing for a caller who is nobody."""
    if ctx.owner is not None:
        yield images.c.owner == ctx.owner


def _shared(ctx: RequestContext, status: MemberStatus | None = None) -> Iterator[Clause]:
    """The image is shared with the caller, who has answered ``status`` (None: anything); nothing for a caller who is nobody."""
    if ctx.owner is not None:
        answered = [] if status is None else [image_members.c.status == status]
        member = exists().where(
            image_members.c.image_id == images.c.id,
            image_members.c.member == ctx.owner,
            image_members.c.deleted.is_(False),
            *answered,
        )
        yield and_(images.c.visibility == SHARED, member)


def _shows_deleted(ctx: RequestContext, query: ImageQuery) -> bool:
    """True where the query asks, in one of three ways, for what lists leave out."""
    return query.changes_since is not None or "status" in query.equal or (ctx.is_admin and query.deleted is True)


def _shown(ctx: RequestContext, query: ImageQuery) -> Iterator[Clause]:
    if not _shows_deleted(ctx, query):
        yield images.c.deleted.is_(False)
        yield images.c.status.not_in(sorted(HIDDEN))
    if ctx.is_admin and query.deleted is not None:
        yield images.c.deleted.is_(query.deleted)


def _filters(query: ImageQuery) -> Iterator[Clause]:
    for condition in conditions(query):
        yield compare(Checked(_column(condition.attribute)), condition)
    for name, value in query.properties.items():
        yield exists().where(image_properties.c.image_id == images.c.id, *has_property(name, value))
    for tag in query.tags:
        yield exists().where(image_tags.c.image_id == images.c.id, *has_tag(tag))


def conditions(query: ImageQuery) -> Iterator[Condition]:
    """All that is asked of core attributes."""
    for name, value in query.equal.items():
        yield Condition(name, "eq", value)
    yield from query.conditions
    if query.changes_since is not None:
        yield Condition("updated_at", "gt", query.changes_since)


def compare(column: ColumnElement[Any], condition: Condition) -> Clause:
    """What ``condition`` asks of a column."""
    return _COMPARISONS[condition.operator](column, condition.value)


def has_property(name: str, value: str) -> tuple[Clause, ...]:
    """The row of ``image_properties`` is that property."""
    table = image_properties.c
    whole = [] if len(value) < VALUE_KEY else [table.value == value]  # asked twice, a planner would take it for twice as rare
    return table.name == name, table.value_key == value[:VALUE_KEY], *whole, table.deleted.is_(False)


def has_tag(tag: str) -> tuple[Clause, ...]:
    """The row of ``image_tags`` is that tag."""
    return image_tags.c.value == tag, image_tags.c.deleted.is_(False)


def _column(name: str) -> ColumnElement[Any]:
    if name not in IMAGE_FIELDS:
        raise errors.InvalidParameter(reason=f"Unsupported filter {name[:64]}")
    column: ColumnElement[Any] = images.c[name]
    return sort_key(name) if name == "size" else column


def _order(query: ImageQuery) -> list[tuple[ColumnElement[Any], Direction]]:
    """What the list is sorted by: together unique, and never null."""
    directions: dict[str, Direction] = {}
    last: Direction = query.sort[-1][1] if query.sort else "desc"
    for key, direction in (*query.sort, ("created_at", last), ("id", last)):
        if key not in SORT_KEYS:
            raise errors.InvalidParameter(reason=f"Unsupported sort_key. Acceptable values: {', '.join(SORT_KEYS)}")
        if "id" not in directions:  # what follows the id decides nothing
            directions.setdefault(key, direction)
    return [(sort_key(key), direction) for key, direction in directions.items()]


def _behind(order: Sequence[tuple[ColumnElement[Any], Direction]], after: Sequence[Any], *, by_rows: bool) -> Clause:
    """The image comes later in ``order`` than the position ``after``."""
    keys = [key for key, _direction in order]
    directions = {direction for _key, direction in order}
    if len(directions) == 1 and by_rows:
        here, there = tuple_(*keys), tuple_(*after, types=[key.type for key in keys])
        return here > there if directions == {"asc"} else here < there
    same = [key == value for key, value in zip(keys, after, strict=True)]
    later = [key > value if direction == "asc" else key < value for (key, direction), value in zip(order, after, strict=True)]
    return or_(*(and_(*same[:number], later[number]) for number in range(len(order))))


def sort_key(name: str) -> ColumnElement[Any]:
    """What a core attribute is sorted by: never null."""
    column: ColumnElement[Any] = images.c[f"{name}_key" if name in MAY_MISS else name]
    return column
