"""The applications and filters that paste files of glance-registry name.

They hold no state: ``Composition`` puts the registry's application into the environ of each request, once for callers who prove who they are and
once for everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

WSGIApplication = Any

_CONFIRMED = "glance.registry_app"
_OPEN = "glance.open_registry_app"


class Composition:
    """The outermost application. ``confirmed`` refuses requests without identity, ``open_to_all`` takes them for an administrator's."""

    def __init__(self, pipeline: WSGIApplication, *, confirmed: WSGIApplication, open_to_all: WSGIApplication) -> None:
        self._pipeline = pipeline
        self._added = {_CONFIRMED: confirmed, _OPEN: open_to_all}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = self._pipeline(environ | self._added, start_response)
        return answer


def registry(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:  # noqa: ARG001
    """paste.app_factory: the registry, as the filter before it decides; without one it refuses requests without identity."""
    return lambda environ, start_response: environ[_CONFIRMED](environ, start_response)


def context(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: requests need an identity."""
    return lambda application: application


def unauthenticated_context(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: a request without identity is an administrator's."""
    return lambda application: lambda environ, start_response: application({**environ, _CONFIRMED: environ[_OPEN]}, start_response)


def classic_registry(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:
    """paste.app_factory: the registry without any filter, as the files of early 2011 have it."""
    return unauthenticated_context(global_conf)(registry(global_conf, **local_conf))
