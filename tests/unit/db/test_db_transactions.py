"""Retries, and errors in our words."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from sqlalchemy import Connection, Engine, Select, event, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from glance import errors
from glance.db.registry import SqlRegistry
from glance.db.schema import images
from glance.db.transactions import RETRY_SECONDS, Database, Reading, Transactions, Unprepared, is_transient
from glance.model.image import Image, ImageChanges
from glance.testing.registry_rules.scene import ADMIN, create


def failure(cause: Exception) -> OperationalError:
    return OperationalError("SELECT secret", {}, cause)


def locked() -> OperationalError:
    cause = sqlite3.OperationalError("database is locked")
    cause.sqlite_errorcode = sqlite3.SQLITE_BUSY
    return failure(cause)


def with_attributes(**attributes: object) -> Exception:
    error = Exception()
    vars(error).update(attributes)
    return error


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (with_attributes(sqlite_errorcode=sqlite3.SQLITE_BUSY), True),
        (with_attributes(sqlite_errorcode=sqlite3.SQLITE_BUSY_SNAPSHOT), True),
        (with_attributes(sqlite_errorcode=sqlite3.SQLITE_LOCKED), True),
        (with_attributes(sqlite_errorcode=sqlite3.SQLITE_FULL), False),
        (with_attributes(sqlstate="40001"), True),
        (with_attributes(sqlstate="40P01"), True),
        (with_attributes(sqlstate="55P03"), True),
        (with_attributes(sqlstate="57P01"), False),
        (Exception(1213, "Deadlock found when trying to get lock"), True),
        (Exception(1205, "Lock wait timeout exceeded"), True),
        (Exception(2003, "Can't connect to MySQL server"), False),
    ],
)
def test_is_transient_for_each_database_knows_its_words(cause: Exception, expected: bool) -> None:
    assert is_transient(failure(cause)) is expected


def test_write_when_locked_at_first_runs_again(engine: Engine) -> None:
    failures = [locked(), locked(), locked()]

    def work(connection: Connection, answer: int) -> int:
        if failures:
            raise failures.pop()
        return answer

    assert Database(engine).write(work, 42) == 42


def test_write_when_locked_for_long_gives_up(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        raise locked()

    with pytest.raises(errors.DatabaseUnavailable) as raised:
        Database(engine).write(work)
    assert "SELECT" not in raised.value.message


def test_write_when_it_was_locked_after_a_long_preparation_runs_again(engine: Engine) -> None:
    failures = [Unprepared(lambda: time.sleep(RETRY_SECONDS + 0.1)), locked()]

    def work(connection: Connection) -> int:
        if failures:
            raise failures.pop(0)
        return 42

    assert Database(engine).write(work) == 42


def test_write_when_nothing_prepares_it_gives_up(engine: Engine) -> None:
    def work(connection: Connection) -> None:
        raise Unprepared(bool)

    with pytest.raises(errors.DatabaseUnavailable):
        Database(engine).write(work)


def test_once_when_it_must_be_prepared_after_a_lost_answer_then_looked_up_again(engine: Engine) -> None:
    lost = [OperationalError("COMMIT", {}, Exception("gone"), connection_invalidated=True)]
    looked_up = [None, "landed"]
    prepared: list[str] = []

    @contextmanager
    def begin() -> Iterator[Connection]:
        with engine.connect() as connection:
            yield connection
        if lost:
            raise lost.pop()

    def work(connection: Connection) -> str:
        if not lost:
            raise Unprepared(lambda: prepared.append("asked"))
        return "done"

    assert Transactions(begin).once(lambda _connection: looked_up.pop(0), work) == "landed"
    assert (prepared, looked_up) == (["asked"], [])


def test_write_when_another_process_holds_the_lock_waits(engine: Engine, registry: SqlRegistry) -> None:
    image = create(registry)
    other = sqlite3.connect(str(engine.url.database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    release = threading.Timer(0.5, other.rollback)
    release.start()
    assert registry.images.update(ADMIN, image.id, ImageChanges({"name": "new"})).name == "new"
    release.join()
    other.close()


def test_read_when_another_process_writes_does_not_wait(engine: Engine, registry: SqlRegistry) -> None:
    image = create(registry)
    other = sqlite3.connect(str(engine.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    other.execute("UPDATE images SET name = 'new'")
    assert registry.images.get(ADMIN, image.id) == image
    other.rollback()
    other.close()


def test_write_when_the_work_fails_leaves_nothing(engine: Engine) -> None:
    row = {"id": "1", "status": "queued", "created_at": None, "updated_at": None}

    def work(connection: Connection) -> None:
        connection.execute(insert(images), row)

    with pytest.raises(IntegrityError):
        Database(engine).write(work)
    assert Database(engine).read(lambda connection: connection.execute(select(images)).all()) == []


def test_write_when_fifty_want_it_at_once_serves_them_all(registry: SqlRegistry) -> None:
    with ThreadPoolExecutor(50) as pool:
        made = list(pool.map(lambda number: create(registry, name=str(number), properties={"a": "b"}), range(200)))
    assert len({image.id for image in made}) == 200


def test_registry_when_the_database_fails_says_so_without_sql(engine: Engine, registry: SqlRegistry, caplog: pytest.LogCaptureFixture) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE image_properties")
    with pytest.raises(errors.DatabaseUnavailable) as raised:
        create(registry, name="confidential", properties={"a": "confidential"})
    assert raised.value.message == "The image database does not answer; try again later."
    assert "no such table" in caplog.text
    assert "confidential" not in caplog.text + repr(raised.value.__cause__)


@pytest.mark.parametrize("values", [{"name": "\ud800"}, {"size": 2**70}])
def test_create_when_a_value_cannot_be_kept_raises(registry: SqlRegistry, values: dict[str, object]) -> None:
    with pytest.raises(errors.Invalid):
        registry.images.create(ADMIN, Image("", **values))  # type: ignore[arg-type]


def test_close_when_called_releases_the_connections(engine: Engine, registry: SqlRegistry) -> None:
    create(registry)
    pool: SimpleNamespace = engine.pool  # type: ignore[assignment]
    assert pool.checkedin() == 1
    registry.close()
    assert engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def nothing() -> Select[tuple[str]]:
    return select(images.c.id)


def test_look_when_several_connections_are_lost_then_the_pool_is_made_anew_once(engine: Engine) -> None:
    engine.dispose()
    made: list[sqlite3.Connection] = []
    disposed: list[Engine] = []
    event.listen(engine, "connect", lambda connection, _record: made.append(connection))
    event.listen(engine, "engine_disposed", disposed.append)
    database = Database(engine)
    together = threading.Barrier(4)

    def work(reading: Reading, tried: list[Reading]) -> int:
        if not tried:
            tried.append(reading)
            if together.wait() == 0:
                for connection in made:
                    connection.close()
            together.wait()
        return len(reading.rows({}, nothing))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _number: database.look(work, []), range(4))) == [0] * 4
    assert len(disposed) == 1
