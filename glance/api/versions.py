"""Which versions there are, and the document that lists them (spec-v1 1.3, spec-v2 1)."""

from __future__ import annotations

import webob

from glance.api.request import Request, json_response
from glance.api.settings import ApiSettings

#: Minors of each version, newest first. A minor of v2 is listed when all that clients expect of it works.
V2 = ("v2.7", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
V1 = ("v1.1", "v1.0")


def served(settings: ApiSettings) -> dict[str, str]:
    """The version (v1, v2) that answers for each minor that is served, newest first."""
    v2 = dict.fromkeys(V2, "v2") if settings.enable_v2_api else {}
    v1 = dict.fromkeys(V1, "v1") if settings.enable_v1_api else {}
    return v2 | v1


def answering(settings: ApiSettings, name: str) -> str | None:
    """The version that answers for ``name``, a version or a minor; None where it is not served."""
    return next((version for minor, version in served(settings).items() if name in {minor, version}), None)


def document(request: Request, status: int = 300) -> webob.Response:
    """All versions with their links: 300 where the client must choose one, 200 where it asked for the list."""
    versions = [
        {
            "id": minor,
            "status": "SUPPORTED" if position else "CURRENT",
            "links": [{"rel": "self", "href": f"{request.root_url}/{version}/"}],
        }
        for position, (minor, version) in enumerate(served(request.settings).items())
    ]
    return json_response({"versions": versions}, status)
