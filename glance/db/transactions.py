"""Transactions: retried where databases want that, and with errors that say no SQL."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast

from sqlalchemy import Connection, Dialect, Engine, Pool, Select
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from glance import errors

LOG = logging.getLogger(__name__)

#: Execution option of transactions that will write.
WRITES = "glance_writes"

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C")

Row = Sequence[Any]

#: Bytes of memory for the statements of each kind that are kept: a thousand ordinary pages, or fifty with as many filters as there may be.
_KEPT = 4 << 20

#: What a statement takes of them, about, for each character of its text, and for each of its values.
_CHARACTER, _VALUE = 2, 128

#: Bytes beyond which a statement is not prepared: a connection keeps a hundred of those that are, and the server takes ten times as much for each.
_LONG = 32 << 10

#: How long a transaction is tried again that others block, or whose connection was lost.
RETRY_SECONDS = 2.0

#: How often one transaction may lack what another service knows.
_PREPARATIONS = 5

_SHORTEST_PAUSE = 0.01
_LONGEST_PAUSE = 0.25

# Deadlock, serialization failure, lock not available, shutdown in progress: in the words of each database.
_SQLITE_CODES = frozenset({5, 6})
_POSTGRESQL_STATES = frozenset({"40001", "40P01", "55P03"})
# A deadlock (1213) that ends a transaction is hidden by what follows it: its savepoint is gone (1305).
_MYSQL_CODES = frozenset({1020, 1053, 1205, 1213, 1305})
# "cached plan must not change result type", PostgreSQL's feature_not_supported: no statement of ours asks for another one.
_CHANGED_COLUMNS = "0A000"


class Unprepared(Exception):
    """Raised within a transaction that needs what only another service knows. It is undone; ``prepare`` asks, which may take time, while nothing in
    the database is held; and the transaction runs again."""

    def __init__(self, prepare: Callable[[], object]) -> None:
        super().__init__()
        self.prepare = prepare


class Transactions(Generic[C]):
    """Runs functions, whose first argument is a connection, each in a transaction that ``begin`` begins and ends; gives what they return.

    A function may run several times, so it changes nothing but the database; it may raise Unprepared. Raises DatabaseUnavailable, Invalid for a value
    that the database cannot keep, and IntegrityError, which only the caller can name.
    """

    def __init__(self, begin: Callable[[], AbstractContextManager[C]]) -> None:
        self._begin = begin

    def __call__(self, work: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.once(_never, work, *args, **kwargs)

    def once(self, landed: Callable[[C], T | None], work: Callable[Concatenate[C, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """For work that must not be done twice. Where the answer to COMMIT is lost, nobody knows whether it was done; so before it runs again, and in
        the same transaction, ``landed`` is asked: it gives what the work had returned, or None. The lost transaction may still be under way:
        ``landed`` waits for it by holding the row that it holds, or the work meets its row (IntegrityError) and ``landed`` is asked anew.
        """
        deadline = time.monotonic() + RETRY_SECONDS
        pause = _SHORTEST_PAUSE
        doubts = preparations = 0
        while True:
            committing = False
            try:
                with self._begin() as connection:
                    done = landed(connection) if doubts else None
                    result = work(connection, *args, **kwargs) if done is None else done
                    committing = True
                return result
            except IntegrityError:
                if doubts < 2:
                    raise
                doubts = 1  # it may have landed just now
            except Unprepared as missing:
                if preparations == _PREPARATIONS:
                    raise errors.DatabaseUnavailable from missing  # it takes longer than what was prepared lasts
                missing.prepare()
                preparations += 1
                deadline = time.monotonic() + RETRY_SECONDS
                continue
            except (DBAPIError, PoolTimeoutError, UnicodeEncodeError, OverflowError) as error:
                if committing and not doubts and is_lost(error):
                    doubts, deadline = 2, time.monotonic() + RETRY_SECONDS
                elif not is_transient(error) or time.monotonic() > deadline:
                    raise translated(error) from error
            time.sleep(random.uniform(0, pause))  # noqa: S311 - to part those who collided, not to keep a secret
            pause = min(2 * pause, _LONGEST_PAUSE)


class Prepared:
    """A statement in the words of a driver: its text, the places of its values (None: by name), those that are always the same, and how values that
    go in and come out are converted, by their names and places. ``size`` is about what it takes, in bytes."""

    def __init__(self, statement: Select[Any], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        given = ((name, one.type.dialect_impl(dialect).bind_processor(dialect)) for name, one in compiled.binds.items())
        found = (column.type.dialect_impl(dialect).result_processor(dialect, None) for column in statement.selected_columns)
        self.text = str(compiled)
        self.size = _CHARACTER * len(self.text) + _VALUE * len(compiled.binds)
        self.places = compiled.positiontup
        self.constants = compiled.params
        self.given = [(name, convert) for name, convert in given if convert is not None]
        self.found = [(place, convert) for place, convert in enumerate(found) if convert is not None]


class _Kept(dict[tuple[Hashable, ...], Prepared]):
    """Statements by the arguments that ``make`` made them of. The oldest go where all take more than ``_KEPT``: callers can ask for long ones."""

    def __init__(self, make: Callable[..., Select[Any]], dialect: Dialect) -> None:
        super().__init__()
        self._make = make
        self._dialect = dialect
        self._size = 0
        self._changing = threading.Lock()

    def __missing__(self, arguments: tuple[Hashable, ...]) -> Prepared:
        made = Prepared(self._make(*arguments), self._dialect)
        with self._changing:
            if self.setdefault(arguments, made) is made:  # and no other thread's
                self._size += made.size
            while self._size > _KEPT:
                self._size -= self.pop(next(iter(self))).size
        return made


class Statements(dict[Callable[..., Select[Any]], _Kept]):
    """By the functions of modules that make them. Each keeps its own, so that many lists of one caller do not drive out the statement of all others
    for one image."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self._dialect = dialect

    def __missing__(self, make: Callable[..., Select[Any]]) -> _Kept:
        return self.setdefault(make, _Kept(make, self._dialect))


