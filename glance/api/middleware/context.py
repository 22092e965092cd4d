"""From the headers of a request to its context (spec-v1 7)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import webob

from glance import errors
from glance.api.errors import respond
from glance.api.request import CONTEXT, Request
from glance.context import PLAIN_REQUEST_ID, REQUEST_ID, RequestContext, new_request_id, split_roles, unauthenticated

_ADMINISTRATOR = unauthenticated()


class UnauthenticatedContextFilter:
    """Without identity service: whoever reaches the API is its administrator. Identity headers are not looked at.

    Every answer carries a request id; a client's own is taken over when it is short and plain.
    """

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
        try:
            environ[CONTEXT] = replace(self.caller(request), request_id=request_id)
        except errors.GlanceError as error:
            return respond(error)(environ, start)
        return self._application(environ, start)

    def caller(self, request: Request) -> RequestContext:  # noqa: ARG002
        """Who asks."""
        return _ADMINISTRATOR


class ContextFilter(UnauthenticatedContextFilter):
    """Behind something that authenticates: the caller is whom the identity headers confirm."""

    def caller(self, request: Request) -> RequestContext:
        """Raises NotAuthenticated where nobody is confirmed and anonymous reading is off."""
        settings = request.settings
        headers = request.headers
        if headers.get("X-Identity-Status") != "Confirmed":
            if settings.allow_anonymous_access:
                return RequestContext(read_only=True)
            raise errors.NotAuthenticated
        caller = RequestContext(
            user=request.header_text("X-User-Id"),
            project=request.header_text("X-Tenant-Id") or request.header_text("X-Project-Id"),
            roles=split_roles(headers.get("X-Roles", "")),
            owner_is_project=settings.owner_is_project,
            auth_token=headers.get("X-Auth-Token") or headers.get("X-Storage-Token"),
            service_roles=split_roles(headers.get("X-Service-Roles", "")),
        )
        is_admin = settings.admin_role.lower() in caller.roles or request.services.policy.allows("context_is_admin", caller, {})
        return replace(caller, is_admin=is_admin)
