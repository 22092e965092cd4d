"""Options about logging, and setting it up through oslo.log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from importlib.metadata import entry_points

from oslo_config import cfg
from oslo_log import log

from glance import __version__, errors
from glance.config.sections import Section

#: The line of the first releases, which scripts of operators read.
CLASSIC_FORMAT = "%(asctime)s %(levelname)8s [%(name)s] %(message)s"
REQUEST_FORMAT = "%(asctime)s %(levelname)8s [%(name)s] [%(request_id)s] %(message)s"

SECTION = Section(
    "Logging",
    (
        cfg.BoolOpt("verbose", short="v", default=True, help="Whether the log tells what happens (INFO); else only warnings and errors."),
        cfg.StrOpt(
            "log-format",
            metavar="FORMAT",
            help="Format of log lines, in the terms of Python's logging module. Unless set, logging_default_format_string and, where a request is "
            "known, logging_context_format_string.",
        ),
    ),
    command_line=True,
)

_DEFAULTS = {
    "logging_default_format_string": CLASSIC_FORMAT,
    "logging_context_format_string": REQUEST_FORMAT,
    "logging_debug_format_suffix": "",
    "logging_exception_prefix": "",
    "default_log_levels": [],
}


def library_section() -> Section:
    """The options that oslo.log declares, for documents about them."""
    (entry,) = entry_points(group="oslo.config.opts", name="oslo.log")
    ((_group, options),) = entry.load()()
    return Section("Logging (oslo.log)", tuple(option for option in options if option.dest != "fatal_deprecations"))


def register(conf: cfg.ConfigOpts) -> None:
    """Declares SECTION and the options of oslo.log, with our formats as their defaults."""
    SECTION.register(conf)
    log.register_options(conf)
    for name, value in _DEFAULTS.items():
        conf.set_default(name, value)


def set_up(conf: cfg.ConfigOpts, program: str) -> None:
    """Sends the process's log where the options say: a file, syslog, the journal, else stdout.

    A file is opened anew when it has been renamed, as logrotate does. Libraries log warnings and worse. Called again, it replaces what the first
    call made. Raises ConfigurationError where a file cannot be written.
    """
    if conf.log_format:
        conf.set_override("logging_default_format_string", conf.log_format)
        conf.set_override("logging_context_format_string", conf.log_format)
    if conf.log_dir and not conf.log_file:
        conf.set_override("log_file", f"{program}.log")
    before = list(logging.root.handlers)
    try:
        log.setup(conf, program, __version__, fix_eventlet=False)
    except (OSError, TypeError, ValueError, log.LogConfigError) as error:
        raise errors.ConfigurationError(reason=f"Logging cannot be set up: {error}") from error
    _close(before)
    if not conf.log_config_append:
        logging.root.setLevel(logging.WARNING)
        quiet = logging.INFO if conf.verbose else logging.WARNING
        logging.getLogger("glance").setLevel(logging.DEBUG if conf.debug else quiet)


def banner(conf: cfg.ConfigOpts, sections: Sequence[Section], files: Sequence[str]) -> list[str]:
    """The lines by which a program that debugs tells its options; secrets are covered (spec-v1 5.2)."""
    lines = ["*" * 80, "Configuration options gathered from config file:", *files, "=" * 48]
    for section in sections:
        secret = {option.dest for option in section.options if option.secret}
        prefix = "" if section.group == "DEFAULT" else f"{section.group}."
        lines += [f"{prefix + name:<30} {'****' if name in secret else value}" for name, value in sorted(section.values(conf).items())]
    return [*lines, "*" * 80]


def _close(handlers: list[logging.Handler]) -> None:
    for handler in handlers:
        if isinstance(handler, logging.FileHandler) and handler not in logging.root.handlers:
            with contextlib.suppress(OSError):
                handler.close()
