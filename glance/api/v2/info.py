"""What this service offers (spec-v2 4.4)."""

from __future__ import annotations

import webob

from glance.api.request import Request, json_response
from glance.api.v2 import views
from glance.service.quotas import used
from glance.service.stores import offered, offered_in_detail


def import_methods(request: Request) -> webob.Response:  # noqa: ARG001
    """GET /info/import: the methods whose import this server carries out. There is none: data can be staged, and nothing is imported yet."""
    return json_response({"import-methods": {"description": "Ways to import image data.", "type": "array", "value": []}})


def stores(request: Request) -> webob.Response:
    """GET /info/stores: the stores that clients choose from; they take a 404 for a service where they choose none."""
    return json_response({"stores": [views.store(one) for one in offered(request.services)]})


def stores_in_detail(request: Request) -> webob.Response:
    """GET /info/stores/detail: the same with how each is set up, for administrators and other services."""
    return json_response({"stores": [views.store_in_detail(one) for one in offered_in_detail(request.services, request.ctx)]})


def usage(request: Request) -> webob.Response:
    """GET /info/usage: what the caller's images take, and may take; nothing where there are no quotas."""
    return json_response({"usage": views.usage(*used(request.services, request.ctx))})
