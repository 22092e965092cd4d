"""The registry agrees with ``glance.model.visibility`` on every combination of image, membership and caller."""

from __future__ import annotations

from contextlib import suppress
from itertools import product

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model import visibility
from glance.model.image import Image, ImageChanges, ImageQuery, MemberStatus, Scope
from glance.testing.registry_rules.lists import LONG_AGO
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, NOBODY, Scene, create, of_project, share

OWNERS = (None, "alice", "bob")
VISIBILITIES = ("public", "private", "shared", "community")
MEMBER_STATUSES: tuple[MemberStatus, ...] = ("pending", "accepted", "rejected")
MEMBERSHIPS = ("none", *MEMBER_STATUSES, "ended")
CALLERS = (ALICE, BOB, NOBODY, ADMIN, of_project("alice", is_admin=True), of_project("bob", is_admin=True))
SCOPES: tuple[Scope, ...] = ("default", "private", "all", "accessible", "everything")
MEMBER = "bob"


def every_image(registry: Registry) -> list[tuple[Image, MemberStatus | None]]:
    """One image of each kind, with what ``MEMBER`` thinks of it; None where it is no member."""
    made: list[tuple[Image, MemberStatus | None]] = []
    for owner, seen_by, membership, deleted in product(OWNERS, VISIBILITIES, MEMBERSHIPS, (False, True)):
        image = create(registry, ADMIN, owner=owner, visibility=seen_by, name=f"{owner} {seen_by} {membership} {deleted}")
        if membership != "none":
            share(registry, image, MEMBER)
        status = next((status for status in MEMBER_STATUSES if status == membership), None)
        if status is not None:
            registry.members.answer(ADMIN, image.id, MEMBER, status)
        if membership == "ended":
            registry.members.remove(ADMIN, image.id, MEMBER)
        if deleted:
            image = registry.images.delete(ADMIN, image.id)
        made.append((image, None if deleted else status))
    return made


def is_member(ctx: RequestContext, status: MemberStatus | None, asked: MemberStatus | None = None) -> bool:
    """True where the caller is the member, in the state that is asked for."""
    return ctx.owner == MEMBER and status is not None and asked in {None, status}


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
        for ctx, (image, status) in product(CALLERS, everything):
            expected = visibility.may_see(ctx, image, is_member=is_member(ctx, status))
            assert seen(registry, ctx, image) == expected, (ctx, image)

    def test_update_in_every_case_agrees_with_the_model(self, registry: Registry) -> None:
        live = [image for image, _status in every_image(registry) if not image.deleted]
        for ctx, image in product(CALLERS, live):
            assert changed(registry, ctx, image) == visibility.may_change(ctx, image), (ctx, image)

    def test_list_in_every_case_agrees_with_the_model(self, registry: Registry) -> None:
        everything = every_image(registry)
        for ctx, scope, since, asked in product(CALLERS, SCOPES, (None, LONG_AGO), (None, *MEMBER_STATUSES)):
            query = ImageQuery(scope=scope, changes_since=since, member_status=asked)
            found = {image.name for image in registry.images.list(ctx, query)}
            expected = {
                image.name
                for image, status in everything
                if visibility.listed(ctx, image, is_member=is_member(ctx, status, asked), scope=scope) and (since or not image.deleted)
            }
            assert found == expected, (ctx, query)

    def test_marker_in_every_case_is_one_that_the_caller_sees(self, registry: Registry) -> None:
        for ctx, (image, status) in product(CALLERS, every_image(registry)):
            expected = visibility.may_see(ctx, image, is_member=is_member(ctx, status)) and not image.deleted
            accepted = False
            with suppress(errors.InvalidParameter):
                registry.images.list(ctx, ImageQuery(marker=image.id, limit=1))
                accepted = True
            assert accepted == expected, (ctx, image)
