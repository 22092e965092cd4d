"""The factories that paste files of 2011 to 2017 name, and what stands in their place today.

An old file is served unedited: its sections are translated when they are loaded (spec-v1 6.5).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

LOG = logging.getLogger(__name__)

APP = "paste.app_factory"
COMPOSITE = "paste.composite_factory"
FILTER = "paste.filter_factory"

_OURS = "glance.api.app"
_HERE = "glance.config.factories"
_REGISTRY = "glance.registry.pipeline"

ROOT = f"{_OURS}:root"
_VERSION_NEGOTIATION = f"{_OURS}:version_negotiation"
CONTEXT = f"{_OURS}:context"
_UNAUTHENTICATED = f"{_OURS}:unauthenticated_context"
_PASS = f"{_HERE}:pass_through"
_NO_CACHE = f"{_HERE}:without_image_cache"
_HEALTHCHECK = f"{_HERE}:healthcheck"
_PROXY = "glance.config.proxy_headers:filter_factory"
_KEYSTONE = "glance.config.keystone:filter_factory"
_KEYSTONE_AT_REGISTRY = "glance.config.keystone:registry_filter_factory"
_TOKENS = "glance.config.callers:tokens"
_HTTP_BASIC = "glance.config.callers:http_basic"
RATE_LIMIT = "glance.config.rates:filter_factory"
#: The context filter of 2011, and the registry of 2011, made everybody an administrator unless a filter before had found out who asks.
_EITHER_CONTEXT = "context of 2011"
_EITHER_REGISTRY = "registry of 2011"
_EITHER = {
    _EITHER_CONTEXT: {True: CONTEXT, False: _UNAUTHENTICATED},
    _EITHER_REGISTRY: {True: f"{_REGISTRY}:registry", False: f"{_REGISTRY}:classic_registry"},
}

#: Factory names of 2011 to 2017, without the ".factory" that some carry.
CLASSIC = {
    "glance.server:app_factory": f"{_OURS}:classic_api",
    "glance.api:app_factory": f"{_OURS}:classic_api",
    "glance.api.v1:app_factory": f"{_OURS}:api_v1",
    "glance.api.v1.router:app_factory": f"{_OURS}:api_v1",
    "glance.api.v1.router:API": f"{_OURS}:api_v1",
    "glance.api.v2.router:API": f"{_OURS}:api_v2",
    "glance.api.versions:app_factory": f"{_OURS}:version_list",
    "glance.api.versions:Versions": f"{_OURS}:version_list",
    "glance.api.versions:create_resource": f"{_OURS}:version_list",
    "glance.api:root_app_factory": ROOT,
    "glance.api.middleware.version_negotiation:filter_factory": _VERSION_NEGOTIATION,
    "glance.api.middleware.version_negotiation:VersionNegotiationFilter": _VERSION_NEGOTIATION,
    "glance.common.context:filter_factory": _EITHER_CONTEXT,
    "glance.common.context:ContextMiddleware": _EITHER_CONTEXT,
    "glance.api.middleware.context:filter_factory": _EITHER_CONTEXT,
    "glance.api.middleware.context:ContextMiddleware": CONTEXT,
    "glance.api.middleware.context:UnauthenticatedContextMiddleware": _UNAUTHENTICATED,
    "glance.common.auth_context:filter_factory": CONTEXT,
    "keystone.middleware.glance_auth_token:filter_factory": CONTEXT,
    "keystone.middleware.auth_token:filter_factory": _KEYSTONE,
    "keystoneclient.middleware.auth_token:filter_factory": _KEYSTONE,
    "keystonemiddleware.auth_token:filter_factory": _KEYSTONE,
    "glance.api.middleware.image_cache:filter_factory": _NO_CACHE,
    "glance.api.middleware.cache:CacheFilter": _NO_CACHE,
    "glance.api.middleware.cache_manage:CacheManageFilter": _NO_CACHE,
    "glance.api.middleware.gzip:GzipMiddleware": _PASS,
    "osprofiler.web:WsgiMiddleware": _PASS,
    "oslo_middleware:Healthcheck": _HEALTHCHECK,
    "oslo_middleware.healthcheck:Healthcheck": _HEALTHCHECK,
    "oslo.middleware.healthcheck:Healthcheck": _HEALTHCHECK,
    "oslo_middleware:HTTPProxyToWSGI": _PROXY,
    "oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI": _PROXY,
    "glance.registry.server:app_factory": _EITHER_REGISTRY,
    "glance.registry.server:API": _EITHER_REGISTRY,
    "glance.registry.api:API": f"{_REGISTRY}:registry",
    "glance.registry.api.v1:API": f"{_REGISTRY}:registry",
}

#: In the registry's pipelines the same filters only say whether a caller who proves nothing is an administrator.
_REGISTRY_FILTERS = {
    CONTEXT: f"{_REGISTRY}:context",
    _UNAUTHENTICATED: f"{_REGISTRY}:unauthenticated_context",
    _KEYSTONE: _KEYSTONE_AT_REGISTRY,
}

#: Filters of oslo.middleware look for configuration files of their own unless they are told which.
READS_CONFIGURATION = ("oslo_middleware", _HEALTHCHECK)

#: Factories of ours that are handed the program's options, as ``oslo_config_config``.
TAKES_CONFIGURATION = frozenset({_KEYSTONE, _KEYSTONE_AT_REGISTRY, _TOKENS, _HTTP_BASIC, _PROXY, RATE_LIMIT})

#: Factories that make whoever calls glance-api its administrator.
OPEN_TO_ALL = frozenset({_UNAUTHENTICATED, f"{_OURS}:classic_api"})

#: Filters after which a request still carries only the identity that the client claimed.
_PROVES_NOTHING = (_PASS, _NO_CACHE, _HEALTHCHECK, _PROXY, _VERSION_NEGOTIATION, CONTEXT, _UNAUTHENTICATED, RATE_LIMIT, "oslo_middleware")


def pass_through(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: nothing, for filters of old files that have no task here."""
    return lambda application: application


