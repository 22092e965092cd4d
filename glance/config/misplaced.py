"""Options of stores that stand where nobody reads them: told at start, since images would go to another place than their operator thinks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from oslo_config import cfg

from glance.config import backends, drivers
from glance.config.sections import DEFAULT, Section, is_given
from glance.store.staging import NAME as STAGING_NAME


def warnings(conf: cfg.ConfigOpts, files: Sequence[Path]) -> Iterator[str]:
    """A sentence for each of them."""
    written = _written(files)
    yield from _unnamed(conf, written)
    if conf.enabled_backends:
        yield from _unknown(conf, written)
        yield from _single(conf)
        yield from _without_directory(conf)
    elif written.get(backends.DEFAULTS) or is_given(conf, "default_backend", backends.SINGLE):
        yield f"default_backend and [{backends.DEFAULTS}] count only where enabled_backends is set: they are ignored."


def _written(files: Sequence[Path]) -> Mapping[str, set[str]]:
    """The names of the options in each section of the files; those of sections in lower case, as all spellings mean one section."""
    found: dict[str, set[str]] = {}
    for path in files:
        sections: dict[str, dict[str, list[str]]] = {}
        cfg.ConfigParser(str(path), sections).parse()
        for name, options in sections.items():
            found.setdefault(name.lower(), set()).update(options)
    return found


def _unnamed(conf: cfg.ConfigOpts, written: Mapping[str, set[str]]) -> Iterator[str]:
    """Sections that look like those of stores, but are none."""
    usual = {"store_description", *_names([option for driver in drivers.DECLARED.values() for option in driver.section.options])}
    ours = {DEFAULT.lower(), backends.DEFAULTS, STAGING_NAME, *(name.lower() for name in conf)}
    for section, options in written.items():
        if options & usual and section not in ours and not section.startswith((backends.RESERVED, "app:")):
            yield f"The section [{section}] has options of a store, but enabled_backends names no such store: it is ignored."


def _unknown(conf: cfg.ConfigOpts, written: Mapping[str, set[str]]) -> Iterator[str]:
    """What the sections of the stores hold beside the options that they have."""
    sections = backends.sections(conf)
    several = [*sections, Section("Defaults of stores", tuple(option for section in sections for option in section.options), backends.DEFAULTS)]
    for section in several:
        for name in sorted(written.get(section.group.lower(), set()) - _names(section.options)):
            yield f"The option {name} in [{section.group}] is none of those that stand there: it is ignored."


def _single(conf: cfg.ConfigOpts) -> Iterator[str]:
    """What holds for a single store of each driver only."""
    sections = [backends.STORES, *(driver.section for driver in drivers.DECLARED.values())]
    names = [option.dest for section in sections for option in section.options if option.dest != "default_backend"]
    given = [name for name in names if is_given(conf, name, backends.SINGLE)]
    if given:
        yield (
            f"With enabled_backends, these options of [{backends.SINGLE}] are ignored; the sections of the stores and [{backends.DEFAULTS}] take "
            f"them: {', '.join(given)}."
        )
    if is_given(conf, "node_staging_uri"):
        yield f"With enabled_backends, node_staging_uri is ignored: set filesystem_store_datadir in [{STAGING_NAME}]."


def _without_directory(conf: cfg.ConfigOpts) -> Iterator[str]:
    names = ("filesystem_store_datadir", "filesystem_store_datadirs")
    for one in backends.described(conf):
        if one.driver == "file" and not any(is_given(conf, name, one.group) for name in names):
            yield f"The store '{one.name}' keeps images in {conf[one.group].filesystem_store_datadir}: [{one.name}] names no other directory."


def _names(options: Sequence[cfg.Opt]) -> set[str]:
    """The names that options may have in a section of their own."""
    older = (name.name for option in options for name in option.deprecated_opts if name.group is None)
    return {*(option.dest for option in options), *(option.name for option in options), *older}
