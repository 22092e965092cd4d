"""glance-manage token: makes, shows and revokes the tokens of the flavor tokens."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, timedelta
from pathlib import Path

from glance.identity import issuing
from glance.identity.tokens import Token, now

_MOST_DAYS = 36500
_HEAD = ("ID", "USER", "PROJECT", "ROLES", "EXPIRES", "DESCRIPTION")


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What follows ``token`` on a command line. Ends the process where it asks for help or cannot be understood."""
    return _parser().parse_args(words)


def run(chosen: argparse.Namespace, path: Path) -> int:
    """Carries out what ``parse`` has read, on the file at ``path``. Raises ConfigurationError, OSError."""
    if chosen.action == "create":
        _create(chosen, path)
    elif chosen.action == "revoke":
        issuing.revoke(path, chosen.ids)
    else:
        _show(issuing.listed(path))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("glance-manage token", allow_abbrev=False, description="Changes count at once, without a restart.")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    create = actions.add_parser("create", allow_abbrev=False, help="make a token, and print it once; it is kept nowhere")
    create.add_argument("--user", required=True, help="whom it stands for")
    create.add_argument("--project", required=True, help="what new images belong to")
    create.add_argument("--role", action="append", metavar="ROLE", help="may be repeated; admin, manager, member and reader include the next")
    create.add_argument("--days", type=_days, metavar="N", help="how long it is good; for ever, unless said")
    create.add_argument("--description", default="", metavar="TEXT", help="shown in the list")
    actions.add_parser("list", allow_abbrev=False, help="show all tokens, never their secrets")
    revoke = actions.add_parser("revoke", allow_abbrev=False, help="end tokens")
    revoke.add_argument("ids", nargs="+", metavar="ID", help="as create and list show it")
    return parser


def _days(text: str) -> timedelta:
    if not text.isdecimal() or not 1 <= int(text) <= _MOST_DAYS:
        raise argparse.ArgumentTypeError(f"a whole number of days is needed, from 1 to {_MOST_DAYS}")
    return timedelta(days=int(text))


def _create(chosen: argparse.Namespace, path: Path) -> None:
    """Prints the token alone, so that scripts can take it, and whatever people want to know where errors go."""
    secret, token = issuing.create(path, chosen.user, chosen.project, chosen.role or ["member"], chosen.days, chosen.description)
    print(secret)
    print(f"Token {token.id} stands for {token.user} in project {token.project}. It is not shown again.", file=sys.stderr)


def _show(tokens: Sequence[Token]) -> None:
    rows = [_HEAD, *(_row(token) for token in tokens)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(token: Token) -> tuple[str, ...]:
    ends = "never" if token.expires_at is None else f"{token.expires_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    expired = " (expired)" if token.is_expired(now()) else ""
    return (token.id, token.user, token.project, ",".join(token.roles), ends + expired, token.description)
