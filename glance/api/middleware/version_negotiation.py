"""Which version of the API a request speaks to (spec-v1 1.2, spec-v2 1.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import webob

from glance.api import versions
from glance.api.request import SETTINGS, VERSIONLESS, VERSIONS, Request

VENDOR_TYPE = "application/vnd.openstack.images-"
#: First segments of the paths that had no version in 2010.
VERSIONLESS_PATHS = ("/images", "/shared-images")


class VersionNegotiationFilter:
    """Rewrites the path to /v1/... or /v2/..., or answers with the version document: by Accept header first, then by the path."""

    def __init__(self, application: Any) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = self._negotiate(environ)
        return self._application(environ, start_response) if answer is None else answer(environ, start_response)

    def _negotiate(self, environ: dict[str, Any]) -> webob.Response | None:
        """The answer, or None where the request goes on with its new path."""
        path, accept = environ.get("PATH_INFO", ""), environ.get("HTTP_ACCEPT", "")
        first, _, rest = path.removeprefix("/").partition("/")
        if first == "versions" and not rest:
            return versions.document(Request(environ), 200)
        settings, answering = environ[SETTINGS], environ[VERSIONS]
        in_path = answering.get(first)
        if accept.startswith(VENDOR_TYPE):
            wanted = answering.get(accept.removeprefix(VENDOR_TYPE))
            if wanted is None:
                return versions.document(Request(environ))
            path = f"/{wanted}/{rest}" if in_path == wanted else f"/{wanted}{path}"
        elif in_path is not None:
            if path == f"/{in_path}":
                return webob.Response(status=302, location=f"{path}/", content_type=None)
            path = f"/{in_path}/{rest}"
        elif settings.enable_v1_api and settings.versionless_api and f"{path}/".startswith(tuple(f"{one}/" for one in VERSIONLESS_PATHS)):
            environ[VERSIONLESS] = True
            path = f"/v1{path}"
        else:
            return versions.document(Request(environ))
        environ["PATH_INFO"] = path
        if not accept and path.startswith("/v2/"):
            # Who names no type takes any (RFC 9110, 12.5.1). Clients of v1, of 2011, know only text when they name none.
            environ["HTTP_ACCEPT"] = "*/*"
        return None
