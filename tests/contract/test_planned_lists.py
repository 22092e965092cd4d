"""Lists among 20,000 images: no statement of any list reads the table, in the words of each database's own planner."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from glance.context import RequestContext
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.db.schema import image_properties, image_tags, images
from glance.db.steps import utc_now
from glance.model.image import SORT_KEYS, Condition, Direction, ImageQuery
from glance.model.query import MAX_PROPERTY_FILTERS
from glance.testing.registry_rules.scene import ADMIN, ALICE
from tests.databases import KINDS, Databases
from tests.statements import counted

MANY = 20_000

#: Rows that the statement of a list may read, temporary ones too: as many images as are looked at one by one, for each of several filters. A list
#: that reads the table, or the table up to its marker, reads more.
MOST = 8_000

pytestmark = pytest.mark.slow

NOW = utc_now()
QUERIES = {
    "all": ImageQuery(),
    "name": ImageQuery({"name": "image 778"}),
    "name of many": ImageQuery({"name": "many"}),
    "status": ImageQuery({"status": "active"}),
    "rare status": ImageQuery({"status": "queued"}),
    "owner": ImageQuery({"owner": "alice"}),
    "visibility": ImageQuery({"visibility": "public"}),
    "property": ImageQuery(properties={"os": "linux"}),
    "rare property": ImageQuery(properties={"number": "778"}),
    "tag": ImageQuery(tags=("common",)),
    "rare tag": ImageQuery(tags=("rare",)),
    "size": ImageQuery(conditions=(Condition("size", "gte", MANY - 10),)),
    "changes": ImageQuery(changes_since=NOW - timedelta(seconds=10)),
    "several": ImageQuery({"status": "active", "visibility": "public"}, properties={"os": "linux"}, tags=("common",)),
}


def fill(engine: Engine) -> None:
    """Images of 401 owners, alice among them; half of them are public; each has properties and a tag."""
    rows, properties, tags = [], [], []
    for number in range(MANY):
        moment = NOW - timedelta(seconds=MANY - number)
        history = {"created_at": moment, "updated_at": moment}
        image_id = f"{number * 7919 % MANY:08}-2222-4333-8444-555555555555"
        rows.append(
            {
                "id": image_id,
                "name": "many" if number % 2 else f"image {number}",
                "status": "queued" if number % 1001 == 0 else "active",
                "visibility": "public" if number // 2 % 2 else "private",
                "owner": f"owner {number % 401}" if number % 401 else "alice",
                "size": number,
                "disk_format": "raw",
                "container_format": "bare",
                **history,
            }
        )
        properties += [{"image_id": image_id, "name": name, "value": value, **history} for name, value in (("os", "linux"), ("number", str(number)))]
        tags.append({"image_id": image_id, "value": "rare" if number % 1001 == 0 else "common", **history})
    with engine.begin() as connection:
        for table, values in ((images, rows), (image_properties, properties), (image_tags, tags)):
            connection.execute(insert(table), values)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if engine.dialect.name == "postgresql":  # as its servers do by themselves
            connection.exec_driver_sql("VACUUM ANALYZE")
        elif engine.dialect.name != "sqlite":
            connection.exec_driver_sql("ANALYZE TABLE images, image_properties, image_tags")


@pytest.fixture(scope="module", params=KINDS)
def full(request: pytest.FixtureRequest) -> Iterator[Engine]:
    databases: Databases = request.getfixturevalue(request.param)
    engine = make_engine(DatabaseSettings(databases.new(), answer_timeout=None))
    migrate.sync(engine)
    fill(engine)
    yield engine
    engine.dispose()


def looked_at(cursor: Any, dialect: str, statement: str, parameters: Any) -> int:
    """Rows that a statement reads, of tables and of indexes."""
    if dialect == "postgresql":
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", parameters)
        [[found]] = cursor.fetchall()
        [plan] = found if isinstance(found, list) else json.loads(found)
        return sum(_read_by(node) for node in _nodes(plan["Plan"]))
    if dialect == "sqlite":
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return MANY if _walks_all([row[3] for row in cursor.fetchall()]) else 0
    before = _handled(cursor)
    cursor.execute(statement, parameters)
    cursor.fetchall()
    return _handled(cursor) - before


def _handled(cursor: Any) -> int:
    """Rows that MariaDB's session has read so far."""
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(count) for _name, count in cursor.fetchall())


