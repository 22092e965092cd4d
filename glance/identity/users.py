"""Users with passwords, without an identity service: htpasswd's file of bcrypt hashes, and a file that gives each user a project and roles."""

from __future__ import annotations

import hmac
import math
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from glance.context import Identity, implied_roles
from glance.identity.names import check_name, check_role
from glance.identity.watched import Watched

#: What bcrypt looks at; it would silently ignore the rest.
MAX_PASSWORD = 72

#: bcrypt under each of its names, at a cost that keeps nobody busy for more than some seconds.
_BCRYPT = re.compile(r"\$2[aby]\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}")

#: Passwords that are remembered as right, at most.
MOST_REMEMBERED = 1024

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class UserFiles:
    """``htpasswd`` has lines USER:HASH, ``users`` lines USER:PROJECT:ROLE,ROLE. A password that was right is not computed again for ``remember``
    seconds."""

    htpasswd: Path
    users: Path
    remember: float = 60.0


class Users:
    """Whom a name and a password stand for. Raises ConfigurationError where one of the files is there and cannot be used."""

    def __init__(self, files: UserFiles, clock: Clock = time.monotonic) -> None:
        nobody: Mapping[str, str] = {}
        nothing: Mapping[str, Identity] = {}
        self._hashes = Watched(files.htpasswd, parse_htpasswd, nobody)
        self._identities = Watched(files.users, parse_users, nothing)
        self._passwords = _Passwords(files.remember, clock)

    def find(self, user: str, password: str) -> Identity | None:
        """None where the user is in one of the files only, or the password is wrong.

        A name that nobody has takes the time of one that somebody has: the password is compared with the hash of another user, for nothing.
        """
        hashes = self._hashes.current()
        secret = password.encode()
        if not hashes or len(secret) > MAX_PASSWORD:
            return None
        hashed = hashes.get(user)
        if hashed is None:
            self._passwords.compare(secret, next(iter(hashes.values())))
            return None
        return self._identities.current().get(user) if self._passwords.matches(secret, hashed) else None


class _Passwords:
    """Compares passwords with hashes, and remembers which were right lately: bcrypt takes a tenth of a second, and clients send the password with
    each request.

    What is kept is a keyed hash of the password and of the hash that it was compared with, so a changed password counts at once.
    """

    def __init__(self, seconds: float, clock: Clock) -> None:
        self._seconds = seconds
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._until: dict[bytes, float] = {}
        # One computation at a time: further requests of the same client find its result instead of taking a processor each.
        self._computing = threading.Lock()

    def matches(self, password: bytes, hashed: str) -> bool:
        """Whether it is the password of that hash."""
        sealed = hmac.digest(self._key, hashed.encode() + password, "sha256")
        if self._remembers(sealed):
            return True
        with self._computing:
            if self._remembers(sealed):
                return True
            right = bcrypt.checkpw(password, hashed.encode())
            if right:
                self._remember(sealed)
            return right

    def compare(self, password: bytes, hashed: str) -> None:
        """Takes the time of ``matches``."""
        with self._computing:
            bcrypt.checkpw(password, hashed.encode())

    def _remembers(self, sealed: bytes) -> bool:
        return self._until.get(sealed, -math.inf) > self._clock()

    def _remember(self, sealed: bytes) -> None:
        self._until.pop(sealed, None)
        if len(self._until) >= MOST_REMEMBERED:
            del self._until[next(iter(self._until))]
        self._until[sealed] = self._clock() + self._seconds


def parse_htpasswd(text: str) -> dict[str, str]:
    """Hashes by user. Raises ValueError, which names the line and shows nothing of it."""
    hashes: dict[str, str] = {}
    for number, (user, hashed) in _lines(text, 2):
        if not _BCRYPT.fullmatch(hashed):
            raise ValueError(f"line {number} holds no bcrypt hash of a cost up to 15; make it with: htpasswd -B -C 10")
        hashes[user] = hashed
    return hashes


def parse_users(text: str) -> dict[str, Identity]:
    """Identities by user. Raises ValueError, which names the line and shows nothing of it."""
    identities: dict[str, Identity] = {}
    for number, (user, project, roles) in _lines(text, 3):
        try:
            named = tuple(check_role(role.strip()) for role in roles.split(","))
            identities[user] = Identity(check_name(user, "user"), check_name(project, "project"), implied_roles(named))
        except ValueError as error:
            raise ValueError(f"line {number} is wrong: {error}") from None
    return identities


def _lines(text: str, fields: int) -> Iterator[tuple[int, list[str]]]:
    """The fields of each line with its number; empty lines and comments are left out. Raises ValueError for one that has more or fewer, or
    names no new user."""
    seen: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = line.strip().split(":")
        if len(found) != fields:
            raise ValueError(f"line {number} has {len(found)} fields between colons, not {fields}")
        if not found[0] or found[0] in seen:
            raise ValueError(f"line {number} names nobody, or a user who has a line already")
        seen.add(found[0])
        yield number, found
