"""The WSGI applications and filters that paste files name. Nothing else knows paste.

They hold no state: what they serve with is in the environ of each request, put there by ``Composition``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import webob
import webob.exc

from glance.api import versions
from glance.api.errors import Version, respond
from glance.api.middleware.context import ContextFilter, UnauthenticatedContextFilter
from glance.api.middleware.version_negotiation import VersionNegotiationFilter
from glance.api.request import ID, IMAGE_SCHEMA, SERVICES, SETTINGS, VERSIONS, Request
from glance.api.routing import KNOWN_METHODS, Table
from glance.api.settings import ApiSettings
from glance.api.v1 import routes as v1
from glance.api.v2 import routes as v2
from glance.api.v2 import schemas
from glance.context import PLAIN_REQUEST_ID, REQUEST_ID
from glance.errors import GlanceError
from glance.model.metrics import ROUTE
from glance.router import Router
from glance.service import Services

LOG = logging.getLogger(__name__)

WSGIApplication = Any

_REQUEST_ID = REQUEST_ID.lower()


class Composition:
    """The outermost application: a paste pipeline, and what its applications work with. ``probes`` answer for paths of their own, whatever the
    pipeline.

    Every answer carries a request id, whichever filter gives it; a client's own is taken over when it is short and plain.
    """

    def __init__(
        self,
        application: WSGIApplication,
        services: Services,
        settings: ApiSettings,
        probes: Mapping[str, WSGIApplication] = MappingProxyType({}),
    ) -> None:
        self._application = application
        self._probes = probes
        self._added = {
            SERVICES: services,
            SETTINGS: settings,
            VERSIONS: versions.answering(settings, several_stores=services.stores.several),
            IMAGE_SCHEMA: schemas.image(services.formats, settings),
        }
        self._scheme_header = settings.secure_proxy_ssl_header
        self._longest_id = settings.max_request_id_length

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ |= self._added  # in place: the server reads what the router leaves there
        if self._scheme_header and environ.get(self._scheme_header) in {"http", "https"}:
            environ["wsgi.url_scheme"] = environ[self._scheme_header]
        asked = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        too_long = len(asked) > self._longest_id
        request_id = environ[ID] = asked if PLAIN_REQUEST_ID.fullmatch(asked) and not too_long else f"req-{uuid4()}"

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            # In place of one that an operator's filter gives, and no log of ours knows.
            others = [header for header in headers if header[0].lower() != _REQUEST_ID]
            return start_response(status, [*others, (REQUEST_ID, request_id)], exc_info)

        if too_long:
            return webob.Response(status=431, text="The request id is too long.\n", content_type="text/plain")(environ, start)
        return self._probes.get(environ["PATH_INFO"], self._application)(environ, start)


def version_negotiation(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``VersionNegotiationFilter``."""
    return VersionNegotiationFilter


def context(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``ContextFilter``."""
    return ContextFilter


def unauthenticated_context(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``UnauthenticatedContextFilter``."""
    return UnauthenticatedContextFilter


def api_v1(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:  # noqa: ARG001
    """paste.app_factory: version 1 of the API, mounted at /v1 or at the root."""
    return _serving("v1", v1.TABLE)


def api_v2(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:  # noqa: ARG001
    """paste.app_factory: version 2 of the API, mounted at /v2 or at the root."""
    return _serving("v2", v2.TABLE)


def version_list(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:  # noqa: ARG001
    """paste.app_factory: the version document, whatever the path."""

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return versions.document(Request(environ))(environ, start_response)

    return application


def root(loader: Any, global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:
    """paste.composite_factory: applications by the first segment of the path, as the section names them (``/v1: apiv1app``)."""
    applications = {path.rstrip("/"): loader.get_app(name, global_conf=global_conf) for path, name in local_conf.items() if path.startswith("/")}
    default = applications.pop("", version_list(global_conf))
    return _by_first_segment(applications, default)


def classic_api(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:  # noqa: ARG001
    """paste.app_factory: the whole API in one section, as the configuration files of 2011 have it."""
    applications = {"/v1": api_v1(global_conf), "/v2": api_v2(global_conf)}
    return VersionNegotiationFilter(UnauthenticatedContextFilter(_by_first_segment(applications, version_list(global_conf))))


def _serving(version: Version, table: Table) -> WSGIApplication:
    """The application of one version, mounted below its name or at the root. An error that is not ours is logged and told to nobody."""
    router, mount = Router(table), f"/{version}"

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        mounted, path = environ.get("SCRIPT_NAME", ""), environ["PATH_INFO"]
        if not mounted.endswith(mount) and f"{path}/".startswith(f"{mount}/"):
            path = path.removeprefix(mount)
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = mounted + mount, path
        request = Request(environ)
        try:
            route = router.find(path if path.isascii() else _decoded(path))
            if route is None:
                raise webob.exc.HTTPNotFound if request.method in KNOWN_METHODS else webob.exc.HTTPNotImplemented
            environ[ROUTE] = mount + route.template
            if request.method not in route.handlers:
                raise webob.exc.HTTPMethodNotAllowed(headers={"Allow": ", ".join(route.handlers)})
            answer = route.handlers[request.method](request, **route.arguments)
        except GlanceError as error:
            answer = respond(error, version)
        except webob.exc.HTTPException as error:
            answer = error
        except Exception:
            LOG.exception("%s %r failed", request.method, request.raw_path)
            answer = webob.exc.HTTPInternalServerError()
        return answer(environ, start_response)

    return application


def _decoded(path: str) -> str:
    """The text of a path's bytes, which WSGI hands over as latin-1."""
    try:
        return path.encode("latin-1").decode()
    except UnicodeError:
        raise webob.exc.HTTPBadRequest(detail="The path is not valid UTF-8.") from None


def _by_first_segment(applications: Mapping[str, WSGIApplication], default: WSGIApplication) -> WSGIApplication:
    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        first, slash, rest = environ.get("PATH_INFO", "").removeprefix("/").partition("/")
        mount = f"/{first}"
        if mount not in applications:
            return default(environ, start_response)
        environ["SCRIPT_NAME"], environ["PATH_INFO"] = environ.get("SCRIPT_NAME", "") + mount, slash + rest
        return applications[mount](environ, start_response)

    return application
