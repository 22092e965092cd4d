"""Rules of ``ImageRecords.list``: conditions, order and pages."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.image import SORT_KEYS, Direction, Image, ImageChanges, ImageQuery
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, Advance, Scene, create, create_active, share, start

LONG_AGO = datetime.fromisoformat("1970-01-01")


def names(registry: Registry, ctx: RequestContext = ALICE, **query: Any) -> list[str | None]:
    return [image.name for image in registry.images.list(ctx, ImageQuery(**query))]


def pages(registry: Registry, ctx: RequestContext, limit: int, **query: Any) -> list[Image]:
    """All images, read page by page."""
    found: list[Image] = []
    while page := registry.images.list(ctx, ImageQuery(marker=found[-1].id if found else None, limit=limit, **query)):
        assert len(page) <= limit
        found += page
    return found


class ListRules(Scene):
    def test_list_when_there_is_nothing_is_empty(self, registry: Registry) -> None:
        assert list(registry.images.list(ADMIN, ImageQuery(scope="all"))) == []

    def test_list_when_images_have_properties_and_data_shows_them_whole(self, registry: Registry, advance: Advance) -> None:
        made = []
        for number in range(3):
            made.append(create_active(registry, properties={"a": str(number), "b": None}))
            advance(1)
        made.append(create(registry))
        assert list(registry.images.list(ALICE, ImageQuery())) == made[::-1]

    def test_list_when_a_property_was_dropped_does_not_show_it(self, registry: Registry) -> None:
        image = create(registry, properties={"a": "1"})
        registry.images.update(ALICE, image.id, ImageChanges(purge=True))
        assert [one.properties for one in registry.images.list(ALICE, ImageQuery())] == [{}]
        assert names(registry, properties={"a": "1"}) == []

    @pytest.mark.parametrize("sort_dir", ["asc", "desc"])
    @pytest.mark.parametrize("sort_key", SORT_KEYS)
    def test_list_when_sorted_has_one_order_over_all_pages(self, registry: Registry, advance: Advance, sort_key: str, sort_dir: Direction) -> None:
        values: list[dict[str, Any]] = [
            {"name": "b", "size": 5, "disk_format": "raw", "container_format": "bare"},
            {"name": None, "size": None},
            {"name": "", "size": 0, "disk_format": "", "container_format": ""},
            {"name": "a", "size": 2**40, "disk_format": "raw", "container_format": "ovf"},
        ]
        for kind in (*values, *values):
            create(registry, **kind)
            create(registry, **kind)
            advance(1)
        registry.images.update(ALICE, create_active(registry).id, ImageChanges({"name": "b"}))
        everything = list(registry.images.list(ALICE, ImageQuery(sort_key=sort_key, sort_dir=sort_dir)))

        def position(image: Image) -> tuple[Any, ...]:
            return getattr(image, sort_key) or (0 if sort_key == "size" else ""), image.created_at, image.id

        assert everything == sorted(everything, key=position, reverse=sort_dir == "desc")
        assert len(everything) == 17
        for limit in (1, 2, 5, 17, 100):
            assert pages(registry, ALICE, limit, sort_key=sort_key, sort_dir=sort_dir) == everything

    def test_list_when_the_limit_is_zero_is_empty(self, registry: Registry) -> None:
        create(registry)
        assert list(registry.images.list(ALICE, ImageQuery(limit=0))) == []

    def test_list_when_an_image_is_added_between_pages_shows_none_twice(self, registry: Registry, advance: Advance) -> None:
        for name in "abcd":
            create(registry, name=name)
            advance(1)
        first = registry.images.list(ALICE, ImageQuery(limit=2))
        create(registry, name="new")
        assert [image.name for image in first] == ["d", "c"]
        assert names(registry, limit=2, marker=first[-1].id) == ["b", "a"]

    def test_list_when_the_marker_cannot_be_seen_raises(self, registry: Registry) -> None:
        hidden, deleted = create(registry), create(registry, BOB)
        registry.images.delete(BOB, deleted.id)
        for marker in (hidden.id, deleted.id, str(uuid.uuid4()), "' OR 1=1 --"):
            with pytest.raises(errors.InvalidParameter):
                registry.images.list(BOB, ImageQuery(marker=marker))
        with pytest.raises(errors.InvalidParameter):
            registry.images.list(ADMIN, ImageQuery(marker=deleted.id, scope="all"))

    @pytest.mark.parametrize("ctx", [ALICE, ADMIN])
    def test_list_when_deleted_images_are_shown_pages_over_them(self, registry: Registry, advance: Advance, ctx: RequestContext) -> None:
        for _ in range(5):
            registry.images.delete(ALICE, create(registry).id)
            create(registry)
            advance(1)
        assert len(pages(registry, ctx, 2, changes_since=LONG_AGO, scope="all")) == 10

    @pytest.mark.parametrize(
        ("equal", "expected"),
        [
            ({"name": "b"}, "b"),
            ({"name": "B"}, ""),
            ({"name": "%"}, ""),
            ({"name": "_"}, ""),
            ({"name": "' OR 1=1 --"}, ""),
            ({"name": "in:a,b"}, ""),
            ({"status": "active"}, "b"),
            ({"status": "queued"}, "ac"),
            ({"disk_format": "raw"}, "ab"),
            ({"container_format": "bare"}, "a"),
            ({"disk_format": "raw", "container_format": "ovf"}, "b"),
            ({"min_ram": 64}, "b"),
            ({"min_disk": 0}, "abc"),
            ({"min_disk": -1}, ""),
            ({"protected": True}, "c"),
            ({"protected": False}, "ab"),
            ({"visibility": "public"}, "c"),
            ({"owner": "alice"}, "abc"),
            ({"owner": "bob"}, ""),
        ],
    )
    def test_list_when_attributes_are_given_shows_the_equal_ones(self, registry: Registry, equal: dict[str, Any], expected: str) -> None:
        create(registry, name="a", disk_format="raw", container_format="bare")
        create_active(registry, name="b", disk_format="raw", container_format="ovf", min_ram=64)
        create(registry, name="c", protected=True, visibility="public")
        assert names(registry, equal=equal, sort_key="name", sort_dir="asc") == list(expected)

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"size_min": 5}, "bc"),
            ({"size_max": 5}, "abn"),
            ({"size_min": 0}, "abcn"),
            ({"size_min": 5, "size_max": 5}, "b"),
            ({"size_min": 2**63 - 1}, ""),
            ({"size_max": 2**63 - 1}, "abcn"),
        ],
    )
    def test_list_when_sizes_are_bounded_counts_no_size_as_0(self, registry: Registry, query: dict[str, Any], expected: str) -> None:
        for name, size in (("a", 4), ("b", 5), ("c", 6), ("n", None)):
            create(registry, name=name, size=size)
        assert names(registry, sort_key="name", sort_dir="asc", **query) == list(expected)

    @pytest.mark.parametrize(
        ("properties", "expected"),
        [
            ({"arch": "x86"}, "ab"),
            ({"arch": "x86", "os": "linux"}, "a"),
            ({"arch": "X86"}, ""),
            ({"Arch": "x86"}, ""),
            ({"arch": "%"}, ""),
            ({"arch": "' OR '1'='1"}, ""),
            ({"os": "bsd", "arch": "arm"}, ""),
        ],
    )
    def test_list_when_properties_are_given_shows_what_has_them_all(self, registry: Registry, properties: dict[str, str], expected: str) -> None:
        create(registry, name="a", properties={"arch": "x86", "os": "linux"})
        create(registry, name="b", properties={"arch": "x86", "os": "bsd"})
        create(registry, name="c", properties={"arch": "arm", "other": "x86", "os": None})
        assert names(registry, properties=properties, sort_key="name", sort_dir="asc") == list(expected)

    def test_list_hides_failed_and_deleted_images_until_they_are_asked_for(self, registry: Registry) -> None:
        create_active(registry, name="live")
        failed = start(registry)
        registry.uploads.abandon(failed.image_id, failed.attempt, "killed")
        registry.images.update(ADMIN, failed.image_id, ImageChanges({"name": "failed"}))
        registry.images.delete(ALICE, create(registry, name="gone").id)
        registry.images.delete(ALICE, create_active(registry, name="waiting").id, delayed=True)

        def found(ctx: RequestContext, **query: Any) -> list[str | None]:
            return names(registry, ctx, sort_key="name", sort_dir="asc", scope="all", **query)

        for ctx in (ALICE, ADMIN):
            assert found(ctx) == ["live"]
            assert found(ctx, equal={"status": "killed"}) == ["failed"]
            assert found(ctx, equal={"status": "deleted"}) == ["gone"]
            assert found(ctx, equal={"status": "pending_delete"}) == ["waiting"]
            assert found(ctx, changes_since=LONG_AGO) == ["failed", "gone", "live", "waiting"]
        assert found(ADMIN, deleted=True) == ["gone", "waiting"]
        assert found(ADMIN, deleted=False) == ["live"]
        assert found(ADMIN, deleted=False, changes_since=LONG_AGO) == ["failed", "live"]
        assert found(ALICE, deleted=True) == ["live"]

    def test_list_of_changes_begins_after_the_given_time(self, registry: Registry, advance: Advance) -> None:
        first = create(registry, name="first")
        advance(0.000001)
        create(registry, name="second")
        assert first.updated_at is not None
        assert names(registry, changes_since=first.updated_at) == ["second"]
        assert names(registry, changes_since=first.updated_at - timedelta(microseconds=1)) == ["second", "first"]
        registry.images.update(ALICE, first.id, ImageChanges({"min_ram": 1}))
        assert sorted(map(str, names(registry, changes_since=first.updated_at))) == ["first", "second"]

    @pytest.mark.parametrize(
        "query",
        [
            {"scope": "all"},
            {"scope": "private"},
            {"changes_since": LONG_AGO},
            {"deleted": True},
            {"deleted": False},
            {"equal": {"owner": "alice"}},
            {"equal": {"visibility": "shared"}},
            {"equal": {"status": "deleted"}},
            {"properties": {"a": "b"}},
            {"size_min": 0},
            {"sort_key": "size"},
        ],
    )
    def test_list_whatever_is_asked_shows_nothing_of_others(self, registry: Registry, query: dict[str, Any]) -> None:
        create_active(registry, properties={"a": "b"})
        shared = create(registry)
        share(registry, shared, "bob")
        for image in (create(registry), shared):
            registry.images.delete(ALICE, image.id)
        create(registry, ADMIN, owner=None)
        assert names(registry, BOB, **query) == []
