"""What keystone allows each project: its unified limits (spec-v2 4.7). The only module that asks for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import BadRequest, ClientException

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

#: Seconds for which a keystone that did not answer is left alone.
PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class LimitsSettings:
    """Limits belong to the service and the region of ``endpoint_id``, an endpoint of the image service. They are asked for again after
    ``fresh`` seconds; where keystone does not answer they count for ``kept`` seconds."""

    endpoint_id: str
    fresh: float = 60.0
    kept: float = 3600.0


@dataclass(frozen=True, slots=True)
class _Learned:
    quotas: Quotas
    at: float


class KeystoneLimits:
    """``glance.interfaces.QuotaSource``: the limits of the project that is the owner, or else the registered ones, which hold for nobody's
    images too. A limit that is not registered allows nothing. ``keystone`` is a client that may read the limits of all projects."""

    def __init__(self, keystone: Adapter, settings: LimitsSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._keystone = keystone
        self._settings = settings
        self._clock = clock
        self._asking = threading.Lock()
        self._learned: dict[str | None, _Learned] = {}
        self._left_alone_until = clock()

    def of(self, owner: str | None) -> Quotas:
        with self._asking:  # one asks, whoever comes meanwhile waits for what it learns
            quotas = self.known(owner)
            if quotas is None and not self._is_left_alone():
                self._ask(owner)
                quotas = self.known(owner)
        if quotas is None:
            raise errors.LimitsUnavailable
        return quotas

    def known(self, owner: str | None) -> Quotas | None:
        learned = self._learned.get(owner)
        counts = self._settings.kept if self._is_left_alone() else self._settings.fresh
        return learned.quotas if learned and self._clock() - learned.at < counts else None

    def _is_left_alone(self) -> bool:
        return self._clock() < self._left_alone_until

    def _ask(self, owner: str | None) -> None:
        try:
            quotas = self._read(owner)
        except (ClientException, OSError, LookupError, TypeError, ValueError) as error:  # it fails, or says something else than limits
            LOG.error("Keystone does not tell the limits of projects; the last known ones count: %s: %s", type(error).__name__, error)
            self._left_alone_until = self._clock() + PAUSE
        else:
            self._learned[owner] = _Learned(quotas, self._clock())

    @cached_property
    def _place(self) -> tuple[str, str | None]:
        """The service and the region of the endpoint."""
        endpoint = self._get(f"/endpoints/{self._settings.endpoint_id}")["endpoint"]
        return endpoint["service_id"], endpoint["region_id"]

    def _read(self, owner: str | None) -> Quotas:
        service, region = self._place
        registered = self._get("/registered_limits", service_id=service)["registered_limits"]
        return to_quotas({**_by_name(registered, "default_limit", region), **_by_name(self._own(service, owner), "resource_limit", region)})

    def _own(self, service: str, owner: str | None) -> Sequence[Mapping[str, Any]]:
        if not owner:
            return []
        try:
            own: Sequence[Mapping[str, Any]] = self._get("/limits", service_id=service, project_id=owner)["limits"]
        except BadRequest:  # an administrator may give an image to what cannot be the id of a project
            return []
        return own

    def _get(self, path: str, **query: str) -> Any:
        return self._keystone.get(path, params=query).json()


def to_quotas(limits: Mapping[str, int]) -> Quotas:
    """Limits by name as quotas."""
    missing = [name for name in LIMITS if name not in limits]
    if missing:
        LOG.error("Keystone has no registered limit %s for the image service: nothing is allowed of it.", ", ".join(missing))
    found = {measure: limits.get(name, 0) * unit for name, (measure, unit) in LIMITS.items()}
    return Quotas(**{measure: max(limit, -1) for measure, limit in found.items()})


def _by_name(rows: Iterable[Mapping[str, Any]], value: str, region: str | None) -> dict[str, int]:
    """The limits that hold in a region: those for it, or else those for all regions."""
    holding = sorted((row for row in rows if row["region_id"] in {None, region}), key=lambda row: row["region_id"] is not None)
    return {row["resource_name"]: int(row[value]) for row in holding}  # the last of a name counts
