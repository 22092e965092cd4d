"""The registry in a database passes the shared suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.leads import FEW
from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.testing.registry_contract import Advance, Clock, RegistryContract
from glance.testing.registry_rules.lists import ListRules
from glance.testing.registry_rules.scene import Scene
from glance.testing.registry_rules.visibility import VisibilityRules


class SqlScene(Scene):
    """``few`` images are looked at one by one."""

    few = FEW

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def registry(self, tmp_path: Path, clock: Clock) -> Iterator[Registry]:
        engine = make_engine(DatabaseSettings(f"sqlite:///{tmp_path}/glance.sqlite"))
        migrate.sync(engine)
        registry = SqlRegistry(engine, clock=clock, few=self.few)
        yield registry
        registry.close()

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


class TestSqlRegistry(SqlScene, RegistryContract):
    pass


class TestSqlListsOfMuch(SqlScene, ListRules, VisibilityRules):
    """The same lists where every number of images is too large to be looked at one by one."""

    few = -1