class Reader:
    """What readings of one database have in common."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.errors: Any = engine.dialect.loaded_dbapi.Error
        #: A transaction around a read costs PostgreSQL two messages. SQLite's connections begin none by themselves; to MariaDB the change of the mode
        #: would have to be told, in messages whose failure the driver does not name.
        self.commits_itself = engine.dialect.name == "postgresql"
        #: The driver can be told of each statement whether it is prepared.
        self.prepares = engine.driver == "psycopg"
        self.statements = Statements(engine.dialect)
        self._leaving = threading.Lock()

    def leave(self, pool: Pool) -> None:
        """A connection of ``pool`` was lost, so all of them are closed: once, whoever else finds the same."""
        with self._leaving:
            if self.engine.pool is pool:
                self.engine.dispose()

    def is_useless(self, connection: Any, error: Any) -> bool:
        """Whether this error of a driver leaves a connection of no use: it is lost, or knows prepared statements whose columns were changed."""
        return getattr(error, "sqlstate", None) == _CHANGED_COLUMNS or self.engine.dialect.is_disconnect(error, connection, None)


@dataclass(slots=True)
class Reading:
    """A connection of the pool for statements that only read, each by itself; ``with`` returns it. What is asked most goes to the driver as it is: to
    pass a statement on, SQLAlchemy takes longer than databases take to answer these. Raises DBAPIError as its connections do."""

    _reader: Reader
    _pool: Any = None
    _pooled: Any = None
    _driver: Any = None

    def __enter__(self) -> Self:
        self._pool = self._reader.engine.pool
        try:
            self._pooled = self._pool.connect()
            self._driver = self._pooled.driver_connection
            if self._reader.commits_itself and not self._driver.autocommit:
                self._driver.autocommit = True
        except self._reader.errors as error:
            raise self._named(error, None, is_lost=self._pooled is not None) from error
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._pooled.close()

    def rows(self, values: Mapping[str, Any], make: Callable[..., Select[Any]], *arguments: Any, prepared: bool = False) -> Sequence[Row]:
        """The rows of the statement that ``make``, a function of a module, makes of hashable arguments, always the same. ``prepared``: a connection
        parses it once, unless it is long; PostgreSQL decides from the sixth time on whether one plan serves all values. Others are planned for the
        values of each time.
        """
        statement = self._reader.statements[make][arguments]
        given: dict[str, Any] = {**statement.constants, **values}
        for name, convert in statement.given:
            given[name] = convert(given[name])
        placed = given if statement.places is None else [given[name] for name in statement.places]
        options = {"prepare": prepared and statement.size <= _LONG} if self._reader.prepares else {}
        try:
            cursor = self._driver.cursor()
            cursor.execute(statement.text, placed, **options)
            fetched = cursor.fetchall()
            cursor.close()
        except self._reader.errors as error:
            raise self._named(error, statement.text, is_lost=self._reader.is_useless(self._driver, error)) from error
        rows = [list(row) for row in fetched] if statement.found else fetched
        for place, convert in statement.found:
            for row in rows:
                row[place] = convert(row[place])
        return rows

    def _named(self, error: Any, text: str | None, *, is_lost: bool) -> DBAPIError:
        """As ``named``; a connection that is lost takes those of its pool with it."""
        if is_lost:
            self._pooled.invalidate(error)
            self._reader.leave(self._pool)
        return named(error, self._reader.engine.dialect, text, is_lost=is_lost)


class Database:
    """``look`` runs what only reads, in statements that are made once; ``read`` whatever else only reads; ``write`` what
    changes something. ``dialect`` is SQLAlchemy's word for the database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.dialect = engine.dialect.name
        self.look: Transactions[Reading] = Transactions(partial(Reading, Reader(engine)))
        # As ``Reader`` has it; in SQLite a transaction shows all tables as they were at one moment.
        reading = engine.execution_options(isolation_level="AUTOCOMMIT") if engine.dialect.name == "postgresql" else engine
        self.read = Transactions(reading.connect)  # there is nothing to commit
        self.write = Transactions(engine.execution_options(**{WRITES: True}).begin)

    def close(self) -> None:
        """Closes the connections that are kept."""
        self._engine.dispose()


