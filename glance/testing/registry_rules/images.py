"""Rules of ``ImageRecords``: create, get, update, activate."""

from __future__ import annotations

import uuid
from datetime import timedelta
from functools import partial

import pytest

from glance import errors
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, Location
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
    create_active,
    kinds,
    location_of,
    share,
)

QUEUED = frozenset({"queued"})
TEXTS = ("", "plain", "it's", '"; DROP TABLE images; --', "100%_\\", "naïve 東京 \U0001f5bc", "tab\there", "x" * 5000)


class ImageRules(Scene):
    def test_create_without_id_chooses_a_uuid_and_stamps_the_times(self, registry: Registry) -> None:
        image = create(registry)
        assert str(uuid.UUID(image.id)) == image.id
        assert image.created_at is not None
        assert image.created_at == image.updated_at
        assert image.deleted_at is None

    def test_create_when_every_attribute_is_given_keeps_them_all(self, registry: Registry) -> None:
        given = Image(
            id=str(uuid.uuid4()),
            name="Ubuntu",
            status="active",
            visibility="private",
            owner="alice",
            disk_format="qcow2",
            container_format="bare",
            size=2**40,
            virtual_size=2**62,
            checksum="c2e5db72bd7fd153f53ede5da5a06de3",
            min_disk=2**31 - 1,
            min_ram=512,
            protected=True,
            os_hidden=True,
            os_hash_algo="sha512",
            os_hash_value="cd" * 64,
            tags=("B", "a", "ä"),
            properties={"kernel_id": "k", "nothing": None},
            locations=(Location("file:///images/a", "file", {"part": 1}), Location("http://example.org/b", "")),
        )
        image = registry.images.create(ADMIN, given)
        assert registry.images.get(ADMIN, given.id) == image
        assert all(location.id is not None for location in image.locations)
        plain = tuple(Location(one.url, one.store, one.metadata, one.status) for one in image.locations)
        assert image.changed({"created_at": None, "updated_at": None, "locations": plain}) == given

    def test_create_when_tags_come_in_any_order_keeps_each_once_sorted(self, registry: Registry) -> None:
        image = create(registry, tags=("b", "a", "b", "B"))
        assert image.tags == ("B", "a", "b")
        assert registry.images.get(ALICE, image.id) == image

    @pytest.mark.parametrize("text", TEXTS)
    def test_create_when_text_is_unusual_gives_it_back_unchanged(self, registry: Registry, text: str) -> None:
        image = create(registry, name=text[:255], properties={"key": text, text[:255] or "k": "value"})
        assert registry.images.get(ALICE, image.id) == image
        assert (image.name, image.properties["key"]) == (text[:255], text)

    @pytest.mark.parametrize("bad", ["7", "AB" * 16, "../etc/passwd", "1" * 32, "{11111111-2222-4333-8444-555555555555}", "\u0661" * 36])
    def test_create_when_the_id_is_no_canonical_uuid_raises(self, registry: Registry, bad: str) -> None:
        with pytest.raises(errors.InvalidImageId):
            create(registry, id=bad)

    def test_create_when_the_id_is_in_upper_case_raises(self, registry: Registry) -> None:
        with pytest.raises(errors.InvalidImageId):
            create(registry, id="ABCDEF01-2222-4333-8444-555555555555")

    def test_create_when_the_id_is_taken_raises(self, registry: Registry) -> None:
        image = create(registry, name="first")
        with pytest.raises(errors.ImageExists):
            create(registry, BOB, id=image.id)
        assert registry.images.get(ALICE, image.id) == image

    def test_create_when_the_id_belonged_to_a_deleted_image_raises(self, registry: Registry) -> None:
        image = create(registry)
        registry.images.delete(ALICE, image.id)
        with pytest.raises(errors.ImageExists):
            create(registry, id=image.id)

    def test_create_when_two_want_one_id_at_once_gives_it_to_one(self, registry: Registry) -> None:
        for _ in range(10):
            wanted = str(uuid.uuid4())
            results = at_once(*[partial(create, registry, id=wanted, properties={"a": "b"})] * 2)
            assert kinds(results) == ["Image", "ImageExists"]

    def test_create_by_an_ordinary_caller_makes_it_the_owner(self, registry: Registry) -> None:
        assert create(registry, ALICE, owner="bob").owner == "alice"
        assert create(registry, NOBODY, owner="bob").owner is None

    def test_create_by_an_administrator_keeps_the_owner(self, registry: Registry) -> None:
        assert create(registry, ADMIN, owner="bob").owner == "bob"
        assert create(registry, ADMIN, owner=None).owner is None

    def test_get_when_there_is_none_raises(self, registry: Registry) -> None:
        for unknown in (str(uuid.uuid4()), "nope", "' OR 1=1 --", ""):
            with pytest.raises(errors.ImageNotFound):
                registry.images.get(ADMIN, unknown)

    def test_get_when_the_image_is_invisible_raises(self, registry: Registry) -> None:
        image = create(registry)
        with pytest.raises(errors.ImageNotFound):
            registry.images.get(BOB, image.id)

    def test_get_when_the_image_was_deleted_shows_it_to_administrators_only(self, registry: Registry, advance: Advance) -> None:
        image = create(registry, visibility="public", properties={"a": "b"}, tags=("t",))
        advance(5)
        registry.images.delete(ALICE, image.id)
        for ctx in (ALICE, BOB, NOBODY):
            with pytest.raises(errors.ImageNotFound):
                registry.images.get(ctx, image.id)
        gone = registry.images.get(ADMIN, image.id)
        assert image.created_at is not None
        assert (gone.status, gone.deleted, gone.deleted_at) == ("deleted", True, image.created_at + timedelta(seconds=5))
        assert gone.updated_at == gone.deleted_at
        assert (gone.properties, gone.tags) == ({}, ())

    def test_update_when_values_are_given_changes_these_alone(self, registry: Registry, advance: Advance) -> None:
        image = create(registry, name="old", min_ram=64, properties={"a": "1"})
        advance(5)
        values = {"name": None, "min_disk": 3, "protected": True, "visibility": "public", "size": 9, "checksum": "ab" * 16}
        changed = registry.images.update(ALICE, image.id, ImageChanges(values))
        assert image.updated_at is not None
        assert changed == image.changed({**values, "updated_at": image.updated_at + timedelta(seconds=5)})
        assert registry.images.get(ALICE, image.id) == changed

    def test_update_without_purge_keeps_other_properties(self, registry: Registry) -> None:
        image = create(registry, properties={"a": "1", "b": "2"})
        changed = registry.images.update(ALICE, image.id, ImageChanges(properties={"b": "3", "c": None}))
        assert changed.properties == {"a": "1", "b": "3", "c": None}
        assert registry.images.get(ALICE, image.id) == changed

    def test_update_with_purge_drops_other_properties(self, registry: Registry) -> None:
        image = create(registry, properties={"a": "1", "b": "2"})
        assert registry.images.update(ALICE, image.id, ImageChanges(properties={"b": "3"}, purge=True)).properties == {"b": "3"}
        assert registry.images.update(ALICE, image.id, ImageChanges(purge=True)).properties == {}
        assert registry.images.get(ALICE, image.id).properties == {}

    def test_update_when_properties_are_dropped_keeps_the_others(self, registry: Registry) -> None:
        image = create(registry, properties={"a": "1", "b": "2", "c": "3"})
        changes = ImageChanges(properties={"c": "4"}, dropped=frozenset({"a", "unknown"}))
        changed = registry.images.update(ALICE, image.id, changes)
        assert changed.properties == {"b": "2", "c": "4"}
        assert registry.images.get(ALICE, image.id) == changed

    @pytest.mark.parametrize(
        ("changes", "tags"),
        [
            (ImageChanges({"name": "new"}), ("a", "b")),
            (ImageChanges(tags=("c", "b", "c")), ("b", "c")),
            (ImageChanges(tags=()), ()),
            (ImageChanges(tag="c"), ("a", "b", "c")),
            (ImageChanges(tag="b"), ("a", "b")),
            (ImageChanges(tag="A"), ("A", "a", "b")),
            (ImageChanges(untag="a"), ("b",)),
            (ImageChanges(tags=("x",), tag="y", untag="x"), ("y",)),
        ],
    )
    def test_update_when_tags_change_shows_them_sorted(
        self, registry: Registry, advance: Advance, changes: ImageChanges, tags: tuple[str, ...]
    ) -> None:
        image = create(registry, tags=("a", "b"))
        advance(5)
        changed = registry.images.update(ALICE, image.id, changes)
        assert image.updated_at is not None
        assert (changed.tags, changed.updated_at) == (tags, image.updated_at + timedelta(seconds=5))
        assert registry.images.get(ALICE, image.id) == changed

    @pytest.mark.parametrize("untag", ["c", "A", "gone"])
    def test_update_when_the_tag_to_remove_is_not_there_raises_and_changes_nothing(self, registry: Registry, untag: str) -> None:
        image = create(registry, tags=("a", "gone"))
        image = registry.images.update(ALICE, image.id, ImageChanges(untag="gone"))
        with pytest.raises(errors.TagNotFound):
            registry.images.update(ALICE, image.id, ImageChanges({"name": "new"}, {"p": "1"}, tag="b", untag=untag))
        assert registry.images.get(ALICE, image.id) == image

    def test_update_when_a_removed_tag_returns_shows_it_again(self, registry: Registry) -> None:
        image = create(registry, tags=("a",))
        for _ in range(2):
            assert registry.images.update(ALICE, image.id, ImageChanges(untag="a")).tags == ()
            assert registry.images.update(ALICE, image.id, ImageChanges(tag="a")).tags == ("a",)
        assert registry.images.get(ALICE, image.id).tags == ("a",)

    def test_update_when_many_add_tags_at_once_loses_none(self, registry: Registry) -> None:
        image = create(registry)
        at_once(*[partial(registry.images.update, ALICE, image.id, ImageChanges(tag=tag)) for tag in "abcdabcd"])
        assert registry.images.get(ALICE, image.id).tags == ("a", "b", "c", "d")

    def test_update_when_a_dropped_property_returns_sets_it_anew(self, registry: Registry) -> None:
        image = create(registry, properties={"a": "1"})
        registry.images.update(ALICE, image.id, ImageChanges(purge=True))
        for value in ("1", "2"):
            registry.images.update(ALICE, image.id, ImageChanges(properties={"a": value}))
            assert registry.images.get(ALICE, image.id).properties == {"a": value}

    def test_update_when_property_names_differ_in_case_keeps_them_apart(self, registry: Registry) -> None:
        image = create(registry, properties={"a": "1"})
        registry.images.update(ALICE, image.id, ImageChanges(properties={"A": "2"}))
        assert registry.images.get(ALICE, image.id).properties == {"a": "1", "A": "2"}

    def test_update_when_the_status_is_another_one_raises_and_changes_nothing(self, registry: Registry) -> None:
        image = create_active(registry, properties={"a": "1"})
        with pytest.raises(errors.StatusConflict):
            registry.images.update(ALICE, image.id, ImageChanges({"name": "new"}, {"b": "2"}, purge=True), QUEUED)
        assert registry.images.get(ALICE, image.id) == image

    @pytest.mark.parametrize("delayed", [False, True])
    def test_update_when_the_image_was_deleted_raises(self, registry: Registry, delayed: bool) -> None:
        image = create_active(registry)
        registry.images.delete(ALICE, image.id, delayed=delayed)
        for from_status in (None, QUEUED, frozenset({"active"})):
            with pytest.raises(errors.StatusConflict):
                registry.images.update(ADMIN, image.id, ImageChanges({"name": "new"}), from_status)
        with pytest.raises(errors.ImageNotFound):
            registry.images.update(ALICE, image.id, ImageChanges({"name": "new"}))

    def test_update_when_two_change_the_status_at_once_lets_one_win(self, registry: Registry) -> None:
        for _ in range(10):
            image = create_active(registry)
            deactivate = partial(registry.images.update, ADMIN, image.id, ImageChanges({"status": "deactivated"}), frozenset({"active"}))
            assert kinds(at_once(deactivate, deactivate)) == ["Image", "StatusConflict"]

    def test_update_when_many_set_properties_at_once_loses_none(self, registry: Registry) -> None:
        image = create(registry)
        names = [f"p{number}" for number in range(8)]
        at_once(*[partial(registry.images.update, ALICE, image.id, ImageChanges(properties={name: "x", "all": name})) for name in names])
        assert set(registry.images.get(ALICE, image.id).properties) == {*names, "all"}

    def test_update_by_an_ordinary_caller_leaves_the_owner(self, registry: Registry) -> None:
        image = create(registry)
        assert registry.images.update(ALICE, image.id, ImageChanges({"owner": "bob", "name": "new"})).owner == "alice"
        assert registry.images.update(ADMIN, image.id, ImageChanges({"owner": "bob"})).owner == "bob"

    def test_update_when_the_image_is_unknown_raises(self, registry: Registry) -> None:
        with pytest.raises(errors.ImageNotFound):
            registry.images.update(ADMIN, str(uuid.uuid4()), ImageChanges({"name": "new"}))

    def test_change_by_someone_else_raises_what_tells_no_more_than_may_be_seen(self, registry: Registry) -> None:
        invisible, shared, ownerless = create(registry), create(registry), create(registry, ADMIN)
        public, community = create(registry, visibility="public"), create(registry, visibility="community")
        share(registry, shared, "bob", can_share=True)
        for ctx in (BOB, NOBODY):
            for image in (invisible, shared, ownerless):
                with pytest.raises(errors.ImageNotFound):
                    registry.images.update(ctx, image.id, ImageChanges({"name": "mine"}))
                with pytest.raises(errors.ImageNotFound):
                    registry.images.activate(ctx, image.id, None, 0)
                with pytest.raises(errors.ImageNotFound):
                    registry.images.delete(ctx, image.id)
            for image in (public, community):
                with pytest.raises(errors.ImageForbidden, match="Forbidden to update image"):
                    registry.images.update(ctx, image.id, ImageChanges({"name": "mine"}))
                with pytest.raises(errors.ImageForbidden, match="Forbidden to update image"):
                    registry.images.activate(ctx, image.id, None, 0)
                with pytest.raises(errors.ImageForbidden, match="Forbidden to delete image"):
                    registry.images.delete(ctx, image.id)
        for image in (invisible, shared, ownerless, public, community):
            assert registry.images.get(ADMIN, image.id) == image

    def test_activate_with_a_location_makes_the_image_active(self, registry: Registry, advance: Advance) -> None:
        image = create(registry, size=9, checksum="ab" * 16, properties={"a": "1"})
        advance(5)
        active = registry.images.activate(ALICE, image.id, location_of(image.id), 3)
        assert image.updated_at is not None
        assert (active.status, active.size, active.updated_at) == ("active", 3, image.updated_at + timedelta(seconds=5))
        assert active.location is not None
        assert (active.location.url, active.location.store, active.location.metadata) == (f"file:///images/{image.id}", "file", {"part": 1})
        assert active.properties == {"a": "1"}
        assert registry.images.get(ALICE, image.id) == active

    def test_activate_without_location_makes_an_empty_image(self, registry: Registry) -> None:
        active = registry.images.activate(ALICE, create(registry).id, None, 0)
        assert (active.status, active.size, active.locations) == ("active", 0, ())

    def test_activate_when_the_image_is_not_queued_raises(self, registry: Registry) -> None:
        image = create_active(registry)
        with pytest.raises(errors.StatusConflict):
            registry.images.activate(ALICE, image.id, location_of(image.id), 3)
        registry.images.delete(ALICE, image.id)
        with pytest.raises(errors.StatusConflict):
            registry.images.activate(ADMIN, image.id, None, 0)
        assert len(registry.images.get(ADMIN, image.id).locations) == 1

    def test_activate_when_two_want_it_at_once_lets_one_win(self, registry: Registry) -> None:
        for _ in range(10):
            image = create(registry)
            results = at_once(*[partial(registry.images.activate, ALICE, image.id, location_of(image.id), 3)] * 2)
            assert kinds(results) == ["Image", "StatusConflict"]
            assert len(registry.images.get(ALICE, image.id).locations) == 1

    def test_show_when_an_image_is_public_is_the_same_for_everybody(self, registry: Registry) -> None:
        image = create(registry, visibility="public", properties={"a": "1"})
        assert [registry.images.get(ctx, image.id) for ctx in (ALICE, BOB, CAROL, NOBODY, ADMIN)] == [image] * 5
