"""Statements that find images: who sees what, what a list contains, in which order. They are made once for each shape of a question, and the values
that it asks for are parameters, always. Shapes are few, however many values, properties and tags are asked for.

``glance.model.visibility`` says the same about visibility in Python; the registry contract compares them on every combination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import eq, ge, gt, le, lt, ne
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Integer,
    Select,
    String,
    Table,
    and_,
    any_,
    bindparam,
    exists,
    false,
    func,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from glance import errors
from glance.context import Kind, RequestContext
from glance.db.belongings import belongings
from glance.db.mapping import IMAGE_FIELDS
from glance.db.schema import VALUE_KEY, image_members, image_properties, image_tags, images
from glance.model.image import SORT_KEYS, Condition, Direction, ImageQuery, Operator, Scope
from glance.model.status import HIDDEN
from glance.model.visibility import COMMUNITY, PUBLIC, SHARED, open_to

Clause = ColumnElement[bool]
T = TypeVar("T")

#: The bare images; made once, since to name many columns takes long.
IMAGES = select(*(images.c[name] for name in IMAGE_FIELDS))

#: Attributes that are sorted by another column, which is never null.
MAY_MISS = frozenset({"name", "disk_format", "container_format", "size"})

#: Databases that do not look up a position in an index where whole rows are compared; the others do only there.
_COLUMN_BY_COLUMN = frozenset({"mysql", "mariadb"})

#: Callers of few kinds, and whether rows are held.
_KINDS = 64

#: Properties, and tags, that each have a subquery, of which planners know how many images meet it. All others of a kind have one together: PostgreSQL
#: makes a join of every subquery that asks for a row, and to plan 128 joins takes it longer than an answer may take.
_ALONE = 4

_COMPARISONS: dict[Operator, Callable[[Any, Any], Clause]] = {"eq": eq, "neq": ne, "gt": gt, "gte": ge, "lt": lt, "lte": le}

OWNER: BindParameter[Any] = bindparam("owner", type_=String())


class Shape(NamedTuple):
    """As much of a list's question as statements differ by, or are planned by.

    ``compared`` has an attribute, an operator and how many values that is compared with, for each condition: powers of two, so that shapes are few.
    ``visibility`` is that which is asked for. ``properties`` says of each whether it is compared with more of the value than what is indexed, which
    all beyond the first few are; how many these are, and how many of ``tags``, is a power of two as well. ``answered``: memberships of one state
    count alone.
    """

    caller: Kind
    scope: Scope
    compared: tuple[tuple[str, Operator, int], ...]
    visibility: str | None
    properties: tuple[bool, ...]
    tags: int
    answered: bool
    shows_deleted: bool
    deleted: bool | None
    order: tuple[tuple[str, Direction], ...]
    has_marker: bool
    has_limit: bool


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


def shape_of(ctx: RequestContext, query: ImageQuery) -> Shape:
    """The shape of a question. Raises InvalidParameter for attributes that lists are not made by."""
    visibility = query.equal.get("visibility")
    return Shape(
        caller=ctx.kind,
        scope=query.scope,
        compared=tuple((one.attribute, one.operator, _count(one)) for one in conditions(query)),
        visibility=visibility if isinstance(visibility, str) else None,
        properties=tuple(number >= _ALONE or len(value) >= VALUE_KEY for number, (_name, value) in enumerate(_filled(query.properties.items()))),
        tags=len(_filled(query.tags)),
        answered=query.member_status is not None,
        shows_deleted=query.changes_since is not None or "status" in query.equal or (ctx.is_admin and query.deleted is True),
        deleted=query.deleted if ctx.is_admin else None,
        order=_order(query.sort),
        has_marker=query.marker is not None,
        has_limit=query.limit is not None,
    )


def values_of(ctx: RequestContext, query: ImageQuery) -> dict[str, object]:
    """The values of a question, under the names that statements of its shape have for them."""
    values: dict[str, object] = {"owner": ctx.owner, "member_status": query.member_status, "marker": query.marker, "limit": query.limit}
    for number, condition in enumerate(conditions(query)):
        several = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        values |= {f"value_{number}_{place}": several[min(place, len(several) - 1)] for place in range(_count(condition))}
    for number, (name, value) in enumerate(_filled(query.properties.items())):
        values |= {f"name_{number}": name, f"whole_{number}": value, f"key_{number}": value[:VALUE_KEY]}
    values |= {f"tag_{number}": tag for number, tag in enumerate(_filled(query.tags))}
    return values | {"more_properties": len(query.properties) - _ALONE, "more_tags": len(set(query.tags)) - _ALONE}


def conditions(query: ImageQuery) -> Iterator[Condition]:
    """All that is asked of core attributes."""
    for name, value in query.equal.items():
        yield Condition(name, "eq", value)
    yield from query.conditions
    if query.changes_since is not None:
        yield Condition("updated_at", "gt", query.changes_since)


def _count(condition: Condition) -> int:
    """How many values the statement compares with. Raises InvalidParameter."""
    if condition.attribute not in IMAGE_FIELDS:
        raise errors.InvalidParameter(reason=f"Unsupported filter {condition.attribute[:64]}")
    return _power_of_two(len(condition.value)) if isinstance(condition.value, tuple) else 1


def _filled(filters: Iterable[T]) -> list[T]:
    """Each filter once; the last one again, until those beyond the first few are a power of two."""
    asked = list(dict.fromkeys(filters))
    more = len(asked) - _ALONE
    return asked + asked[-1:] * (_power_of_two(more) - more) if more > 0 else asked


def _power_of_two(count: int) -> int:
    """The next one that is not less; 0 stays."""
    return 1 << (count - 1).bit_length() if count else 0


def _order(sort: Iterable[tuple[str, Direction]]) -> tuple[tuple[str, Direction], ...]:
    """What the list is sorted by: together unique, and never null."""
    asked = tuple(sort)
    directions: dict[str, Direction] = {}
    last: Direction = asked[-1][1] if asked else "desc"
    for key, direction in (*asked, ("created_at", last), ("id", last)):
        if key not in SORT_KEYS:
            raise errors.InvalidParameter(reason=f"Unsupported sort_key. Acceptable values: {', '.join(SORT_KEYS)}")
        if "id" not in directions:  # what follows the id decides nothing
            directions.setdefault(key, direction)
    return tuple(directions.items())


@lru_cache(_KINDS)
def image(caller: Kind, *, held: bool = False) -> Select[Any]:
    """The bare image ``image_id``, if the caller, who is ``owner``, may see it; ``held`` until the transaction ends."""
    found = IMAGES.where(images.c.id == bindparam("image_id"), may_see(caller))
    return found.with_for_update() if held else found


def whole_image(caller: Kind) -> Select[Any]:
    """The same, with all that belongs to it."""
    return image(caller).add_columns(*belongings(images.c.id))


def may_see(caller: Kind) -> Clause:
    """The caller may know that the image exists."""
    return true() if caller.is_admin else and_(_may_have_seen(caller), images.c.deleted.is_(False))


def listed(shape: Shape) -> Clause:
    """The image is in the caller's lists, as far as visibility decides; memberships of other states do not count."""
    is_admin, scope = shape.caller.is_admin, shape.scope
    if is_admin and scope in {"all", "everything"}:
        return true()
    if is_admin and scope == "private":
        return images.c.visibility != _word(PUBLIC)
    if is_admin and scope == "accessible":
        return or_(images.c.visibility != _word(COMMUNITY), *_owned(shape.caller))
    return or_(among(Checked(images.c.visibility), opened(shape)), *_owned(shape.caller), *_shared(shape.caller, answered=shape.answered))


