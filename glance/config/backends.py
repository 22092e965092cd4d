"""Which stores there are: one for each driver in ``stores``, or those of ``enabled_backends``, each with a section of its own (spec-v2 8.3)."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass

from oslo_config import cfg

from glance import errors
from glance.config import drivers, filesystem, staging
from glance.config.sections import DEFAULT, Section, also_in_default, is_given
from glance.model.stores import StoreTraits
from glance.store.staging import NAME as STAGING_NAME
from glance.store.stores import driver_name

SINGLE = "glance_store"
DEFAULTS = "backend_defaults"
RESERVED = "os_glance_"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
#: What these drivers keep is read by this machine alone: reading it whole at every download would cost more than it finds.
_LOCAL = frozenset({"file", "memory"})
#: Many machines keep what these drivers store, and not all of them know of it at once.
_LATE = frozenset({"s3", "swift"})

_VERIFY = cfg.BoolOpt(
    "verify_on_read",
    help="Whether a whole image that is read is compared with its digest, and ends short where they differ. Unless set: yes, but not in stores of "
    "the drivers file and memory.",
)

SEVERAL = Section(
    "Several stores",
    (
        cfg.DictOpt(
            "enabled_backends",
            help="Several stores, each as name:driver, such as fast:file, cold:swift, web:http. Each has its options in a section of its name; see "
            f"[NAME] at the end. Of [{SINGLE}], only default_backend counts then. Names must not begin with {RESERVED}.",
        ),
    ),
)

STORES = Section(
    "Stores",
    (
        cfg.ListOpt(
            "stores",
            default=["file", "http"],
            deprecated_opts=also_in_default("stores", "known_stores"),
            help="Stores to enable, one for each driver: file, http, s3, swift. The class names of older releases (glance.store.filesystem.Store) "
            "are understood. A store that is not installed, not configured or cannot be used is left out, which the log tells, unless it is the "
            "default.",
        ),
        cfg.StrOpt(
            "default_store",
            default="file",
            deprecated_opts=also_in_default("default_store"),
            help="Store for images that name none. Where it is set, it is enabled too.",
        ),
        cfg.StrOpt("default_backend", help="The same with enabled_backends, which needs it: one of the names there."),
        _VERIFY,
    ),
    group=SINGLE,
)

#: What every store of ``enabled_backends`` has beside the options of its driver.
OF_EACH = Section(
    "A store of enabled_backends",
    (
        cfg.StrOpt("store_description", default="", help="What clients are told of the store."),
        cfg.IntOpt("weight", default=0, help="Of the copies of an image, that in the store with the greatest weight is read first."),
        _VERIFY,
    ),
    group="NAME",
)
#: The same for people.
OF_EACH_NOTE = (
    f"With enabled_backends, each store has a section of its name with these options, and with those of its driver that stand in [{SINGLE}] above "
    f"(File store, HTTP store, S3 store, Swift store). What a section lacks is looked for in [{DEFAULTS}]. [{STAGING_NAME}], where staged data wait, "
    "has options of the file store."
)


@dataclass(frozen=True, slots=True)
class Described:
    """A store as the options describe it: ``driver`` is the name of an entry point, ``group`` the section with its options."""

    name: str
    driver: str
    group: str


def described(conf: cfg.ConfigOpts) -> tuple[Described, ...]:
    """The stores that are enabled, whether or not they can be started."""
    if conf.enabled_backends:
        return tuple(Described(name, driver_name(kind), name) for name, kind in conf.enabled_backends.items())
    names = [driver_name(kind) for kind in conf.glance_store.stores]
    if is_given(conf, "default_store", SINGLE):
        names.append(driver_name(conf.glance_store.default_store))
    return tuple(Described(name, name, SINGLE) for name in dict.fromkeys(names))


def default(conf: cfg.ConfigOpts) -> str:
    """The name of the default store. Raises StoreMisconfigured where it is not enabled."""
    option = "default_backend" if conf.enabled_backends else "default_store"
    value = conf.glance_store[option]
    name = value if conf.enabled_backends else driver_name(value)
    enabled = [one.name for one in described(conf)]
    if name not in enabled:
        reason = f"[{SINGLE}] {option} is '{value or ''}', but must name one of the enabled stores: {', '.join(enabled)}."
        raise errors.StoreMisconfigured(reason=reason)
    return name


def traits(conf: cfg.ConfigOpts, one: Described) -> StoreTraits:
    """What the operator says of a store."""
    values = conf[one.group]
    verify = one.driver not in _LOCAL if values.verify_on_read is None else values.verify_on_read
    late = one.driver in _LATE
    if not conf.enabled_backends:
        return StoreTraits(one.driver, verify_on_read=verify, appears_late=late)
    return StoreTraits(one.driver, values.store_description, values.weight, verify, late)


def register(conf: cfg.ConfigOpts) -> None:
    """Declares the sections of the stores, once the files that name them are read; what they lack comes from [backend_defaults] then.

    Raises StoreMisconfigured for names that cannot be those of stores.
    """
    for name in conf.enabled_backends or {}:
        _check_name(conf, name)
    for section in sections(conf):
        section.register(conf)
    for one in described(conf) if conf.enabled_backends else ():
        _apply_defaults(conf, _section(one))


def sections(conf: cfg.ConfigOpts) -> list[Section]:
    """The sections of the stores that are enabled; what a third party's driver adds to that of all, where there is one store for each driver."""
    if conf.enabled_backends:
        return [_staging_section(), *map(_section, described(conf))]
    foreign = (one for one in described(conf) if one.driver not in drivers.DECLARED)
    return [Section(f"Store '{one.name}'", options(one.driver), SINGLE) for one in foreign]


