"""Callers with tokens that this service has issued itself (``glance-manage token``)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from glance.api.middleware.context import ContextFilter, presented_token
from glance.api.request import Request
from glance.context import Identity
from glance.identity.tokens import TokenFile


class TokensFilter(ContextFilter):
    """The caller is whom the token in X-Auth-Token stands for, or the one in ``Authorization: Bearer``. X-Service-Token adds the roles of a service
    that passes the request on (spec-v2 7.6); where that one is unknown, so is the caller."""

    believes_headers = False
    challenge = 'Bearer realm="glance"'

    def __init__(self, application: Any, tokens: TokenFile) -> None:
        super().__init__(application)
        self._tokens = tokens

    def identity(self, request: Request) -> Identity | None:
        caller = self._tokens.find(presented_token(request) or _bearer(request))
        service_token = request.headers.get("X-Service-Token")
        if caller is None or service_token is None:
            return caller
        service = self._tokens.find(service_token)
        return None if service is None else replace(caller, service_roles=service.roles)


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
