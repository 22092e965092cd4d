"""Where an image lies in Swift, as its location's URL says it.

New locations are ``swift+config://<reference>/<container>/<object>``: neither a host nor a credential is in them. The classic ones,
``swift[+http|+https]://user:key@<address of the authentication>/<container>/<object>``, are read; ``swift`` alone means HTTPS (spec-v1 10).
Where images lie in the accounts of their owners, a location is the URL of the object, its scheme with ``swift+`` in front.
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
class Address:
    """One object: ``reference`` is the name of a configured account, an account of the location's own, or the URL of an account."""

    reference: str | SwiftReference
    container: str
    name: str


class ForeignHost(Exception):
    """A location names another authentication, or another Swift, than the configured ones: credentials are not sent there (security S32)."""


def with_reference(reference: str, container: str, name: str) -> str:
    """The location of an object in a configured account."""
    return f"{CONFIG}://{reference}/{quote(container, safe='')}/{quote(name, safe='')}"


def with_account(url: str, container: str, name: str) -> str:
    """The location of an object in the account at ``url``."""
    return f"swift+{url}/{quote(container, safe='')}/{quote(name, safe='')}"


def parse(url: str, references: Mapping[str, SwiftReference]) -> Address | None:
    """The object that a location means, in an account that is configured or its own; None for one that names none. Raises ForeignHost."""
    parts = _split(url)
    if parts is None:
        return None
    scheme, authority, path, container, name = parts
    if scheme == CONFIG:
        return Address(authority, container, name) if authority in references and not path else None
    userinfo, _, host = authority.rpartition("@")
    user, _, key = userinfo.rpartition(":")
    if not (host and user and key):
        return None
    own = _known(f"{_CLASSIC[scheme]}://{host}", references)
    return Address(replace(own, user=unquote(user), key=unquote(key), project_name=None, project_id=None), container, name)


def parse_with_account(url: str) -> Address | None:
    """The object that a location means which names the URL of its account; None for any other."""
    parts = _split(url)
    if parts is None:
        return None
    scheme, authority, path, container, name = parts
    return Address(f"{_CLASSIC[scheme]}://{authority}{path}", container, name) if scheme != CONFIG and path and "@" not in authority else None


def _split(url: str) -> tuple[str, str, str, str, str] | None:
    """Scheme, authority, what is between it and the container, container, object."""
    parts = urls.parse(url)
    if parts is None or parts.scheme not in SCHEMES or "://" in parts.authority + parts.path:
        return None
    path, _, name = parts.path.rpartition("/")
    path, _, container = path.rpartition("/")
    container, name = unquote(container), unquote(name)
    if any(text in _NO_NAMES or "/" in text for text in (container, name)):
        return None
    return parts.scheme, parts.authority, path, container, name


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
