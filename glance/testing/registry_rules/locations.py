"""Rules of an image's locations: what changes them at once, or not at all."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from glance import errors
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, Location, LocationChange
from glance.testing.registry_rules.scene import ALICE, BOB, Advance, Scene, at_once, create, create_active, kinds, location_of

ELSEWHERE = Location("http://web/x", "http", {"part": [1, {"two": None}]}, owned=False)


def relocation(image: Image, *after: Location, **values: object) -> ImageChanges:
    """The change of an image's active locations to ``after``."""
    before = frozenset(one.id for one in image.active_locations if one.id is not None)
    return ImageChanges(values, locations=LocationChange(before, after))


def relocate(registry: Registry, image: Image, *after: Location, **values: object) -> Image:
    return registry.images.update(ALICE, image.id, relocation(image, *after, **values), frozenset({image.status}))


def active(image: Image) -> list[str]:
    return [one.url for one in image.active_locations]


class LocationRules(Scene):
    def test_change_when_the_first_location_comes_with_a_status_then_both_are_there(self, registry: Registry, advance: Advance) -> None:
        image = create(registry)
        advance(5)
        changed = relocate(registry, image, ELSEWHERE, status="active", size=7, checksum="ab" * 16, os_hash_algo="sha512", os_hash_value="cd" * 64)
        assert (changed.status, changed.size, changed.checksum, changed.os_hash_algo) == ("active", 7, "ab" * 16, "sha512")
        [location] = changed.locations
        assert location.id is not None
        assert replace(location, id=None) == ELSEWHERE
        assert changed == registry.images.get(ALICE, image.id)
        assert changed.updated_at != image.updated_at

    def test_change_when_one_is_added_then_it_comes_last(self, registry: Registry) -> None:
        image = create_active(registry)
        changed = relocate(registry, image, ELSEWHERE, *image.locations)
        assert changed.locations[:1] == image.locations
        assert [one.url for one in changed.locations] == [image.locations[0].url, ELSEWHERE.url]
        assert [one.owned for one in changed.locations] == [True, False]

    def test_change_when_only_metadata_differ_then_only_they_change(self, registry: Registry) -> None:
        image = create_active(registry)
        [location] = image.locations
        [changed] = relocate(registry, image, replace(location, metadata={"new": "x"}, url="http://never/read", store="http", owned=False)).locations
        assert changed == replace(location, metadata={"new": "x"})

    def test_change_when_one_is_missing_then_its_data_wait_to_be_erased(self, registry: Registry) -> None:
        image = create_active(registry)
        [first] = image.locations
        image = relocate(registry, image, first, ELSEWHERE)
        changed = relocate(registry, image, image.locations[1])
        assert active(changed) == [ELSEWHERE.url]
        assert list(registry.locations.condemned()) == [(image.id, replace(first, status="pending_delete"))]
        registry.locations.erased(first.id or 0)
        assert [one.url for one in registry.images.get(ALICE, image.id).locations] == [ELSEWHERE.url]
        assert list(registry.locations.condemned()) == []

    def test_change_when_none_would_be_left_then_refused(self, registry: Registry) -> None:
        image = create_active(registry)
        with pytest.raises(errors.LocationsChanged):
            relocate(registry, image)
        assert registry.images.get(ALICE, image.id) == image

    def test_change_when_the_locations_are_others_meanwhile_then_refused_whole(self, registry: Registry) -> None:
        seen = create_active(registry)
        now = relocate(registry, seen, *seen.locations, ELSEWHERE)
        change = replace(relocation(seen, *seen.locations, replace(ELSEWHERE, url="http://web/y")), properties={"p": "1"}, tags=("t",))
        with pytest.raises(errors.LocationsChanged):
            registry.images.update(ALICE, seen.id, change)
        assert registry.images.get(ALICE, seen.id) == now

    def test_change_when_a_location_of_another_image_is_named_then_refused(self, registry: Registry) -> None:
        image, other = create_active(registry), create_active(registry)
        with pytest.raises(errors.LocationsChanged):
            relocate(registry, image, *image.locations, *other.locations)
        assert registry.images.get(ALICE, other.id) == other

    def test_change_when_the_status_is_another_one_meanwhile_then_refused(self, registry: Registry) -> None:
        image = create(registry)
        relocate(registry, image, ELSEWHERE, status="active")
        with pytest.raises(errors.StatusConflict):
            relocate(registry, image, ELSEWHERE, status="active")

    def test_change_by_someone_else_then_refused(self, registry: Registry) -> None:
        image = create_active(registry, visibility="public")
        with pytest.raises(errors.ImageForbidden):
            registry.images.update(BOB, image.id, relocation(image, *image.locations, ELSEWHERE))

    def test_mark_then_the_location_is_known_as_damaged_until_it_is_unmarked(self, registry: Registry) -> None:
        image = create_active(registry)
        image = relocate(registry, image, *image.locations, ELSEWHERE)
        first, second = image.locations
        assert registry.locations.mark(first.id or 0, damaged=True)
        marked = registry.images.get(ALICE, image.id)
        assert marked == replace(image, locations=(replace(first, damaged=True), second))
        assert registry.locations.mark(first.id or 0, damaged=False)
        assert registry.images.get(ALICE, image.id) == image

    def test_mark_when_it_changes_nothing_then_false(self, registry: Registry) -> None:
        image = create_active(registry)
        [location] = image.locations
        assert not registry.locations.mark(location.id or 0, damaged=False)
        assert registry.locations.mark(location.id or 0, damaged=True)
        assert not registry.locations.mark(location.id or 0, damaged=True)
        assert not registry.locations.mark((location.id or 0) + 1, damaged=True)

    def test_mark_when_the_image_is_deleted_meanwhile_then_false(self, registry: Registry) -> None:
        image = create_active(registry)
        [waiting] = registry.images.delete(ALICE, image.id).locations
        assert not registry.locations.mark(waiting.id or 0, damaged=True)
        assert list(registry.locations.condemned()) == [(image.id, waiting)]

    def test_mark_when_several_do_it_at_once_then_one_is_told_that_it_was_first(self, registry: Registry) -> None:
        [location] = create_active(registry).locations
        results = at_once(*[partial(registry.locations.mark, location.id or 0, damaged=True) for _ in range(4)])
        assert (results.count(True), results.count(False)) == (1, 3)

    def test_external_location_when_its_data_are_kept_for_another_image_then_refused(self, registry: Registry) -> None:
        kept = create_active(registry)
        stolen = replace(location_of(kept.id), owned=False)
        image, queued = create_active(registry), create(registry)
        with pytest.raises(errors.LocationTaken):
            relocate(registry, image, *image.locations, stolen)
        with pytest.raises(errors.LocationTaken):
            registry.images.activate(ALICE, queued.id, stolen, 3)
        assert registry.images.get(ALICE, queued.id) == queued
        [waiting] = registry.images.delete(ALICE, kept.id).locations
        with pytest.raises(errors.LocationTaken):
            registry.images.activate(ALICE, queued.id, stolen, 3)
        registry.locations.erased(waiting.id or 0)
        assert registry.images.activate(ALICE, queued.id, stolen, 3).status == "active"

    def test_external_location_when_another_image_points_there_too_then_both_do(self, registry: Registry) -> None:
        for image in (create(registry), create(registry)):
            assert active(registry.images.activate(ALICE, image.id, ELSEWHERE, 3)) == [ELSEWHERE.url]

    def test_change_when_two_add_at_once_then_one_wins(self, registry: Registry) -> None:
        for _ in range(10):
            image = create_active(registry)
            added = [replace(ELSEWHERE, url=f"http://web/{name}") for name in "ab"]
            results = at_once(*[partial(relocate, registry, image, *image.locations, one) for one in added])
            assert kinds(results) == ["Image", "LocationsChanged"]
            assert len(registry.images.get(ALICE, image.id).locations) == 2

    def test_change_when_two_remove_at_once_then_one_location_stays(self, registry: Registry) -> None:
        for _ in range(10):
            image = create_active(registry)
            image = relocate(registry, image, *image.locations, ELSEWHERE)
            first, second = image.locations
            results = at_once(partial(relocate, registry, image, first), partial(relocate, registry, image, second))
            assert kinds(results) == ["Image", "LocationsChanged"]
            assert len(active(registry.images.get(ALICE, image.id))) == 1
