"""The set of configured stores, and how the operator's names find their drivers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from types import MappingProxyType
from typing import Any

from glance import errors
from glance.egress import shown
from glance.interfaces import Staging, Store
from glance.model.image import Location
from glance.model.stores import StoreTraits
from glance.store import location as urls

#: Groups of entry points: a driver, and the options that it declares.
DRIVERS = "glance.store.drivers"
OPTIONS = "glance.store.options"
_CLASSIC = re.compile(r"(?:glance\.store|glance_store\._drivers)\.(\w+)\.Store")
_ALIASES = {"filesystem": "file", "https": "http"}
#: Schemes that clients may be allowed whether or not a store reads them.
_WEB = frozenset({"http", "https"})


def driver_name(classic: str) -> str:
    """The entry point that an operator's word for a driver means: ``file``, ``filesystem``, ``glance.store.http.Store`` (spec-v1 6.1)."""
    found = _CLASSIC.fullmatch(classic)
    short = found[1] if found else classic
    return _ALIASES.get(short, short)


def load_driver(name: str) -> Callable[..., Store]:
    """The class behind an entry point. Raises ConfigurationError when there is none, or when it cannot be imported."""
    found = _entry_point(DRIVERS, name)
    if found is None:
        raise errors.ConfigurationError(reason=f"The store driver '{name}' is not installed.")
    driver: Callable[..., Store] = _loaded(found)
    return driver


def load_options(name: str) -> Sequence[object] | None:
    """The options that a driver of a third party declares; None for a driver that declares none. Raises ConfigurationError."""
    found = _entry_point(OPTIONS, name)
    if found is None:
        return None
    options: Sequence[object] = _loaded(found)
    return options


def _entry_point(group: str, name: str) -> EntryPoint | None:
    """One of this package, else of any that is installed: to look through all of them takes long."""
    ours: Iterable[EntryPoint] = ()
    with suppress(PackageNotFoundError):  # under another name, it is one of all
        ours = distribution("glance").entry_points.select(group=group, name=name)
    return next(iter(ours or entry_points(group=group, name=name)), None)


def _loaded(found: EntryPoint) -> Any:
    try:
        return found.load()
    except (ImportError, AttributeError) as error:
        raise errors.ConfigurationError(reason=f"The store driver '{found.name}' cannot be loaded: {error}") from error


class StoreSet:
    """The stores of a service, and what the operator says of them. A store is found by its name, or by one of its schemes, as clients of old name
    it; ``staging`` by its name only, and by no client.

    Clients may register and copy from URLs of ``external_schemes`` only: an allow-list (CVE-2014-9493, CVE-2015-1195). No store that is written
    has one of them, or clients could read and erase what it keeps for others (LP 1546507).

    Raises ConfigurationError for two stores of one name, for a default that is not among them, and for other ``external_schemes``.
    """

    def __init__(
        self,
        stores: Sequence[Store],
        default: str,
        staging: Staging,
        external_schemes: Sequence[str] = ("http", "https"),
        traits: Mapping[str, StoreTraits] = MappingProxyType({}),
        *,
        several: bool = False,
    ) -> None:
        self.staging = staging
        self.several = several
        self._traits = traits
        self._stores = {store.name: store for store in stores}
        self._external = frozenset(external_schemes)
        if len({*self._stores, staging.name}) != len(stores) + 1:
            raise errors.ConfigurationError(reason="Two stores have the same name.")
        try:
            self.default = self.choose(default).name
        except errors.StoreUnknown:
            reason = f"The default store '{default}' is not among the enabled stores: {', '.join(self.names)}."
            raise errors.ConfigurationError(reason=reason) from None
        self._check_external_schemes()

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._stores)

    def get(self, name: str) -> Store:
        found = self.staging if name == self.staging.name else self._stores.get(name)
        if found is None:
            raise self._unknown(name)
        return found

    def traits(self, name: str) -> StoreTraits:
        self.get(name)
        return self._traits.get(name, StoreTraits())

    def choose(self, name: str) -> Store:
        found = self._stores.get(name) or self._by_scheme(name)
        if found is None:
            raise self._unknown(name)
        return found

    def of(self, location: Location) -> Store:
        if location.store == self.staging.name:
            return self.staging
        named = self._stores.get(location.store)
        if named is not None and (not location.owned or named.recognizes(location)):
            return named  # what a client named is read by no other store than that which it was meant for
        found = next((store for store in self._stores.values() if store.recognizes(location)), named)
        if found is None:
            raise self._unknown(location.store)
        return found

    def of_upload(self, name: str) -> Sequence[Store]:
        if name == self.staging.name or name in self._stores or name in self._traits:
            return (self.get(name),)
        return [store for store in self._stores.values() if store.writable]

    def for_external(self, url: str) -> Store:
        parts = urls.parse(url)
        found = self._by_scheme(parts.scheme) if parts is not None and parts.scheme in self._external else None
        if found is None:
            raise errors.SourceRefused(source=shown(url))
        return found

    def _check_external_schemes(self) -> None:
        for scheme in sorted(self._external):
            writable = [store.writable for store in self._stores.values() if scheme in store.schemes]
            if any(writable) or not (writable or scheme in _WEB):
                reason = f"source_schemes names '{scheme}', but only http, https and schemes of stores that are never written may: "
                raise errors.ConfigurationError(reason=f"{reason}clients could read and erase the data of others by it.")

    def _unknown(self, name: str) -> errors.StoreUnknown:
        return errors.StoreUnknown(store=name, enabled=", ".join(self.names))

    def _by_scheme(self, scheme: str) -> Store | None:
        return next((store for store in self._stores.values() if scheme in store.schemes), None)
