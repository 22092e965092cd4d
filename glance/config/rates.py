"""Options about how many requests a caller may make, and the filter that counts them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oslo_config import cfg

from glance import errors
from glance.api.settings import RateSettings
from glance.config.sections import Section

_RATE = r"[1-9][0-9]{0,8}/(second|minute|hour|day)"
_RATES = rf"^({_RATE}(\s*;\s*{_RATE})*)?$"

SECTION = Section(
    "Rates of requests",
    (
        cfg.StrOpt(
            "requests",
            default="",
            regex=_RATES,
            help="Requests that one project may make, such as 100/second, or 1000/minute; 50/second where both shall hold; the units are second, "
            "minute, hour and day. More are refused with 429. Unless set, any number. Callers without project are told apart by their address.",
        ),
        cfg.StrOpt(
            "writes",
            default="",
            regex=_RATES,
            help="How many of them may be others than GET, HEAD and OPTIONS; in the same words.",
        ),
        cfg.ListOpt(
            "exempt_roles",
            default=["admin", "service"],
            help="Roles whose callers are not held back, also where they are those of a service that passes the request of a user on.",
        ),
        cfg.ListOpt(
            "memcached_servers",
            default=[],
            help="Servers of memcached, HOST:PORT, that count for all processes together. Unless set, each worker process counts for itself.",
        ),
    ),
    group="rate_limits",
)


def read(conf: cfg.ConfigOpts) -> RateSettings:
    """How many requests each caller may make."""
    group = conf.rate_limits
    return RateSettings(
        requests=group.requests,
        writes=group.writes,
        exempt_roles=frozenset(role.lower() for role in group.exempt_roles),
        memcached_servers=tuple(group.memcached_servers),
    )


def filter_factory(global_conf: Mapping[str, str], oslo_config_config: cfg.ConfigOpts, **local_conf: str) -> Any:  # noqa: ARG001
    """paste.filter_factory: ``RateLimitFilter``, nothing where there is no rate. Raises ConfigurationError where its libraries are not installed."""
    settings = read(oslo_config_config)
    if not settings.any:
        return lambda application: application

    try:
        from glance.api.middleware.rate_limit import RateLimitFilter
    except ModuleNotFoundError as error:
        raise errors.ConfigurationError(reason=f"[rate_limits] needs the Python package {error.name}: pip install 'glance[rate-limits]'") from error
    return lambda application: RateLimitFilter(application, settings)
