"""Who may do what: the one policy call, and whom an image obeys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

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


@dataclass(frozen=True, slots=True)
class _OfImage(Mapping[str, object]):
    """What the checks of a rule about an image may name: what is stated, the image's attributes, and then its properties. Most checks name one or
    two of them."""

    _image: Image
    _stated: Mapping[str, object]

    def __getitem__(self, name: str) -> object:
        if name in self._stated:
            return self._stated[name]
        return getattr(self._image, name) if name in ATTRIBUTES else self._image.properties[name]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys((*self._stated, *ATTRIBUTES, *self._image.properties)))

    def __len__(self) -> int:
        return len(list(iter(self)))


def target(ctx: RequestContext, image: Image | None = None, member: str | None = None) -> Mapping[str, object]:
    """What the checks of a rule may name: the image, or else the caller (spec-v2 7.4), and the project that the image is shared with: ``member``, or
    the caller's own where it sees the image as a member."""
    if image is None:
        owners: dict[str, object] = {"project_id": ctx.project, "tenant": ctx.project, "owner": ctx.owner}
    else:
        owners = {"project_id": image.owner, "tenant": image.owner, "image_id": image.id}
        if member is None and image.visibility == visibility.SHARED and image.owner != ctx.owner:
            member = ctx.owner
    named = {**owners, "user_id": ctx.user, "member_id": member or "", "member": member or ""}
    return named if image is None else _OfImage(image, named)


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