def opened(shape: Shape) -> list[str]:
    """The visibilities of which lists of that scope show all images."""
    return _open_to(shape.caller) if shape.scope == "everything" else [PUBLIC]


def page(shape: Shape, among: Select[Any] | None, limit: int | None, dialect: str) -> Select[Any]:
    """The images that are asked for, with all that belongs to them; those behind the position ``after_0``, ``after_1``... where there is a marker.
    ``among`` selects the ids that come into question, None where these are too many to be looked at one by one. ``limit`` is part of the statement,
    None where it is a value as others. ``dialect`` is SQLAlchemy's word."""
    order = [(sort_key(key), direction) for key, direction in shape.order]
    rows_at_most = _length(shape, limit)
    clauses = [listed(shape), *_shown(shape), *_filters(shape)]
    if among is not None:
        clauses.append(_selected(images.c.id, among, dialect))
    if shape.has_marker:
        clauses.append(_behind(order, by_rows=dialect not in _COLUMN_BY_COLUMN))
    sorting = [_directed(key, direction) for key, direction in order]
    if among is None and len({direction for _key, direction in order}) == 1:  # no index has others
        found = IMAGES.add_columns(*belongings(images.c.id)).where(*clauses).order_by(*sorting)
        return found.limit(rows_at_most)
    # What is sorted first is a table of its own, so that what belongs to images is looked up for those alone that are shown.
    found = IMAGES.add_columns(*(key.label(f"key_{number}") for number, (key, _direction) in enumerate(order))).where(*clauses).order_by(*sorting)
    rows = found.limit(rows_at_most).subquery("page")
    again = (_directed(rows.c[f"key_{number}"], direction) for number, (_key, direction) in enumerate(order))
    return select(*(rows.c[name] for name in IMAGE_FIELDS), *belongings(rows.c.id)).order_by(*again)


