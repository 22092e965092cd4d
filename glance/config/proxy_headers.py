"""The option of oslo.middleware about headers of proxies, and the filter that it switches on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

_GROUP, _SWITCH = "oslo_middleware", "enable_proxy_headers_parsing"


def filter_factory(global_conf: Mapping[str, str], oslo_config_config: cfg.ConfigOpts, **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``ProxyHeadersFilter``, nothing unless the paste file's section or the configuration file switches it on."""
    from oslo_middleware import http_proxy_to_wsgi as proxies

    conf = oslo_config_config
    conf.register_opts(proxies.OPTS, _GROUP)
    if _SWITCH in local_conf:
        conf.set_override(_SWITCH, local_conf[_SWITCH], _GROUP)
    if not conf[_GROUP][_SWITCH]:
        return lambda application: application

    from glance.api.middleware.proxy_headers import ProxyHeadersFilter

    reader = proxies.HTTPProxyToWSGI(None, conf)
    return lambda application: ProxyHeadersFilter(application, reader)
