"""glance-manage: the database's schema, a first configuration, tokens, and what the policy allows."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from oslo_config import cfg

from glance import __version__, errors
from glance.cmd import policy, tokens
from glance.config import access, callers, database, files, logs, programs, setup
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine

USAGE = """\
Usage: glance-manage [options] COMMAND

Commands:
  db_sync      bring the database to the newest version of its schema (also: db sync)
  db_version   print the version of the database's schema (also: db version)
  db_check     say whether db_sync is needed: exit status 0 no, 3 yes (also: db check)
  setup --dir DIR [--flavor keystone|tokens|http_basic|trusted-auth]
        [--bind-host ADDRESS] [--api-port N] [--registry-port N] [--registry-mode embedded]
               write a ready configuration, directories and a database into DIR
  token create|list|revoke
               callers of the flavor tokens; token create --help tells more
  policy list  show every policy rule, what it asks for, and the file that says so
  policy check RULE --project P --roles R,R --target KEY=VALUE
               say whether the policy allows it, and what decides: exit status 0 yes, 3 no; policy check --help tells more

Options:
  --config-file PATH     configuration file, may be repeated; else glance-registry.conf, glance-api.conf and glance-manage.conf are looked for
  --sql-connection URL   database to work on, in place of the configured one
  -v, --verbose          say what happens
  --version, -h, --help\
"""

#: The files that count unless others are named, the last one most.
CONFIGURATION = [f"{program}.conf" for program in (programs.REGISTRY, programs.API, programs.MANAGE)]

#: Exit status of db_check where the schema is not the newest.
NEEDS_SYNC = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out the command line (default: that of the process) and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    named, rest = programs.files_on_command_line(words)
    command = next((word for word in rest if not word.startswith("-")), None)
    if command not in {"token", "policy"} and {"-h", "--help"} & set(words):
        print(USAGE)
        return 0
    os.umask(0o027)
    try:
        if command == "setup":
            return _set_up(words)
        if command == "token":
            chosen = tokens.parse(rest[rest.index("token") + 1 :])
            return tokens.run(chosen, callers.tokens_path(_loaded(named).conf))
        if command == "policy":
            question = policy.parse(rest[rest.index("policy") + 1 :])
            loaded = _loaded(named)
            rules = access.make_policy(loaded.conf, loaded.directories)
            return policy.run(question, rules, loaded.conf.admin_role, owner_is_project=loaded.conf.owner_is_tenant)
        return _database(words)
    except (errors.GlanceError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)


def _loaded(named: Sequence[Path]) -> programs.Loaded:
    """The configuration of the service. Raises ConfigurationError where there is none."""
    chosen = [word for path in named for word in ("--config-file", str(path))]
    loaded = programs.read(programs.declare(programs.MANAGE), programs.MANAGE, chosen, files.find(CONFIGURATION, files.directories()))
    if not loaded.files:
        raise errors.ConfigurationError(reason="Unable to locate any configuration file; name that of glance-api with --config-file.")
    return loaded


def _database(words: Sequence[str]) -> int:
    conf = programs.declare(programs.MANAGE)
    conf.register_cli_opts(
        [
            cfg.StrOpt("sql-connection", secret=True, help="URL of the database."),
            cfg.MultiStrOpt("command", positional=True, required=False, help="What to do."),
        ]
    )
    loaded = programs.read(conf, programs.MANAGE, words, files.find(CONFIGURATION, files.directories()))
    name = "_".join(conf.command or ())
    if not name:
        print(USAGE, file=sys.stderr)
        return 2
    if name not in COMMANDS:
        print(f"ERROR: unrecognized command '{' '.join(conf.command)}'", file=sys.stderr)
        return 1
    if conf.sql_connection:
        conf.set_override("connection", conf.sql_connection, "database")
    elif not loaded.files:
        raise errors.ConfigurationError(reason="Unable to locate any configuration file; name one with --config-file, or use --sql-connection.")
    wordy = {"-v", "--verbose"} & set(words)
    logging.basicConfig(format=logs.CLASSIC_FORMAT, level=logging.INFO if wordy else logging.WARNING, force=True)
    return COMMANDS[name](replace(database.read(conf), answer_timeout=None))  # a change of the schema takes as long as it takes


def _sync(settings: DatabaseSettings) -> int:
    engine = make_engine(settings)
    migrate.sync(engine)
    print(f"The database is at version {migrate.version(engine)}.")
    return 0


def _version(settings: DatabaseSettings) -> int:
    print(migrate.version(make_engine(settings)) or "There is no schema yet.")
    return 0


def _check(settings: DatabaseSettings) -> int:
    engine = make_engine(settings)
    try:
        migrate.check(engine)
    except errors.ConfigurationError as error:
        print(error.message)
        return NEEDS_SYNC
    print(f"The database is at version {migrate.version(engine)}, the newest.")
    return 0


COMMANDS: dict[str, Callable[[DatabaseSettings], int]] = {
    "db_sync": _sync,
    "db_upgrade": _sync,
    "db_version": _version,
    "db_check": _check,
}


def _set_up(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("glance-manage setup", allow_abbrev=False)
    parser.add_argument("setup")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--dir", required=True, type=lambda text: Path(os.path.abspath(text)))
    parser.add_argument("--bind-host", default="127.0.0.1")
    parser.add_argument("--api-port", type=int, default=9292)
    parser.add_argument("--registry-port", type=int, default=9191)
    parser.add_argument("--registry-mode", choices=["http", "embedded"], default="http")
    parser.add_argument("--flavor", default="", choices=["", "keystone", "tokens", "http_basic", "trusted-auth"])
    chosen = parser.parse_args(words)
    site = setup.Site(chosen.dir, chosen.bind_host, chosen.api_port, chosen.registry_port, chosen.registry_mode, chosen.flavor)
    for path, written in setup.write(site):
        print(f"{'Wrote' if written else 'Kept'} {path}")
    status = _database(["--config-file", str(site.directory / "glance-registry.conf"), "db_sync"])
    server = "api" if site.registry_mode == "embedded" else "all"
    print(f"Start the service with:\n  glance-control --pid-dir {site.directory}/run {server} start {site.directory}")
    return status