def _length(shape: Shape, known: int | None) -> ColumnElement[Any] | None:
    """How many rows a page has at most."""
    if not shape.has_limit:
        return None
    return bindparam("limit", type_=Integer()) if known is None else literal_column(str(int(known)), Integer())


def _selected(column: ColumnElement[Any], ids: Select[Any], dialect: str) -> Clause:
    """The column is one of those ids. PostgreSQL selects them once, into an array: with old statistics it would take them for one or two, and select
    them again for each image."""
    return column == any_(func.array(ids.scalar_subquery())) if dialect == "postgresql" else column.in_(ids)


def position(shape: Shape) -> Select[Any]:
    """Where the marker stands in the order, if the caller may see it there."""
    shown = [] if shape.shows_deleted else [images.c.deleted.is_(False)]
    keys = (sort_key(key) for key, _direction in shape.order)
    return select(*keys).where(images.c.id == bindparam("marker"), _may_have_seen(shape.caller), *shown)


def _may_have_seen(caller: Kind) -> Clause:
    """``may_see``, whether the image was deleted or not."""
    if caller.is_admin:
        return true()
    unowned = [images.c.owner.is_(None)] if caller.has_owner else []
    return or_(among(images.c.visibility, _open_to(caller)), *unowned, *_owned(caller), *_shared(caller))


def _open_to(caller: Kind) -> list[str]:
    return sorted(open_to(RequestContext(read_only=caller.read_only)))


def _owned(caller: Kind) -> Iterator[Clause]:
    """The image belongs to the caller; nothing for a caller who is nobody."""
    if caller.has_owner:
        yield images.c.owner == OWNER


def _shared(caller: Kind, *, answered: bool = False) -> Iterator[Clause]:
    """The image is shared with the caller, who has answered ``member_status`` where that counts; nothing for a caller who is nobody."""
    if caller.has_owner:
        member = exists().where(
            image_members.c.image_id == images.c.id,
            image_members.c.member == OWNER,
            image_members.c.deleted.is_(False),
            *([image_members.c.status == bindparam("member_status")] if answered else []),
        )
        yield and_(images.c.visibility == _word(SHARED), member)


def _shown(shape: Shape) -> Iterator[Clause]:
    """What lists leave out unless the question asks for it, in one of three ways."""
    if not shape.shows_deleted:
        yield images.c.deleted.is_(False)
        yield ~among(images.c.status, sorted(HIDDEN))
    if shape.deleted is not None:
        yield images.c.deleted.is_(shape.deleted)


