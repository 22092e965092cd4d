"""Conditions and selects: who sees what, what a list contains, in which order. Values are always parameters.

``glance.model.visibility`` says the same about visibility in Python; the registry contract compares them on every combination.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select, true, tuple_

from glance import errors
from glance.context import RequestContext
from glance.db.mapping import IMAGE_FIELDS
from glance.db.schema import image_members, image_properties, images
from glance.model.image import SORT_KEYS, ImageQuery, Scope
from glance.model.status import HIDDEN
from glance.model.visibility import PUBLIC

Condition = ColumnElement[bool]

#: The bare images; made once, since to name many columns takes long.
IMAGES = select(*(images.c[name] for name in IMAGE_FIELDS))

#: What a missing value is sorted as, and compared as with bounds.
_MISSING = {"name": "", "disk_format": "", "container_format": "", "size": 0}


def may_see(ctx: RequestContext) -> Condition:
    """The caller may know that the image exists."""
    return _may_have_seen(ctx) if ctx.is_admin else and_(_may_have_seen(ctx), images.c.deleted.is_(False))


def listed(ctx: RequestContext, scope: Scope) -> Condition:
    """The image is in the caller's lists, as far as visibility decides."""
    if ctx.is_admin and scope == "all":
        return true()
    if ctx.is_admin and scope == "private":
        return images.c.visibility != PUBLIC
    return or_(images.c.visibility == PUBLIC, *_own(ctx))


def image(ctx: RequestContext, image_id: str) -> Select[Any]:
    """The image of that id, if the caller may see it."""
    return IMAGES.where(images.c.id == image_id, may_see(ctx))


def page(ctx: RequestContext, query: ImageQuery, after: Sequence[Any] | None) -> Select[Any]:
    """The images that ``query`` asks for; ``after`` is the position of the last image of the page before, as ``position`` selects it."""
    keys = _sort_keys(query)
    conditions = [listed(ctx, query.scope), *_shown(ctx, query), *_filters(query)]
    if after is not None:
        here, there = tuple_(*keys), tuple_(*after, types=[key.type for key in keys])
        conditions.append(here > there if query.sort_dir == "asc" else here < there)
    order = [key.asc() if query.sort_dir == "asc" else key.desc() for key in keys]
    return IMAGES.where(*conditions).order_by(*order).limit(query.limit)


def position(ctx: RequestContext, query: ImageQuery) -> Select[Any]:
    """Where the marker of ``query`` stands in its order, if the caller may see it there."""
    shown = [] if _shows_deleted(ctx, query) else [images.c.deleted.is_(False)]
    return select(*_sort_keys(query)).where(images.c.id == query.marker, _may_have_seen(ctx), *shown)


def _may_have_seen(ctx: RequestContext) -> Condition:
    """``may_see``, whether the image was deleted or not."""
    if ctx.is_admin:
        return true()
    unowned = [images.c.owner.is_(None)] if ctx.owner is not None else []
    return or_(images.c.visibility == PUBLIC, *unowned, *_own(ctx))


def _own(ctx: RequestContext) -> Iterator[Condition]:
    """The image belongs to the caller, or is shared with it; nothing for a caller who is nobody."""
    if ctx.owner is not None:
        yield images.c.owner == ctx.owner
        yield exists().where(
            image_members.c.image_id == images.c.id,
            image_members.c.member == ctx.owner,
            image_members.c.deleted.is_(False),
        )


def _shows_deleted(ctx: RequestContext, query: ImageQuery) -> bool:
    """True where the query asks, in one of three ways, for what lists leave out."""
    return query.changes_since is not None or "status" in query.equal or (ctx.is_admin and query.deleted is True)


def _shown(ctx: RequestContext, query: ImageQuery) -> Iterator[Condition]:
    if not _shows_deleted(ctx, query):
        yield images.c.deleted.is_(False)
        yield images.c.status.not_in(sorted(HIDDEN))
    if ctx.is_admin and query.deleted is not None:
        yield images.c.deleted.is_(query.deleted)


def _filters(query: ImageQuery) -> Iterator[Condition]:
    for name, value in query.equal.items():
        if name not in IMAGE_FIELDS:
            raise errors.InvalidParameter(reason=f"Unsupported filter {name[:64]}")
        yield images.c[name] == value
    if query.size_min is not None:
        yield _never_null("size") >= query.size_min
    if query.size_max is not None:
        yield _never_null("size") <= query.size_max
    if query.changes_since is not None:
        yield images.c.updated_at > query.changes_since
    for name, value in query.properties.items():
        yield exists().where(
            image_properties.c.image_id == images.c.id,
            image_properties.c.name == name,
            image_properties.c.value == value,
            image_properties.c.deleted.is_(False),
        )


def _sort_keys(query: ImageQuery) -> list[ColumnElement[Any]]:
    """What the list is sorted by: together unique, and never null."""
    if query.sort_key not in SORT_KEYS:
        raise errors.InvalidParameter(reason=f"Unsupported sort_key. Acceptable values: {', '.join(SORT_KEYS)}")
    key = _never_null(query.sort_key)
    others = [images.c[name] for name in ("created_at", "id") if name != query.sort_key]
    return [images.c.id] if query.sort_key == "id" else [key, *others]


def _never_null(name: str) -> ColumnElement[Any]:
    column: ColumnElement[Any] = images.c[name]
    return func.coalesce(column, _MISSING[name]) if name in _MISSING else column