def _walks_all(steps: list[str]) -> bool:
    """True where SQLite reads a table without an index, or in another order than the one it is asked for."""
    walks = [step for step in steps if step.startswith("SCAN image")]
    return any("USING" not in step for step in walks) or bool(walks and "USE TEMP B-TREE FOR ORDER BY" in steps)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _read_by(node: dict[str, Any]) -> int:
    if "Scan" not in node["Node Type"] or node["Node Type"] == "Subquery Scan":
        return 0
    rows = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return int(rows * node["Actual Loops"])


@contextmanager
def watched(engine: Engine) -> Iterator[dict[str, int]]:
    """How many rows each statement reads that is executed meanwhile. Filled at the end."""
    read: dict[str, int] = {}
    with counted(engine) as statements:
        yield read
    with closing(engine.raw_connection()) as pooled:
        cursor = pooled.cursor()
        for text, parameters in statements:
            if text.startswith("SELECT"):
                read[text] = looked_at(cursor, engine.dialect.name, text, parameters or ())
        cursor.close()


def check(engine: Engine, ctx: RequestContext, query: ImageQuery) -> None:
    """Looks at the first page, and at one that begins deep in the list."""
    registry = SqlRegistry(engine)
    found = registry.images.list(ctx, replace(query, limit=MANY // 2))
    assert found
    pages = [query] if len(found) < 50 else [query, replace(query, marker=found[-25].id)]
    for page in pages:
        registry.images.list(ctx, replace(query, limit=1))  # which counts all images, as far as that matters, for some seconds
        with watched(engine) as read:
            registry.images.list(ctx, replace(page, limit=25))
        assert read
        assert {rows: statement for statement, rows in read.items() if rows > MOST} == {}


@pytest.mark.parametrize("ctx", [ALICE, ADMIN], ids=["alice", "admin"])
@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("key", SORT_KEYS)
def test_list_of_many_in_any_order_then_only_its_page_is_read(full: Engine, ctx: RequestContext, key: str, direction: Direction) -> None:
    check(full, ctx, ImageQuery(sort=((key, direction),)))


@pytest.mark.parametrize("ctx", [ALICE, ADMIN], ids=["alice", "admin"])
@pytest.mark.parametrize("name", QUERIES)
def test_list_of_many_with_any_filter_then_only_what_comes_into_question_is_read(full: Engine, ctx: RequestContext, name: str) -> None:
    check(full, ctx, QUERIES[name])


@pytest.mark.parametrize("ctx", [ALICE, ADMIN], ids=["alice", "admin"])
def test_list_with_as_many_filters_as_there_may_be_then_few_tables_are_joined(full: Engine, ctx: RequestContext) -> None:
    numbers = range(MAX_PROPERTY_FILTERS)
    query = ImageQuery(tags=tuple(f"t{number}" for number in numbers), properties={f"p{number}": "v" for number in numbers}, limit=25)
    with counted(full) as statements:
        SqlRegistry(full).images.list(ctx, query)
        SqlRegistry(full, few=-1).images.list(ctx, query)
    pages = [statement for statement in statements if "ORDER BY" in statement.text]
    with closing(full.raw_connection()) as pooled:
        cursor = pooled.cursor()
        assert [steps_over_filters(cursor, full.dialect.name, *page) < 40 for page in pages] == [True, True]
        cursor.close()


def steps_over_filters(cursor: Any, dialect: str, statement: str, parameters: Any) -> int:
    """Lines of a plan that name the tables of tags and properties, or their indexes."""
    cursor.execute(f"EXPLAIN {'QUERY PLAN' if dialect == 'sqlite' else ''} {statement}", parameters or ())
    return len([row for row in cursor.fetchall() if re.search(r"image_(tags|properties)", str(row))])
