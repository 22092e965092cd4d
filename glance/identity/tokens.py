"""Tokens without an identity service: a file that holds their digests, and whom each stands for.

A token is 256 random bits, so its SHA-256 cannot be turned back and needs neither salt nor a slow function such as bcrypt, which only protect secrets
that can be guessed. Looking a digest up may take a time that depends on it: that tells about digests, which lead to no token.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from glance.context import Identity, implied_roles
from glance.identity.names import check_description, check_name, check_role
from glance.identity.watched import Watched

_DIGEST = re.compile("[0-9a-f]{64}")
_FIELDS = {"id", "sha256", "user", "project", "roles", "created_at", "expires_at", "description"}


@dataclass(frozen=True, slots=True)
class Token:
    """An entry of the file. ``sha256`` is the digest of the token in hexadecimal; ``expires_at`` None stands for never."""

    id: str
    sha256: str
    user: str
    project: str
    roles: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    description: str = ""

    def is_expired(self, now: datetime) -> bool:
        """True from the second on that it ends with."""
        return self.expires_at is not None and self.expires_at <= now

    @property
    def identity(self) -> Identity:
        """Whom it stands for."""
        return Identity(self.user, self.project, implied_roles(self.roles))


def now() -> datetime:
    """The time, as the file and its entries count it."""
    return datetime.now(UTC)


def digest(token: str) -> str:
    """What the file holds of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def parse(text: str) -> list[Token]:
    """The entries of a file. Raises ValueError, which says where the file is wrong and shows nothing of what stands there."""
    try:
        document = json.loads(text)
        entries = document.get("tokens", [])
        rows = list(enumerate(entries, 1))
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ValueError('it is no JSON of the form {"tokens": [...]}') from None
    return [_entry(number, row) for number, row in rows]


def _entry(number: int, row: Any) -> Token:
    try:
        return _token(row)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise ValueError(f"its entry {number} is not as glance-manage token create writes it") from None


def _token(row: Mapping[str, Any]) -> Token:
    if row.keys() - _FIELDS or not _DIGEST.fullmatch(row["sha256"]) or not isinstance(row["roles"], list):
        raise ValueError("a member is wrong")
    return Token(
        id=check_name(row["id"], "token"),
        sha256=row["sha256"],
        user=check_name(row["user"], "user"),
        project=check_name(row["project"], "project"),
        roles=tuple(map(check_role, row["roles"])),
        created_at=_moment(row["created_at"]),
        expires_at=_moment(row["expires_at"]) if row.get("expires_at") is not None else None,
        description=check_description(row.get("description", "")),
    )


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without zone")
    return moment


def render(tokens: Iterable[Token]) -> str:
    """The text of a file with these entries."""
    return json.dumps({"tokens": [asdict(token) for token in tokens]}, default=datetime.isoformat, indent=2, ensure_ascii=False) + "\n"


class TokenFile:
    """The tokens of a file, by their digest. Raises ConfigurationError where the file is there and cannot be used."""

    def __init__(self, path: Path, clock: Callable[[], datetime] = now) -> None:
        self._clock = clock
        nobody: Mapping[str, Token] = {}
        self._tokens = Watched(path, lambda text: {token.sha256: token for token in parse(text)}, nobody)

    def find(self, token: str) -> Identity | None:
        """Whom a token stands for; None where it is unknown, revoked or expired."""
        known = self._tokens.current().get(digest(token))
        return None if known is None or known.is_expired(self._clock()) else known.identity
