"""The version of a database's schema: look at it, check it, bring it up to date. Several processes may do so at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, func, inspect, select

from glance import errors
from glance.db.engine import unusable
from glance.db.schema import images
from glance.db.transactions import Database

#: Names the lock under which the schema changes, in servers that other programs use too.
_LOCK = "glance_schema"
_LOCK_SECONDS = 60


def sync(engine: Engine) -> None:
    """Brings the schema to the newest version. Raises ConfigurationError for tables that are not ours, and a database that fails."""
    with _explained(engine):
        try:
            Database(engine).write(_upgrade)
        except CommandError as error:
            raise errors.ConfigurationError(reason=f"The schema of the database cannot be brought up to date: {error}") from error


def version(engine: Engine) -> str:
    """The version of the schema, "" where there is none. Raises ConfigurationError for a database that fails."""
    with _explained(engine):
        return Database(engine).read(version_of)


def check(engine: Engine) -> None:
    """Raises ConfigurationError unless the schema is the newest."""
    current = version(engine)
    if current != newest():
        raise errors.ConfigurationError(
            reason=f"The database has schema version '{current}', this program needs '{newest()}': run glance-manage db_sync."
        )


def newest() -> str:
    """The version that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def version_of(connection: Connection) -> str:
    """The version of the schema, "" where there is none."""
    return MigrationContext.configure(connection).get_current_revision() or ""


@contextmanager
def _explained(engine: Engine) -> Iterator[None]:
    """Around work before a server starts: leaves no connection, since it forks next, and tells an operator what clients are not told."""
    try:
        yield
    except errors.DatabaseUnavailable as error:
        raise unusable(engine.url, error.__cause__) from error
    finally:
        engine.dispose()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection) -> None:
    with _alone(connection):
        if not version_of(connection) and inspect(connection).has_table(images.name):
            raise errors.ConfigurationError(reason="The database holds tables that this program did not make; it does not touch them.")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keeps other processes from changing the schema. In SQLite the transaction itself does."""
    backend = connection.dialect.name
    if backend == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        connection.execute(select(func.pg_advisory_xact_lock(crc32(_LOCK.encode()))))
    if backend in {"mysql", "mariadb"} and connection.scalar(select(func.get_lock(_LOCK, _LOCK_SECONDS))) != 1:
        raise errors.ConfigurationError(reason="Another program changes the schema of the database, and does not end; try again later.")
    try:
        yield
    finally:
        if backend in {"mysql", "mariadb"}:
            connection.execute(select(func.release_lock(_LOCK)))
