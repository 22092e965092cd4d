"""The registry's client straight into a registry's application, without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from wsgiref.types import WSGIApplication

import webob

from glance.registry.connections import Reply


class WsgiTransport:
    """``glance.registry.client.Transport`` to a WSGI application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def send(self, verb: str, target: str, headers: Mapping[str, str], body: bytes | None, *, repeatable: bool) -> Reply:  # noqa: ARG002
        sent = {name: value.encode().decode("latin-1") for name, value in headers.items()}  # as WSGI has them
        request = webob.Request.blank(target, method=verb, headers=sent, body=body or b"")
        answer = request.get_response(self._application)
        return Reply(answer.status_int, answer.body)

    def close(self) -> None:
        """Nothing is kept."""
