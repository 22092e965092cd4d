"""Who may do what: the one policy call, and whom an image obeys."""

from __future__ import annotations

from dataclasses import fields

from glance import errors
from glance.context import RequestContext
from glance.model import visibility
from glance.model.image import Image
from glance.service import Services

#: What a check may name of an image, beside its properties; not where its data is.
ATTRIBUTES = tuple(field.name for field in fields(Image) if field.name not in {"properties", "locations"})


def authorize(services: Services, ctx: RequestContext, rule: str, image: Image | None = None, member: str | None = None) -> None:
    """Raises PolicyForbids unless the operator's policy allows ``rule``, which is about the ``target`` of the other arguments.

    Raises ImageHidden in place of it where the policy does not even let the caller see the image (spec-v2 7.5).
    """
    about = target(ctx, image, member)
    if services.policy.allows(rule, ctx, about):
        return
    if image is not None and not image.is_draft and not services.policy.allows("get_image", ctx, about):
        raise errors.ImageHidden(rule=rule, image_id=image.id)
    raise errors.PolicyForbids(rule=rule)


def target(ctx: RequestContext, image: Image | None = None, member: str | None = None) -> dict[str, object]:
    """What the checks of a rule may name: the image, or else the caller (spec-v2 7.4), and the project that the image is shared with: ``member``, or
    the caller's own where it sees the image as a member."""
    named: dict[str, object] = {"user_id": ctx.user, "project_id": ctx.project, "tenant": ctx.project, "owner": ctx.owner}
    if image is not None:
        named |= {**image.properties, **{name: getattr(image, name) for name in ATTRIBUTES}}
        named |= {"user_id": ctx.user, "project_id": image.owner, "tenant": image.owner, "image_id": image.id}
        if member is None and image.visibility == visibility.SHARED and image.owner != ctx.owner:
            member = ctx.owner
    return {**named, "member_id": member or "", "member": member or ""}


def authorize_change(services: Services, ctx: RequestContext, rule: str, image: Image | None = None, member: str | None = None) -> None:
    """``authorize`` for something that changes data: refused to a context that only reads."""
    if ctx.read_only:
        raise errors.ReadOnlyContext
    authorize(services, ctx, rule, image, member)


def check_may_change(ctx: RequestContext, image: Image, action: str) -> None:
    """Raises ImageForbidden for an image that the caller sees but may not change, whatever the policy says."""
    if not visibility.may_change(ctx, image):
        raise errors.ImageForbidden(action=action, image_id=image.id)


def check_not_hidden(ctx: RequestContext, image: Image) -> None:
    """Raises ImageNotFound for an image that the caller may not change and not everybody sees, as version 1 has it (spec-v1 7.3)."""
    if not visibility.may_change(ctx, image) and image.visibility not in visibility.OPEN:
        raise errors.ImageNotFound(image_id=image.id)
