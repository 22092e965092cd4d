"""The registry agrees with ``glance.model.visibility`` on every combination of image, membership and caller."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model import visibility
from glance.model.image import Image, ImageChanges, ImageQuery, Scope
from glance.testing.registry_rules.lists import LONG_AGO
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, NOBODY, Scene, create, of_project, share

OWNERS = (None, "alice", "bob")
VISIBILITIES = ("public", "private", "shared")
MEMBERSHIPS = ("none", "live", "ended")
CALLERS = (ALICE, BOB, NOBODY, ADMIN, of_project("alice", is_admin=True), of_project("bob", is_admin=True))
SCOPES: tuple[Scope, ...] = ("default", "private", "all")
MEMBER = "bob"


def every_image(registry: Registry) -> list[tuple[Image, bool]]:
    """One image of each kind, with whether ``MEMBER`` is a member of it."""
    made = []
    for owner, seen_by, membership, deleted in product(OWNERS, VISIBILITIES, MEMBERSHIPS, (False, True)):
        image = create(registry, ADMIN, owner=owner, visibility=seen_by, name=f"{owner} {seen_by} {membership} {deleted}")
        if membership != "none":
            share(registry, image, MEMBER)
        if membership == "ended":
            registry.members.remove(ADMIN, image.id, MEMBER)
        if deleted:
            image = registry.images.delete(ADMIN, image.id)
        made.append((image, membership == "live" and not deleted))
    return made


def seen(registry: Registry, ctx: RequestContext, image: Image) -> bool:
    with suppress(errors.ImageNotFound):
        return registry.images.get(ctx, image.id) == image
    return False


def changed(registry: Registry, ctx: RequestContext, image: Image) -> bool:
    with suppress(errors.ImageNotFound, errors.ImageForbidden):
        return registry.images.update(ctx, image.id, ImageChanges({"name": image.name})) == image
    return False


class VisibilityRules(Scene):
    def test_get_in_every_case_agrees_with_the_model(self, registry: Registry) -> None:
        everything = every_image(registry)
        for ctx, (image, shared) in product(CALLERS, everything):
            expected = visibility.may_see(ctx, image, is_member=shared and ctx.owner == MEMBER)
            assert seen(registry, ctx, image) == expected, (ctx, image)

    def test_update_in_every_case_agrees_with_the_model(self, registry: Registry) -> None:
        live = [(image, shared) for image, shared in every_image(registry) if not image.deleted]
        for ctx, (image, _shared) in product(CALLERS, live):
            assert changed(registry, ctx, image) == visibility.may_change(ctx, image), (ctx, image)

    def test_list_in_every_case_agrees_with_the_model(self, registry: Registry) -> None:
        everything = every_image(registry)
        for ctx, scope, since in product(CALLERS, SCOPES, (None, LONG_AGO)):
            found = {image.name for image in registry.images.list(ctx, ImageQuery(scope=scope, changes_since=since))}
            expected = {
                image.name
                for image, shared in everything
                if visibility.listed(ctx, image, is_member=shared and ctx.owner == MEMBER, scope=scope) and (since or not image.deleted)
            }
            assert found == expected, (ctx, scope, since)

    def test_marker_in_every_case_is_one_that_the_caller_sees(self, registry: Registry) -> None:
        for ctx, (image, shared) in product(CALLERS, every_image(registry)):
            expected = visibility.may_see(ctx, image, is_member=shared and ctx.owner == MEMBER) and not image.deleted
            accepted = False
            with suppress(errors.InvalidParameter):
                registry.images.list(ctx, ImageQuery(marker=image.id))
                accepted = True
            assert accepted == expected, (ctx, image)
