"""Lists whose cost does not grow with the table.

A list walks the index of its order, and checks on the way what is asked for: many images meet it, and a page of them is soon together. Where few
meet one of the filters, or where the caller sees few, that walk would not end; so every filter that has an index is asked first for its images,
and where these are few, the list is made among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, ScalarSelect, Select, Subquery, func, select, union_all

from glance.context import RequestContext
from glance.db import query as sql
from glance.db.schema import image_members, image_properties, image_tags, images
from glance.model.image import ImageQuery

#: As many images as are looked at one by one, for a page of 25.
FEW = 500

_INDEXED = frozenset({"id", "owner", "visibility", "created_at", "updated_at", "status", *sql.MAY_MISS})


def lead(connection: Connection, ctx: RequestContext, query: ImageQuery, few: int) -> Select[Any] | None:
    """The ids of all images that the list can show, and of some others, where these are at most ``few``; else None. One statement at most."""
    candidates = list(_candidates(ctx, query, few + 1))
    if not candidates:
        return None
    counts = connection.execute(select(*(_count(one, few + 1) for one in candidates))).one()
    fewest = min(range(len(counts)), key=counts.__getitem__)
    return candidates[fewest] if counts[fewest] <= few else None


def _count(candidates: Select[Any], limit: int) -> ScalarSelect[int]:
    """How many there are, as far as it matters."""
    return select(func.count()).select_from(candidates.limit(limit).subquery()).scalar_subquery()


def _candidates(ctx: RequestContext, query: ImageQuery, limit: int) -> Iterator[Select[Any]]:
    """The ids that meet one filter, for each that has an index."""
    for condition in sql.conditions(query):
        if condition.attribute in _INDEXED and condition.operator != "neq":
            yield select(images.c.id).where(sql.compare(sql.sort_key(condition.attribute), condition))
    for name, value in query.properties.items():
        yield select(image_properties.c.image_id).where(*sql.has_property(name, value))
    for tag in query.tags:
        yield select(image_tags.c.image_id).where(*sql.has_tag(tag))
    if not ctx.is_admin:
        yield select(_seen(ctx, query, limit))


def _seen(ctx: RequestContext, query: ImageQuery, limit: int) -> Subquery:
    """The ids of what the caller sees in lists, all of them where they are fewer than ``limit``. A visibility that is asked for leaves out those that
    cannot have it. Each part has the limit, since MariaDB would read a union to its end."""
    asked = query.equal.get("visibility")
    opened = [one for one in sql.opened(ctx, query.scope) if asked in {None, one}]
    parts = [select(images.c.id).where(images.c.visibility.in_(opened))]
    if ctx.owner is not None:
        parts.append(select(images.c.id).where(images.c.owner == ctx.owner))
        parts.append(select(image_members.c.image_id).where(image_members.c.member == ctx.owner))
    return union_all(*(select(part.limit(limit).subquery()) for part in parts)).subquery()
