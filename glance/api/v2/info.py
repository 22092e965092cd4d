"""What this service offers (spec-v2 4.4)."""

from __future__ import annotations

import webob

from glance import errors
from glance.api.request import Request, json_response


def import_methods(request: Request) -> webob.Response:  # noqa: ARG001
    """GET /info/import: the methods whose import this server carries out. There is none: data can be staged, and nothing is imported yet."""
    return json_response({"import-methods": {"description": "Ways to import image data.", "type": "array", "value": []}})


def stores(request: Request) -> webob.Response:  # noqa: ARG001
    """GET /info/stores: clients take a 404 for a service where they choose none."""
    raise errors.NotFound(reason="Clients of this site do not choose between stores.")


def usage(request: Request) -> webob.Response:  # noqa: ARG001
    """GET /info/usage: no quota of the identity service is kept."""
    return json_response({"usage": {}})