def _check_name(conf: cfg.ConfigOpts, name: str) -> None:
    if name.startswith(RESERVED):
        raise errors.StoreMisconfigured(reason=f"enabled_backends names '{name}', but names that begin with {RESERVED} are reserved.")
    if not _ID.fullmatch(name):
        raise errors.StoreMisconfigured(reason=f"enabled_backends names '{name}': a store has a name of letters, digits and . _ -")
    if name in conf or name.lower() in {*conf, DEFAULT.lower(), DEFAULTS}:
        raise errors.StoreMisconfigured(reason=f"enabled_backends names '{name}', but that is the name of another section or option.")


def _section(one: Described) -> Section:
    return Section(f"Store '{one.name}'", tuple(_standing(option) for option in (*OF_EACH.options, *options(one.driver))), one.group)


def _staging_section() -> Section:
    """The options of the file store, its directory being another one unless it is named."""
    defaults = {"filesystem_store_datadir": staging.DATADIR}
    options = (_standing(option, defaults.get(option.dest, option.default)) for option in filesystem.SECTION.options)
    return Section("Staged data", tuple(options), STAGING_NAME)


def _apply_defaults(conf: cfg.ConfigOpts, section: Section) -> None:
    """[backend_defaults] has the same options without defaults, so that it is seen what was set there."""
    shared = Section("Defaults of stores", tuple(_standing(option, None) for option in section.options), DEFAULTS)
    shared.register(conf)
    for name, value in shared.values(conf).items():
        if value is not None:
            conf.set_default(name, value, section.group)


def options(driver: str) -> tuple[cfg.Opt, ...]:
    """The options of a driver; none where they cannot be had: whoever makes the store is told why."""
    try:
        return drivers.options(driver)
    except errors.ConfigurationError:
        return ()


def _standing(option: cfg.Opt, default: object = ...) -> cfg.Opt:
    """The option as it stands in a store's section: without its spellings in other sections, and with another default where one is given."""
    found = copy.copy(option)
    found.deprecated_opts = [name for name in option.deprecated_opts if name.group is None]
    found.default = option.default if default is ... else default
    return found
