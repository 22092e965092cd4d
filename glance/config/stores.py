"""Making the stores that the options describe."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from oslo_config import cfg

from glance import errors
from glance.config import backends, drivers, filesystem, sources, staging
from glance.config.backends import Described
from glance.config.sections import is_given
from glance.interfaces import Store
from glance.store.drivers.file import FileStoreSettings
from glance.store.staging import NAME as STAGING_NAME
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet

LOG = logging.getLogger(__name__)


def make(conf: cfg.ConfigOpts, *, as_it_is: bool = False) -> StoreSet:
    """The stores that can be started, ready for use but that for staging, which waits until it is needed. What cannot be started is told in the log.
    With ``as_it_is`` no directory is made: a store that lacks one cannot be started.

    Raises StoreMisconfigured where that is the default store, and for options that are no matter of a single store.
    """
    try:
        return _make(conf, as_it_is=as_it_is)
    except errors.ConfigurationError as error:
        raise errors.StoreMisconfigured(reason=error.message) from error


def _make(conf: cfg.ConfigOpts, *, as_it_is: bool) -> StoreSet:
    described, default = backends.described(conf), backends.default(conf)
    sources.check(conf)  # whether or not there is a store that reads them
    staged = staging.read(conf)
    _refuse_shared_directories([(STAGING_NAME, staged), *_file_stores(conf, described)])
    with ExitStack() as started:
        stores = []
        for one in described:
            store = _start(conf, one, default, as_it_is=as_it_is)
            if store is not None:
                started.callback(store.close)
                stores.append(store)
        traits = {one.name: backends.traits(conf, one) for one in described}
        made = StoreSet(stores, default, StagingStore(staged), conf.source_schemes, traits, several=bool(conf.enabled_backends))
        started.pop_all()
    return made


def _start(conf: cfg.ConfigOpts, one: Described, default: str, *, as_it_is: bool) -> Store | None:
    """A store made ready; None for one that is left out."""
    try:
        if as_it_is:
            _refuse_missing_directories(conf, one)
        return _ready(drivers.make(one.driver, one.name, conf, one.group))
    except errors.ConfigurationError as error:
        if one.name == default:
            raise errors.StoreMisconfigured(reason=f"The default store '{one.name}' cannot be used: {error.message}") from error
        level = logging.ERROR if _is_configured(conf, one) else logging.WARNING
        LOG.log(level, "The store '%s' cannot be used and is left out: %s", one.name, error.message)
        return None


def _refuse_missing_directories(conf: cfg.ConfigOpts, one: Described) -> None:
    """Raises ConfigurationError."""
    for _name, settings in _file_stores(conf, [one]):
        for directory in settings.directories:
            if not os.path.isdir(directory.path):
                raise errors.ConfigurationError(reason=f"The directory {directory.path} does not exist.")


def _ready(store: Store) -> Store:
    """Raises ConfigurationError. A store that is only out of reach may come back, as it may at any other time."""
    try:
        store.check()
    except errors.Unavailable as error:
        LOG.warning("%s It is used as soon as it can be.", error.message)
    except errors.ConfigurationError:
        store.close()
        raise
    return store


def _is_configured(conf: cfg.ConfigOpts, one: Described) -> bool:
    """Lists of older configurations name every driver, also those that nothing else is said about."""
    if one.group != backends.SINGLE:
        return True
    return any(is_given(conf, option.dest, one.group) for option in backends.options(one.driver))


def _file_stores(conf: cfg.ConfigOpts, described: Sequence[Described]) -> Iterator[tuple[str, FileStoreSettings]]:
    """The file stores that can be made, and what they are made with."""
    for one in described:
        if one.driver == "file":
            try:
                yield one.name, filesystem.read(conf[one.group])
            except errors.ConfigurationError:
                continue


def _refuse_shared_directories(stores: Sequence[tuple[str, FileStoreSettings]]) -> None:
    """Raises StoreMisconfigured for two stores in one directory, also where they reach it by two mounts: each would take the other's files for its
    own."""
    owners: dict[object, str] = {}
    for name, settings in stores:
        for directory in settings.directories:
            path = os.path.realpath(directory.path)
            for known in _identities(path):
                if owners.setdefault(known, name) != name:
                    reason = f"The stores '{owners[known]}' and '{name}' would both keep data in {path}: give each a directory of its own."
                    raise errors.StoreMisconfigured(reason=reason)


def _identities(path: str) -> list[object]:
    """What a directory is known by: its path, and its place on its device, once it is there and can be asked."""
    try:
        status = os.stat(path)
    except OSError:
        return [path]
    return [path, (status.st_dev, status.st_ino)]
