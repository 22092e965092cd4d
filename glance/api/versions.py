"""Which versions there are, and the document that lists them (spec-v1 1.3, spec-v2 1)."""

from __future__ import annotations

import webob

from glance.api.request import Request, json_response
from glance.api.settings import ApiSettings

#: Minors of each version in the order that clients know; v2.14, v2.16 and v2.18 mean an image cache.
V2 = ("v2.15", "v2.13", "v2.12", "v2.11", "v2.10", "v2.9", "v2.8", "v2.17", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
#: Those by which clients know that they choose between several stores.
SEVERAL_STORES = frozenset({"v2.13", "v2.12", "v2.11", "v2.10", "v2.8"})
V1 = ("v1.1", "v1.0")
#: The newest minor of each version, the newest version first.
NEWEST = ("v2.17", "v1.1")


def served(settings: ApiSettings, *, several_stores: bool) -> dict[str, str]:
    """The version (v1, v2) that answers for each minor that is served, in the order of the document."""
    v2 = {minor: "v2" for minor in V2 if several_stores or minor not in SEVERAL_STORES} if settings.enable_v2_api else {}
    v1 = dict.fromkeys(V1, "v1") if settings.enable_v1_api else {}
    return v2 | v1


def answering(settings: ApiSettings, *, several_stores: bool) -> dict[str, str]:
    """The version that answers for each name, of a version or of a minor, that is served."""
    minors = served(settings, several_stores=several_stores)
    return minors | {version: version for version in minors.values()}


def document(request: Request, status: int = 300) -> webob.Response:
    """All versions with their links: 300 where the client must choose one, 200 where it asked for the list."""
    minors = served(request.settings, several_stores=request.services.stores.several)
    current = next((minor for minor in NEWEST if minor in minors), None)
    versions = [
        {
            "id": minor,
            "status": "CURRENT" if minor == current else "SUPPORTED",
            "links": [{"rel": "self", "href": f"{request.root_url}/{version}/"}],
        }
        for minor, version in minors.items()
    ]
    return json_response({"versions": versions}, status)
