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
            "said by the options of keystoneauth in this section, or in the one that auth_section names: auth_url, username, password, "
            "user_domain_id, system_scope = all.",
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
    group = conf[GROUP]
    account = group.auth_section or GROUP
    # Where nothing is said. Without a time limit a silent keystone would hold every request for ever.
    conf.set_default("auth_type", "password", account)
    conf.set_default("timeout", 10, GROUP)
    try:
        auth = loading.load_auth_from_conf_options(conf, GROUP)
        _check(group, conf[account])
        session = loading.load_session_from_conf_options(conf, GROUP, auth=auth)
    except (exceptions.ClientException, cfg.Error, ValueError) as error:
        sections = " and ".join(f"[{section}]" for section in dict.fromkeys((GROUP, account)))
        raise errors.ConfigurationError(reason=f"The options of {sections} cannot be used: {error}") from error
    # Keystone is asked at auth_url, whatever its catalogue says of the way there.
    keystone = adapter.Adapter(session, service_type="identity", interface=plugin.AUTH_INTERFACE, version=(3,))
    return KeystoneLimits(keystone, LimitsSettings(group.endpoint_id, group.fresh_seconds, group.kept_seconds))


def _check(group: Any, account: Any) -> None:
    """Raises ValueError for options with which no limit could ever be read. Keystone shows the limits of all projects for ``system_scope`` only;
    with another one those of a project would be overlooked."""
    needed = ["system_scope"]
    if account.auth_type == "password":
        needed += ["auth_url", "password", "username"]
    missing = [name for name in needed if name in account and not account[name] and not (name == "username" and account.user_id)]
    if not group.endpoint_id:
        missing.append("endpoint_id")
    if missing:
        raise ValueError(f"{', '.join(missing)} missing")
