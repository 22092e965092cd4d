"""Rules of ``ImageRecords.delete`` and of ``LocationRecords``: the row goes first, its data waits."""

from __future__ import annotations

import uuid
from functools import partial

import pytest

from glance import errors
from glance.interfaces import Registry
from glance.model.image import ImageChanges
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, Scene, at_once, create, create_active, kinds, location_of, share


class DeleteRules(Scene):
    def test_delete_when_the_image_has_data_returns_its_waiting_locations(self, registry: Registry) -> None:
        image = create_active(registry, properties={"a": "1"})
        gone = registry.images.delete(ALICE, image.id)
        assert (gone.status, gone.deleted) == ("deleted", True)
        assert [(one.url, one.store, one.status) for one in gone.locations] == [(f"file:///images/{image.id}", "file", "pending_delete")]
        assert gone.location is None
        assert registry.images.get(ADMIN, image.id) == gone

    def test_delete_when_the_image_has_members_removes_them(self, registry: Registry) -> None:
        image = create(registry)
        share(registry, image, "bob")
        registry.images.delete(ALICE, image.id)
        assert list(registry.members.shared_with(ADMIN, "bob")) == []

    def test_delete_when_the_image_is_protected_raises_for_everybody(self, registry: Registry) -> None:
        image = create(registry, protected=True)
        for ctx in (ALICE, ADMIN):
            with pytest.raises(errors.ImageProtected):
                registry.images.delete(ctx, image.id)
        registry.images.update(ALICE, image.id, ImageChanges({"protected": False}))
        assert registry.images.delete(ALICE, image.id).deleted

    def test_delete_when_repeated_raises(self, registry: Registry) -> None:
        image = create(registry)
        registry.images.delete(ALICE, image.id)
        with pytest.raises(errors.ImageNotFound):
            registry.images.delete(ALICE, image.id)
        with pytest.raises(errors.ImageGone):
            registry.images.delete(ADMIN, image.id)

    def test_delete_when_there_is_no_such_image_raises(self, registry: Registry) -> None:
        with pytest.raises(errors.ImageNotFound):
            registry.images.delete(ADMIN, str(uuid.uuid4()))

    def test_delete_when_two_want_it_at_once_succeeds_once(self, registry: Registry) -> None:
        for _ in range(10):
            image = create_active(registry)
            results = at_once(*[partial(registry.images.delete, ADMIN, image.id)] * 2)
            assert kinds(results) == ["Image", "ImageGone"]

    def test_delete_when_updated_at_once_stays_deleted(self, registry: Registry) -> None:
        for _ in range(10):
            image = create_active(registry)
            rename = partial(registry.images.update, ADMIN, image.id, ImageChanges({"name": "new"}, {"a": "1"}))
            results = at_once(rename, partial(registry.images.delete, ADMIN, image.id))
            assert kinds(results) in (["Image", "Image"], ["Image", "StatusConflict"])
            gone = registry.images.get(ADMIN, image.id)
            assert (gone.status, gone.deleted, gone.properties) == ("deleted", True, {})

    def test_delete_when_delayed_and_there_is_data_makes_it_wait(self, registry: Registry) -> None:
        image = create_active(registry)
        gone = registry.images.delete(ALICE, image.id, delayed=True)
        assert (gone.status, gone.deleted, gone.location) == ("pending_delete", True, None)
        assert gone.deleted_at is not None
        assert list(registry.locations.condemned()) == []
        with pytest.raises(errors.ImageNotFound):
            registry.images.get(ALICE, image.id)
        with pytest.raises(errors.Forbidden):
            registry.images.delete(ADMIN, image.id)
        assert registry.images.get(ADMIN, image.id) == gone

    def test_delete_when_delayed_without_data_is_at_once(self, registry: Registry) -> None:
        assert registry.images.delete(ALICE, create(registry).id, delayed=True).status == "deleted"

    def test_condemned_when_images_were_deleted_names_their_data(self, registry: Registry) -> None:
        kept, first, second = (create_active(registry) for _ in range(3))
        gone = [registry.images.delete(ALICE, image.id) for image in (first, second)]
        expected = [(image.id, location) for image in gone for location in image.locations]
        assert sorted(registry.locations.condemned(), key=str) == sorted(expected, key=str)
        assert registry.images.get(ALICE, kept.id) == kept

    def test_erased_when_noted_forgets_the_location(self, registry: Registry) -> None:
        image = registry.images.delete(ALICE, create_active(registry).id)
        location_id = image.locations[0].id
        assert location_id is not None
        registry.locations.erased(location_id)
        assert list(registry.locations.condemned()) == []
        assert registry.images.get(ADMIN, image.id).locations == ()
        registry.locations.erased(location_id)

    def test_erased_when_the_location_is_in_use_changes_nothing(self, registry: Registry) -> None:
        image = create_active(registry)
        location_id = image.locations[0].id
        assert location_id is not None
        registry.locations.erased(location_id)
        assert registry.images.get(ALICE, image.id) == image

    def test_delete_by_a_member_changes_nothing(self, registry: Registry) -> None:
        image = create(registry)
        registry.images.activate(ALICE, image.id, location_of(image.id), 1)
        share(registry, image, "bob", can_share=True)
        with pytest.raises(errors.ImageNotFound):
            registry.images.delete(BOB, image.id, delayed=True)
        assert list(registry.locations.condemned()) == []
        assert registry.images.get(BOB, image.id).status == "active"
