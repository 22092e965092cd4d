"""Options about logging, and setting it up through oslo.log."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Sequence
from importlib.metadata import distribution

from oslo_config import cfg
from oslo_log import log

from glance import __version__, errors
from glance.config.log_lines import JsonFormatter, LineFormatter
from glance.config.sections import Section

#: The line of the first releases, which scripts of operators read.
CLASSIC_FORMAT = "%(asctime)s %(levelname)8s [%(name)s] %(message)s"

SECTION = Section(
    "Logging",
    (
        cfg.BoolOpt("verbose", short="v", default=True, help="Whether the log tells what happens (INFO); else only warnings and errors."),
        cfg.StrOpt(
            "log-format",
            metavar="FORMAT",
            help="Format of log lines, in the terms of Python's logging module. Unless set, logging_default_format_string.",
        ),
    ),
    command_line=True,
)

_DEFAULTS = {"logging_default_format_string": CLASSIC_FORMAT, "default_log_levels": []}

#: Options of oslo.log that only its own formatter reads, which is not used here (see ``log_lines``), one that stops programs, and one whose handler
#: sends messages by way of a global configuration, which there is not.
_WITHOUT_EFFECT = frozenset(
    {
        "fatal_deprecations",
        "instance_format",
        "instance_uuid_format",
        "logging_context_format_string",
        "logging_debug_format_suffix",
        "logging_exception_prefix",
        "logging_user_identity_format",
        "publish_errors",
    }
)


def library_section() -> Section:
    """The options of oslo.log that count, for documents about them."""
    (entry,) = distribution("oslo.log").entry_points.select(group="oslo.config.opts", name="oslo.log")
    ((_group, options),) = entry.load()()
    return Section("Logging (oslo.log)", tuple(option for option in options if option.dest not in _WITHOUT_EFFECT))


def register(conf: cfg.ConfigOpts) -> None:
    """Declares SECTION and the options of oslo.log, with our format as its default."""
    SECTION.register(conf)
    log.register_options(conf)
    for name, value in _DEFAULTS.items():
        conf.set_default(name, value)


def set_up(conf: cfg.ConfigOpts, program: str) -> None:
    """Sends the process's log where the options say: a file, syslog, the journal, else stdout.

    A file is opened anew when it has been renamed, as logrotate does. Libraries log warnings and worse. Called again, it replaces what the first
    call made. Raises ConfigurationError where that cannot be done, such as a file that cannot be written; the log then stays where it was.
    """
    if conf.log_dir and not conf.log_file:
        conf.set_override("log_file", f"{program}.log")
    conf.set_override("publish_errors", False)
    root, ours = logging.root, logging.getLogger("glance")
    handlers, levels = list(root.handlers), (root.level, ours.level)
    try:
        formatter = _formatter(conf)
        log.setup(conf, program, __version__, fix_eventlet=False)
    except (ImportError, OSError, RuntimeError, TypeError, ValueError, log.LogConfigError) as error:
        refused, root.handlers = root.handlers, handlers
        _close(refused)
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
        raise errors.ConfigurationError(reason=f"Logging cannot be set up: {error}") from error
    _close(handlers)
    if conf.log_config_append:
        return
    for handler in root.handlers:
        handler.setFormatter(formatter)
    root.setLevel(logging.WARNING)
    quiet = logging.INFO if conf.verbose else logging.WARNING
    ours.setLevel(logging.DEBUG if conf.debug else quiet)


def is_set_up() -> bool:
    """Whether the process has a log that an operator chose; not known where the operator's own logging file is silent about ``glance``."""
    return logging.getLogger("glance").level != logging.NOTSET


def banner(conf: cfg.ConfigOpts, sections: Sequence[Section], files: Sequence[str]) -> list[str]:
    """The lines by which a program that debugs tells its options; secrets are covered (spec-v1 5.2)."""
    lines = ["*" * 80, "Configuration options gathered from config file:", *files, "=" * 48]
    for section in sections:
        secret = {option.dest for option in section.options if option.secret}
        prefix = "" if section.group == "DEFAULT" else f"{section.group}."
        lines += [f"{prefix + name:<30} {'****' if name in secret else value}" for name, value in sorted(section.values(conf).items())]
    return [*lines, "*" * 80]


def _formatter(conf: cfg.ConfigOpts) -> logging.Formatter:
    """Raises ValueError for a format that names unknown fields."""
    if conf.use_json:
        return JsonFormatter(datefmt=conf.log_date_format)
    formatter = LineFormatter(conf.log_format or conf.logging_default_format_string, conf.log_date_format)
    formatter.format(logging.makeLogRecord({}))
    return formatter


def _close(handlers: Iterable[logging.Handler]) -> None:
    for handler in handlers:
        if isinstance(handler, logging.FileHandler) and handler not in logging.root.handlers:
            with contextlib.suppress(OSError):
                handler.close()
