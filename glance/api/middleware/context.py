"""From the headers of a request to its context (spec-v1 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from glance import errors
from glance.api.errors import respond
from glance.api.request import CONTEXT, ID, Request
from glance.context import Identity, RequestContext, implied_roles, split_roles, unauthenticated

_ADMINISTRATOR = unauthenticated()

#: What headers name twice, as X-User-Id and X-User-Name, and for a service that passes a request on as X-Service-User-Id and so on.
_NAMED = ("USER", "PROJECT", "DOMAIN", "USER_DOMAIN", "PROJECT_DOMAIN")
#: Headers of a request that say who asks, in every spelling that there has been (S20): keys of its environ.
IDENTITY_HEADERS = frozenset(
    {
        *(f"HTTP_X_{name}_ID" for name in _NAMED),
        *(f"HTTP_X_{name}_NAME" for name in _NAMED),
        *(f"HTTP_X_SERVICE_{name}_ID" for name in _NAMED),
        *(f"HTTP_X_SERVICE_{name}_NAME" for name in _NAMED),
        "HTTP_X_USER",
        "HTTP_X_TENANT",
        "HTTP_X_TENANT_ID",
        "HTTP_X_TENANT_NAME",
        "HTTP_X_ROLE",
        "HTTP_X_ROLES",
        "HTTP_X_SERVICE_ROLES",
        "HTTP_X_IDENTITY_STATUS",
        "HTTP_X_SERVICE_IDENTITY_STATUS",
        "HTTP_X_IS_ADMIN_PROJECT",
        "HTTP_X_SERVICE_CATALOG",
        "HTTP_X_AUTHORIZATION",
        "HTTP_X_SYSTEM_SCOPE",
        "HTTP_OPENSTACK_SYSTEM_SCOPE",
    }
)


#: In the environ of a request whose token keystonemiddleware has checked: keystone has named all roles, those that they include too (spec-v2 7.1).
_CHECKED_BY_KEYSTONE = "keystone.token_info"


class UnauthenticatedContextFilter:
    """Without identity service: whoever reaches the API is its administrator. Identity headers are taken away."""

    #: Whether something in front has written the identity headers.
    believes_headers = False
    #: The WWW-Authenticate header for those who did not prove who they are.
    challenge: str | None = None

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        if not self.believes_headers:
            for name in IDENTITY_HEADERS & environ.keys():
                del environ[name]
        try:
            environ[CONTEXT] = self.caller(request)
        except errors.GlanceError as error:
            answer = respond(error)
            if self.challenge and isinstance(error, errors.NotAuthenticated):
                answer.headers["WWW-Authenticate"] = self.challenge
            return answer(environ, start_response)
        return self._application(environ, start_response)

    def caller(self, request: Request) -> RequestContext:
        """Who asks."""
        return replace(_ADMINISTRATOR, request_id=request.environ[ID])


class ContextFilter(UnauthenticatedContextFilter):
    """Behind something that authenticates: the caller is whom the identity headers confirm."""

    believes_headers = True

    def caller(self, request: Request) -> RequestContext:
        """Raises NotAuthenticated where nobody is confirmed and anonymous reading is off, TokenUnscoped for whoever would own nothing."""
        settings = request.settings
        identity = self.identity(request)
        if identity is None:
            if settings.allow_anonymous_access:
                return RequestContext(read_only=True, request_id=request.environ[ID])
            raise errors.NotAuthenticated
        caller = RequestContext(
            user=identity.user,
            project=identity.project,
            roles=identity.roles,
            owner_is_project=settings.owner_is_project,
            request_id=request.environ[ID],
            auth_token=identity.auth_token,
            service_roles=identity.service_roles,
        )
        is_admin = settings.admin_role.lower() in caller.roles or request.services.policy.allows("context_is_admin", caller, {})
        if caller.owner is None and not is_admin:
            raise errors.TokenUnscoped
        return replace(caller, is_admin=True) if is_admin else caller

    def identity(self, request: Request) -> Identity | None:
        """Who asks; None for whoever did not prove it. Whom a proxy gives no role at all is a member, as before roles counted (spec-v1 7.3)."""
        environ = request.environ
        if environ.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            return None
        roles = split_roles(environ.get("HTTP_X_ROLES", ""))
        return Identity(
            user=request.header_text("X-User-Id"),
            project=_project(request),
            roles=roles if _CHECKED_BY_KEYSTONE in environ else implied_roles(roles or ("member",)),
            service_roles=split_roles(environ.get("HTTP_X_SERVICE_ROLES", "")),
            auth_token=presented_token(request),
        )


def _project(request: Request) -> str | None:
    """The project under either of its names. Raises InvalidHeader where they differ: a proxy has written one, and left the client's other."""
    tenant, project = request.header_text("X-Tenant-Id"), request.header_text("X-Project-Id")
    if tenant and project and tenant != project:
        raise errors.InvalidHeader(header="X-Tenant-Id and X-Project-Id differ")
    return tenant or project


def presented_token(request: Request) -> str | None:
    """The token that came with a request, under either of its names."""
    return request.environ.get("HTTP_X_AUTH_TOKEN") or request.environ.get("HTTP_X_STORAGE_TOKEN")
