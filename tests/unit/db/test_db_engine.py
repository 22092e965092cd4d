"""From settings to an engine."""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from glance import errors
from glance.db.engine import DatabaseSettings, database_url, make_engine, unusable, wait_for


@pytest.mark.parametrize(
    ("written", "used"),
    [
        ("mysql://glance:pass@host/glance", "mysql+pymysql://glance:***@host/glance?charset=utf8mb4"),
        ("mysql://glance:pass@host/glance?charset=utf8", "mysql+pymysql://glance:***@host/glance?charset=utf8"),
        ("mysql+mysqldb://host/glance", "mysql+mysqldb://host/glance?charset=utf8mb4"),
        ("mariadb://host/glance", "mariadb+pymysql://host/glance?charset=utf8mb4"),
        ("postgres://host/glance", "postgresql+psycopg://host/glance"),
        ("postgresql://host/glance", "postgresql+psycopg://host/glance"),
        ("postgresql+psycopg2://host/glance", "postgresql+psycopg2://host/glance"),
        ("sqlite:////var/lib/glance/glance.sqlite", "sqlite:////var/lib/glance/glance.sqlite"),
    ],
)
def test_database_url_when_classic_takes_the_driver_of_today(written: str, used: str) -> None:
    assert str(database_url(written)) == used


def test_database_url_when_malformed_raises_without_the_password() -> None:
    with pytest.raises(errors.ConfigurationError) as raised:
        database_url("glance:secret@host")
    assert "secret" not in raised.value.message


def test_settings_when_printed_hide_the_password() -> None:
    assert "secret" not in repr(DatabaseSettings("mysql://glance:secret@host/glance"))


def test_make_engine_when_there_is_no_driver_raises() -> None:
    with pytest.raises(errors.ConfigurationError, match="no driver"):
        make_engine(DatabaseSettings("oracle+nosuchdriver://host/glance"))


@pytest.mark.parametrize("connection", ["sqlite://", "sqlite:///:memory:"])
def test_make_engine_when_the_database_is_in_memory_raises(connection: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="memory"):
        make_engine(DatabaseSettings(connection))


def test_make_engine_when_the_path_is_relative_warns(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        make_engine(DatabaseSettings("sqlite:///glance.sqlite"))
    assert "relative" in caplog.text


def test_make_engine_does_not_connect_yet(tmp_path: Path) -> None:
    make_engine(DatabaseSettings(f"sqlite:///{tmp_path}/glance.sqlite"))
    assert not list(tmp_path.iterdir())


def test_engine_when_it_creates_files_keeps_others_out(tmp_path: Path, empty_engine: Engine) -> None:
    before = os.umask(0o022)
    try:
        with empty_engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE t (a)")
            files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert files == {"glance.sqlite": 0o640, "glance.sqlite-wal": 0o640, "glance.sqlite-shm": 0o640}


@pytest.mark.parametrize("name", ["glance.sqlite", "what? 100%#.sqlite"])
def test_engine_when_its_file_vanishes_does_not_begin_anew(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    engine = make_engine(DatabaseSettings(URL.create("sqlite", database=str(path)).render_as_string()))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT file FROM pragma_database_list").scalar() == str(path)
    engine.dispose()
    path.rename(tmp_path / "away")
    with pytest.raises(OperationalError, match="unable to open database file"):
        engine.connect()
    assert not path.exists()
    (tmp_path / "away").rename(path)
    engine.connect().close()


def test_engine_when_connected_is_durable_and_checks_references(empty_engine: Engine) -> None:
    with empty_engine.connect() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous", "foreign_keys")}
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_wait_for_when_the_database_answers_leaves_no_connection_open(empty_engine: Engine) -> None:
    wait_for(empty_engine, DatabaseSettings("unused"))
    assert empty_engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_wait_for_when_it_never_answers_gives_up(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = DatabaseSettings(f"sqlite:///{tmp_path}/missing/glance.sqlite", max_retries=2, retry_interval=0.01)
    with pytest.raises(errors.ConfigurationError, match=r"The database sqlite:////.*/missing/glance\.sqlite cannot be used: its directory"):
        wait_for(make_engine(settings), settings)
    assert len(caplog.records) == 2


def test_unusable_when_the_url_holds_passwords_then_tells_none() -> None:
    url = database_url("mysql://glance:secret@host/glance?passwd=secret")
    assert unusable(url, OSError("no route")).message == "The database mysql+pymysql://glance:***@host/glance cannot be used: no route"
