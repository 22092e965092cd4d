"""Which options each store driver has, and what it is made with: settings of its own kind, or a third party's options by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from oslo_config import cfg

from glance import errors
from glance.config import filesystem, s3, sources, swift
from glance.config.sections import Section
from glance.interfaces import Store
from glance.store.stores import load_driver, load_options


@dataclass(frozen=True, slots=True)
class Declared:
    """The options of a driver, and what makes its settings from the values in the section of that name."""

    section: Section
    read: Callable[[cfg.ConfigOpts, str], object]


#: The drivers of this package that have options.
DECLARED = {
    "file": Declared(filesystem.SECTION, lambda conf, group: filesystem.read(conf[group])),
    "http": Declared(sources.SECTION, sources.make),
    "s3": Declared(s3.SECTION, lambda conf, group: s3.read(conf[group])),
    "swift": Declared(swift.SECTION, lambda conf, group: swift.read(conf[group])),
}


def options(driver: str) -> tuple[cfg.Opt, ...]:
    """The options of a driver; none where it has none, or is not installed. Raises ConfigurationError where a third party's cannot be loaded."""
    if driver in DECLARED:
        return DECLARED[driver].section.options
    return tuple(_foreign(driver) or ())


def make(driver: str, name: str, conf: cfg.ConfigOpts, group: str) -> Store:
    """A store of that name, not yet checked, with the options of the section ``group``. Raises ConfigurationError."""
    kind = load_driver(driver)
    if driver in DECLARED:
        return kind(name, DECLARED[driver].read(conf, group))
    foreign = _foreign(driver)
    return kind(name) if foreign is None else kind(name, Section(name, tuple(foreign), group).values(conf))


def _foreign(driver: str) -> Sequence[cfg.Opt] | None:
    """The options that a third party's driver declares (docs/writing-a-driver.md); None for one that takes none."""
    found = load_options(driver)
    if found is not None and not all(isinstance(one, cfg.Opt) for one in found):
        raise errors.ConfigurationError(reason=f"The options of the store driver '{driver}' are not all options of oslo.config.")
    return found
