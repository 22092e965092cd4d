"""Rules of ``AuditRecords``."""

from __future__ import annotations

from datetime import datetime, timedelta

from glance.interfaces import Registry
from glance.model.image import ImageChanges, Location, LocationChange
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, Advance, Scene, create, create_active, location_of, start


def page_ids(registry: Registry, limit: int, since: datetime | None = None) -> list[list[str]]:
    """The ids of all pages."""
    pages: list[list[str]] = []
    while page := registry.audits.page(pages[-1][-1] if pages else "", limit, since):
        pages.append([image.id for image in page])
    return pages


def add_location(registry: Registry, image_id: str, location: Location) -> None:
    there = registry.images.get(ADMIN, image_id).active_locations
    change = LocationChange(frozenset(one.id or 0 for one in there), (*there, location))
    registry.images.update(ADMIN, image_id, ImageChanges(locations=change))


class AuditRules(Scene):
    def test_page_then_gives_each_image_with_data_once_in_the_order_of_ids(self, registry: Registry) -> None:
        assert (page_ids(registry, 2), registry.audits.count(), registry.audits.newest()) == ([], 0, None)
        ids = sorted(create_active(registry, ctx).id for ctx in (ALICE, BOB, ALICE, BOB, ALICE))
        create(registry)
        start(registry)
        assert page_ids(registry, 2) == [ids[:2], ids[2:4], ids[4:]]
        assert registry.audits.count() == 5

    def test_page_when_the_image_before_is_deleted_meanwhile_then_goes_on_behind_it(self, registry: Registry) -> None:
        ids = sorted(create_active(registry).id for _ in range(3))
        registry.images.delete(ALICE, ids[0])
        assert [image.id for image in registry.audits.page(ids[0], 9)] == ids[1:]
        assert page_ids(registry, 9) == [ids[1:]]

    def test_page_then_gives_the_locations_whose_data_should_be_there(self, registry: Registry) -> None:
        image = create_active(registry, properties={"left": "out"})
        add_location(registry, image.id, Location("http://web/copy", "http", owned=False))
        registry.images.delete(ALICE, create_active(registry).id, delayed=True)
        [found] = registry.audits.page("", 9)
        assert (found.id, found.size, found.properties) == (image.id, 3, {})
        assert found.locations == registry.images.get(ALICE, image.id).locations

    def test_page_since_a_time_then_gives_what_changed_then_or_later(self, registry: Registry, advance: Advance) -> None:
        create_active(registry)
        advance(10)
        later = create_active(registry)
        assert later.updated_at is not None
        assert page_ids(registry, 9, later.updated_at) == [[later.id]]
        assert registry.audits.count(later.updated_at) == 1
        assert registry.audits.count(later.updated_at + timedelta(microseconds=1)) == 0

    def test_newest_then_tells_the_last_change_of_all_also_a_delete(self, registry: Registry, advance: Advance) -> None:
        image = create_active(registry)
        assert registry.audits.newest() == image.updated_at
        advance(10)
        assert registry.audits.newest() == image.updated_at
        assert registry.images.delete(ALICE, image.id).updated_at == registry.audits.newest() != image.updated_at

    def test_twins_then_gives_active_locations_that_share_a_url(self, registry: Registry) -> None:
        first, other = create_active(registry), create_active(registry)
        assert registry.audits.twins() == []
        add_location(registry, first.id, location_of(first.id))
        registry.audits.relocate(other.locations[0].id or 0, location_of(other.id).url, location_of(first.id))
        twins = registry.audits.twins()
        assert {location.url for _image_id, location in twins} == {location_of(first.id).url}
        assert sorted(image_id for image_id, _location in twins) == sorted((first.id, first.id, other.id))
        registry.images.delete(ALICE, first.id)
        assert registry.audits.twins() == []

    def test_relocate_then_the_location_is_elsewhere_and_good_from_now_on(self, registry: Registry, advance: Advance) -> None:
        image = create_active(registry)
        [location] = image.locations
        noted = registry.audits.noted([location.id or 0])
        registry.locations.mark(location.id or 0, damaged=True)
        advance(10)
        assert not registry.audits.relocate(location.id or 0, "file:///another", Location("file:///new", "new"))
        assert registry.audits.relocate(location.id or 0, location.url, Location("file:///new", "new"))
        [moved] = registry.images.get(ALICE, image.id).locations
        assert (moved.url, moved.store, moved.metadata, moved.damaged) == ("file:///new", "new", location.metadata, False)
        assert registry.audits.noted([location.id or 0, 0]) == {location_id: at + timedelta(seconds=10) for location_id, at in noted.items()}

    def test_relocate_when_the_image_is_deleted_then_changes_nothing(self, registry: Registry) -> None:
        image = create_active(registry)
        registry.images.delete(ALICE, image.id)
        [location] = image.locations
        assert not registry.audits.relocate(location.id or 0, location.url, Location("file:///new", "new"))
        assert registry.images.get(ADMIN, image.id).locations[0].url == location.url

    def test_forget_then_takes_one_of_two_off_the_record_and_never_the_last(self, registry: Registry) -> None:
        image = create_active(registry)
        add_location(registry, image.id, location_of(image.id))
        first, second = registry.images.get(ALICE, image.id).locations
        assert registry.audits.forget(second.id or 0)
        assert not registry.audits.forget(second.id or 0)
        assert not registry.audits.forget(first.id or 0)
        assert registry.images.get(ALICE, image.id).locations == (first,)
        assert registry.locations.condemned() == []
