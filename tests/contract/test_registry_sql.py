"""The registry in a database passes the shared suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.testing.registry_contract import Advance, Clock, RegistryContract


class TestSqlRegistry(RegistryContract):
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def registry(self, tmp_path: Path, clock: Clock) -> Iterator[Registry]:
        engine = make_engine(DatabaseSettings(f"sqlite:///{tmp_path}/glance.sqlite"))
        migrate.sync(engine)
        registry = SqlRegistry(engine, clock=clock)
        yield registry
        registry.close()

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance
