"""glance-manage db: the schema of the database, and rows that nobody needs any more."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from oslo_config import cfg

from glance import errors
from glance.config import database, files, logs, programs
from glance.config.sections import Configuration
from glance.db import migrate
from glance.db.archive import Archive
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.purging import Keep, purge
from glance.db.revisions import Phase
from glance.db.steps import utc_now

LOG = logging.getLogger(__name__)

#: The files that count unless others are named, the last one most.
CONFIGURATION = [f"{program}.conf" for program in (programs.REGISTRY, programs.API, programs.MANAGE)]

#: Exit status of db_check, by the phase that is due.
DUE: Mapping[Phase, int] = {"expand": 3, "migrate": 4, "contract": 5}

_DAYS = 30
_DAYS_OF_IMAGES = 180

_COPIES = {
    "sqlite": 'sqlite3 {database} ".backup COPY"',
    "postgresql": "pg_dump --format custom --file COPY {database}",
    "mysql": "mariadb-dump --single-transaction {database} > COPY",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line says: ``revision`` of db_sync; what is removed was deleted ``age`` days ago, ``most`` of it; ``file`` is an archive."""

    revision: str
    age: int | None
    most: int | None
    file: str | None


def run(words: Sequence[str], usage: str) -> int:
    """Carries out a command line about the database, and returns the exit status. Raises ConfigurationError, OSError."""
    conf = programs.declare(programs.MANAGE)
    conf.register_cli_opts(
        [
            cfg.StrOpt("sql-connection", secret=True, help="URL of the database."),
            cfg.MultiStrOpt("command", positional=True, required=False, help="What to do."),
        ]
    )
    loaded = programs.read(conf, programs.MANAGE, words, files.find(CONFIGURATION, files.directories()))
    typed = conf.command or []
    if not typed:
        print(usage, file=sys.stderr)
        return 2
    name, revision = _understood(typed)
    if name not in COMMANDS:
        print(f"ERROR: unrecognized command '{' '.join(typed)}'", file=sys.stderr)
        return 1
    if conf.sql_connection:
        conf.set_override("connection", conf.sql_connection, "database")
    elif not loaded.files:
        raise errors.ConfigurationError(reason="Unable to locate any configuration file; name one with --config-file, or use --sql-connection.")
    wordy = {"-v", "--verbose"} & set(words)
    logging.basicConfig(format=logs.CLASSIC_FORMAT, level=logging.INFO if wordy else logging.WARNING, force=True)
    return COMMANDS[name](_settings(conf), Order(revision, conf.age_in_days, None if conf.max_rows < 0 else conf.max_rows, conf.file))


def _understood(typed: Sequence[str]) -> tuple[str, str]:
    """The command in the spelling of ``COMMANDS``, and the revision that follows; no command where the words make none."""
    for count in (1, 2):
        name, rest = "_".join(typed[:count]), typed[count:]
        if name in COMMANDS and len(rest) <= (name in TO_A_REVISION):
            return name, "".join(rest)
    return "", ""


def _settings(conf: Configuration) -> DatabaseSettings:
    return replace(database.read(conf), answer_timeout=None)  # a change of the schema takes as long as it takes


def _version(settings: DatabaseSettings, _order: Order) -> int:
    print(migrate.version(make_engine(settings)) or "There is no schema yet.")
    return 0


def _check(settings: DatabaseSettings, _order: Order) -> int:
    due = migrate.due(make_engine(settings))
    if not due:
        print("Database is up to date. No upgrades needed.")
        return 0
    phase, ids = due[0].phase, ", ".join(one.id for one in due)
    print(f"The database lacks {ids}. Next is: glance-manage db {phase}. With all services stopped, glance-manage db sync does everything.")
    _print_hint(settings)
    return DUE[phase]


def _sync(settings: DatabaseSettings, order: Order) -> int:
    engine = make_engine(settings)
    try:
        if migrate.due(engine):
            _print_hint(settings)
        else:
            LOG.info("The database lacks nothing")
        migrate.sync(engine, order.revision, print)
    except errors.ConfigurationError as error:
        print(f"Failed to sync database: ERROR: {error}", file=sys.stderr)
        return 1
    print(f"Database is synced successfully. It is at version {migrate.version(engine)}.")
    return 0


def _phase(phase: Phase, noun: str) -> Callable[[DatabaseSettings, Order], int]:
    """The command that carries out one phase."""

    def carry_out(settings: DatabaseSettings, _order: Order) -> int:
        engine = make_engine(settings)
        if phase == "expand" and migrate.due(engine):
            _print_hint(settings)
        if not migrate.run(engine, phase, print):
            print(f"No {noun} needed.")
        return 0

    return carry_out


def _print_hint(settings: DatabaseSettings) -> None:
    """Tells how to keep a way back, where there is something to lose."""
    engine = make_engine(settings)
    current = migrate.version(engine)
    if current:
        copy = _COPIES["mysql" if engine.dialect.name == "mariadb" else engine.dialect.name].format(database=engine.url.database)
        print(f"The only way back to version {current} is a copy of the database that was made before: {copy}")


def _purge(days: int) -> Callable[[DatabaseSettings, Order], int]:
    """The command that removes rows, of more than so many days ago unless the command line says otherwise."""
    return lambda settings, order: _remove(settings, order, days, None)


def _archive(settings: DatabaseSettings, order: Order) -> int:
    if not order.file:
        raise errors.ConfigurationError(reason="Name a file for what is taken out of the database: --file PATH.")
    with Archive(Path(order.file)) as archive:
        return _remove(settings, order, _DAYS, archive)


def _remove(settings: DatabaseSettings, order: Order, days: int, keep: Keep | None) -> int:
    before = utc_now() - timedelta(days=days if order.age is None else order.age)
    removed = purge(make_engine(settings), before, order.most, keep)
    for table, count in removed.items():
        if count:
            print(f"{table}: {count} rows {'removed' if keep is None else 'archived'}")
    if not any(removed.values()):
        print("No rows are old enough.")
    return 0


COMMANDS: dict[str, Callable[[DatabaseSettings, Order], int]] = {
    "db_sync": _sync,
    "db_upgrade": _sync,
    "db_version": _version,
    "db_check": _check,
    "db_expand": _phase("expand", "expansion"),
    "db_migrate": _phase("migrate", "migration"),
    "db_contract": _phase("contract", "contraction"),
    "db_purge": _purge(_DAYS),
    "db_purge_images_table": _purge(_DAYS_OF_IMAGES),
    "db_archive": _archive,
}

#: Those that take the revision to stop at.
TO_A_REVISION = {"db_sync", "db_upgrade"}
