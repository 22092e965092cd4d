"""Callers with a name and a password (RFC 7617)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from glance.api.middleware.context import ContextFilter
from glance.api.request import Request
from glance.context import Identity
from glance.identity.users import Users


class HttpBasicFilter(ContextFilter):
    """The caller is the user whose name and password come in ``Authorization: Basic``."""

    believes_headers = False
    challenge = 'Basic realm="glance", charset="UTF-8"'

    def __init__(self, application: Any, users: Users) -> None:
        super().__init__(application)
        self._users = users

    def identity(self, request: Request) -> Identity | None:
        scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            credentials = b64decode(encoded.strip(), validate=True)
        except ValueError:
            return None
        user, colon, password = _text(credentials).partition(":")
        return self._users.find(user, password) if colon else None


def _text(credentials: bytes) -> str:
    """UTF-8, as we ask for, or Latin-1, which clients built on Python's requests send whatever they are asked for."""
    try:
        return credentials.decode()
    except UnicodeDecodeError:
        return credentials.decode("latin-1")
