"""The registry passes the shared suite in every database that it supports."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, NullPool, Select, create_engine, event, func, select
from sqlalchemy.exc import OperationalError

from glance.db.images import SqlImages
from glance.db.leads import FEW
from glance.db.registry import SqlRegistry
from glance.db.steps import utc_now
from glance.db.transactions import Database, Reading, Transactions
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, ImageQuery, Location, LocationChange
from glance.model.query import IdFormat
from glance.testing.registry_contract import Advance, Clock, RegistryContract
from glance.testing.registry_rules.lists import ListRules
from glance.testing.registry_rules.scene import ADMIN, ALICE, Scene, create, create_active, start
from glance.testing.registry_rules.texts import CONTROLS, listed
from glance.testing.registry_rules.visibility import VisibleListRules
from glance.testing.servers import wait_until
from tests.databases import KINDS, moments


@pytest.mark.parametrize("database_kind", KINDS, scope="session")
class SqlScene(Scene):
    """``few`` images are looked at one by one."""

    few = FEW

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def registry(self, engine: Engine, clock: Clock) -> Registry:
        return SqlRegistry(engine, clock=clock, lease_clock=moments(clock), few=self.few)

    @pytest.fixture
    def advance(self, clock: Clock) -> Advance:
        return clock.advance


class TestSqlRegistry(SqlScene, RegistryContract):
    pass


class TestSqlListsOfMuch(SqlScene, ListRules, VisibleListRules):
    """The same lists where every number of images is too large to be looked at one by one."""

    few = -1


class LateCommit:
    """Begins transactions. The answer to the first COMMIT is lost; it is carried out after the first statement of the next transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._late: Connection | None = None

    @contextmanager
    def __call__(self) -> Iterator[Connection]:
        if self._late is None:
            self._late = self._engine.connect()
            yield self._late
            raise OperationalError("COMMIT", {}, Exception("no answer"), connection_invalidated=True)
        with self._engine.begin() as connection:
            event.listen(connection, "after_cursor_execute", self._land, once=True)
            yield connection

    def _land(self, *_arguments: object) -> None:
        if self._late is not None:
            self._late.commit()
            self._late.close()


@pytest.mark.parametrize("database_kind", ["postgresql"], scope="session")
class TestLateCommits:
    """In MariaDB whoever looks for the row waits for that COMMIT."""

    @pytest.mark.parametrize("id_format", ["uuid", "integer"])
    def test_create_when_its_commit_is_carried_out_late_makes_one_image(self, engine: Engine, id_format: IdFormat) -> None:
        database = Database(engine)
        database.write = Transactions(LateCommit(engine))
        made = SqlImages(database, id_format, utc_now, FEW, None).create(ADMIN, Image(""))
        assert SqlRegistry(engine).images.list(ADMIN, ImageQuery(scope="everything")) == [made]


def lose_answer(engine: Engine) -> None:
    """To the next COMMIT, which is carried out."""

    def commit(connection: Connection) -> None:
        connection.connection.commit()
        raise OperationalError("COMMIT", {}, Exception("no answer"), connection_invalidated=True)

    event.listen(engine, "commit", commit, once=True)


def close_idle(engine: Engine) -> None:
    """The one connection that the pool keeps, without its knowledge."""
    with closing(engine.raw_connection()) as pooled:
        connection: Any = pooled.driver_connection
    connection.close()


@pytest.mark.parametrize("database_kind", KINDS, scope="session")
class TestUnansweredCommits:
    """What may be done once only says that it was done."""

    def test_abandon_when_its_commit_is_not_answered_then_true(self, engine: Engine) -> None:
        registry = SqlRegistry(engine)
        upload, deleted = start(registry), start(registry)
        registry.images.delete(ALICE, deleted.image_id)
        for one in (upload, deleted):
            lose_answer(engine)
            assert registry.uploads.abandon(one.image_id, one.attempt, "queued", "why")
            assert not registry.uploads.abandon(one.image_id, one.attempt, "queued", "why")
        assert [registry.images.get(ADMIN, one.image_id).status for one in (upload, deleted)] == ["queued", "deleted"]

    def test_relocate_when_its_commit_is_not_answered_then_true(self, engine: Engine) -> None:
        registry = SqlRegistry(engine)
        image = create_active(registry)
        [location] = image.locations
        new = Location("file:///new", "other")
        lose_answer(engine)
        assert registry.audits.relocate(location.id or 0, location.url, new)
        assert not registry.audits.relocate(location.id or 0, location.url, new)
        assert [(one.url, one.store) for one in registry.images.get(ALICE, image.id).locations] == [("file:///new", "other")]

    def test_forget_when_its_commit_is_not_answered_then_true(self, engine: Engine) -> None:
        registry = SqlRegistry(engine)
        image = create_active(registry)
        [location] = image.locations
        change = LocationChange(before=frozenset({location.id or 0}), after=(location, Location(location.url, "file")))
        _first, second = registry.images.update(ALICE, image.id, ImageChanges(locations=change)).locations
        lose_answer(engine)
        assert registry.audits.forget(second.id or 0)
        assert not registry.audits.forget(second.id or 0)
        assert registry.images.get(ALICE, image.id).locations == (location,)


