"""Brings the schema of a database up to date, all at once or phase by phase. Several programs may do so at the same time, or die at any moment.

Each revision is a transaction of its own, a migration of data one for each batch; in each, whoever holds the lock looks which revision is next. So a
second program goes on where the first one is, or died. Where the database does not undo what a dead program did to the schema, it is found there
(``migrations/repeatable.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias
from zlib import crc32

from sqlalchemy import Connection, Engine, func, inspect, select

from glance import errors
from glance.db.belongings import check_json
from glance.db.engine import unusable
from glance.db.revisions import Phase, Position, Revision, Revisions, version_of
from glance.db.schema import images
from glance.db.transactions import Database

LOG = logging.getLogger(__name__)

#: Names the lock under which the schema changes, in servers that other programs use too.
_LOCK = "glance_schema"
_LOCK_SECONDS = 60
_TABLE_SECONDS = 5
_PAUSE = 0.2

#: SQLite's "busy", PostgreSQL's "lock not available", MariaDB's "lock wait timeout".
_HELD = (5, "55P03", 1205)

_BUSY = "Another program changes the schema of the database, or uses its tables, and does not end; try again later."

#: Is told what has been done.
Tell: TypeAlias = Callable[[str], object]

#: A revision that was carried out, with None, or a batch of it; None where nothing was to be done.
Taken: TypeAlias = tuple[Revision, Position | None] | None


def sync(engine: Engine, target: str = "", tell: Tell = LOG.info) -> list[str]:
    """Brings the schema to the newest version, or as far as revision ``target``; gives the revisions that it was brought through.

    Leaves a newer database alone that this program can use. Raises ConfigurationError for tables that are not ours, for versions that this program
    does not know, and for a database that fails, or is held by others for long.
    """
    known = Revisions()
    if target and (not known.knows(target)):
        raise errors.ConfigurationError(reason=f"This program knows no schema version '{target}'; its newest is '{known.newest}'.")
    with explained(engine):
        database = Database(engine)
        _usable(database, known)
        later = {one.id for one in known.pending(target)} if target else set()
        return _advance(database, known, lambda next_one: next_one.id not in later, tell)


def run(engine: Engine, phase: Phase, tell: Tell = LOG.info) -> list[str]:
    """Carries out one phase; gives its revisions, none where nothing of it was due. Raises ConfigurationError as ``sync`` does, and where another
    phase comes first."""
    known = Revisions()
    with explained(engine):
        database = Database(engine)
        waiting = known.pending(_usable(database, known))
        if waiting and waiting[0].phase != phase and any(one.phase == phase for one in waiting):
            raise errors.ConfigurationError(reason=f"The database needs another step first: run glance-manage db {waiting[0].phase}.")
        return _advance(database, known, lambda next_one: next_one.phase == phase, tell)


def version(engine: Engine) -> str:
    """The version of the schema, "" where there is none. Raises ConfigurationError for a database that fails."""
    with explained(engine):
        return Database(engine).read(version_of)


def due(engine: Engine) -> list[Revision]:
    """What the database lacks, in order. Raises ConfigurationError for one that fails, or that this program cannot use because it is too new."""
    known = Revisions()
    with explained(engine):
        return known.pending(_usable(Database(engine), known))


def check(engine: Engine) -> None:
    """Raises ConfigurationError unless this program can use the database, which may be newer, or still be what programs of before need, too."""
    known = Revisions()
    with explained(engine):
        database = Database(engine)
        database.read(check_json)
        if database.read(known.fit):
            return
        current = database.read(version_of)
    if not known.knows(current):
        raise errors.ConfigurationError(reason=_beyond(current, known))
    raise errors.ConfigurationError(
        reason=f"The database has schema version '{current}', this program needs '{known.newest}': run glance-manage db_sync."
    )


def _usable(database: Database, known: Revisions) -> str:
    """The version of the schema. Raises ConfigurationError for one that is unknown, unless this program can use it."""
    current = database.read(version_of)
    if not known.knows(current) and not database.read(known.fit):
        raise errors.ConfigurationError(reason=_beyond(current, known))
    return current


def _beyond(current: str, known: Revisions) -> str:
    return (
        f"The database has schema version '{current}', which this program, made for '{known.newest}', cannot use: install the release that made it."
    )


@contextmanager
def explained(engine: Engine) -> Iterator[None]:
    """Around work before a server starts: leaves no connection, since it forks next, and tells an operator what clients are not told."""
    try:
        yield
    except errors.DatabaseUnavailable as error:
        raise unusable(engine.url, error.__cause__) from error
    finally:
        engine.dispose()


def _advance(database: Database, known: Revisions, wanted: Callable[[Revision], bool], tell: Tell) -> list[str]:
    """Takes the revisions that are pending, one after the other, as long as they are ``wanted``."""
    done: list[str] = []
    batches: dict[str, int] = {}
    while (taken := _patiently(lambda: database.write(_step, known, wanted, dict(batches)))) is not None:
        revision, position = taken
        if position is None:
            done.append(revision.id)
            tell(f"Revision {revision.id} ({revision.phase}) is done.")
        else:
            batches[revision.id], last = position
            tell(f"Revision {revision.id} ({revision.phase}): row {batches[revision.id]} of {last}.")
    return done


def _patiently(work: Callable[[], Taken]) -> Taken:
    """Waits where somebody else holds what ``work`` needs, without holding anything meanwhile: the service goes on."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return work()
        except errors.DatabaseUnavailable as error:
            if not _is_held(error):
                raise
            if time.monotonic() > deadline:
                raise errors.ConfigurationError(reason=_BUSY) from error
        time.sleep(_PAUSE)


def _is_held(error: errors.DatabaseUnavailable) -> bool:
    cause = getattr(error.__cause__, "orig", None)
    codes = getattr(cause, "sqlite_errorcode", None), getattr(cause, "sqlstate", None), *getattr(cause, "args", ())[:1]
    return any(code in _HELD for code in codes)


def _step(connection: Connection, known: Revisions, wanted: Callable[[Revision], bool], batches: dict[str, int]) -> Taken:
    """Carries out the next revision, or a batch of it that follows the position in ``batches``."""
    _hold(connection)
    current = version_of(connection)
    if not current and inspect(connection).has_table(images.name) and not inspect(connection).has_table("alembic_version"):
        raise errors.ConfigurationError(reason="The database holds tables that this program did not make; it does not touch them.")
    waiting = known.pending(current)
    if not waiting or not wanted(waiting[0]):
        return None
    return waiting[0], known.carry_out(connection, waiting[0], batches.get(waiting[0].id, 0))


def _hold(connection: Connection) -> None:
    """Keeps other programs from changing the schema until the transaction has ended; in SQLite the transaction itself does.

    Tables are not waited for as long: everybody else would wait behind.
    """
    backend = connection.dialect.name
    if backend == "postgresql":
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'")
        connection.execute(select(func.pg_advisory_xact_lock(crc32(_LOCK.encode()))))
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{_TABLE_SECONDS}s'")
    elif backend in {"mysql", "mariadb"}:
        connection.detach()  # the lock is the session's, which ends after the transaction
        connection.exec_driver_sql(f"SET lock_wait_timeout = {_TABLE_SECONDS}")
        if connection.scalar(select(func.get_lock(_LOCK, _LOCK_SECONDS))) != 1:
            raise errors.ConfigurationError(reason=_BUSY)