def _filters(shape: Shape) -> Iterator[Clause]:
    for number, (attribute, _operator, _count) in enumerate(shape.compared):
        yield compare(shape, number, Checked(sort_key(attribute) if attribute == "size" else images.c[attribute]))
    properties, tags = range(len(shape.properties)), range(shape.tags)
    for number in properties[:_ALONE]:
        yield exists().where(image_properties.c.image_id == images.c.id, *has_property(shape, number))
    if properties[_ALONE:]:
        table = image_properties.c
        pairs = [and_(table.name == bindparam(f"name_{number}"), table.value == bindparam(f"whole_{number}")) for number in properties[_ALONE:]]
        yield _has(image_properties, or_(*pairs), "more_properties")
    for number in tags[:_ALONE]:
        yield exists().where(image_tags.c.image_id == images.c.id, *has_tag(number))
    if tags[_ALONE:]:
        yield _has(image_tags, image_tags.c.value.in_([bindparam(f"tag_{number}") for number in tags[_ALONE:]]), "more_tags")


def _has(table: Table, rows: Clause, count: str) -> Clause:
    """The image has that many of these rows, and never has more. Of "as many" planners would think that hardly any image meets it, and sort the table
    where a walk finds a page at once; of "no less", that every third does."""
    found = select(func.count()).select_from(table).where(table.c.image_id == images.c.id, rows, table.c.deleted.is_(False))
    return found.scalar_subquery() >= bindparam(count, type_=Integer())


def compare(shape: Shape, number: int, column: ColumnElement[Any]) -> Clause:
    """What the condition of that number asks of a column."""
    _attribute, operator, count = shape.compared[number]
    asked: list[BindParameter[Any]] = [bindparam(f"value_{number}_{place}", type_=column.type) for place in range(count)]
    return _in(column, asked) if operator == "in" else _COMPARISONS[operator](column, asked[0])


def has_property(shape: Shape, number: int) -> tuple[Clause, ...]:
    """The row of ``image_properties`` is the property of that number."""
    table = image_properties.c
    # Asked twice, a planner would take it for twice as rare.
    whole = [table.value == bindparam(f"whole_{number}")] if shape.properties[number] else []
    return table.name == bindparam(f"name_{number}"), table.value_key == bindparam(f"key_{number}"), *whole, table.deleted.is_(False)


def has_tag(number: int) -> tuple[Clause, ...]:
    """The row of ``image_tags`` is the tag of that number."""
    return image_tags.c.value == bindparam(f"tag_{number}"), image_tags.c.deleted.is_(False)


def _behind(order: Iterable[tuple[ColumnElement[Any], Direction]], *, by_rows: bool) -> Clause:
    """The image comes later in ``order`` than the marker."""
    keys, directions = zip(*order, strict=True)
    after: list[BindParameter[Any]] = [bindparam(f"after_{number}", type_=key.type) for number, key in enumerate(keys)]
    if len(set(directions)) == 1 and by_rows:
        here, there = tuple_(*keys), tuple_(*after)
        return here > there if directions[0] == "asc" else here < there
    same = [key == value for key, value in zip(keys, after, strict=True)]
    later = [key > value if direction == "asc" else key < value for key, direction, value in zip(keys, directions, after, strict=True)]
    return or_(*(and_(*same[:number], later[number]) for number in range(len(keys))))


def _directed(key: ColumnElement[Any], direction: Direction) -> ColumnElement[Any]:
    return key.asc() if direction == "asc" else key.desc()


def sort_key(name: str) -> ColumnElement[Any]:
    """What a core attribute is sorted by: never null."""
    column: ColumnElement[Any] = images.c[f"{name}_key" if name in MAY_MISS else name]
    return column


def _word(word: str) -> ColumnElement[Any]:
    """A word of this program, as part of a statement."""
    return literal_column(f"'{word}'", String())


def among(column: ColumnElement[Any], words: Iterable[str]) -> Clause:
    """The column is one of these words of this program."""
    return _in(column, [_word(word) for word in words])


def _in(column: ColumnElement[Any], values: Sequence[ColumnElement[Any]]) -> Clause:
    return column.in_(values) if values else false()
