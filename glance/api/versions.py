"""The version document (spec-v1 1.3)."""

from __future__ import annotations

import webob

from glance.api.request import Request, json_response

#: id and status of each version, newest first; all share one path.
VERSIONS = (("v1.1", "CURRENT"), ("v1.0", "SUPPORTED"))


def document(request: Request, status: int = 300) -> webob.Response:
    """All versions with their links: 300 where the client must choose one, 200 where it asked for the list."""
    root = (request.settings.public_endpoint or request.host_url).rstrip("/")
    listed = VERSIONS if request.settings.enable_v1_api else ()
    links = [{"rel": "self", "href": f"{root}/v1/"}]
    return json_response({"versions": [{"id": version, "status": state, "links": links} for version, state in listed]}, status)
