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
from glance.db.schema import images
from glance.db.transactions import Database

#: Names the lock under which the schema changes, in servers that other programs use too.
_LOCK = "glance_schema"
_LOCK_SECONDS = 60


def sync(engine: Engine) -> None:
    """Brings the schema to the newest version. Raises ConfigurationError for tables that are not ours, and DatabaseUnavailable."""
    try:
        Database(engine).write(_upgrade)
    except CommandError as error:
        raise errors.ConfigurationError(reason=f"The schema of the database cannot be brought up to date: {error}") from error
    finally:
        engine.dispose()  # a server forks next


def version(engine: Engine) -> str:
    """The version of the schema, "" where there is none. Raises DatabaseUnavailable."""
    try:
        return Database(engine).read(_version)
    finally:
        engine.dispose()


def check(engine: Engine) -> None:
    """Raises ConfigurationError unless the schema is the newest, and DatabaseUnavailable."""
    current, newest = version(engine), ScriptDirectory.from_config(_config()).get_current_head()
    if current != newest:
        raise errors.ConfigurationError(
            reason=f"The database has schema version '{current}', this program needs '{newest}': run glance-manage db_sync."
        )


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: Connection) -> str:
    return MigrationContext.configure(connection).get_current_revision() or ""


def _upgrade(connection: Connection) -> None:
    with _alone(connection):
        if not _version(connection) and inspect(connection).has_table(images.name):
            raise errors.ConfigurationError(reason="The database holds tables that this program did not make; it does not touch them.")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


@contextmanager
def _alone(connection: Connection) -> Iterator[None]:
    """Keeps other processes from changing the schema. In SQLite the transaction itself does."""
    backend = connection.dialect.name
    if backend == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(crc32(_LOCK.encode()))))
    if backend in {"mysql", "mariadb"} and connection.scalar(select(func.get_lock(_LOCK, _LOCK_SECONDS))) != 1:
        raise errors.DatabaseUnavailable
    try:
        yield
    finally:
        if backend in {"mysql", "mariadb"}:
            connection.execute(select(func.release_lock(_LOCK)))