@pytest.mark.parametrize("database_kind", KINDS, scope="session")
class TestClosedConnections:
    """A connection of the pool is closed already. It was used last by what reads alone, or by what writes, too: in another mode in PostgreSQL."""

    @pytest.fixture
    def image(self, registry: Registry, engine: Engine) -> Image:
        image = create(registry, name="here")
        engine.dispose()
        return image

    def test_get_when_it_was_made_by_a_write_then_another_one_is_taken(self, engine: Engine, registry: Registry, image: Image) -> None:
        registry.images.update(ALICE, image.id, ImageChanges({"name": "there"}))
        close_idle(engine)
        assert registry.images.get(ALICE, image.id).name == "there"

    def test_update_when_it_was_made_by_a_read_then_another_one_is_taken(self, engine: Engine, registry: Registry, image: Image) -> None:
        registry.images.get(ALICE, image.id)
        close_idle(engine)
        assert registry.images.update(ALICE, image.id, ImageChanges({"name": "there"})).name == "there"


@pytest.mark.parametrize("database_kind", ["postgresql", "mariadb"], scope="session")
class TestEndedConnections:
    """The server ends a connection between its answer and the return to the pool."""

    def test_look_when_its_connection_ends_after_the_answer_then_it_is_given_and_nothing_is_logged(
        self, engine: Engine, registry: Registry, caplog: pytest.LogCaptureFixture
    ) -> None:
        image = create(registry)
        others = create_engine(engine.url, poolclass=NullPool)

        def look(reading: Reading) -> int:
            [[number]] = reading.rows({}, own_number, engine.dialect.name)
            with others.connect() as connection:
                connection.exec_driver_sql(f"SELECT pg_terminate_backend({number})" if engine.dialect.name == "postgresql" else f"KILL {number}")
            return int(number)

        assert Database(engine).look(look)
        assert registry.images.get(ALICE, image.id) == image
        assert caplog.records == []


def own_number(dialect: str) -> Select[Any]:
    """What the server calls a connection."""
    return select(func.pg_backend_pid() if dialect == "postgresql" else func.connection_id())


@pytest.mark.parametrize("database_kind", ["postgresql"], scope="session")
class TestChangedColumns:
    """Operators may change tables while connections know statements whose columns were others."""

    @pytest.fixture
    def change(self, engine: Engine) -> Iterator[Callable[[int], None]]:
        others = create_engine(engine.url, poolclass=NullPool)  # psycopg forgets what a connection knew that changes tables itself

        def change(length: int) -> None:
            with others.begin() as connection:
                connection.exec_driver_sql(f"ALTER TABLE images ALTER COLUMN checksum TYPE varchar({length})")

        yield change
        change(32)
        engine.dispose()

    def test_get_when_a_column_has_another_type_then_it_is_answered(self, engine: Engine, change: Callable[[int], None]) -> None:
        registry = SqlRegistry(engine)
        image = create(registry)
        assert registry.images.get(ALICE, image.id) == image
        change(40)
        assert registry.images.get(ALICE, image.id) == image


@pytest.mark.parametrize("database_kind", ["mariadb"], scope="session")
class TestTls:
    def test_connections_when_there_are_several_then_the_certificates_of_the_system_are_read_once(self, engine: Engine) -> None:
        with closing(engine.raw_connection()) as first, closing(engine.raw_connection()) as second:
            drivers: list[Any] = [first.driver_connection, second.driver_connection]
        assert drivers[0] is not drivers[1]
        assert drivers[0].ctx is drivers[1].ctx


@pytest.mark.parametrize("database_kind", KINDS, scope="session")
class TestRowsOfOthers:
    """What no client can bring into a property may stand in rows that operators wrote."""

    def test_properties_when_they_have_control_characters_then_they_come_back_as_they_were(self, engine: Engine) -> None:
        registry = SqlRegistry(engine)
        image = create(registry, properties={CONTROLS: CONTROLS})
        assert registry.images.get(ALICE, image.id).properties == {CONTROLS: CONTROLS}
        assert listed(registry, image).properties == {CONTROLS: CONTROLS}


@pytest.mark.parametrize("database_kind", KINDS, scope="session")
class TestLeasesWhereClocksDiffer:
    """Two nodes on one database, whose own clocks are years apart."""

    def test_upload_when_it_has_begun_on_one_node_is_alive_on_the_other(self, engine: Engine) -> None:
        past, today = SqlRegistry(engine, clock=Clock()), SqlRegistry(engine)
        for one in (past, today):
            start(one)
        assert [expired for node in (past, today) for _upload, expired in node.uploads.leases()] == [False] * 4

    def test_duty_when_one_node_has_it_is_not_given_to_the_other(self, engine: Engine) -> None:
        past, today = SqlRegistry(engine, clock=Clock()), SqlRegistry(engine)
        assert past.duties.take("sweeping", "first") == "first"
        assert today.duties.take("sweeping", "second") == "first"

    def test_lease_when_its_seconds_are_over_is_expired(self, engine: Engine) -> None:
        registry = SqlRegistry(engine, lease_seconds=0.5)
        upload = start(registry)
        registry.duties.take("sweeping", "first")
        wait_until(lambda: registry.uploads.leases() == [(upload, True)], "the end of the upload's lease")
        wait_until(lambda: registry.duties.take("sweeping", "second") == "second", "the end of the duty's lease")
