"""The token filter's options: section [keystone_authtoken], or the filter's own section of the paste file, by the names of any release."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from glance import errors
from glance.config import registry

LOG = logging.getLogger(__name__)

GROUP = "keystone_authtoken"

#: Options that whoever reads the file may not know.
SECRETS = ("password", "admin_password", "admin_token", "application_credential_secret", "memcache_secret_key", "memcache_password")

#: Options of 2011 to 2015, and what they are called today.
_RENAMED = {
    "identity_uri": "auth_url",
    "auth_uri": "www_authenticate_uri",
    "admin_user": "username",
    "admin_password": "password",
    "admin_tenant_name": "project_name",
}
#: An address in pieces, from before ``identity_uri``; port and protocol as they were unless set.
_ADDRESS = {"auth_host": None, "auth_port": "35357", "auth_protocol": "https"}

#: Where none is named, the options are from before there were domains.
_DOMAINS = ("user_domain_id", "user_domain_name", "project_domain_id", "project_domain_name", "default_domain_name")

#: Older spellings that keystonemiddleware knows in configuration files, but not in paste files.
_SPELLINGS = {"auth_plugin": "auth_type", "memcache_servers": "memcached_servers"}

#: Where nothing is said. Without a time limit a silent keystone would hold every request for ever; the type lets the access rules of application
#: credentials be checked.
_DEFAULTS = {"auth_type": "password", "service_type": "image", "http_connect_timeout": 10}


def filter_factory(global_conf: Mapping[str, str], oslo_config_config: cfg.ConfigOpts, **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``glance.api.middleware.keystone.TokenFilter``. Raises ConfigurationError, which names what is missing."""
    from keystoneauth1.exceptions import ClientException
    from keystonemiddleware.exceptions import KeystoneMiddlewareException

    from glance.api.middleware.keystone import TokenFilter

    conf = oslo_config_config

    def token_filter(application: Any) -> Any:
        try:
            _settle(conf, local_conf)
            return TokenFilter(application, {"oslo_config_config": conf})
        except (ClientException, KeystoneMiddlewareException, cfg.Error, ValueError) as error:
            raise errors.ConfigurationError(reason=f"The options of [{GROUP}] cannot be used: {error}") from error

    return token_filter


def registry_filter_factory(global_conf: Mapping[str, str], oslo_config_config: cfg.ConfigOpts, **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: nothing, in the registry's pipeline, since glance-api has checked the token and says who asks. A second look would end
    uploads that take longer than a token lives. Raises ConfigurationError where whoever reaches the registry could then pretend to be glance-api."""
    if registry.trusts_everybody(oslo_config_config):
        raise errors.ConfigurationError(
            reason="The paste file asks glance-registry to check tokens. glance-api does that and proves itself to the registry: set "
            "registry_shared_secret, the same in both configurations, ask for certificates (ca_file), or set bind_host = 127.0.0.1."
        )
    return lambda application: application


def _settle(conf: cfg.ConfigOpts, given: Mapping[str, str]) -> None:
    """Declares every option, and gives it the value of the paste file, of the configuration file, of its older names, or the default."""
    from keystoneauth1 import loading
    from keystonemiddleware import auth_token

    older = [cfg.StrOpt(name, secret=name in SECRETS) for name in (*_RENAMED, "admin_token")]
    conf.register_opts([*older, *(cfg.StrOpt(name, default=default) for name, default in _ADDRESS.items())], GROUP)
    for group, options in auth_token.list_opts():
        conf.register_opts(options, group)
    for name, default in _DEFAULTS.items():
        conf.set_default(name, default, GROUP)
    if kind := given.get("auth_type") or given.get("auth_plugin"):
        conf.set_override("auth_type", kind, GROUP)
    conf.register_opts(loading.get_auth_plugin_conf_options(conf[GROUP].auth_type), GROUP)
    for name, value in given.items():
        try:
            conf.set_override(_SPELLINGS.get(name, name), value, GROUP)
        except cfg.NoSuchOptError:
            LOG.warning("The option %s of the token filter in the paste file is not known, and ignored.", name)
    _rename(conf)
    _check(conf[GROUP])


def _rename(conf: cfg.ConfigOpts) -> None:
    """Older names stand for today's where those are silent."""
    group = conf[GROUP]
    if "auth_url" not in group:
        return
    if group.auth_host:
        conf.set_default("auth_url", f"{group.auth_protocol}://{group.auth_host}:{group.auth_port}", GROUP)
    for name, today in _RENAMED.items():
        if group[name] and today in group:
            conf.set_default(today, group[name], GROUP)
    if "default_domain_id" in group and not any(group[name] for name in _DOMAINS):
        conf.set_default("default_domain_id", "default", GROUP)
    if not group.www_authenticate_uri:
        conf.set_default("www_authenticate_uri", group.auth_url, GROUP)


def _check(group: Any) -> None:
    """Raises ValueError for options with which no token could ever be checked."""
    if group.admin_token:
        raise ValueError("admin_token is no longer known to keystone; set username, password and project_name of a user of the service")
    if group.auth_type == "password":
        missing = [name for name in ("auth_url", "username", "password") if not group[name] and not (name == "username" and group.user_id)]
        if missing:
            raise ValueError(f"{' and '.join(missing)} missing")
