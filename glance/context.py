"""Who asks: the context of one request, and its form as headers.

The same headers carry identity from an authenticating proxy to glance-api (spec-v1 7.2) and from glance-api to glance-registry (spec-v1 3).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

#: Carries the request id, from clients, to the registry, and back in every answer.
REQUEST_ID = "X-Openstack-Request-Id"
#: A request id that may go into logs and headers as it came.
PLAIN_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,255}")


#: Each of these roles includes those behind it, as identity services have it.
_RANKED_ROLES = ("admin", "manager", "member", "reader")


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has proved who they are. ``auth_token`` is one that other services know too."""

    user: str | None
    project: str | None
    roles: tuple[str, ...]
    service_roles: tuple[str, ...] = ()
    auth_token: str | None = field(default=None, repr=False)


class Kind(NamedTuple):
    """What callers differ by, apart from their names: what is asked of a database for one of a kind is asked for all."""

    is_admin: bool
    has_owner: bool
    read_only: bool


@dataclass(frozen=True, slots=True)
class RequestContext:
    """The caller of one request.

    ``owner`` is what the caller's images belong to: the project, or the user where ``owner_is_project`` is off. An administrator without
    identity service has no owner. ``service_roles`` are those of another service that passes the caller's request on.
    """

    user: str | None = None
    project: str | None = None
    roles: tuple[str, ...] = ()
    is_admin: bool = False
    read_only: bool = False
    owner_is_project: bool = True
    request_id: str = ""
    auth_token: str | None = field(default=None, repr=False)
    service_roles: tuple[str, ...] = ()

    @property
    def owner(self) -> str | None:
        return self.project if self.owner_is_project else self.user

    @property
    def kind(self) -> Kind:
        return Kind(self.is_admin, self.owner is not None, self.read_only)


def unauthenticated(request_id: str = "") -> RequestContext:
    """The caller where no identity service is used: an administrator with the administrator's roles and no owner (spec-v1 7.1)."""
    return RequestContext(roles=_RANKED_ROLES, is_admin=True, request_id=request_id)


def split_roles(text: str) -> tuple[str, ...]:
    """The roles of an ``X-Roles`` header, lower case, in order."""
    return tuple(role for role in (part.strip().lower() for part in text.split(",")) if role)


def implied_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """``roles``, and those that they include (spec-v2 7.1): an admin is also manager, member and reader."""
    highest = min((_RANKED_ROLES.index(role) for role in roles if role in _RANKED_ROLES), default=len(_RANKED_ROLES))
    return tuple(dict.fromkeys((*roles, *_RANKED_ROLES[highest:])))


#: The names of the headers that ``to_headers`` writes.
TOLD = (
    "X-Identity-Status",
    "X-Roles",
    "X-Glance-Admin",
    "X-Glance-Read-Only",
    "X-Glance-Owner-Is-Project",
    REQUEST_ID,
    "X-User-Id",
    "X-Tenant-Id",
)


def to_headers(ctx: RequestContext) -> dict[str, str]:
    """The headers by which glance-api tells glance-registry who asks."""
    headers = {
        "X-Identity-Status": "Confirmed",
        "X-Roles": ",".join(ctx.roles),
        "X-Glance-Admin": str(ctx.is_admin),
        "X-Glance-Read-Only": str(ctx.read_only),
        "X-Glance-Owner-Is-Project": str(ctx.owner_is_project),
        REQUEST_ID: ctx.request_id,
    }
    if ctx.user is not None:
        headers["X-User-Id"] = ctx.user
    if ctx.project is not None:
        headers["X-Tenant-Id"] = ctx.project
    return headers


def from_headers(headers: Mapping[str, str]) -> RequestContext | None:
    """The context that ``to_headers`` wrote, or None where the headers carry no confirmed identity."""
    if headers.get("X-Identity-Status") != "Confirmed":
        return None
    roles = split_roles(headers.get("X-Roles", ""))
    return RequestContext(
        user=headers.get("X-User-Id"),
        project=headers.get("X-Tenant-Id"),
        roles=roles,
        is_admin=headers.get("X-Glance-Admin", str("admin" in roles)) == "True",
        read_only=headers.get("X-Glance-Read-Only") == "True",
        owner_is_project=headers.get("X-Glance-Owner-Is-Project") != "False",
        request_id=headers.get(REQUEST_ID, ""),
    )
