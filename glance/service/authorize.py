"""Who may do what: the one policy call, and whom an image obeys."""

from __future__ import annotations

from glance import errors
from glance.context import RequestContext
from glance.model import visibility
from glance.model.image import Image
from glance.service import Services


def authorize(services: Services, ctx: RequestContext, rule: str, image: Image | None = None) -> None:
    """Raises PolicyForbids unless the operator's policy allows ``rule``; its checks may name the image's owner and attributes."""
    target: dict[str, object] = {"user_id": ctx.user, "project_id": ctx.project, "tenant": ctx.project, "owner": ctx.owner}
    if image is not None:
        target |= {"owner": image.owner, "image_id": image.id, "visibility": image.visibility, "status": image.status}
    if not services.policy.allows(rule, ctx, target):
        raise errors.PolicyForbids(rule=rule)


def authorize_change(services: Services, ctx: RequestContext, rule: str, image: Image | None = None) -> None:
    """``authorize`` for something that changes data: refused to a context that only reads."""
    if ctx.read_only:
        raise errors.ReadOnlyContext
    authorize(services, ctx, rule, image)


def check_may_change(ctx: RequestContext, image: Image, action: str) -> None:
    """Raises ImageForbidden for an image that the caller sees but may not change."""
    if not visibility.may_change(ctx, image):
        raise errors.ImageForbidden(action=action, image_id=image.id)
