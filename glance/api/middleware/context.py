"""From the headers of a request to its context (spec-v1 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import webob

from glance import errors
from glance.api.errors import respond
from glance.api.request import CONTEXT, Request
from glance.context import PLAIN_REQUEST_ID, REQUEST_ID, Identity, RequestContext, implied_roles, new_request_id, split_roles, unauthenticated

_ADMINISTRATOR = unauthenticated()

_OF_CALLERS = ("USER", "PROJECT", "DOMAIN", "USER_DOMAIN", "PROJECT_DOMAIN")
_OF_SERVICES = tuple(f"SERVICE_{one}" for one in _OF_CALLERS)
#: Headers of a request that say who asks, in every spelling that there has been (S20): keys of its environ.
IDENTITY_HEADERS = frozenset(
    f"HTTP_X_{name}"
    for name in (
        *(f"{one}_{part}" for one in (*_OF_CALLERS, *_OF_SERVICES) for part in ("ID", "NAME")),
        *("USER", "TENANT", "TENANT_ID", "TENANT_NAME", "ROLE", "ROLES", "SERVICE_ROLES", "IDENTITY_STATUS", "SERVICE_IDENTITY_STATUS"),
        *("IS_ADMIN_PROJECT", "SERVICE_CATALOG", "AUTHORIZATION", "SYSTEM_SCOPE"),
    )
)


class UnauthenticatedContextFilter:
    """Without identity service: whoever reaches the API is its administrator. Identity headers are taken away.

    Every answer carries a request id; a client's own is taken over when it is short and plain.
    """

    #: Whether something in front has written the identity headers.
    believes_headers = False
    #: The WWW-Authenticate header for those who did not prove who they are.
    challenge: str | None = None

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        asked = request.headers.get(REQUEST_ID, "")
        too_long = len(asked) > request.settings.max_request_id_length
        request_id = asked if PLAIN_REQUEST_ID.fullmatch(asked) and not too_long else new_request_id()

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, (REQUEST_ID, request_id)], exc_info)

        if too_long:
            return webob.Response(status=431, text="The request id is too long.\n", content_type="text/plain")(environ, start)
        if not self.believes_headers:
            for name in IDENTITY_HEADERS & environ.keys():
                del environ[name]
        try:
            environ[CONTEXT] = replace(self.caller(request), request_id=request_id)
        except errors.GlanceError as error:
            answer = respond(error)
            if self.challenge and isinstance(error, errors.NotAuthenticated):
                answer.headers["WWW-Authenticate"] = self.challenge
            return answer(environ, start)
        return self._application(environ, start)

    def caller(self, request: Request) -> RequestContext:  # noqa: ARG002
        """Who asks."""
        return _ADMINISTRATOR


class ContextFilter(UnauthenticatedContextFilter):
    """Behind something that authenticates: the caller is whom the identity headers confirm."""

    believes_headers = True

    def caller(self, request: Request) -> RequestContext:
        """Raises NotAuthenticated where nobody is confirmed and anonymous reading is off."""
        settings = request.settings
        identity = self.identity(request)
        if identity is None:
            if settings.allow_anonymous_access:
                return RequestContext(read_only=True)
            raise errors.NotAuthenticated
        caller = RequestContext(
            user=identity.user,
            project=identity.project,
            roles=identity.roles,
            owner_is_project=settings.owner_is_project,
            auth_token=identity.auth_token,
            service_roles=identity.service_roles,
        )
        is_admin = settings.admin_role.lower() in caller.roles or request.services.policy.allows("context_is_admin", caller, {})
        return replace(caller, is_admin=is_admin)

    def identity(self, request: Request) -> Identity | None:
        """Who asks; None for whoever did not prove it. Whom a proxy gives no role at all is a member, as before roles counted (spec-v1 7.3)."""
        headers = request.headers
        if headers.get("X-Identity-Status") != "Confirmed":
            return None
        return Identity(
            user=request.header_text("X-User-Id"),
            project=request.header_text("X-Tenant-Id") or request.header_text("X-Project-Id"),
            roles=implied_roles(split_roles(headers.get("X-Roles", "")) or ("member",)),
            service_roles=split_roles(headers.get("X-Service-Roles", "")),
            auth_token=presented_token(request),
        )


def presented_token(request: Request) -> str | None:
    """The token that came with a request, under either of its names."""
    return request.headers.get("X-Auth-Token") or request.headers.get("X-Storage-Token")
