"""``MemberRecords`` in SQL. A member that was removed keeps its row, marked as deleted, and returns in it."""

from __future__ import annotations

import builtins
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, RowMapping, insert, or_, select, update

from glance import errors
from glance.context import RequestContext
from glance.db import query
from glance.db.mapping import to_image, to_member
from glance.db.schema import image_members, images
from glance.db.steps import lock
from glance.db.transactions import Database
from glance.model import visibility
from glance.model.image import Member, Membership, MemberStatus

_MEMBERS = select(image_members).where(image_members.c.deleted.is_(False)).order_by(image_members.c.id)


class SqlMembers:
    """``clock`` gives the time, UTC without zone."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def list(self, ctx: RequestContext, image_id: str) -> builtins.list[Member]:
        return self._database.read(self._list, ctx, image_id)

    def put(self, ctx: RequestContext, image_id: str, memberships: Sequence[Membership], *, replace: bool, maximum: int) -> None:
        self._database.write(self._put, ctx, image_id, memberships, replace=replace, maximum=maximum)

    def add(self, ctx: RequestContext, image_id: str, member: str, *, maximum: int) -> Member:
        now = self._clock()
        return self._database.write.once(partial(_since, image_id, member, now), self._add, ctx, image_id, member, now, maximum=maximum)

    def answer(self, ctx: RequestContext, image_id: str, member: str, status: MemberStatus) -> Member:
        return self._database.write(self._answer, ctx, image_id, member, status)

    def remove(self, ctx: RequestContext, image_id: str, member: str) -> None:
        now = self._clock()
        self._database.write.once(partial(_until, image_id, member, now), self._remove, ctx, image_id, member, now)

    def shared_with(self, ctx: RequestContext, member: str) -> builtins.list[Member]:
        return self._database.read(self._shared_with, ctx, member)

    def _list(self, connection: Connection, ctx: RequestContext, image_id: str) -> builtins.list[Member]:
        asked = query.image(ctx.kind)
        row = connection.execute(asked, {"image_id": image_id, "owner": ctx.owner}).mappings().one_or_none()
        if row is None or row["deleted"]:
            raise errors.ImageNotFound(image_id=image_id)
        of_image = _MEMBERS.where(image_members.c.image_id == image_id)
        if not visibility.may_change(ctx, to_image(row)):
            of_image = of_image.where(image_members.c.member == ctx.owner)
        return [to_member(one) for one in connection.execute(of_image).mappings()]

    def _put(
        self, connection: Connection, ctx: RequestContext, image_id: str, memberships: Sequence[Membership], *, replace: bool, maximum: int
    ) -> None:
        there = _lock_to_share(connection, ctx, image_id)
        asked = {one.member: one.can_share for one in memberships}
        live = _live(there)
        after = set(asked) if replace else live | set(asked)
        _check_quota(live, after, maximum)
        now = self._clock()
        for member, can_share in asked.items():
            _set(connection, image_id, there.get(member), member, can_share, now)
        _drop(connection, [there[name].id for name in live - after], now)

    def _add(self, connection: Connection, ctx: RequestContext, image_id: str, member: str, now: datetime, *, maximum: int) -> Member:
        there = _lock_to_share(connection, ctx, image_id)
        live = _live(there)
        if member in live:
            raise errors.MemberExists(member=member, image_id=image_id)
        _check_quota(live, live | {member}, maximum)
        _set(connection, image_id, there.get(member), member, None, now)
        return Member(image_id, member, created_at=now, updated_at=now)

    def _answer(self, connection: Connection, ctx: RequestContext, image_id: str, member: str, status: MemberStatus) -> Member:
        image = lock(connection, ctx, image_id)
        if image.deleted:
            raise errors.ImageNotFound(image_id=image_id)
        answers = ctx.is_admin or member == ctx.owner
        asked = _MEMBERS.where(image_members.c.image_id == image_id, image_members.c.member == member)
        row = connection.execute(asked).mappings().one_or_none()
        if row is None or not (answers or visibility.owns(ctx, image)):
            raise errors.MemberNotFound
        if not answers:
            raise errors.Forbidden(reason="Only the member itself may accept or reject an image.")
        now = self._clock()
        connection.execute(update(image_members).where(image_members.c.id == row["id"]).values(status=status, updated_at=now))
        return dataclasses.replace(to_member(row), status=status, updated_at=now)

    def _remove(self, connection: Connection, ctx: RequestContext, image_id: str, member: str, now: datetime) -> bool:
        there = _lock_to_share(connection, ctx, image_id).get(member)
        if there is None or there.deleted:
            raise errors.MemberNotFound
        _drop(connection, [there.id], now)
        return True

    def _shared_with(self, connection: Connection, ctx: RequestContext, member: str) -> builtins.list[Member]:
        of_member = _MEMBERS.where(image_members.c.member == member)
        if not ctx.is_admin:
            if ctx.owner is None:
                return []
            of_member = of_member.join(images).where(or_(image_members.c.member == ctx.owner, images.c.owner == ctx.owner))
        return [to_member(row) for row in connection.execute(of_member).mappings()]


def _lock_to_share(connection: Connection, ctx: RequestContext, image_id: str) -> Mapping[str, Row[Any]]:
    """All rows of the image's members by name, also of removed ones, for a caller who may share it. Holds the image's row."""
    if not ctx.is_admin and ctx.owner is None:
        raise errors.NotAuthenticated
    image = lock(connection, ctx, image_id)
    if image.deleted:
        raise errors.ImageNotFound(image_id=image_id)
    there = {row.member: row for row in connection.execute(select(image_members).where(image_members.c.image_id == image_id))}
    if not visibility.may_share(ctx, image, can_share=_can_share(there.get(ctx.owner or ""))):
        raise errors.ShareForbidden
    return there


def _since(image_id: str, member: str, now: datetime, connection: Connection) -> Member | None:
    """The membership that began at ``now``; its image is held."""
    row = _held_member(connection, image_id, member)
    return to_member(row) if row is not None and row["created_at"] == now else None


def _until(image_id: str, member: str, now: datetime, connection: Connection) -> bool | None:
    """True where the membership ended at ``now``; its image is held."""
    row = _held_member(connection, image_id, member)
    return True if row is not None and row["deleted_at"] == now else None


def _held_member(connection: Connection, image_id: str, member: str) -> RowMapping | None:
    connection.execute(select(images.c.id).where(images.c.id == image_id).with_for_update())
    there = select(image_members).where(image_members.c.image_id == image_id, image_members.c.member == member)
    return connection.execute(there).mappings().one_or_none()


def _live(there: Mapping[str, Row[Any]]) -> set[str]:
    return {name for name, row in there.items() if not row.deleted}


def _check_quota(live: set[str], after: set[str], maximum: int) -> None:
    if 0 <= maximum < len(after) and after - live:
        raise errors.MemberQuotaExceeded(attempted=len(after), maximum=maximum)


def _can_share(row: Row[Any] | None) -> bool:
    return row is not None and not row.deleted and bool(row.can_share)


def _set(connection: Connection, image_id: str, row: Row[Any] | None, member: str, can_share: bool | None, now: datetime) -> None:
    """Adds a member, lets one that was removed begin anew, or changes what it may do; None keeps that."""
    if row is None:
        added = {"image_id": image_id, "member": member, "can_share": bool(can_share), "created_at": now, "updated_at": now}
        connection.execute(insert(image_members), added)
        return
    kept = _can_share(row) if can_share is None else can_share
    anew = {"status": "pending", "created_at": now, "deleted": False, "deleted_at": None} if row.deleted else {}
    if row.deleted or kept != row.can_share:
        connection.execute(update(image_members).where(image_members.c.id == row.id).values(can_share=kept, updated_at=now, **anew))


def _drop(connection: Connection, ids: Sequence[int], now: datetime) -> None:
    if ids:
        gone = {"deleted": True, "deleted_at": now, "updated_at": now}
        connection.execute(update(image_members).where(image_members.c.id.in_(ids)).values(gone))