def begin_in_sqlite(connection: Connection) -> None:
    """A transaction that reads first and writes later could not wait for another writer: it would have to fail."""
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def begin_in_postgresql(connection: Connection) -> None:
    """What only reads has left the driver's connection in a mode in which each statement commits itself."""
    driver: Any = connection.connection.driver_connection
    if driver.autocommit and connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        try:
            driver.autocommit = False
        except connection.dialect.loaded_dbapi.Error as error:
            connection.invalidate(error)
            raise named(error, connection.dialect, None, is_lost=True) from error


def named(error: Any, dialect: Dialect, text: str | None, *, is_lost: bool) -> DBAPIError:
    """The error of a driver in SQLAlchemy's classes. ``text`` is the statement that failed; ``is_lost``: the connection is of no use any more."""
    return cast("DBAPIError", DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, True, is_lost, dialect))


def _never(_connection: object) -> None:
    """For work that may be done twice."""


def is_lost(error: Exception) -> bool:
    """True where a connection was lost, or could not be made: another one may be had soon."""
    if not isinstance(error, DBAPIError) or hasattr(error.orig, "sqlite_errorcode"):
        return False
    return error.connection_invalidated or (isinstance(error, OperationalError) and error.statement is None)


def is_transient(error: Exception) -> bool:
    """True where the same transaction may succeed when it is run again."""
    if not isinstance(error, DBAPIError) or error.orig is None:
        return False
    cause = error.orig
    return (
        is_lost(error)
        or getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_CODES
        or getattr(cause, "sqlstate", None) in _POSTGRESQL_STATES
        or (bool(cause.args) and cause.args[0] in _MYSQL_CODES)
    )


def translated(error: SQLAlchemyError | UnicodeEncodeError | OverflowError) -> errors.GlanceError:
    """``error`` in our words; those of the database go to the log."""
    if isinstance(error, DataError | UnicodeEncodeError | OverflowError):
        return errors.Invalid(reason="A value cannot be kept in the image database.")
    LOG.error("The image database fails: %s", error.orig if isinstance(error, DBAPIError) else error)
    return errors.DatabaseUnavailable()
