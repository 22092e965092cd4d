"""Databases of a test's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry


@pytest.fixture
def empty_engine(tmp_path: Path) -> Iterator[Engine]:
    """A database without tables."""
    engine = make_engine(DatabaseSettings(f"sqlite:///{tmp_path}/glance.sqlite"))
    yield engine
    engine.dispose()


@pytest.fixture
def engine(empty_engine: Engine) -> Engine:
    """A database with the newest schema."""
    migrate.sync(empty_engine)
    return empty_engine


@pytest.fixture
def registry(engine: Engine) -> SqlRegistry:
    return SqlRegistry(engine)
