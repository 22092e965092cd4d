"""Which options each program has, and reading them from its command line and files."""

from __future__ import annotations

import argparse
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg

from glance import __version__, errors
from glance.config import (
    access,
    backends,
    callers,
    database,
    files,
    filesystem,
    images,
    keystone,
    limits,
    listening,
    locations,
    logs,
    metrics,
    misplaced,
    notifications,
    pipelines,
    protections,
    quotas,
    rates,
    recovery,
    registry,
    s3,
    sources,
    staging,
    swift,
    unavailable,
)
from glance.config.sections import DEFAULT, Configuration, Section

API = "glance-api"
REGISTRY = "glance-registry"
MANAGE = "glance-manage"
SCRUBBER = "glance-scrubber"

SECTIONS: dict[str, tuple[Section, ...]] = {
    API: (
        listening.section(None, 9292),
        images.API,
        images.IDS,
        images.LIMITS,
        quotas.SECTION,
        limits.SECTION,
        rates.SECTION,
        protections.SECTION,
        images.DATA,
        locations.LOCATIONS,
        images.PAGING,
        access.IDENTITY,
        callers.TOKENS,
        callers.HTTP_BASIC,
        registry.CLIENT,
        registry.LEASE,
        recovery.DELETING,
        recovery.ORPHANS,
        sources.SOURCES,
        staging.STAGING,
        backends.SEVERAL,
        backends.STORES,
        filesystem.SECTION,
        sources.SECTION,
        s3.SECTION,
        swift.SECTION,
        database.SECTION,
        images.FORMATS,
        notifications.EVENTS,
        notifications.CLASSIC,
        notifications.DRIVERS,
        metrics.SECTION,
        pipelines.SECTION,
        access.POLICY,
    ),
    REGISTRY: (
        listening.section("127.0.0.1", 9191),
        registry.SERVER,
        registry.LEASE,
        quotas.SECTION,
        limits.SECTION,
        images.IDS,
        images.PAGING,
        database.SECTION,
        metrics.SECTION,
        pipelines.SECTION,
    ),
    MANAGE: (database.SECTION, database.REMOVAL, callers.TOKENS, access.IDENTITY, access.POLICY),
}
SECTIONS[SCRUBBER] = (recovery.SCRUBBER, *SECTIONS[API])

#: Programs that use the stores.
_WITH_STORES = frozenset({API, SCRUBBER})