def without_image_cache(global_conf: Mapping[str, str], **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: nothing, and says so."""
    LOG.warning("The paste file asks for the image cache, which this release does not have; images are served without it.")
    return lambda application: application


def healthcheck(global_conf: Mapping[str, str], **local_conf: str) -> Any:
    """paste.filter_factory: oslo.middleware's health check at ``path`` (/healthcheck), which today is an application."""
    from oslo_middleware import Healthcheck

    answer = Healthcheck.app_factory(global_conf, **local_conf)
    path = local_conf.get("path", "/healthcheck")

    def make_filter(application: Any) -> Any:
        return lambda environ, start_response: (answer if environ["PATH_INFO"] == path else application)(environ, start_response)

    return make_filter


def translate(options: Mapping[str, str], program: str, *, authenticated: bool) -> dict[str, str]:
    """The options of a paste section, with our factory in place of a classic one; what is not classic stays.

    ``authenticated``: a filter that may find out who asks stands before this one.
    """
    for key in (APP, COMPOSITE, FILTER):
        if key in options:
            return {**_without_wrapper(options), key: _translated(_named(options, key), program, authenticated=authenticated)}
    return dict(options)


def may_authenticate(options: Mapping[str, str]) -> bool:
    """True for a filter that is neither ours nor known to leave the caller's identity alone."""
    factory = _translated(_named(options, FILTER), "glance-api", authenticated=False) if FILTER in options else ""
    return not factory.startswith(_PROVES_NOTHING)


def _named(options: Mapping[str, str], key: str) -> str:
    """What a section names: directly, or through the wrapper of 2012 (``glance.app_factory = module:Class``)."""
    wrapped = options.get("glance.app_factory") or options.get("glance.filter_factory")
    return wrapped if wrapped and options[key].startswith("glance.common.wsgi:") else options[key]


def _without_wrapper(options: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if name not in {"glance.app_factory", "glance.filter_factory"}}


def _translated(factory: str, program: str, *, authenticated: bool) -> str:
    ours = CLASSIC.get(factory.strip().removesuffix(".factory"), factory.strip())
    if ours in _EITHER:
        ours = _EITHER[ours][authenticated]
    return _REGISTRY_FILTERS.get(ours, ours) if program == "glance-registry" else ours
