"""The set of configured stores, and how the operator's names find their drivers."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

from glance import errors
from glance.egress import shown
from glance.interfaces import Staging, Store
from glance.model.image import Location
from glance.store import location as urls

LOG = logging.getLogger(__name__)

DRIVERS = "glance.store.drivers"
_CLASSIC = re.compile(r"(?:glance\.store|glance_store\._drivers)\.(\w+)\.Store")
_ALIASES = {"filesystem": "file", "https": "http"}


def driver_name(classic: str) -> str | None:
    """The entry point that an operator's word for a driver means: ``file``, ``filesystem``, ``glance.store.http.Store`` (spec-v1 6.1).

    A driver that is not installed is logged and None, so that configurations which list every driver still start.
    """
    found = _CLASSIC.fullmatch(classic)
    short = found[1] if found else classic
    name = _ALIASES.get(short, short)
    if _entry_point(name) is None:
        LOG.warning("The store driver '%s' is not installed; it is skipped.", classic)
        return None
    return name


def load_driver(name: str) -> Callable[..., Store]:
    """The class behind an entry point. Raises ConfigurationError when there is none, or when it cannot be imported."""
    found = _entry_point(name)
    if found is None:
        raise errors.ConfigurationError(reason=f"The store driver '{name}' is not installed.")
    try:
        driver: Callable[..., Store] = found.load()
    except (ImportError, AttributeError) as error:
        raise errors.ConfigurationError(reason=f"The store driver '{name}' cannot be loaded: {error}") from error
    return driver


def _entry_point(name: str) -> EntryPoint | None:
    return next(iter(entry_points(group=DRIVERS, name=name)), None)


class StoreSet:
    """The stores of a service. A store is found by its name, or by one of its schemes, as clients of old name it; ``staging`` by its name only,
    and by no client.

    Raises ConfigurationError for two stores of one name and for a default that is not among them. Clients may register and copy from URLs of
    ``external_schemes`` only: an allow-list (CVE-2014-9493, CVE-2015-1195).
    """

    def __init__(self, stores: Sequence[Store], default: str, staging: Staging, external_schemes: Sequence[str] = ("http", "https")) -> None:
        self.staging = staging
        self._stores = {store.name: store for store in stores}
        self._external = frozenset(external_schemes)
        if len({*self._stores, staging.name}) != len(stores) + 1:
            raise errors.ConfigurationError(reason="Two stores have the same name.")
        try:
            self.default = self.choose(default).name
        except errors.StoreUnknown:
            reason = f"The default store '{default}' is not among the enabled stores: {', '.join(self.names)}."
            raise errors.ConfigurationError(reason=reason) from None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._stores)

    def get(self, name: str) -> Store:
        found = self.staging if name == self.staging.name else self._stores.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def choose(self, name: str) -> Store:
        found = self._stores.get(name) or self._by_scheme(name)
        if found is None:
            raise self._unknown(name)
        return found

    def of(self, location: Location) -> Store:
        if location.store:
            return self.get(location.store)
        parts = urls.parse(location.url)
        found = self._by_scheme(parts.scheme) if parts is not None else None
        if found is None:
            raise self._unknown(location.store)
        return found

    def for_external(self, url: str) -> Store:
        parts = urls.parse(url)
        found = self._by_scheme(parts.scheme) if parts is not None and parts.scheme in self._external else None
        if found is None:
            raise errors.SourceRefused(source=shown(url))
        return found

    def _unknown(self, name: str) -> errors.StoreUnknown:
        return errors.StoreUnknown(store=name, enabled=", ".join(self.names))

    def _by_scheme(self, scheme: str) -> Store | None:
        return next((store for store in self._stores.values() if scheme in store.schemes), None)
