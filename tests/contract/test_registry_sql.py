"""The registry passes the shared suite in every database that it supports."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from glance.db.leads import FEW
from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.testing.registry_contract import Advance, Clock, RegistryContract
from glance.testing.registry_rules.lists import ListRules
from glance.testing.registry_rules.scene import Scene
from glance.testing.registry_rules.visibility import VisibilityRules
from tests.databases import KINDS


@pytest.mark.parametrize("database_kind", KINDS, scope="session")
class SqlScene(Scene):
    """``few`` images are looked at one by one."""

    few = FEW

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def registry(self, engine: Engine, clock: Clock) -> Registry:
        return SqlRegistry(engine, clock=clock, few=self.few)

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


class TestSqlRegistry(SqlScene, RegistryContract):
    pass


class TestSqlListsOfMuch(SqlScene, ListRules, VisibilityRules):
    """The same lists where every number of images is too large to be looked at one by one."""

    few = -1
