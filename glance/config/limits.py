"""Options about the limits of projects that keystone keeps, and the client that reads them."""

from __future__ import annotations

from typing import Any

from oslo_config import cfg

from glance import errors
from glance.config.sections import Section
from glance.interfaces import QuotaSource

GROUP = "oslo_limit"

SECTION = Section(
    "Limits in keystone",
    (
        cfg.StrOpt(
            "endpoint_id",
            help="Id of an endpoint of this image service in keystone: limits belong to its service and region. Where keystone is, and who asks, is "
            "said by the options of keystoneauth in this section: auth_url, username, password, user_domain_id, system_scope = all.",
        ),
        cfg.FloatOpt("fresh_seconds", default=60, min=1, help="Seconds for which a process takes limits for what keystone has."),
        cfg.FloatOpt(
            "kept_seconds",
            default=3600,
            min=0,
            help="Seconds for which limits count while keystone does not answer; then what they are about is refused with status 503.",
        ),
    ),
    group=GROUP,
)

#: Where nothing is said. Without a time limit a silent keystone would hold every request for ever.
_DEFAULTS = {"auth_type": "password", "timeout": 10}


def make(conf: cfg.ConfigOpts) -> QuotaSource:
    """The limits in keystone, which nobody asks yet. Raises ConfigurationError, which names what is missing."""
    try:
        from keystoneauth1 import adapter, exceptions, loading, plugin

        from glance.identity.limits import KeystoneLimits, LimitsSettings
    except ImportError as error:
        raise errors.ConfigurationError(
            reason="use_keystone_limits needs keystoneauth1, which is not installed: pip install 'glance[keystone]'"
        ) from error
    loading.register_auth_conf_options(conf, GROUP)
    loading.register_session_conf_options(conf, GROUP)
    for name, default in _DEFAULTS.items():
        conf.set_default(name, default, GROUP)
    try:
        account = loading.load_auth_from_conf_options(conf, GROUP)
        _check(conf[GROUP])
        session = loading.load_session_from_conf_options(conf, GROUP, auth=account)
    except (exceptions.ClientException, cfg.Error, ValueError) as error:
        raise errors.ConfigurationError(reason=f"The options of [{GROUP}] cannot be used: {error}") from error
    # Keystone is asked at auth_url, whatever its catalogue says of the way there.
    keystone = adapter.Adapter(session, service_type="identity", interface=plugin.AUTH_INTERFACE, version=(3,))
    group = conf[GROUP]
    return KeystoneLimits(keystone, LimitsSettings(group.endpoint_id, group.fresh_seconds, group.kept_seconds))


def _check(group: Any) -> None:
    """Raises ValueError for options with which no limit could ever be read. Keystone shows the limits of all projects for ``system_scope`` only;
    with another one those of a project would be overlooked."""
    needed = ["endpoint_id", "system_scope"]
    if group.auth_type == "password":
        needed += ["auth_url", "password", "username"]
    missing = [name for name in needed if name in group and not group[name] and not (name == "username" and group.user_id)]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
