"""The applications and filters that paste files of glance-registry name.

They hold no state: ``Composition`` puts the registry's application into the environ of each request, once for callers who prove who they are and
once for everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

WSGIApplication = Any

_CONFIRMED = "glance.registry_app"
_OPEN = "glance.open_registry_app"


class Composition:
    """The outermost application. ``confirmed`` refuses requests without identity, ``open_to_all`` takes them for an administrator's. ``probes``
    answer for paths of their own, also to whoever does not know the secret."""

    def __init__(
        self,
        pipeline: WSGIApplication,
        *,
        confirmed: WSGIApplication,
        open_to_all: WSGIApplication,
        probes: Mapping[str, WSGIApplication] = MappingProxyType({}),
    ) -> None:
        self._pipeline = pipeline
        self._probes = probes
        self._added = {_CONFIRMED: confirmed, _OPEN: open_to_all}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ |= self._added  # in place: the server reads what the application leaves there
        answer: Iterable[bytes] = self._probes.get(environ["PATH_INFO"], self._pipeline)(environ, start_response)
        return answer


def registry(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:  # noqa: ARG001
    """paste.app_factory: the registry, as the filter before it decides; without one it refuses requests without identity."""
    return lambda environ, start_response: environ[_CONFIRMED](environ, start_response)


def context(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: requests need an identity."""
    return lambda application: application


def unauthenticated_context(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: a request without identity is an administrator's."""

    def make_filter(application: WSGIApplication) -> WSGIApplication:
        def opened(environ: dict[str, Any], start_response: Any) -> Any:
            environ[_CONFIRMED] = environ[_OPEN]
            return application(environ, start_response)

        return opened

    return make_filter


def classic_registry(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:
    """paste.app_factory: the registry without any filter, as the files of early 2011 have it."""
    return unauthenticated_context(global_conf)(registry(global_conf, **local_conf))
