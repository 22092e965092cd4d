"""glance-manage: the database's schema, a first configuration, tokens, what the policy allows, and whether database and stores agree."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from glance import __version__, errors
from glance.cmd import databases, policy, tokens
from glance.config import access, callers, files, programs, setup

USAGE = """\
Usage: glance-manage [options] COMMAND

Commands:
  db_sync [REVISION]
               bring the database to the newest version of its schema (also: db sync, and so for all db commands)
  db_version   print the version of the database's schema
  db_check     say what is needed: exit status 0 nothing, 3 db_expand, 4 db_migrate, 5 db_contract
  db_expand, db_migrate, db_contract
               bring it there step by step, while services run: see docs/upgrading.md
  db_purge [--age-in-days 30] [--max-rows 100]
               remove rows of images that were deleted so long ago; their ids are never given again
  db_archive --file PATH [--age-in-days 30] [--max-rows 100]
               likewise, and add the rows to a file of JSON lines
  setup --dir DIR [--flavor keystone|tokens|http_basic|trusted-auth]
        [--bind-host ADDRESS] [--api-port N] [--registry-port N] [--registry-mode embedded]
               write a ready configuration, directories and a database into DIR
  token create|list|revoke
               callers of the flavor tokens; token create --help tells more
  policy list  show every policy rule, what it asks for, and the file that says so
  policy check RULE --project P --roles R,R --target KEY=VALUE
               say whether the policy allows it, and what decides: exit status 0 yes, 3 no; policy check --help tells more
  check [--store NAME] [--since DATE] [--read-data] [--repair] [--json]
               compare the database with the stores: exit status 0 they agree, 1 they do not, 2 not known; check --help tells more

Options:
  --config-file PATH     configuration file, may be repeated; else glance-registry.conf, glance-api.conf and glance-manage.conf are looked for
  --sql-connection URL   database to work on, in place of the configured one
  -v, --verbose          say what happens
  --version, -h, --help\
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Carries out the command line (default: that of the process) and returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    named, rest = programs.files_on_command_line(words)
    command = next((word for word in rest if not word.startswith("-")), None)
    if command not in {"token", "policy", "check"} and {"-h", "--help"} & set(words):
        print(USAGE)
        return 0
    os.umask(0o027)
    try:
        if command == "setup":
            return _set_up(words)
        if command == "token":
            chosen = tokens.parse(rest[rest.index("token") + 1 :])
            return tokens.run(chosen, callers.tokens_path(_loaded(named).conf))
        if command == "check":
            from glance.cmd import check  # all that glance-api consists of

            return check.run(check.parse(rest[rest.index("check") + 1 :]), named)
        if command == "policy":
            question = policy.parse(rest[rest.index("policy") + 1 :])
            loaded = _loaded(named)
            rules = access.make_policy(loaded.conf, loaded.directories)
            return policy.run(question, rules, loaded.conf.admin_role, owner_is_project=loaded.conf.owner_is_tenant)
        return databases.run(words, USAGE)
    except (errors.GlanceError, OSError) as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return getattr(error, "exit_status", 1)


def _loaded(named: Sequence[Path]) -> programs.Loaded:
    """The configuration of the service. Raises ConfigurationError where there is none."""
    chosen = [word for path in named for word in ("--config-file", str(path))]
    loaded = programs.read(programs.declare(programs.MANAGE), programs.MANAGE, chosen, files.find(databases.CONFIGURATION, files.directories()))
    if not loaded.files:
        raise errors.ConfigurationError(reason="Unable to locate any configuration file; name that of glance-api with --config-file.")
    return loaded


def _set_up(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("glance-manage setup", allow_abbrev=False)
    parser.add_argument("setup")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("--dir", required=True, type=lambda text: Path(os.path.abspath(text)))
    site_options = parser.add_argument_group(argument_default=argparse.SUPPRESS)
    site_options.add_argument("--bind-host")
    site_options.add_argument("--api-port", type=int)
    site_options.add_argument("--registry-port", type=int)
    site_options.add_argument("--registry-mode", choices=["http", "embedded"])
    site_options.add_argument("--flavor", choices=["", "keystone", "tokens", "http_basic", "trusted-auth"])
    chosen = parser.parse_args(words)
    given = {name: value for name, value in vars(chosen).items() if name in setup.PLACES}
    site = setup.Site(chosen.dir, **given)
    setup.check_kept(site, given)
    for path, written in setup.write(site):
        print(f"{'Wrote' if written else 'Kept'} {path}")
    status = databases.run(["--config-file", str(site.directory / "glance-registry.conf"), "db_sync"], USAGE)
    server = "api" if site.registry_mode == "embedded" else "all"
    print(f"Start the service with:\n  glance-control --pid-dir {site.directory}/run {server} start {site.directory}")
    return status
