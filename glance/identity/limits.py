"""What keystone allows each project: its unified limits (spec-v2 4.7). The only module that asks for them."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import BadRequest, ClientException
from keystoneauth1.exceptions import ConnectionError as NoConnection

from glance import errors
from glance.model.quotas import Measure, Quotas

LOG = logging.getLogger(__name__)

_MIB = 1024 * 1024

#: The limits by their names in keystone: what each is about, and its unit.
LIMITS: Mapping[str, tuple[Measure, int]] = {
    "image_size_total": ("stored", _MIB),
    "image_stage_total": ("staged", _MIB),
    "image_count_total": ("images", 1),
    "image_count_uploading": ("uploading", 1),
}

#: Seconds for which a keystone that is silent, or a question that it did not answer, is left alone.
PAUSE = 10.0

#: Limits by their names in keystone.
Limits = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """Limits belong to the service and the region of ``endpoint_id``, an endpoint of the image service. They are asked for again after
    ``fresh`` seconds; where keystone does not answer they count for ``kept`` seconds, if that is more."""

    endpoint_id: str
    fresh: float = 60.0
    kept: float = 3600.0


class KeystoneLimits:
    """``glance.interfaces.QuotaSource``: the limits of the project that is the owner, or else the registered ones, which hold for nobody's
    images too. A limit that is not registered allows nothing. ``keystone`` is a client that may read the limits of all projects."""

    def __init__(self, keystone: Adapter, settings: LimitsSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._keystone = _Keystone(keystone, clock)
        self._settings = settings
        self._registered = self._answer(self._read_registered)
        self._own: dict[str, _Answer] = {}

    def of(self, owner: str | None) -> Quotas:
        quotas = self._quotas(owner, _Answer.learn)
        if quotas is None:
            raise errors.LimitsUnavailable
        return quotas

    def known(self, owner: str | None) -> Quotas | None:
        return self._quotas(owner, _Answer.known)

    def _quotas(self, owner: str | None, look: Callable[[_Answer], Limits | None]) -> Quotas | None:
        registered = look(self._registered)
        if registered is None:
            return None
        own = look(self._own.setdefault(owner, self._answer(partial(self._read_own, owner)))) if owner else {}
        return None if own is None else to_quotas({**registered, **own})

    def _answer(self, read: Callable[[], Limits]) -> _Answer:
        return _Answer(self._keystone, self._settings, read)

    @cached_property
    def _place(self) -> tuple[str, str | None]:
        """The service and the region of the endpoint."""
        endpoint = self._keystone.get(f"/endpoints/{self._settings.endpoint_id}")["endpoint"]
        return endpoint["service_id"], endpoint["region_id"]

    def _read_registered(self) -> Limits:
        service, region = self._place
        limits = _by_name(self._keystone.get("/registered_limits", service_id=service)["registered_limits"], "default_limit", region)
        missing = [name for name in LIMITS if name not in limits]
        if missing:
            LOG.error("Keystone has no registered limit %s for the image service: nothing is allowed of it.", ", ".join(missing))
        return limits

    def _read_own(self, owner: str) -> Limits:
        service, region = self._place
        try:
            own = self._keystone.get("/limits", service_id=service, project_id=owner)["limits"]
        except BadRequest:  # an administrator may give an image to what cannot be the id of a project
            return {}
        return _by_name(own, "resource_limit", region)


class _Keystone:
    """Keystone, which all are to leave alone for a while when it was silent; then one tries again, before the others do."""

    def __init__(self, client: Adapter, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.left_alone_until = -math.inf
        self._client = client

    def get(self, path: str, **query: str) -> Any:
        if self.left_alone_until > -math.inf:
            self._leave_alone()
        try:
            answer = self._client.get(path, params=query)
        except NoConnection:
            self._leave_alone()
            raise
        self.left_alone_until = -math.inf
        return answer.json()

    def _leave_alone(self) -> None:
        self.left_alone_until = self.clock() + PAUSE


class _Answer:
    """Some limits, as keystone told them last. One asks for them; who comes meanwhile has those of before, or waits where there are none."""

    def __init__(self, keystone: _Keystone, settings: LimitsSettings, read: Callable[[], Limits]) -> None:
        self._keystone = keystone
        self._settings = settings
        self._read = read
        self._asking = threading.Lock()
        self._limits: Limits | None = None
        self._learned_at = self._left_alone_until = -math.inf

    def learn(self) -> Limits | None:
        """The limits, asked for unless they are known; None where keystone does not tell them."""
        if self.known() is None:
            with self._asking:
                if not self._is_younger_than(self._settings.fresh) and not self._is_left_alone():
                    self._ask()
        return self.known()

    def known(self) -> Limits | None:
        """The limits that count now, at once."""
        settings = self._settings
        counts = max(settings.fresh, settings.kept) if self._asking.locked() or self._is_left_alone() else settings.fresh
        return self._limits if self._is_younger_than(counts) else None

    def _is_younger_than(self, seconds: float) -> bool:
        return self._keystone.clock() - self._learned_at < seconds

    def _is_left_alone(self) -> bool:
        return self._keystone.clock() < max(self._left_alone_until, self._keystone.left_alone_until)

    def _ask(self) -> None:
        try:
            self._limits = self._read()
        except (ClientException, OSError, LookupError, TypeError, ValueError) as error:  # it fails, or says something else than limits
            LOG.error("Keystone does not tell the limits of projects; the last known ones count: %s: %s", type(error).__name__, error)
            self._left_alone_until = self._keystone.clock() + PAUSE
        else:
            self._learned_at = self._keystone.clock()


def to_quotas(limits: Limits) -> Quotas:
    """Limits by name as quotas."""
    found = {measure: limits.get(name, 0) * unit for name, (measure, unit) in LIMITS.items()}
    return Quotas(**{measure: max(limit, -1) for measure, limit in found.items()})


def _by_name(rows: Iterable[Mapping[str, Any]], value: str, region: str | None) -> dict[str, int]:
    """The limits that hold in a region: those for it, or else those for all regions."""
    holding = sorted((row for row in rows if row["region_id"] in {None, region}), key=lambda row: row["region_id"] is not None)
    return {row["resource_name"]: int(row[value]) for row in holding}  # the last of a name counts
