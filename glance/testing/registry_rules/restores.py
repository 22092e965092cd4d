"""Rules about deletes that were delayed: the delay ends, or the delete is taken back."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from glance import errors
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, Location, LocationChange
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, Advance, Scene, at_once, create, create_active, kinds, share, start, stored

DELAY = 100


def delete_later(registry: Registry) -> Image:
    """An image with two copies whose delete was delayed."""
    image = create_active(registry)
    copy = Location(f"https://web/{image.id}", "web", owned=False)
    both = LocationChange(frozenset(one.id for one in image.locations if one.id), (*image.locations, copy))
    registry.images.update(ALICE, image.id, ImageChanges(locations=both))
    return registry.images.delete(ALICE, image.id, delayed=True)


def status(registry: Registry, image: Image) -> str:
    return registry.images.get(ADMIN, image.id).status


class RestoreRules(Scene):
    def test_delete_when_delayed_before_the_data_are_imported_is_at_once(self, registry: Registry) -> None:
        upload = start(registry, status="uploading")
        data = stored(upload.image_id)
        registry.uploads.finish(ALICE, upload.image_id, upload.attempt, replace(data, location=replace(data.location, status="staged")))
        assert registry.images.delete(ALICE, upload.image_id, delayed=True).status == "deleted"

    def test_condemn_when_the_delay_has_ended_names_the_data(self, registry: Registry, advance: Advance) -> None:
        image = delete_later(registry)
        advance(DELAY - 1)
        registry.locations.condemn(DELAY)
        assert list(registry.locations.condemned()) == []
        advance(1)
        registry.locations.condemn(DELAY)
        assert [(image_id, one.id) for image_id, one in registry.locations.condemned()] == [(image.id, one.id) for one in image.locations]
        assert status(registry, image) == "pending_delete"

    def test_erased_when_it_was_the_last_of_a_delayed_delete_ends_the_image(self, registry: Registry) -> None:
        image = delete_later(registry)
        registry.locations.condemn(0)
        first, second = (one.id for one in image.locations if one.id is not None)
        registry.locations.erased(first)
        assert status(registry, image) == "pending_delete"
        registry.locations.erased(second)
        assert status(registry, image) == "deleted"
        assert list(registry.locations.condemned()) == []

    def test_erased_when_both_copies_are_at_once_ends_the_image(self, registry: Registry) -> None:
        for _ in range(5):
            image = delete_later(registry)
            registry.locations.condemn(0)
            at_once(*[partial(registry.locations.erased, one.id) for one in image.locations if one.id is not None])
            assert status(registry, image) == "deleted"

    def test_restore_when_the_data_wait_gives_all_of_the_image_back(self, registry: Registry, advance: Advance) -> None:
        image = create(registry, properties={"a": "1", "b": "2"}, tags=("x", "y"))
        active = registry.images.activate(ALICE, image.id, Location("file:///a", "file"), 3)
        share(registry, active, "bob")
        registry.images.update(ALICE, image.id, ImageChanges(dropped=frozenset({"b"}), untag="y"))
        advance(1)
        registry.images.delete(ALICE, image.id, delayed=True)
        advance(1)
        restored = registry.images.restore(ADMIN, image.id)
        assert restored == registry.images.get(BOB, image.id)
        assert (restored.status, restored.deleted, restored.deleted_at, restored.tags) == ("active", False, None, ("x",))
        assert (restored.properties, restored.location) == ({"a": "1"}, active.location)
        registry.locations.condemn(0)
        assert list(registry.locations.condemned()) == []

    def test_restore_when_a_location_was_removed_before_leaves_that_out(self, registry: Registry, advance: Advance) -> None:
        image = create_active(registry)
        copy = Location(f"https://web/{image.id}", "web", owned=False)
        both = LocationChange(frozenset(one.id for one in image.locations if one.id), (*image.locations, copy))
        (first, second) = registry.images.update(ALICE, image.id, ImageChanges(locations=both)).locations
        assert first.id
        assert second.id
        registry.images.update(ALICE, image.id, ImageChanges(locations=LocationChange(frozenset({first.id, second.id}), (second,))))
        advance(1)
        registry.images.delete(ALICE, image.id, delayed=True)
        restored = registry.images.restore(ADMIN, image.id)
        assert restored.active_locations == (second,)
        assert [one.id for _image_id, one in registry.locations.condemned()] == [first.id]

    def test_restore_when_the_data_are_condemned_or_erased_raises_and_changes_nothing(self, registry: Registry) -> None:
        image = delete_later(registry)
        registry.locations.condemn(0)
        with pytest.raises(errors.Conflict):
            registry.images.restore(ADMIN, image.id)
        assert image.locations[0].id is not None
        registry.locations.erased(image.locations[0].id)
        with pytest.raises(errors.Conflict):
            registry.images.restore(ADMIN, image.id)
        assert status(registry, image) == "pending_delete"

    def test_restore_when_the_image_does_not_wait_raises(self, registry: Registry) -> None:
        active = create_active(registry)
        deleted = registry.images.delete(ALICE, create_active(registry).id)
        for image in (active, deleted):
            with pytest.raises(errors.Conflict):
                registry.images.restore(ADMIN, image.id)
            assert status(registry, image) == image.status

    def test_restore_by_someone_who_does_not_see_deleted_images_raises(self, registry: Registry) -> None:
        image = delete_later(registry)
        for ctx in (ALICE, BOB):
            with pytest.raises(errors.ImageNotFound):
                registry.images.restore(ctx, image.id)
        assert status(registry, image) == "pending_delete"

    def test_restore_when_the_delay_ends_at_once_lets_one_win(self, registry: Registry) -> None:
        for _ in range(10):
            image = delete_later(registry)
            results = at_once(partial(registry.images.restore, ADMIN, image.id), partial(registry.locations.condemn, 0))
            condemned = [one.id for image_id, one in registry.locations.condemned() if image_id == image.id]
            if isinstance(results[0], Image):
                assert (status(registry, image), condemned) == ("active", [])
            else:
                assert kinds(results[:1]) == ["Conflict"]
                assert (status(registry, image), condemned) == ("pending_delete", [one.id for one in image.locations])
