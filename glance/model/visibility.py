"""Who may see an image, who may change it, and what a list shows (spec-v1 7.3). ``glance.db.query`` states the same in SQL."""

from __future__ import annotations

from glance.context import RequestContext
from glance.model.image import Image, Scope

PUBLIC = "public"
PRIVATE = "private"
SHARED = "shared"
COMMUNITY = "community"
VISIBILITIES = frozenset({PUBLIC, PRIVATE, SHARED, COMMUNITY})
#: Every project may see these.
OPEN = frozenset({PUBLIC, COMMUNITY})


def owns(ctx: RequestContext, image: Image) -> bool:
    """True where the image belongs to the caller; nobody owns an image without owner."""
    return image.owner is not None and image.owner == ctx.owner


def open_to(ctx: RequestContext) -> frozenset[str]:
    """The visibilities of images that the caller may see, whose ever they are: nobody known sees what is public only (spec-v1 7.2)."""
    return frozenset({PUBLIC}) if ctx.read_only else OPEN


def may_see(ctx: RequestContext, image: Image, *, is_member: bool) -> bool:
    """True where the caller may know that the image exists; ``is_member``: a live membership names the caller's owner. It counts while the image is
    shared, and sleeps while it is not."""
    if ctx.is_admin:
        return True
    if image.deleted:
        return False
    unowned = image.owner is None and ctx.owner is not None
    return image.visibility in open_to(ctx) or unowned or owns(ctx, image) or (is_member and image.visibility == SHARED)


def may_change(ctx: RequestContext, image: Image) -> bool:
    """True where the caller may change or delete an image that it can see."""
    return ctx.is_admin or owns(ctx, image)


def may_share(ctx: RequestContext, image: Image, *, can_share: bool) -> bool:
    """True where the caller may change who the image is shared with; ``can_share``: the caller's own membership allows it."""
    return may_change(ctx, image) or can_share


def listed(ctx: RequestContext, image: Image, *, is_member: bool, scope: Scope = "default") -> bool:
    """True where a list contains the image, as far as visibility decides; ``is_member``: a membership of a state that the list asks for.

    Scopes of v1 are "default", and for administrators "private" and "all"; those of v2 "accessible" (community images of others only
    by asking) and "everything". What is for administrators means "default" to others.
    """
    in_default = image.visibility == PUBLIC or owns(ctx, image) or (is_member and image.visibility == SHARED)
    if scope == "everything":
        return ctx.is_admin or in_default or image.visibility in open_to(ctx)
    if not ctx.is_admin or scope == "default":
        return in_default
    if scope == "private":
        return image.visibility != PUBLIC
    return scope == "all" or image.visibility != COMMUNITY or owns(ctx, image)
