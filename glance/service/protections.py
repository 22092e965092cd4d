"""What the operator's property protections let a caller see and change of custom properties (spec-v2 3.9), in every version of the API.

A property that a caller may not read does not exist for it. Without protections everything is left to the policies about images.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from glance import errors
from glance.context import RequestContext
from glance.model.image import Image, ImageChanges
from glance.model.protections import EVERYONE, NOBODY, Action
from glance.service import Services


def shown(services: Services, ctx: RequestContext, image: Image) -> Image:
    """``image`` as the caller may see it: without the properties that it may not read."""
    if services.protections is None:
        return image
    return replace(image, properties={name: value for name, value in image.properties.items() if _may(services, ctx, "read", name)})


def hides(services: Services, ctx: RequestContext, names: Iterable[str]) -> bool:
    """Whether one of these properties is hidden from the caller, who then must not find images by it."""
    return not all(_may(services, ctx, "read", name) for name in names)


def check_new(services: Services, ctx: RequestContext, names: Collection[str]) -> None:
    """Raises PropertyProtected for properties that the caller may not give to a new image."""
    _require(services, ctx, "create", names)


def settled(services: Services, ctx: RequestContext, image: Image, changes: ImageChanges) -> ImageChanges:
    """``changes`` of ``image``, which leave alone what is hidden from the caller and is not set. Raises PropertyProtected for what it may not do.

    Setting a hidden property takes the right to create it, as if it were not there. Nothing is needed for a value that stays as the caller sees it.
    """
    if services.protections is None:
        return changes
    seen = shown(services, ctx, image).properties
    wanted = changes.properties
    dropped = frozenset(seen) - frozenset(wanted) if changes.purge else changes.dropped
    _require(services, ctx, "create", wanted.keys() - seen.keys())
    _require(services, ctx, "update", [name for name in wanted.keys() & seen.keys() if wanted[name] != seen[name]])
    _require(services, ctx, "delete", dropped)
    return replace(changes, dropped=dropped, purge=False)


def _require(services: Services, ctx: RequestContext, action: Action, names: Collection[str]) -> None:
    for name in sorted(names):
        if not _may(services, ctx, action, name):
            raise errors.PropertyProtected(name=name[:64], action=action)


def _may(services: Services, ctx: RequestContext, action: Action, name: str) -> bool:
    rules = services.protections
    if rules is None:
        return True
    permitted = rules.permitted(name, action)
    if not permitted.isdisjoint({EVERYONE, NOBODY}):
        return EVERYONE in permitted
    if rules.by_policies:
        # Protections are about properties, whatever image has them: a check of the image fails.
        # A rule that the operator has removed since the start protects all the more: it is asked for last, as ``allows`` may read the file again.
        return all(services.policy.allows(policy, ctx, {}) and services.policy.knows(policy) for policy in permitted)
    return not permitted.isdisjoint(role.lower() for role in (*ctx.roles, *ctx.service_roles))