#: How oslo.config tells the file that an option stands in; no file for one of the command line.
_LOCATION = re.compile(r" from LocationInfo\(location=.*?, detail='(.*?)'\)")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a program was started with: the options' values, the files that they came from, in the order that they were read, and what oslo.config
    noted about them."""

    program: str
    conf: cfg.ConfigOpts
    files: tuple[Path, ...]
    notes: tuple[str, ...]

    @property
    def directories(self) -> tuple[Path, ...]:
        """Where relative file names lead: beside the configuration files, the last one first."""
        return tuple(dict.fromkeys(path.parent for path in reversed(self.files)))

    def banner(self) -> list[str]:
        """All options and their values, for the log of a program that debugs."""
        return logs.banner(self.conf, _all_sections(self.program, self.conf), [str(path) for path in self.files])

    def warnings(self) -> list[str]:
        """What the operator should know about the files and the options."""
        found = list(self.notes)
        if self.program in _WITH_STORES:
            found += unavailable.warnings(self.conf)
            found += misplaced.warnings(self.conf, self.files)
            found += notifications.warnings(self.conf)
            found += access.warnings(self.conf)
            found += registry.warnings(self.conf)
        if quotas.SECTION in SECTIONS[self.program]:
            found += quotas.warnings(self.conf)
        if self._holds_secrets():
            found += [f"{path} holds secrets and may be read by every user of this machine." for path in files.readable_by_all(self.files)]
        return found

    def _holds_secrets(self) -> bool:
        """The URL of a database without password is none."""
        sections = _all_sections(self.program, self.conf)
        values = [str(section.values(self.conf)[option.dest] or "") for section in sections for option in section.options if option.secret]
        if any(value and ("://" not in value or "@" in value) for value in values):
            return True
        groups = (keystone.GROUP, limits.GROUP)
        return any(files.sections(path).has_option(group, name) for path in self.files for group in groups for name in keystone.SECRETS)


def load(program: str, arguments: Sequence[str]) -> Loaded:
    """Reads the command line of a server program, and its files. Raises ConfigurationMissing and ConfigurationError, which say why.

    ``--help``, ``--version`` and a command line that cannot be understood end the process, as argparse does it.
    """
    conf = declare(program)
    conf.register_cli_opt(cfg.StrOpt("conf-path", positional=True, required=False, metavar="CONF", help="Configuration file."))
    loaded = read(conf, program, arguments, files.program_files(*((API, SCRUBBER) if program == SCRUBBER else (program,))))
    if not loaded.files:
        raise errors.ConfigurationMissing(reason=f"Unable to locate any configuration file. Cannot load application {program}")
    return loaded


def declare(program: str) -> Configuration:
    """A configuration object with the options of a program, still without values."""
    conf = Configuration()
    logs.register(conf)
    for section in SECTIONS[program]:
        section.register(conf)
    if program in _WITH_STORES:
        unavailable.register(conf)
    return conf


def read(conf: Configuration, program: str, arguments: Sequence[str], default: Sequence[Path]) -> Loaded:
    """``load`` for options that are declared already. ``default``: the files to read where the command line names none."""
    named, rest = files_on_command_line(arguments)
    _parse(conf, program, rest, [])
    if "conf_path" in conf and conf.conf_path:
        named.insert(0, Path(conf.conf_path))
    paths = named or list(default)
    for path in paths:
        _check(program, path)
    with _noting() as notes:
        _parse(conf, program, rest, paths)
    return Loaded(program, conf, tuple(path.absolute() for path in paths), tuple(notes))


def files_on_command_line(arguments: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files that --config-file and --config-dir name, directories last, and the other arguments."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--config-file", action="append", default=[], type=Path)
    parser.add_argument("--config-dir", action="append", default=[], type=Path)
    found, rest = parser.parse_known_args([_with_dashes(argument) for argument in arguments])
    return [*found.config_file, *(path for directory in found.config_dir for path in files.in_directory(directory))], rest


def _parse(conf: Configuration, program: str, arguments: Sequence[str], paths: Sequence[Path]) -> None:
    """Reads everything, so that a value of the wrong kind is found now."""
    names = [str(path) for path in paths]
    try:
        conf(arguments, project="glance", prog=program, version=__version__, default_config_files=names, default_config_dirs=[])
        for path in paths:
            _read_app_section(conf, program, path)
        sections = _usual_sections(program)
        if program in _WITH_STORES and paths:
            backends.register(conf)
            sections = _all_sections(program, conf)
        for section in sections:
            section.values(conf)
    except (cfg.Error, OSError, ValueError) as error:
        raise _unusable(program, ", ".join(names), _LOCATION.sub(_place, str(error))) from error


def _read_app_section(conf: Configuration, program: str, path: Path) -> None:
    """Files of early 2011 hold options beside the factory in [app:PROGRAM]; they count where [DEFAULT] says nothing."""
    parser = files.sections(path)
    name = f"app:{REGISTRY if program == MANAGE else program}"
    if not parser.has_section(name):
        return
    for section in _usual_sections(program):
        for option_name, option in section.in_default().items():
            if parser.has_option(name, option_name):
                conf.set_default(option.dest, parser.get(name, option_name), None if section.group == DEFAULT else section.group)


def _usual_sections(program: str) -> tuple[Section, ...]:
    """The sections that a program has whatever its files say."""
    return (logs.SECTION, logs.library_section(), *SECTIONS[program])


def _all_sections(program: str, conf: Configuration) -> tuple[Section, ...]:
    """These, and those of the stores that the files name."""
    return (*_usual_sections(program), *(backends.sections(conf) if program in _WITH_STORES else ()))


class _Notes(logging.Handler):
    """Keeps messages until there is a log for them."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@contextmanager
def _noting() -> Iterator[list[str]]:
    """Collects what oslo.config says about older names of options."""
    notes = _Notes()
    logger = logging.getLogger(cfg.__name__)
    logger.addHandler(notes)
    logger.propagate = False
    try:
        yield notes.texts
    finally:
        logger.propagate = True
        logger.removeHandler(notes)


def _check(program: str, path: Path) -> None:
    try:
        files.check(path)
    except errors.ConfigurationUnsafe:
        raise
    except OSError as error:
        raise _unusable(program, path, error.strerror or str(error)) from error
    except errors.ConfigurationError as error:
        raise _unusable(program, path, error.message) from error


def _place(found: re.Match[str]) -> str:
    return f" in {found[1]}" if found[1] else " on the command line"


def _unusable(program: str, path: Path | str, reason: str) -> errors.ConfigurationError:
    """``path`` is "" where no file has been read yet, and so the command line is wrong."""
    origin = f" from configuration file {path}" if path else ""
    return errors.ConfigurationError(reason=f"Unable to load {program}{origin}.\nGot: {reason}")


def _with_dashes(argument: str) -> str:
    """--log_file=PATH, as it was documented in 2011, for --log-file=PATH."""
    name, equals, value = argument.partition("=")
    return name.replace("_", "-") + equals + value if name.startswith("--") else argument
