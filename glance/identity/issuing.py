"""Changing the file of tokens: what ``glance-manage token`` does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from glance import errors
from glance.identity.names import check_description, check_name, check_role
from glance.identity.tokens import Token, digest, now, parse, render
from glance.identity.watched import read


def create(path: Path, user: str, project: str, roles: Sequence[str], life: timedelta | None = None, description: str = "") -> tuple[str, Token]:
    """A new token, and its entry, which is in the file now. The token is nowhere else. Raises ConfigurationError for a file or name that cannot be
    used."""
    secret = secrets.token_hex(32)
    created = now().replace(microsecond=0)
    try:
        names = (check_name(user, "user"), check_name(project, "project"), tuple(map(check_role, roles)))
        check_description(description)
        expires = created + life if life is not None else None
    except (ValueError, OverflowError) as error:
        raise errors.ConfigurationError(reason=f"No token can be made: {error}.") from error
    token = Token(secrets.token_hex(4), digest(secret), *names, created, expires, description)
    with _changing(path) as tokens:
        tokens.append(token)
    return secret, token


def revoke(path: Path, ids: Sequence[str]) -> None:
    """Removes tokens, all or none: raises ConfigurationError where one of the ids is unknown."""
    with _changing(path) as tokens:
        unknown = sorted(set(ids) - {token.id for token in tokens})
        if unknown:
            raise errors.ConfigurationError(reason=f"There is no token {', '.join(unknown)}.")
        tokens[:] = [token for token in tokens if token.id not in ids]


def listed(path: Path) -> list[Token]:
    """The entries of the file, also expired ones; none where there is no file. Raises ConfigurationError."""
    try:
        return read(path, parse)
    except FileNotFoundError:
        return []


@contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """The entries, to be changed in place; then they take the file's place in one step. Whoever else changes them waits."""
    path = path.resolve()
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        tokens = listed(path)
        yield tokens
        _replace(path, render(tokens))
        os.fsync(directory)
    finally:
        os.close(directory)


def _replace(path: Path, text: str) -> None:
    """Owner, group and mode stay; a new file is for its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            with contextlib.suppress(FileNotFoundError):
                before, after = path.stat(), os.fstat(descriptor)
                if (before.st_uid, before.st_gid) != (after.st_uid, after.st_gid):
                    os.fchown(descriptor, before.st_uid, before.st_gid)
                os.fchmod(descriptor, stat.S_IMODE(before.st_mode))
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
