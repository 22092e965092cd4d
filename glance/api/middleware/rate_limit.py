"""How many requests a caller may make, counted by the library ``limits`` (extra ``rate-limits``)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cached_property
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Network, ip_address
from math import ceil
from time import monotonic, time
from typing import Any

from limits import RateLimitItem, parse_many
from limits.storage import MemcachedStorage, MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from pymemcache.client.base import PooledClient
from pymemcache.client.hash import HashClient

from glance import errors
from glance.api.errors import respond
from glance.api.request import CONTEXT, Request
from glance.api.settings import RateSettings
from glance.context import RequestContext

LOG = logging.getLogger(__name__)

_READS = frozenset({"GET", "HEAD", "OPTIONS"})
#: Seconds that memcached has for an answer.
_PATIENCE = 1.0
#: Seconds in which nothing is counted after memcached has failed, so that requests do not wait for it.
_PAUSE = 10.0
#: Seconds after which an unused connection is opened anew: a pause outlasts them, so that it is the last for a memcached that was restarted.
_IDLE = 5.0


class RateLimitFilter:
    """Behind the filter that knows the caller: refuses what is more than the rates allow, without reading its body.

    Counted is for each owner of images, and for each address of clients where there is none. In front of that filter, and where nobody is asked who
    they are, it counts for each address.
    """

    def __init__(self, application: Any, settings: RateSettings) -> None:
        self._application = application
        self._exempt_roles = settings.exempt_roles
        self._rates = _Rates(settings)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        caller = self._caller(request)
        try:
            if caller is not None:
                self._rates.count(caller, write=request.method not in _READS)
        except errors.RateLimited as error:
            return respond(error)(environ, start_response)
        return self._application(environ, start_response)

    def _caller(self, request: Request) -> str | None:
        """Who is counted together; None for whoever is not held back."""
        ctx: RequestContext | None = request.environ.get(CONTEXT)
        if ctx is not None and (ctx.user or ctx.project):
            if not self._exempt_roles.isdisjoint((*ctx.roles, *ctx.service_roles)):
                return None
            if ctx.owner is not None:
                return f"owner {ctx.owner}"
        return f"address {_site(request.remote_addr or '')}"


class _Rates:
    """Counts requests in windows of time; each begins with the first request that it counts."""

    def __init__(self, settings: RateSettings) -> None:
        self._servers = settings.memcached_servers
        requests, writes = _windows("requests", settings.requests), _windows("writes", settings.writes)
        # The shortest first, and of equal ones that of writes: what one window refuses does not count in the next.
        self._of_reads = sorted(requests, key=_length)
        self._of_writes = sorted(writes + requests, key=_length)
        self._paused_until = 0.0

    def count(self, caller: str, *, write: bool) -> None:
        """Counts a request. Raises RateLimited where it is one too many, but none while memcached fails."""
        if monotonic() < self._paused_until:
            return
        try:
            self._hit(sha256(caller.encode()).hexdigest(), self._of_writes if write else self._of_reads)
        except errors.RateLimited:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the counters, the service goes on
            self._paused_until = monotonic() + _PAUSE
            LOG.warning("Requests cannot be counted: nobody is held back for %d seconds: %s: %s", _PAUSE, type(error).__name__, error)

    def _hit(self, caller: str, windows: Iterable[tuple[str, RateLimitItem]]) -> None:
        for what, window in windows:
            key = ("glance", what, caller)
            if not self._limiter.hit(window, *key):
                left = ceil(self._limiter.get_window_stats(window, *key).reset_time - time())
                raise errors.RateLimited(what=what, rate=f"{window.amount} per {window.GRANULARITY.name}", seconds=max(1, left))

    @cached_property
    def _limiter(self) -> FixedWindowRateLimiter:
        # Made by the first request: counters in memory have a thread, and processes that are yet to fork must not.
        return FixedWindowRateLimiter(_in_memcached(self._servers) if self._servers else MemoryStorage())


def _site(address: str) -> str:
    """Whose address it is: who has one of IPv6 has all that share its first 64 bits (RFC 6177)."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv4Address):
        return address
    return str(found.ipv4_mapped or IPv6Network((found.packed, 64), strict=False))


def _windows(what: str, rates: str) -> list[tuple[str, RateLimitItem]]:
    return [(what, window) for window in parse_many(rates)] if rates else []


def _length(window: tuple[str, RateLimitItem]) -> int:
    return window[1].get_expiry()


def _in_memcached(servers: Sequence[str]) -> MemcachedStorage:
    # One pool of connections for all threads; the library would make one for each.
    options = {"connect_timeout": _PATIENCE, "timeout": _PATIENCE, "pool_idle_timeout": _IDLE}
    many = len(servers) > 1
    client = HashClient(servers, use_pooling=True, dead_timeout=_PAUSE, **options) if many else PooledClient(servers[0], **options)
    return MemcachedStorage(f"memcached://{','.join(servers)}", client_getter=lambda *_arguments: client)
