"""Rules of ``MemberRecords``."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, ImageQuery, Member, Membership, MemberStatus
from glance.testing.registry_rules.scene import (
    ADMIN,
    ALICE,
    BOB,
    CAROL,
    NOBODY,
    Advance,
    Scene,
    at_once,
    create,
    kinds,
    of_project,
    share,
)

ANSWERS: tuple[MemberStatus, ...] = ("accepted", "rejected", "pending")


def put(registry: Registry, ctx: RequestContext, image: Image, *members: str, replace: bool = False, maximum: int = -1) -> None:
    registry.members.put(ctx, image.id, [Membership(member) for member in members], replace=replace, maximum=maximum)


def members(registry: Registry, image: Image, ctx: RequestContext = ADMIN) -> dict[str, bool]:
    """Each member with whether it may share."""
    return {one.member: one.can_share for one in registry.members.list(ctx, image.id)}


class MemberRules(Scene):
    def test_put_when_members_are_new_adds_them(self, registry: Registry) -> None:
        image = create(registry)
        registry.members.put(ALICE, image.id, [Membership("bob"), Membership("carol", can_share=True)], replace=False, maximum=-1)
        times: dict[str, Any] = {"created_at": image.created_at, "updated_at": image.created_at}
        expected = {Member(image.id, "bob", **times), Member(image.id, "carol", can_share=True, **times)}
        assert set(registry.members.list(ALICE, image.id)) == expected

    def test_put_when_a_member_exists_changes_only_what_is_given(self, registry: Registry) -> None:
        image = create(registry)
        for can_share, expected in ((True, True), (None, True), (False, False), (None, False)):
            share(registry, image, "bob", can_share=can_share)
            assert members(registry, image) == {"bob": expected}

    def test_put_without_replace_keeps_the_others(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob")
        put(registry, ALICE, image, "carol")
        put(registry, ALICE, image)
        assert members(registry, image) == {"bob": False, "carol": False}

    def test_put_with_replace_removes_the_others(self, registry: Registry) -> None:
        image = create(registry)
        share(registry, image, "bob", can_share=True)
        put(registry, ALICE, image, "carol")
        put(registry, ALICE, image, "bob", "dave", replace=True)
        assert members(registry, image) == {"bob": True, "dave": False}
        put(registry, ALICE, image, replace=True)
        assert members(registry, image) == {}

    def test_put_when_a_member_returns_begins_anew(self, registry: Registry) -> None:
        image = create(registry)
        share(registry, image, "bob", can_share=True)
        registry.members.remove(ALICE, image.id, "bob")
        put(registry, ALICE, image, "bob")
        assert members(registry, image) == {"bob": False}

    def test_put_when_one_name_comes_twice_lets_the_last_count(self, registry: Registry) -> None:
        image = create(registry)
        registry.members.put(ALICE, image.id, [Membership("bob"), Membership("bob", can_share=True)], replace=False, maximum=1)
        assert members(registry, image) == {"bob": True}

    def test_put_when_names_differ_in_case_keeps_them_apart(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob", "BOB")
        assert members(registry, image) == {"bob": False, "BOB": False}

    def test_put_when_over_the_maximum_raises_and_changes_nothing(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "a", "b", maximum=2)
        with pytest.raises(errors.MemberQuotaExceeded, match="Attempted: 3, Maximum: 2"):
            put(registry, ALICE, image, "c", maximum=2)
        with pytest.raises(errors.MemberQuotaExceeded):
            put(registry, ADMIN, image, "c", "d", "e", replace=True, maximum=2)
        assert members(registry, image) == {"a": False, "b": False}
        put(registry, ALICE, image, "c", "d", replace=True, maximum=2)
        put(registry, ALICE, image, "c", maximum=1)
        assert members(registry, image) == {"c": False, "d": False}

    def test_put_when_many_add_at_once_never_passes_the_maximum(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "a", "b", maximum=3)
        results = at_once(*[partial(put, registry, ALICE, image, name, maximum=3) for name in "cdefgh"])
        assert kinds(results) == [*["MemberQuotaExceeded"] * 5, "NoneType"]
        assert len(members(registry, image)) == 3

    def test_put_when_one_member_is_added_by_many_at_once_adds_it_once(self, registry: Registry) -> None:
        image = create(registry)
        assert at_once(*[partial(put, registry, ALICE, image, "bob")] * 4) == [None] * 4
        assert members(registry, image) == {"bob": False}

    def test_put_when_removed_at_once_succeeds_either_way(self, registry: Registry) -> None:
        for _ in range(5):
            image = create(registry)
            put(registry, ALICE, image, "bob")
            results = at_once(partial(put, registry, ALICE, image, "bob"), partial(registry.members.remove, ALICE, image.id, "bob"))
            assert results == [None, None]

    @pytest.mark.parametrize("visibility", ["shared", "public"])
    def test_put_when_shared_lets_the_member_see_and_list_the_image(self, registry: Registry, visibility: str) -> None:
        image = create(registry, visibility=visibility)
        put(registry, ALICE, image, "bob")
        assert registry.images.get(BOB, image.id) == image
        assert list(registry.images.list(BOB, ImageQuery())) == [image]

    def test_put_when_private_shows_the_member_nothing_until_it_is_shared(self, registry: Registry) -> None:
        image = create(registry, visibility="private")
        put(registry, ALICE, image, "bob")
        assert list(registry.images.list(BOB, ImageQuery())) == []
        with pytest.raises(errors.ImageNotFound):
            registry.images.get(BOB, image.id)
        shared = registry.images.update(ALICE, image.id, ImageChanges({"visibility": "shared"}))
        assert list(registry.images.list(BOB, ImageQuery())) == [shared]

    def test_add_when_the_member_is_new_makes_it_pending(self, registry: Registry, advance: Advance) -> None:
        image = create(registry)
        advance(5)
        added = registry.members.add(ALICE, image.id, "bob", maximum=1)
        assert image.created_at is not None
        time = image.created_at + timedelta(seconds=5)
        assert added == Member(image.id, "bob", can_share=False, status="pending", created_at=time, updated_at=time)
        assert list(registry.members.list(ALICE, image.id)) == [added]

    def test_add_when_the_member_is_there_raises(self, registry: Registry) -> None:
        image = create(registry)
        share(registry, image, "bob", can_share=True)
        with pytest.raises(errors.MemberExists, match="Member bob is duplicated"):
            registry.members.add(ALICE, image.id, "bob", maximum=1)
        assert members(registry, image) == {"bob": True}

    def test_add_when_over_the_maximum_raises(self, registry: Registry) -> None:
        image = create(registry)
        registry.members.add(ALICE, image.id, "bob", maximum=1)
        with pytest.raises(errors.MemberQuotaExceeded, match="Attempted: 2, Maximum: 1"):
            registry.members.add(ALICE, image.id, "carol", maximum=1)
        registry.members.add(ALICE, image.id, "carol", maximum=-1)
        assert members(registry, image) == {"bob": False, "carol": False}

    def test_add_when_many_want_it_at_once_adds_it_once(self, registry: Registry) -> None:
        image = create(registry)
        results = at_once(*[partial(registry.members.add, ALICE, image.id, "bob", maximum=-1)] * 4)
        assert kinds(results) == ["Member", *["MemberExists"] * 3]

    @pytest.mark.parametrize("by_add", [False, True])
    def test_member_that_returns_has_yet_to_accept(self, registry: Registry, advance: Advance, by_add: bool) -> None:
        image = create(registry)
        share(registry, image, "bob", can_share=True)
        registry.members.answer(BOB, image.id, "bob", "accepted")
        registry.members.remove(ALICE, image.id, "bob")
        advance(5)
        if by_add:
            registry.members.add(ALICE, image.id, "bob", maximum=-1)
        else:
            put(registry, ALICE, image, "bob")
        (returned,) = registry.members.list(ALICE, image.id)
        assert image.created_at is not None
        time = image.created_at + timedelta(seconds=5)
        assert returned == Member(image.id, "bob", can_share=False, status="pending", created_at=time, updated_at=time)

    @pytest.mark.parametrize("ctx", [BOB, ADMIN])
    def test_answer_by_whom_it_is_allowed_is_kept(self, registry: Registry, advance: Advance, ctx: RequestContext) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob", "carol")
        (before, other) = registry.members.list(ALICE, image.id)
        for status in ANSWERS:
            advance(5)
            answered = registry.members.answer(ctx, image.id, "bob", status)
            assert (answered.status, answered.created_at) == (status, before.created_at)
            assert answered.updated_at not in {before.updated_at, None}
            assert list(registry.members.list(ALICE, image.id)) == [answered, other]
        assert registry.images.get(ALICE, image.id) == image

    def test_answer_of_an_owner_who_is_a_member_is_kept(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "alice")
        assert registry.members.answer(ALICE, image.id, "alice", "accepted").status == "accepted"

    def test_answer_when_sharing_changes_is_kept(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob")
        registry.members.answer(BOB, image.id, "bob", "accepted")
        share(registry, image, "bob", can_share=True)
        put(registry, ALICE, image, "bob", "carol", replace=True)
        assert [(one.can_share, one.status) for one in registry.members.list(BOB, image.id)] == [(True, "accepted")]

    def test_answer_by_whom_it_is_refused_raises(self, registry: Registry) -> None:
        shared, public = create(registry), create(registry, visibility="public")
        for image in (shared, public):
            put(registry, ALICE, image, "bob", "carol")
            with pytest.raises(errors.Forbidden, match="Only the member itself"):
                registry.members.answer(ALICE, image.id, "bob", "accepted")
            with pytest.raises(errors.MemberNotFound):
                registry.members.answer(CAROL, image.id, "bob", "accepted")
            for ctx in (ALICE, ADMIN):
                with pytest.raises(errors.MemberNotFound):
                    registry.members.answer(ctx, image.id, "dave", "accepted")
        with pytest.raises(errors.ImageNotFound):
            registry.members.answer(of_project("dave"), shared.id, "bob", "accepted")
        for ctx in (of_project("dave"), NOBODY):
            with pytest.raises(errors.MemberNotFound):
                registry.members.answer(ctx, public.id, "bob", "accepted")
        assert {one.status for image in (shared, public) for one in registry.members.list(ADMIN, image.id)} == {"pending"}

    def test_answer_when_the_membership_has_ended_raises(self, registry: Registry) -> None:
        image = create(registry, visibility="public")
        put(registry, ALICE, image, "bob")
        registry.members.remove(ALICE, image.id, "bob")
        with pytest.raises(errors.MemberNotFound):
            registry.members.answer(BOB, image.id, "bob", "accepted")

    def test_list_when_a_member_status_is_asked_for_shows_what_has_it(self, registry: Registry) -> None:
        for status in ANSWERS:
            image = create(registry, name=status)
            put(registry, ALICE, image, "bob")
            registry.members.answer(BOB, image.id, "bob", status)
        for status in ANSWERS:
            assert [image.name for image in registry.images.list(BOB, ImageQuery(member_status=status))] == [status]
        assert len(registry.images.list(BOB, ImageQuery())) == len(ANSWERS)

    def test_sharing_by_whom_it_is_refused_raises(self, registry: Registry) -> None:
        invisible, shared, public = create(registry), create(registry), create(registry, visibility="public")
        put(registry, ALICE, shared, "bob", "dave")
        put(registry, ALICE, public, "dave")
        for image, error in ((invisible, errors.ImageNotFound), (shared, errors.ShareForbidden), (public, errors.ShareForbidden)):
            with pytest.raises(error):
                put(registry, BOB, image, "carol")
            with pytest.raises(error):
                registry.members.add(BOB, image.id, "carol", maximum=-1)
            with pytest.raises(error):
                registry.members.remove(BOB, image.id, "dave")
        assert members(registry, shared) == {"bob": False, "dave": False}

    def test_sharing_by_a_member_who_may_works(self, registry: Registry) -> None:
        image = create(registry)
        share(registry, image, "bob", can_share=True)
        put(registry, BOB, image, "carol")
        registry.members.remove(BOB, image.id, "bob")
        assert members(registry, image) == {"carol": False}
        with pytest.raises(errors.ImageNotFound):
            put(registry, BOB, image, "bob")

    def test_sharing_without_identity_raises(self, registry: Registry) -> None:
        image = create(registry, visibility="public")
        with pytest.raises(errors.NotAuthenticated):
            put(registry, NOBODY, image, "bob")
        with pytest.raises(errors.NotAuthenticated):
            registry.members.add(NOBODY, image.id, "bob", maximum=-1)
        with pytest.raises(errors.NotAuthenticated):
            registry.members.remove(NOBODY, image.id, "bob")

    def test_sharing_when_the_image_is_gone_or_unknown_raises(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob")
        registry.images.delete(ALICE, image.id)
        for ctx in (ALICE, ADMIN):
            for image_id in (image.id, str(uuid.uuid4()), "nope"):
                with pytest.raises(errors.ImageNotFound):
                    registry.members.put(ctx, image_id, [Membership("carol")], replace=False, maximum=-1)
                with pytest.raises(errors.ImageNotFound):
                    registry.members.add(ctx, image_id, "carol", maximum=-1)
                with pytest.raises(errors.ImageNotFound):
                    registry.members.answer(ctx, image_id, "bob", "accepted")
                with pytest.raises(errors.ImageNotFound):
                    registry.members.remove(ctx, image_id, "bob")
                with pytest.raises(errors.ImageNotFound):
                    registry.members.list(ctx, image_id)

    def test_remove_when_there_is_no_such_member_raises(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob")
        registry.members.remove(ALICE, image.id, "bob")
        for member in ("bob", "carol"):
            with pytest.raises(errors.MemberNotFound):
                registry.members.remove(ALICE, image.id, member)

    def test_remove_when_done_takes_the_image_away(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob")
        registry.members.remove(ALICE, image.id, "bob")
        with pytest.raises(errors.ImageNotFound):
            registry.images.get(BOB, image.id)
        assert list(registry.images.list(BOB, ImageQuery())) == []

    def test_list_shows_all_to_the_owner_and_its_own_row_to_a_member(self, registry: Registry) -> None:
        image = create(registry, visibility="public")
        put(registry, ALICE, image, "bob", "dave")
        assert members(registry, image, ALICE) == {"bob": False, "dave": False}
        assert members(registry, image, ADMIN) == {"bob": False, "dave": False}
        assert members(registry, image, BOB) == {"bob": False}
        assert members(registry, image, CAROL) == {}
        assert members(registry, image, NOBODY) == {}

    def test_list_when_the_image_is_invisible_raises(self, registry: Registry) -> None:
        with pytest.raises(errors.ImageNotFound):
            registry.members.list(BOB, create(registry).id)

    def test_shared_with_shows_what_the_caller_may_know(self, registry: Registry) -> None:
        mine, other = create(registry), create(registry, CAROL)
        for image in (mine, other):
            share(registry, image, "bob", can_share=True)
        share(registry, create(registry, ADMIN), "dave")
        first, second = (registry.members.list(ADMIN, image.id)[0] for image in (mine, other))
        assert set(registry.members.shared_with(ADMIN, "bob")) == {first, second}
        assert set(registry.members.shared_with(BOB, "bob")) == {first, second}
        assert list(registry.members.shared_with(ALICE, "bob")) == [first]
        for ctx in (NOBODY, ALICE, BOB):
            assert list(registry.members.shared_with(ctx, "dave")) == []
        assert list(registry.members.shared_with(ADMIN, "nobody")) == []

    def test_shared_with_when_a_membership_ended_leaves_it_out(self, registry: Registry) -> None:
        image = create(registry)
        put(registry, ALICE, image, "bob")
        registry.members.remove(ALICE, image.id, "bob")
        assert list(registry.members.shared_with(ADMIN, "bob")) == []
