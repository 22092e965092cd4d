"""What SQLite makes of statements about locations, whether it has statistics, by which any status is as frequent as any other, or none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, insert

from glance.db.registry import SqlRegistry
from glance.db.schema import image_locations, images
from glance.db.steps import utc_now
from tests.statements import counted

MANY = 2000


@pytest.fixture(params=[True, False], ids=["statistics", "no-statistics"])
def full(request: pytest.FixtureRequest, engine: Engine) -> Engine:
    """A database with images that all have data."""
    now = utc_now()
    history = {"created_at": now, "updated_at": now}
    ids = [str(number) for number in range(MANY)]
    with engine.begin() as connection:
        connection.execute(insert(images), [{"id": one, "status": "active", **history} for one in ids])
        connection.execute(insert(image_locations), [{"image_id": one, "value": f"file:///{one}", **history} for one in ids])
        if request.param:
            connection.exec_driver_sql("ANALYZE")
    engine.dispose()
    return engine


ACTS: dict[str, Callable[[SqlRegistry], object]] = {
    "condemn": lambda registry: registry.locations.condemn(0.0),
    "condemned": lambda registry: registry.locations.condemned(),
    "named": lambda registry: registry.locations.named(["1", "2"]),
    "page": lambda registry: registry.audits.page("1", 100),
}


def plans(engine: Engine, act: Callable[[SqlRegistry], object]) -> list[str]:
    """The steps of all statements that are executed meanwhile."""
    with counted(engine) as statements:
        act(SqlRegistry(engine))
    with engine.connect() as connection:
        return [row[3] for one in statements for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {one.text}")]


@pytest.mark.parametrize("act", ACTS.values(), ids=ACTS)
def test_statements_when_there_are_many_images_then_none_reads_all(full: Engine, act: Callable[[SqlRegistry], object]) -> None:
    steps = plans(full, act)
    assert steps
    assert [step for step in steps if step.startswith("SCAN")] == []


def test_page_of_an_audit_then_locations_are_found_by_their_images(full: Engine) -> None:
    steps = plans(full, ACTS["page"])
    assert [step for step in steps if "image_locations" in step and "(image_id=?)" not in step] == []
