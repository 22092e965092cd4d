"""The registry agrees with ``glance.model.visibility`` on every combination of image, membership and caller."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model import visibility
from glance.model.image import Image, ImageChanges, ImageQuery, MemberStatus, Scope
from glance.testing.registry_rules.lists import LONG_AGO
from glance.testing.registry_rules.scene import ADMIN, ALICE, ANONYMOUS, BOB, NOBODY, Scene, create, of_project, share

OWNERS = (None, "alice", "bob")
VISIBILITIES = ("public", "private", "shared", "community")
MEMBER_STATUSES: tuple[MemberStatus, ...] = ("pending", "accepted", "rejected")
#: No membership, one of each status, one that may share the image on, and one that has ended.
MEMBERSHIPS = ("none", *MEMBER_STATUSES, "sharing", "ended")
CALLERS = (ALICE, BOB, NOBODY, ANONYMOUS, ADMIN, of_project("alice", is_admin=True), of_project("bob", is_admin=True))
SCOPES: tuple[Scope, ...] = ("default", "private", "all", "accessible", "everything")
#: No filter, and all that have to do with who sees what.
FILTERS = (
    ImageQuery(),
    ImageQuery(changes_since=LONG_AGO),
    *(ImageQuery({"os_hidden": hidden}) for hidden in (False, True)),
    *(ImageQuery({"visibility": one}) for one in VISIBILITIES),
)
MEMBER = "bob"


@dataclass(frozen=True)
class Case:
    """An image, and its membership of ``MEMBER``; ``status`` None: there is none."""

    image: Image
    status: MemberStatus | None
    can_share: bool

    def is_member(self, ctx: RequestContext, asked: MemberStatus | None = None) -> bool:
        """True where the caller is the member, in the state that is asked for."""
        return ctx.owner == MEMBER and self.status is not None and asked in {None, self.status}

    def sees(self, ctx: RequestContext) -> bool:
        return visibility.may_see(ctx, self.image, is_member=self.is_member(ctx))


def every_case(registry: Registry) -> list[Case]:
    """An image of each kind: of each owner, visibility and membership, hidden or not, deleted or not."""
    made = []
    for owner, seen_by, membership, hidden, deleted in product(OWNERS, VISIBILITIES, MEMBERSHIPS, (False, True), (False, True)):
        name = f"{owner} {seen_by} {membership} {hidden} {deleted}"
        image = create(registry, ADMIN, owner=owner, visibility=seen_by, os_hidden=hidden, name=name)
        status = _join(registry, image, membership)
        if deleted:
            image, status = registry.images.delete(ADMIN, image.id), None
        made.append(Case(image, status, can_share=membership == "sharing"))
    return made


def _join(registry: Registry, image: Image, membership: str) -> MemberStatus | None:
    """Makes the membership, and returns its status."""
    if membership == "none":
        return None
    share(registry, image, MEMBER, can_share=membership == "sharing")
    if membership == "ended":
        registry.members.remove(ADMIN, image.id, MEMBER)
        return None
    status: MemberStatus = next((one for one in MEMBER_STATUSES if one == membership), "pending")
    if status != "pending":
        registry.members.answer(ADMIN, image.id, MEMBER, status)
    return status


def seen(registry: Registry, ctx: RequestContext, image: Image) -> bool:
    with suppress(errors.ImageNotFound):
        return registry.images.get(ctx, image.id) == image
    return False


def is_marker(registry: Registry, ctx: RequestContext, image: Image) -> bool:
    with suppress(errors.InvalidParameter):
        registry.images.list(ctx, ImageQuery(marker=image.id, limit=1))
        return True
    return False


def changed(registry: Registry, ctx: RequestContext, image: Image) -> bool:
    with suppress(errors.ImageNotFound, errors.ImageForbidden, errors.StatusConflict):
        return registry.images.update(ctx, image.id, ImageChanges({"name": image.name})) == image
    return False


def shared(registry: Registry, ctx: RequestContext, image: Image) -> bool:
    with suppress(errors.ImageNotFound, errors.ShareForbidden, errors.NotAuthenticated):
        registry.members.put(ctx, image.id, (), replace=False, maximum=-1)
        return True
    return False


class VisibilityRules(Scene):
    def test_get_and_marker_in_every_case_agree_with_the_model(self, registry: Registry) -> None:
        for ctx, case in product(CALLERS, every_case(registry)):
            assert seen(registry, ctx, case.image) == case.sees(ctx), (ctx, case)
            assert is_marker(registry, ctx, case.image) == (case.sees(ctx) and not case.image.deleted), (ctx, case)

    def test_update_and_share_in_every_case_agree_with_the_model(self, registry: Registry) -> None:
        for ctx, case in product(CALLERS, every_case(registry)):
            live = not case.image.deleted
            may_change = live and case.sees(ctx) and visibility.may_change(ctx, case.image)
            assert changed(registry, ctx, case.image) == may_change, (ctx, case)
            named = ctx.is_admin or ctx.owner is not None
            may_share = visibility.may_share(ctx, case.image, can_share=case.is_member(ctx) and case.can_share)
            assert shared(registry, ctx, case.image) == (live and named and case.sees(ctx) and may_share), (ctx, case)


class VisibleListRules(Scene):
    def test_list_in_every_case_agrees_with_the_model(self, registry: Registry) -> None:
        everything = every_case(registry)
        for ctx, scope, asked, filtered in product(CALLERS, SCOPES, (None, *MEMBER_STATUSES), FILTERS):
            query = replace(filtered, scope=scope, member_status=asked)
            found = {image.name for image in registry.images.list(ctx, query)}
            expected = {
                case.image.name
                for case in everything
                if visibility.listed(ctx, case.image, is_member=case.is_member(ctx, asked), scope=scope)
                and (query.changes_since or not case.image.deleted)
                and all(getattr(case.image, name) == value for name, value in query.equal.items())
            }
            assert found == expected, (ctx, query)
