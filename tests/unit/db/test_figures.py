"""What operators watch of a database."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from glance import errors
from glance.context import unauthenticated
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.figures import SqlFigures, watch_pool
from glance.db.registry import SqlRegistry
from glance.model.image import Image, Upload


def test_figures_then_count_what_is_not_deleted(engine: Engine) -> None:
    registry, ctx = SqlRegistry(engine), unauthenticated()
    for visibility in ("public", "private", "private"):
        image = registry.images.create(ctx, Image("", status="queued", visibility=visibility))
    registry.images.delete(ctx, image.id)
    waiting = registry.images.create(ctx, Image("", status="queued", visibility="shared"))
    registry.uploads.start(ctx, Upload(waiting.id, "attempt", "file", "worker", "queued", 0))

    figures = SqlFigures(engine)

    assert figures.images() == {("queued", "public"): 1, ("queued", "private"): 1, ("saving", "shared"): 1}
    assert figures.uploads() == 1


def test_schema_when_another_one_is_recorded_then_is_outdated(engine: Engine) -> None:
    figures = SqlFigures(engine)
    figures.check_schema()
    with engine.begin() as connection:
        newest = connection.scalar(text("SELECT version_num FROM alembic_version"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    try:
        with pytest.raises(errors.SchemaOutdated):
            figures.check_schema()
    finally:
        with engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = :newest"), {"newest": newest})


def test_pool_when_connections_are_taken_and_returned_then_tells_by_how_many(engine: Engine) -> None:
    told: list[int] = []
    watch_pool(engine, told.append)
    with engine.connect(), engine.connect():
        assert told == [1, 1]

    assert told == [1, 1, -1, -1]


def test_pool_when_no_connection_can_be_made_then_none_is_in_use(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "glance.sqlite"
    path.parent.mkdir()
    engine = make_engine(DatabaseSettings(f"sqlite:///{path}"))
    told: list[int] = []
    watch_pool(engine, told.append)
    with engine.connect() as connection:
        connection.invalidate()
        path.unlink()
        path.parent.rmdir()

    figures = SqlFigures(engine)
    for _ in range(3):
        with pytest.raises(errors.DatabaseUnavailable):
            figures.uploads()

    assert sum(told) == 0
