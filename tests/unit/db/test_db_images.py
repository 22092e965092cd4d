"""What the SQL registry promises beyond the shared suite: ids, statements, rows that operators changed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, insert
from sqlalchemy.exc import IntegrityError

from glance import errors
from glance.context import RequestContext
from glance.db.registry import SqlRegistry
from glance.db.schema import image_locations, images
from glance.db.steps import utc_now
from glance.model.image import SORT_KEYS, Condition, Direction, ImageChanges, ImageQuery, Location
from glance.model.query import IdFormat
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, at_once, create, create_active
from tests.statements import counted


@pytest.mark.parametrize("query", [{}, {"scope": "all", "properties": {"a": "1"}, "tags": ("t", "u"), "conditions": (Condition("size", "gte", 0),)}])
def test_list_when_there_are_more_images_takes_no_more_statements(engine: Engine, registry: SqlRegistry, query: dict[str, Any]) -> None:
    counts = set()
    for number in (10, 490):
        for _ in range(number):
            create(registry, size=1, properties={"a": "1", "b": "2"}, tags=("t", "u"), locations=(Location("file:///a", "file"),))
        with counted(engine) as statements:
            found = registry.images.list(ALICE, ImageQuery(**query))
        counts.add(len(statements))
    assert len(found) == 500
    assert counts == {2}


def test_list_when_continued_takes_no_statement_more(engine: Engine, registry: SqlRegistry) -> None:
    image = create(registry)
    create(registry)
    with counted(engine) as statements:
        registry.images.list(ALICE, ImageQuery(marker=image.id, sort=(("created_at", "asc"), ("size", "desc"))))
    assert len(statements) == 2


def test_image_when_got_takes_one_statement(engine: Engine, registry: SqlRegistry) -> None:
    image = create(registry, properties={"a": "1"}, tags=("t",), locations=(Location("file:///a", "file"),))
    with counted(engine) as statements:
        assert registry.images.get(ALICE, image.id) == image
    assert len(statements) == 1


def test_list_when_many_met_it_a_moment_ago_then_they_are_not_counted_again(engine: Engine) -> None:
    registry = SqlRegistry(engine, few=1)
    first, second, third = (create(registry).id for _ in range(3))
    query = ImageQuery(sort=(("created_at", "asc"),), limit=2)
    assert [image.id for image in registry.images.list(ALICE, query)] == [first, second]
    with counted(engine) as statements:
        assert [image.id for image in registry.images.list(ALICE, query)] == [first, second]
    assert len(statements) == 1
    for image_id in (first, second):
        registry.images.delete(ADMIN, image_id)
    assert [image.id for image in registry.images.list(ALICE, query)] == [third]


@contextmanager
def planned(engine: Engine) -> Iterator[dict[str, str]]:
    """How the database finds what it is asked for meanwhile: the plan of each SELECT, in its words. Filled at the end."""
    plans: dict[str, str] = {}
    with counted(engine) as statements:
        yield plans
    with engine.connect() as connection:
        for statement in statements:
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement.text}")
            plans[statement.text] = "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("ctx", [ALICE, ADMIN])
@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", SORT_KEYS)
def test_list_of_much_walks_the_index_of_its_order(engine: Engine, ctx: RequestContext, key: str, direction: Direction) -> None:
    registry = SqlRegistry(engine, few=-1)
    marker = create(registry).id
    asked = ImageQuery({"name": "a", "status": "active", "owner": "alice"}, properties={"a": "b"}, tags=("t",), sort=((key, direction),), limit=25)
    for query in (replace(asked, marker=marker), asked, ImageQuery(sort=((key, direction),), limit=25)):
        with planned(engine) as plans:
            registry.images.list(ctx, query)
        [page] = [plan for statement, plan in plans.items() if "ORDER BY images" in statement]
        assert page.startswith(f"{'SEARCH' if query.marker else 'SCAN'} images USING INDEX {'sqlite_autoindex' if key == 'id' else 'ix'}_images_")
        assert "TEMP B-TREE" not in page


@pytest.mark.parametrize(
    "query",
    [
        {"properties": {"a": "b"}},
        {"tags": ("t",)},
        {"conditions": (Condition("name", "in", ("a", "b")),)},
        {"conditions": (Condition("size", "gte", 5),)},
        {"equal": {"owner": "alice"}},
        {"equal": {"status": "queued", "os_hidden": False}},
        {"equal": {"visibility": "shared"}},
        {"changes_since": utc_now()},
    ],
)
@pytest.mark.parametrize("ctx", [ALICE, ADMIN])
def test_list_of_little_scans_nothing(engine: Engine, registry: SqlRegistry, ctx: RequestContext, query: dict[str, Any]) -> None:
    create(registry, tags=("t",))
    asked = ImageQuery(**query, sort=(("size", "asc"),), limit=25)
    registry.images.list(ctx, asked)  # which counts all images, as far as that matters, for some seconds
    with planned(engine) as plans:
        registry.images.list(ctx, asked)
    assert "SCAN images" not in "\n".join(plans.values())


def test_list_when_there_are_few_images_walks_them_instead_of_collecting_those_seen(engine: Engine, registry: SqlRegistry) -> None:
    images = [create(registry) for _ in range(30)]
    query = ImageQuery(limit=25)
    registry.images.list(ALICE, query)
    with planned(engine) as plans:
        assert registry.images.list(ALICE, query) == images[:4:-1]
    [page] = plans.values()
    assert page.startswith("SCAN images USING INDEX ix_images_created_at_id")


@pytest.mark.parametrize("key", ["color", "visibility", "id; DROP TABLE images"])
def test_list_when_the_sort_key_is_unknown_raises(registry: SqlRegistry, key: str) -> None:
    assert key not in SORT_KEYS
    with pytest.raises(errors.InvalidParameter):
        registry.images.list(ALICE, ImageQuery(sort=(("name", "asc"), (key, "asc"))))


def test_list_when_the_attribute_is_unknown_raises(registry: SqlRegistry) -> None:
    with pytest.raises(errors.InvalidParameter):
        registry.images.list(ALICE, ImageQuery(equal={"1=1 OR name": "x"}))
    with pytest.raises(errors.InvalidParameter):
        registry.images.list(ALICE, ImageQuery(conditions=(Condition("1=1 OR name", "eq", "x"),)))


@pytest.mark.parametrize("name", ["id", "created_at", "updated_at", "deleted_at", "deleted", "locations", "color"])
def test_update_when_the_attribute_is_not_to_be_changed_raises(registry: SqlRegistry, name: str) -> None:
    image = create(registry)
    with pytest.raises(errors.AttributeForbidden):
        registry.images.update(ADMIN, image.id, ImageChanges({name: "x", "name": "new"}))
    assert registry.images.get(ADMIN, image.id) == image


@pytest.mark.parametrize("status", ["saving", "killed", "queued"])
def test_update_when_the_status_cannot_be_reached_raises(registry: SqlRegistry, status: str) -> None:
    image = create_active(registry)
    with pytest.raises(errors.StatusConflict):
        registry.images.update(ADMIN, image.id, ImageChanges({"status": status}))
    assert registry.images.get(ADMIN, image.id).status == "active"


def test_get_when_an_operator_published_the_image_by_hand_shows_it_at_once(engine: Engine, registry: SqlRegistry) -> None:
    image = create_active(registry)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE images SET visibility = 'public'")
    assert registry.images.get(BOB, image.id).visibility == "public"
    assert [one.id for one in registry.images.list(BOB, ImageQuery())] == [image.id]


def test_get_when_a_row_is_older_than_stores_gives_a_location_without_store(engine: Engine, registry: SqlRegistry) -> None:
    image = create(registry)
    now = utc_now()
    with engine.begin() as connection:
        connection.execute(insert(image_locations), {"image_id": image.id, "value": "file:///old", "created_at": now, "updated_at": now})
    location = registry.images.get(ALICE, image.id).location
    assert location is not None
    assert (location.url, location.store, location.metadata, location.status) == ("file:///old", "", {}, "active")


@pytest.fixture
def counting(engine: Engine) -> SqlRegistry:
    """A registry whose ids are integers."""
    return SqlRegistry(engine, image_id_format="integer")


def test_create_when_ids_are_integers_counts_on_from_the_largest(counting: SqlRegistry) -> None:
    assert [create(counting).id for _ in range(11)] == [str(number) for number in range(1, 12)]
    counting.images.delete(ADMIN, create(counting, id="99").id)
    assert create(counting).id == "100"


def test_create_when_ids_were_uuids_before_begins_to_count(engine: Engine, registry: SqlRegistry, counting: SqlRegistry) -> None:
    create(registry)
    assert [create(counting).id, create(counting).id] == ["1", "2"]


def test_create_when_many_count_at_once_gives_each_its_own(counting: SqlRegistry) -> None:
    made = at_once(*[partial(create, counting)] * 8)
    assert sorted(int(image.id) for image in made) == list(range(1, 9))  # type: ignore[attr-defined]


@pytest.mark.parametrize("bad", ["0", "01", "-1", "1.0", " 1", "1e3", "\u0661", "x", "1" * 19, "54bb28d9-ed86-4cea-b637-b135f794b070"])
def test_create_when_ids_are_integers_and_the_given_one_is_none_raises(counting: SqlRegistry, bad: str) -> None:
    with pytest.raises(errors.InvalidImageId):
        create(counting, id=bad)


def test_create_when_the_integer_is_taken_raises(counting: SqlRegistry) -> None:
    create(counting, id="7")
    with pytest.raises(errors.ImageExists):
        create(counting, id="7")


@pytest.mark.parametrize("id_format", ["uuid", "integer"])
def test_create_when_an_index_of_the_operator_refuses_the_image_then_its_id_is_not_called_taken(engine: Engine, id_format: IdFormat) -> None:
    registry = SqlRegistry(engine, image_id_format=id_format)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX names ON images (name)")
    create(registry, name="once")
    with pytest.raises(IntegrityError):
        create(registry, name="once")


def test_times_are_kept_to_the_microsecond(engine: Engine) -> None:
    time = utc_now().replace(microsecond=123456)
    image = create(SqlRegistry(engine, clock=lambda: time))
    assert SqlRegistry(engine).images.get(ALICE, image.id).created_at == time
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"SELECT created_at FROM {images.name}").scalar() == time.isoformat(" ")
