"""glance-control: the command line; what it does is in ``glance.server.control``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from glance import __version__
from glance.server import control
from glance.server.launching import Manner, Server

_FLAGS = (("--verbose", "-v"), ("--debug", "-d"), ("--use-syslog", "--use_syslog"))
_VALUES = ("--config-dir", "--log-config", "--log-format", "--log-date-format", "--log-file", "--log-dir", "--syslog-log-facility")


def main(arguments: Sequence[str] | None = None) -> int:
    """Reads the command line (default: that of the process), carries it out and returns the exit status (specification 5.3)."""
    parser = _parser()
    options = parser.parse_intermixed_args(arguments)
    if not 2 <= len(options.words) <= 3:
        parser.print_usage(sys.stderr)
        return 1
    name, command, *config = options.words
    short = name.removeprefix("glance-")
    if refusal := _refusal(short, command, options):
        print(refusal, file=sys.stderr)
        return 1
    servers = [
        Server.named(
            server,
            options.pid_file or options.pid_dir / f"glance-{server}.pid",
            [_absolute(path) for path in (*options.config_file, *config)],
            options.passed_on,
        )
        for server in (control.ALL if short == "all" else (short,))
    ]
    return control.run(command, servers, Manner(options.await_child, options.capture_output, options.respawn))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "glance-control",
        "%(prog)s [options] SERVER COMMAND [CONFPATH]",
        "Starts and stops the servers of the image service.",
        f"SERVER: all, {', '.join(control.SERVERS)}. COMMAND: {', '.join(control.COMMANDS)}. CONFPATH: a configuration file, or a directory that"
        " holds one of its own for each server.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("words", nargs="*", help=argparse.SUPPRESS)
    add("--version", action="version", version=f"%(prog)s {__version__}")
    add("--config-file", action="append", default=[], metavar="PATH", help="same as CONFPATH; can be given more than once")
    add("--pid-file", type=_absolute, metavar="PATH", help="the pid file of the one server named")
    add("--pid-dir", type=_absolute, default=control.PID_DIR, metavar="DIR", help="where pid files are (default: %(default)s)")
    add("--await-child", type=int, default=0, metavar="SECONDS", help="wait so long whether the server ends, and return its exit status")
    add("--capture-output", action="store_true", help="send what the server prints to the system log")
    add("--respawn", action="store_true", help="stay, and start the server again when it dies")
    passed_on = parser.add_argument_group("options that are passed on to the server")
    for flags in _FLAGS:
        passed_on.add_argument(*flags, action="append_const", dest="passed_on", const=flags[0], default=[])
    for option in _VALUES:
        spellings = dict.fromkeys((option, "--" + option[2:].replace("-", "_")))
        passed_on.add_argument(*spellings, action="append", dest="passed_on", type=f"{option}={{}}".format, metavar="VALUE")
    return parser


def _absolute(path: str) -> Path:
    return Path(os.path.abspath(path))


def _refusal(short: str, command: str, options: argparse.Namespace) -> str:
    """Why the command line cannot be carried out; "" where it can."""
    if short not in ("all", *control.SERVERS):
        return f"Unknown server 'glance-{short}' specified. Please specify all, or one of the servers: {', '.join(control.SERVERS)}"
    if command not in control.COMMANDS:
        return f"Unknown command {command} specified. Please specify a command in this list: {', '.join(control.COMMANDS)}"
    if options.await_child and options.respawn:
        return "--await-child and --respawn are mutually exclusive"
    if options.pid_file and short == "all":
        return "--pid-file names the file of one server; with all, use --pid-dir"
    return ""
