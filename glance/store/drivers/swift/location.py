"""Where an image lies in Swift, as its location's URL says it.

New locations are ``swift+config://<reference>/<container>/<object>``: neither a host nor a credential is in them. The classic ones,
``swift[+http|+https]://user:key@<address of the authentication>/<container>/<object>``, are read; ``swift`` alone means HTTPS (spec-v1 10).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import quote, unquote, urlsplit

from glance.store import location as urls
from glance.store.drivers.swift.settings import SwiftReference

CONFIG = "swift+config"
_CLASSIC = {"swift": "https", "swift+https": "https", "swift+http": "http"}
#: What would lead to another place than an object of a container.
_NO_NAMES = frozenset({"", ".", ".."})
SCHEMES = (*_CLASSIC, CONFIG)


@dataclass(frozen=True, slots=True, repr=False)
class Place:
    """One object: ``reference`` is the name of a configured account, or an account of the location's own."""

    reference: str | SwiftReference
    container: str
    name: str

    @property
    def url(self) -> str:
        """The location of an object in a configured account."""
        return f"{CONFIG}://{self.reference}/{quote(self.container, safe='')}/{quote(self.name, safe='')}"


class ForeignHost(Exception):
    """A location names an authentication other than the configured ones: credentials are not sent there (security S32)."""


def parse(url: str, references: Mapping[str, SwiftReference]) -> Place | None:
    """The object that a location means; None for one that names none. Raises ForeignHost."""
    parts = urls.parse(url)
    if parts is None or parts.scheme not in SCHEMES or "://" in parts.authority + parts.path:
        return None
    *address, container, name = ("", "", *parts.path.split("/"))
    container, name = unquote(container), unquote(name)
    if any(text in _NO_NAMES or "/" in text for text in (container, name)):
        return None
    if parts.scheme == CONFIG:
        return Place(parts.authority, container, name) if parts.authority in references and not any(address) else None
    userinfo, _, host = parts.authority.rpartition("@")
    user, _, key = userinfo.rpartition(":")
    if not (host and user and key):
        return None
    own = _known(f"{_CLASSIC[parts.scheme]}://{host}", references)
    return Place(replace(own, user=unquote(user), key=unquote(key), project_name=None, project_id=None), container, name)


def _known(auth_url: str, references: Mapping[str, SwiftReference]) -> SwiftReference:
    """The account of the authentication on that host; its path, and how to ask there, are as the operator said."""
    for reference in references.values():
        if reference.auth_url and not reference.application_credential_id and _origin(reference.auth_url) == _origin(auth_url):
            return reference
    raise ForeignHost


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        raise ForeignHost from None
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)
