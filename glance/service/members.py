"""Who an image is shared with (spec-v1 2.11, spec-v2 4.1)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from glance import errors
from glance.context import RequestContext
from glance.model.events import MemberCreated, MemberDeleted, MemberUpdated
from glance.model.image import Image, Member, Membership, MemberStatus
from glance.model.visibility import SHARED, may_share
from glance.service import Services, readers
from glance.service.authorize import authorize, authorize_change


def list_members(services: Services, ctx: RequestContext, image_id: str, *, strict: bool = False) -> Sequence[Member]:
    """The members of an image that the caller may see. Raises ImageNotFound, PolicyForbids, and where ``strict`` (v2) NotShared.

    In version 1 whoever sees the image may ask, as the member that it may be.
    """
    image = services.registry.images.get(ctx, image_id)
    authorize(services, ctx, "get_members", image, None if strict else ctx.owner)
    if strict:
        _check_shared(image)
    return services.registry.members.list(ctx, image_id)


def share(services: Services, ctx: RequestContext, image_id: str, memberships: Sequence[Membership], *, replace: bool = False) -> None:
    """Adds or changes members (v1); with ``replace`` these are all there are afterwards.

    Raises NotAuthenticated, ImageNotFound, ShareForbidden, MemberQuotaExceeded, InvalidMember, PolicyForbids.
    """
    image = services.registry.images.get(ctx, image_id)
    before = _shared(services, ctx, image_id)
    authorize_change(services, ctx, "modify_member", _as_sharer(ctx, image, before), ctx.owner)
    services.registry.members.put(ctx, image_id, memberships, replace=replace, maximum=services.limits.members)
    after = _shared(services, ctx, image_id)
    for name, member in after.items():
        if name not in before:
            services.notifier.emit(ctx, MemberCreated(member))
        elif member != before[name]:
            services.notifier.emit(ctx, MemberUpdated(member))
    for name in before.keys() - after.keys():
        services.notifier.emit(ctx, _removed(before[name]))
    readers.tell(services, ctx, image_id)


def add(services: Services, ctx: RequestContext, image_id: str, member: str) -> Member:
    """One more member, who has yet to accept (v2). Raises NotShared, MemberExists, and as ``share`` does."""
    image = services.registry.images.get(ctx, image_id)
    authorize_change(services, ctx, "add_member", image)
    _check_shared(image)
    added = services.registry.members.add(ctx, image_id, member, maximum=services.limits.members)
    services.notifier.emit(ctx, MemberCreated(added))
    readers.tell(services, ctx, image_id)
    return added


def get_member(services: Services, ctx: RequestContext, image_id: str, member: str) -> Member:
    """One member that the caller may see. Raises MemberNotFound, ImageNotFound, PolicyForbids."""
    image = services.registry.images.get(ctx, image_id)
    found = next((one for one in services.registry.members.list(ctx, image_id) if one.member == member), None)
    if found is None:
        authorize(services, ctx, "get_image", image)
        raise errors.MemberNotFound
    authorize(services, ctx, "get_member", image, member)
    return found


def answer(services: Services, ctx: RequestContext, image_id: str, member: str, status: MemberStatus) -> Member:
    """Lets a member accept or reject an image. Raises Forbidden for its owner, MemberNotFound, ImageNotFound, PolicyForbids."""
    image = services.registry.images.get(ctx, image_id)
    authorize_change(services, ctx, "modify_member", image, member)
    answered = services.registry.members.answer(ctx, image_id, member, status)
    services.notifier.emit(ctx, MemberUpdated(answered))
    return answered


def unshare(services: Services, ctx: RequestContext, image_id: str, member: str, *, strict: bool = False) -> None:
    """Removes one member. In version 1 a member that may share the image on may do so, too; not where ``strict`` (v2). Raises MemberNotFound, and as
    ``share`` does."""
    image = services.registry.images.get(ctx, image_id)
    before = _shared(services, ctx, image_id)
    authorize_change(services, ctx, "delete_member", image if strict else _as_sharer(ctx, image, before), member)
    services.registry.members.remove(ctx, image_id, member)
    services.notifier.emit(ctx, _removed(before.get(member, Member(image_id, member))))
    readers.tell(services, ctx, image_id)


def list_shared(services: Services, ctx: RequestContext, member: str) -> Sequence[Member]:
    """The memberships of one project, as far as the caller may see them."""
    authorize(services, ctx, "get_images")
    return services.registry.members.shared_with(ctx, member)


def _shared(services: Services, ctx: RequestContext, image_id: str) -> Mapping[str, Member]:
    """All members by name, for notifications alone: the caller may not see them all, so neither they nor the image's absence are told to it."""
    try:
        members = services.registry.members.list(dataclasses.replace(ctx, is_admin=True), image_id)
    except errors.ImageNotFound:
        return {}
    return {one.member: one for one in members}


def _as_sharer(ctx: RequestContext, image: Image, members: Mapping[str, Member]) -> Image:
    """The image as policies see it where it is shared in version 1: a member that may share it on stands in for its owner. Raises ShareForbidden."""
    if ctx.is_admin or ctx.owner is None:
        return image
    own = members.get(ctx.owner)
    if not may_share(ctx, image, can_share=own is not None and own.can_share):
        raise errors.ShareForbidden
    return dataclasses.replace(image, owner=ctx.owner)


def _removed(member: Member) -> MemberDeleted:
    return MemberDeleted(dataclasses.replace(member, updated_at=datetime.now(UTC)))


def _check_shared(image: Image) -> None:
    if image.visibility != SHARED:
        raise errors.NotShared(image_id=image.id, visibility=image.visibility)
