"""Rules of ``ImageRecords.list``: conditions, order and pages."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.image import SORT_KEYS, Condition, Direction, Image, ImageChanges, ImageQuery, Operator
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, Advance, Scene, create, create_active, share, start

#: What a list can be sorted by.
Sort = tuple[tuple[str, Direction], ...]

LONG_AGO = datetime.fromisoformat("1970-01-01")
BY_NAME: Sort = (("name", "asc"),)
KINDS: tuple[dict[str, Any], ...] = (
    {"name": "b", "size": 5, "disk_format": "raw", "container_format": "bare"},
    {"name": None, "size": None},
    {"name": "", "size": 0, "disk_format": "", "container_format": ""},
    {"name": "a", "size": 2**40, "disk_format": "raw", "container_format": "ovf"},
)


def in_order(images: Iterable[Image], sort: Sort) -> list[Image]:
    """``images`` as a list has to sort them."""
    last = sort[-1][1]
    ordered = list(images)
    for key, direction in reversed((*sort, ("created_at", last), ("id", last))):
        ordered.sort(key=partial(_sorted_as, key), reverse=direction == "desc")
    return ordered


def _sorted_as(key: str, image: Image) -> Any:
    return getattr(image, key) or (0 if key == "size" else "")


def some_images(registry: Registry, advance: Advance) -> list[Image]:
    """17 of them, with values that are equal, empty and missing."""
    made = []
    for kind in (*KINDS, *KINDS):
        made += [create(registry, **kind), create(registry, **kind)]
        advance(1)
    active = create_active(registry)
    return [*made, registry.images.update(ALICE, active.id, ImageChanges({"name": "b"}))]


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
            made.append(create_active(registry, properties={"a": str(number), "b": None}, tags=("y", f"x{number}")))
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
        sort: Sort = ((sort_key, sort_dir),)
        everything = in_order(some_images(registry, advance), sort)
        for limit in (1, 2, 5, 17, 100):
            assert pages(registry, ALICE, limit, sort=sort) == everything

    @pytest.mark.parametrize(
        "sort",
        [
            (("name", "asc"), ("size", "asc")),
            (("name", "asc"), ("size", "desc")),
            (("name", "desc"), ("disk_format", "asc"), ("size", "desc")),
            (("status", "asc"), ("created_at", "desc"), ("name", "asc")),
            (("size", "asc"), ("id", "desc"), ("name", "asc")),
            (("name", "asc"), ("name", "desc")),
            tuple((key, "asc" if number % 2 else "desc") for number, key in enumerate(reversed(SORT_KEYS))),
        ],
    )
    def test_list_when_sorted_by_several_keys_has_one_order_over_all_pages(self, registry: Registry, advance: Advance, sort: Sort) -> None:
        everything = in_order(some_images(registry, advance), sort)
        for limit in (1, 3, 17):
            assert pages(registry, ALICE, limit, sort=sort) == everything

    def test_list_without_sort_keys_begins_with_the_newest(self, registry: Registry, advance: Advance) -> None:
        for name in "ab":
            create(registry, name=name)
            advance(1)
        assert names(registry, sort=()) == ["b", "a"]

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
        assert names(registry, equal=equal, sort=BY_NAME) == list(expected)

    @pytest.mark.parametrize(
        ("bounds", "expected"),
        [
            ((("gte", 5),), "bc"),
            ((("lte", 5),), "abn"),
            ((("gte", 0),), "abcn"),
            ((("gte", 5), ("lte", 5)), "b"),
            ((("gte", 2**63 - 1),), ""),
            ((("lte", 2**63 - 1),), "abcn"),
            ((("gt", 5),), "c"),
            ((("lt", 5),), "an"),
            ((("eq", 0),), "n"),
            ((("neq", 5),), "acn"),
        ],
    )
    def test_list_when_sizes_are_bounded_counts_no_size_as_0(self, registry: Registry, bounds: Any, expected: str) -> None:
        for name, size in (("a", 4), ("b", 5), ("c", 6), ("n", None)):
            create(registry, name=name, size=size)
        conditions = tuple(Condition("size", operator, value) for operator, value in bounds)
        assert names(registry, sort=BY_NAME, conditions=conditions) == list(expected)

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            (Condition("name", "eq", "a"), "a"),
            (Condition("name", "neq", "a"), "bc,"),
            (Condition("name", "in", ("a", "c,", "' OR 1=1 --")), "ac,"),
            (Condition("name", "in", ("A",)), ""),
            (Condition("name", "in", ()), ""),
            (Condition("status", "in", ("queued", "nonsense")), "abc,"),
            (Condition("disk_format", "eq", "raw"), "a"),
            (Condition("min_ram", "gte", 64), "b"),
            (Condition("min_ram", "lt", 64), "ac,"),
            (Condition("min_disk", "gt", 0), ""),
        ],
    )
    def test_list_when_attributes_are_compared_shows_what_meets_the_condition(self, registry: Registry, condition: Condition, expected: str) -> None:
        create(registry, name="a", disk_format="raw")
        create(registry, name="b", min_ram=64)
        create(registry, name="c,")
        assert "".join(map(str, names(registry, sort=BY_NAME, conditions=(condition,)))) == expected

    @pytest.mark.parametrize(("operator", "expected"), [("eq", "b"), ("neq", "ac"), ("gt", "c"), ("gte", "bc"), ("lt", "a"), ("lte", "ab")])
    def test_list_when_times_are_compared_counts_microseconds(self, registry: Registry, advance: Advance, operator: Operator, expected: str) -> None:
        made = []
        for name in "abc":
            made.append(create(registry, name=name))
            advance(0.000001)
        middle = made[1].created_at
        assert middle is not None
        for attribute in ("created_at", "updated_at"):
            assert names(registry, sort=BY_NAME, conditions=(Condition(attribute, operator, middle),)) == list(expected)

    def test_list_when_a_status_is_compared_shows_nothing_deleted(self, registry: Registry) -> None:
        registry.images.delete(ALICE, create(registry).id)
        for ctx in (ALICE, ADMIN):
            assert names(registry, ctx, scope="everything", conditions=(Condition("status", "in", ("deleted", "killed")),)) == []

    @pytest.mark.parametrize(
        ("tags", "expected"), [(("x",), "ab"), (("x", "y"), "a"), (("X",), ""), (("%",), ""), (("gone",), ""), (("x", "gone"), ""), ((), "abc")]
    )
    def test_list_when_tags_are_given_shows_what_has_them_all(self, registry: Registry, tags: tuple[str, ...], expected: str) -> None:
        create(registry, name="a", tags=("x", "y"))
        image = create(registry, name="b", tags=("x", "gone"))
        registry.images.update(ALICE, image.id, ImageChanges(untag="gone"))
        create(registry, name="c", tags=("y",))
        assert names(registry, sort=BY_NAME, tags=tags) == list(expected)

    def test_list_when_hidden_images_are_asked_for_shows_these_alone(self, registry: Registry) -> None:
        create(registry, name="a", os_hidden=True)
        create(registry, name="b")
        assert [names(registry, equal={"os_hidden": hidden}) for hidden in (True, False)] == [["a"], ["b"]]

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
        assert names(registry, properties=properties, sort=BY_NAME) == list(expected)

    @pytest.mark.parametrize("count", [*range(1, 11), 127, 128])
    def test_list_when_many_tags_and_properties_are_given_shows_what_has_them_all(self, registry: Registry, count: int) -> None:
        tags = tuple(f"t{number}" for number in range(count))
        properties = {f"p{number}": "v" * (300 if number % 2 else 1) for number in range(count)}
        last = f"p{count - 1}"
        create(registry, name="all", tags=(*tags, "other"), properties={**properties, "other": "v"})
        create(registry, name="no last tag", tags=(*tags[:-1], "other", "another"), properties=properties)
        create(registry, name="no last property", tags=tags, properties={**properties, last: None, "other": properties[last]})
        create(registry, name="another end", tags=tags, properties={**properties, last: properties[last] + "w"})
        dropped = create(registry, name="dropped", tags=tags, properties=properties)
        registry.images.update(ALICE, dropped.id, ImageChanges(dropped=frozenset({last}), untag=tags[-1]))
        assert names(registry, sort=BY_NAME, tags=tags) == ["all", "another end", "no last property"]
        assert names(registry, sort=BY_NAME, properties=properties) == ["all", "no last tag"]
        assert names(registry, tags=tags * 2, properties=properties) == ["all"]
        assert names(registry, tags=(tags[0],) * 2 * count, properties=properties, sort=BY_NAME) == ["all", "no last tag"][: 1 + (count > 1)]

    def test_list_hides_failed_and_deleted_images_until_they_are_asked_for(self, registry: Registry) -> None:
        create_active(registry, name="live")
        failed = start(registry)
        registry.uploads.abandon(failed.image_id, failed.attempt, "killed")
        registry.images.update(ADMIN, failed.image_id, ImageChanges({"name": "failed"}))
        registry.images.delete(ALICE, create(registry, name="gone").id)
        registry.images.delete(ALICE, create_active(registry, name="waiting").id, delayed=True)

        def found(ctx: RequestContext, **query: Any) -> list[str | None]:
            return names(registry, ctx, sort=BY_NAME, scope="all", **query)

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
            {"scope": "accessible"},
            {"scope": "everything"},
            {"member_status": "accepted"},
            {"conditions": (Condition("size", "gte", 0),)},
            {"conditions": (Condition("name", "in", ("secret",)),)},
            {"tags": ("t",)},
            {"sort": (("size", "asc"), ("name", "desc"))},
        ],
    )
    def test_list_whatever_is_asked_shows_nothing_of_others(self, registry: Registry, query: dict[str, Any]) -> None:
        create_active(registry, name="secret", properties={"a": "b"}, tags=("t",))
        shared = create(registry)
        share(registry, shared, "bob")
        for image in (create(registry), shared):
            registry.images.delete(ALICE, image.id)
        create(registry, ADMIN, owner=None)
        assert names(registry, BOB, **query) == []
