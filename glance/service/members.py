"""Who an image is shared with (spec-v1 2.11)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from glance import errors
from glance.context import RequestContext
from glance.model.image import Member, Membership
from glance.service import Services
from glance.service.authorize import authorize, authorize_change


def list_members(services: Services, ctx: RequestContext, image_id: str) -> Sequence[Member]:
    """The members of an image that the caller may see. Raises ImageNotFound, PolicyForbids."""
    authorize(services, ctx, "get_members")
    return services.registry.members.list(ctx, image_id)


def share(services: Services, ctx: RequestContext, image_id: str, memberships: Sequence[Membership], *, replace: bool = False) -> None:
    """Adds or changes members; with ``replace`` these are all there are afterwards.

    Raises NotAuthenticated, ImageNotFound (also where the caller sees the image but may not share it), MemberQuotaExceeded, InvalidMember.
    """
    authorize_change(services, ctx, "modify_member")
    with _refusal_hidden(image_id):
        services.registry.members.put(ctx, image_id, memberships, replace=replace, maximum=services.limits.members)


def unshare(services: Services, ctx: RequestContext, image_id: str, member: str) -> None:
    """Removes one member. Raises MemberNotFound, and as ``share`` does."""
    authorize_change(services, ctx, "delete_member")
    with _refusal_hidden(image_id):
        services.registry.members.remove(ctx, image_id, member)


def list_shared(services: Services, ctx: RequestContext, member: str) -> Sequence[Member]:
    """The memberships of one project, as far as the caller may see them."""
    authorize(services, ctx, "get_images")
    return services.registry.members.shared_with(ctx, member)


@contextmanager
def _refusal_hidden(image_id: str) -> Iterator[None]:
    """Who may not share an image is told that there is none."""
    try:
        yield
    except errors.ShareForbidden:
        raise errors.ImageNotFound(image_id=image_id) from None
