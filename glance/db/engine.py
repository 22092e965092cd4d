"""From the ``[database]`` settings to an engine. It connects when it is first used, so that a server may fork before."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Engine, PoolResetState, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from glance import errors
from glance.db.transactions import begin_in_postgresql, begin_in_sqlite

LOG = logging.getLogger(__name__)

#: Schemes of 2012 and the drivers of today.
DRIVERS = {"mysql": "mysql+pymysql", "mariadb": "mariadb+pymysql", "postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}

#: How long a server may take to take a connection, and to answer a statement: one that does not is taken for lost.
_ANSWER_SECONDS = 8

#: How long others may hold what a transaction waits for.
_BUSY_SECONDS = 5

_FILE_MODE = 0o640


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """``connection`` is an SQLAlchemy URL. Times are seconds; ``max_retries`` -1 stands for no end.

    ``max_pool_size`` connections are kept, each for ``idle_timeout`` at most; ``max_overflow`` more are opened when all are busy. A statement that a
    server does not answer within ``answer_timeout`` has failed; None stands for no end. ``may_create``: a file of SQLite that is missing is made.
    """

    connection: str = field(repr=False)
    idle_timeout: int = 3600
    max_retries: int = 10
    retry_interval: float = 10
    max_pool_size: int = 5
    max_overflow: int = 50
    answer_timeout: int | None = _ANSWER_SECONDS
    may_create: bool = True


def make_engine(settings: DatabaseSettings) -> Engine:
    """The engine for ``settings``. Raises ConfigurationError for a URL that cannot be used."""
    url = database_url(settings.connection)
    backend = url.get_backend_name()
    if backend == "sqlite":
        _check_sqlite(url)
        options: dict[str, Any] = {"connect_args": {"timeout": _BUSY_SECONDS}}
    else:
        options = {"connect_args": _bounds(url, settings.answer_timeout), "isolation_level": "READ COMMITTED"}
        options["pool_reset_on_return"] = None  # ``_prepare_postgresql`` and ``_prepare_mysql`` do it
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)  # below that it tells rows, and old locations hold keys
    try:
        engine = create_engine(
            url,
            pool_size=settings.max_pool_size,
            max_overflow=settings.max_overflow,
            pool_recycle=settings.idle_timeout,
            pool_timeout=_ANSWER_SECONDS,
            hide_parameters=True,
            **options,
        )
    except (NoSuchModuleError, ModuleNotFoundError) as error:
        raise errors.ConfigurationError(reason=f"There is no driver for {url.drivername} databases here: {error}.") from error
    if backend == "sqlite":
        _prepare_sqlite(engine, may_create=settings.may_create)
    elif backend == "postgresql":
        _prepare_postgresql(engine, settings.answer_timeout)
    else:
        _prepare_mysql(engine)
    return engine


def wait_for(engine: Engine, settings: DatabaseSettings) -> None:
    """Returns when the database answers; raises ConfigurationError when it did not after ``max_retries`` further attempts."""
    retries = 0
    while True:
        try:
            engine.connect().close()
        except DBAPIError as error:
            if 0 <= settings.max_retries <= retries:
                raise unusable(engine.url, error) from error
            LOG.warning("The database does not answer yet: %s", error.orig)
        else:
            engine.dispose()  # a server forks next
            return
        retries += 1
        time.sleep(settings.retry_interval)


def unusable(url: URL, error: BaseException | None) -> errors.ConfigurationError:
    """What an operator is told at start: the database without its password, and the driver's own words."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").parent.is_dir():
        cause = FileNotFoundError("its directory does not exist")
    return errors.ConfigurationError(reason=f"The database {url.set(query={})} cannot be used: {cause}")


def database_url(connection: str) -> URL:
    """The URL that an operator wrote, of any year, with the driver of today. Raises ConfigurationError, which does not repeat a password."""
    try:
        url = make_url(connection)
    except ArgumentError as error:
        raise errors.ConfigurationError(reason="The option connection of [database] is no database URL.") from error
    url = url.set(drivername=DRIVERS.get(url.drivername, url.drivername))
    if url.get_backend_name() in {"mysql", "mariadb"} and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _check_sqlite(url: URL) -> None:
    if url.database in {None, "", ":memory:"}:
        raise errors.ConfigurationError(reason="A database in memory cannot be shared by threads; name a file: sqlite:////path/to/file")
    if not Path(url.database or "").is_absolute():
        LOG.warning("The SQLite file of [database] connection is relative to the working directory; write sqlite:////path with four slashes")


def _bounds(url: URL, answer_timeout: int | None) -> dict[str, Any]:
    """How long the driver waits for the server; psycopg knows no bound for statements."""
    bounds: dict[str, Any] = {"connect_timeout": _ANSWER_SECONDS}
    if url.get_driver_name() == "pymysql" and answer_timeout is not None:
        bounds |= {"read_timeout": answer_timeout, "write_timeout": answer_timeout}
    return bounds


def _prepare_postgresql(engine: Engine, answer_timeout: int | None) -> None:
    """Connections stay in the mode that they were used in last, since to change it takes longer than to send a statement; those that commit every
    statement themselves have nothing to undo when they are returned."""
    if engine.driver == "psycopg" and answer_timeout is not None:
        from glance.db.postgresql import bounded

        _connect_by(engine, bounded(answer_timeout))

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = '{_BUSY_SECONDS}s'")
        connection.commit()

    @event.listens_for(engine, "reset")
    def undo(connection: Any, _record: Any, state: PoolResetState) -> None:
        if not (connection.autocommit or state.terminate_only):
            connection.rollback()

    event.listen(engine, "begin", begin_in_postgresql)


def _connect_by(engine: Engine, connect: Callable[..., Any]) -> None:
    event.listen(engine, "do_connect", lambda _dialect, _record, arguments, options: connect(*arguments, **options))


def _prepare_mysql(engine: Engine) -> None:
    """A connection that ended after its last answer leaves the pool without a word: nobody lacks anything. The pool would log its traceback."""
    if engine.driver == "pymysql":
        from glance.db.mariadb import connector

        _connect_by(engine, connector())

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.cursor().execute(f"SET innodb_lock_wait_timeout = {_BUSY_SECONDS}")

    @event.listens_for(engine, "reset")
    def undo(connection: Any, record: Any, state: PoolResetState) -> None:
        if state.transaction_was_reset or state.terminate_only:
            return
        try:
            connection.rollback()
        except engine.dialect.loaded_dbapi.Error as error:
            record.invalidate(error)


def _prepare_sqlite(engine: Engine, *, may_create: bool) -> None:
    """Readers and one writer at a time do not wait for each other; what was committed survives a power failure. A file that vanishes after the first
    connection is not replaced by an empty one."""

    @event.listens_for(engine, "do_connect")
    def create_file(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> None:
        # SQLite would take the umask; its side files get the mode of the database. What fails here, SQLite reports.
        nonlocal may_create
        if "uri" in options:  # the operator's own words
            return
        if may_create:
            with suppress(OSError):
                os.close(os.open(arguments[0], os.O_CREAT | os.O_EXCL | os.O_WRONLY, _FILE_MODE))
            may_create = False
        arguments[0] = f"file:{quote(arguments[0])}?mode=rw"
        options["uri"] = True

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `begin_in_sqlite` says so, not where the driver guesses
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "begin", begin_in_sqlite)
