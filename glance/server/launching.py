"""How glance-control starts servers: with which command and limits, on which record; and what it awaits then."""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from glance.errors import ConfigurationError
from glance.server.pidfile import PidFile, Process
from glance.server.signals import hold_reload, is_ready

SCRUBBER = "glance-scrubber"
SIGNAL_STATUS = 128  # a shell adds this to the number of the signal that ended a program

_START_SECONDS = 15.0  # a server that has not ended by then counts as started, though it may still wait for its database
_POLL_SECONDS = 0.1
_BOUNCE_SECONDS = 1.0
_BACKOFF_RESET_SECONDS = 60.0
_BACKOFF_LONGEST_SECONDS = 60.0
_LIMITS = ((resource.RLIMIT_NOFILE, 32768, "file descriptor"), (resource.RLIMIT_DATA, 2 << 30, "data segment"))


@dataclass(frozen=True)
class Server:
    """A server as the command line describes it. ``options`` are passed on to the program as they are."""

    name: str
    pid_file: PidFile
    config_files: tuple[Path, ...] = ()
    options: tuple[str, ...] = ()

    @classmethod
    def named(cls, short: str, pid_file: Path, config: Sequence[Path], options: Sequence[str]) -> Server:
        """The server glance-``short``; a configuration that is a directory stands for the server's own file in it."""
        name = f"glance-{short}"
        files = [file for path in config for file in (_files_in(path, name) if path.is_dir() else [path])]
        return cls(name, PidFile(pid_file, name), tuple(files), tuple(options))

    @property
    def ending(self) -> PidFile:
        """Which process was told to end, while it is waited for, and afterwards where that was in vain."""
        return PidFile(self.pid_file.path.with_name(f"{self.pid_file.path.name}.ending"), self.name)

    def line(self, verb: str) -> str:
        """What is said when the server is started: ``Starting glance-api with /etc/glance/glance-api.conf``."""
        files = ", ".join(str(path) for path in self.config_files)
        return f"{verb} {self.name} with {files}" if files else f"{verb} {self.name}"

    def command(self) -> list[str]:
        """The argument list that runs the server in the foreground. Raises FileNotFoundError where there is no such program."""
        always = ["--daemon"] if self.name == SCRUBBER else []
        return [_find(self.name), *(f"--config-file={path}" for path in self.config_files), *self.options, *always]


@dataclass(frozen=True)
class Manner:
    """How servers are started. ``await_child``: seconds for which a server that ends decides the exit status."""

    await_child: int = 0
    capture_output: bool = False
    respawn: bool = False


@dataclass(frozen=True)
class _Launched:
    """A server that runs as our child, or did. ``delay``: seconds that it will wait, once it has died, until ``due``, its next start."""

    server: Server
    child: subprocess.Popen[bytes]
    since: float
    delay: float = 0.0
    due: float | None = None

    def on_record(self) -> bool:
        """False once another command removed the pid file: then the end of this server is meant."""
        process = self.server.pid_file.read()
        return process is not None and process.pid == self.child.pid


def _files_in(directory: Path, name: str) -> list[Path]:
    """The configuration of a server in a directory: a file of its own; of the scrubber also that of glance-api, before its own where it has one."""
    own = directory / f"{name}.conf"
    return [directory / "glance-api.conf", *([own] if own.is_file() else [])] if name == SCRUBBER else [own]


def launch(servers: Sequence[Server], manner: Manner) -> int:
    """Starts those that do not run, and returns the exit status; with ``respawn`` once none of them runs any more."""
    _raise_limits()
    launched = []
    failed = False
    for server in servers:
        try:
            launched += _start(server, manner)
        except (ConfigurationError, OSError) as error:
            complain(f"unable to launch {server.name}. Got error: {error}")
            failed = True
    status = _Supervisor(manner).run(launched) if manner.respawn else _settle(launched, manner)
    return status or int(failed)


def _raise_limits() -> None:
    """Raises what is lower than a busy server needs; the servers inherit it."""
    for limit, wanted, name in _LIMITS:
        soft, hard = resource.getrlimit(limit)
        if soft == resource.RLIM_INFINITY or soft >= wanted:
            continue
        try:
            resource.setrlimit(limit, (wanted, hard if hard == resource.RLIM_INFINITY else max(hard, wanted)))
        except (ValueError, OSError):
            # Containers refuse it to root, too.
            reason = f" above {hard}: this system allows no more, even to root." if os.geteuid() == 0 else ".  Running as non-root?"
            complain(f"Unable to increase {name} limit{reason}")


def _start(server: Server, manner: Manner) -> list[_Launched]:
    """Starts one server; an empty list where it runs already."""
    writable = server.pid_file.make_directory()
    with server.pid_file.locked():
        if server.pid_file.running():
            say(f"{server.name} appears to already be running: {server.pid_file.path}")
            return []
        if writable and server.pid_file.read():
            say(f"Removing stale pid file {server.pid_file.path}")
            server.pid_file.remove()
        say(server.line("Starting"))
        return [_launch(server if writable else _with_temporary_pid_file(server), manner)]


def _with_temporary_pid_file(server: Server) -> Server:
    """The same server with its pid file in a directory that only its user can write to."""
    path = Path(tempfile.mkdtemp(prefix="glance-")) / server.pid_file.path.name
    say(f"Unable to create pid file {server.pid_file.path}.  Running as non-root?")
    say(f"Falling back to a temp file, you can stop {server.name} service using:")
    say(f"  {sys.argv[0]} {server.name.removeprefix('glance-')} stop --pid-file {path}")
    return replace(server, pid_file=PidFile(path, server.name))


def _launch(server: Server, manner: Manner) -> _Launched:
    """Runs the program as leader of its own session, on record before its first instruction. Raises OSError."""
    command = server.command()
    logger = _find("logger") if manner.capture_output else ""
    with open(os.memfd_create("obstacle"), "r+b", buffering=0) as obstacle:
        try:
            child = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if manner.capture_output else subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: _prepare(server, obstacle),  # noqa: PLW1509 - there are no threads here
            )
        except (OSError, subprocess.SubprocessError) as error:
            server.pid_file.remove()
            obstacle.seek(0)
            raise OSError(obstacle.read().decode() or str(error)) from error
    if child.stdout:
        tag = f"{server.name}[{child.pid}]"
        subprocess.Popen([logger, "-t", tag], stdin=child.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        child.stdout.close()
    return _Launched(server, child, time.monotonic())


def _prepare(server: Server, obstacle: BinaryIO) -> None:
    """In the child, before it becomes the server: puts it on record. A SIGHUP that comes before the server can reload waits until it can.

    ``obstacle`` gets the cause where that fails: the parent is told only that it did.
    """
    hold_reload()
    try:
        server.pid_file.write(Process.current())
    except OSError as error:
        obstacle.write(str(error).encode())
        raise


def _settle(launched: Sequence[_Launched], manner: Manner) -> int:
    """Waits until new servers serve, with ``await_child`` so long in any case; the exit status tells of one that died."""
    deadline = time.monotonic() + (manner.await_child or _START_SECONDS)
    status = 0
    for one in launched:
        while one.child.poll() is None and time.monotonic() < deadline and (manner.await_child or not is_ready(one.child.pid)):
            time.sleep(_POLL_SECONDS)
        code = one.child.returncode
        if code is None:
            if not is_ready(one.child.pid):
                complain(f"{one.server.name} (pid {one.child.pid}) does not serve yet; its log says what it waits for")
            continue
        with one.server.pid_file.locked():
            if not one.on_record():
                continue
            one.server.pid_file.remove()
        end = f"exit status {code}" if code >= 0 else f"signal {-code}"
        complain(f"unable to launch {one.server.name}. Got error: {end}. To see why, run: {shlex.join(one.server.command())}")
        status = (code if code >= 0 else SIGNAL_STATUS - code) if manner.await_child else 1
    return status


class _Supervisor:
    """Starts servers again that die, unless that was meant or they die at once. One that keeps dying waits longer each time.

    Ends with the last server. If it is ended before, the servers run on without it.
    """

    def __init__(self, manner: Manner) -> None:
        self._manner = manner
        self._status = 0

    def run(self, launched: Sequence[_Launched]) -> int:
        """Returns 1 where a server was given up."""
        watched = list(launched)
        while watched:
            time.sleep(_POLL_SECONDS)
            watched = [after for one in watched if (after := self._tend(one))]
        return self._status

    def _tend(self, one: _Launched) -> _Launched | None:
        """The server as it is from now on; None where it shall not run any more."""
        if one.child.poll() is None:
            return one
        with one.server.pid_file.locked():
            if not one.on_record():
                say(f"Suppressed respawn as {one.server.name} was deliberately stopped.")
                return None
            now = time.monotonic()
            if one.due is None:
                return self._died(one, now - one.since, now)
            return one if now < one.due else self._respawned(one)

    def _died(self, one: _Launched, lived: float, now: float) -> _Launched | None:
        if lived < _BOUNCE_SECONDS:
            say(f"Suppressed respawn as {one.server.name} was bouncing.")
            one.server.pid_file.remove()
            self._status = 1
            return None
        delay = 0.0 if lived > _BACKOFF_RESET_SECONDS else one.delay
        return replace(one, due=now + delay, delay=min(max(1.0, 2 * delay), _BACKOFF_LONGEST_SECONDS))

    def _respawned(self, one: _Launched) -> _Launched | None:
        say(one.server.line("Respawning"))
        try:
            return replace(_launch(one.server, self._manner), delay=one.delay)
        except OSError as error:
            complain(f"unable to launch {one.server.name}. Got error: {error}")
            self._status = 1
            return None


def _find(program: str) -> str:
    """The path of a program: beside the interpreter (a virtual environment has its own), beside this one, in PATH."""
    beside = (os.path.dirname(sys.executable), os.path.dirname(os.path.abspath(sys.argv[0])))
    path = shutil.which(program, path=os.pathsep.join((*beside, os.environ.get("PATH", os.defpath))))
    if path is None:
        raise FileNotFoundError(f"no program {program} beside this one or in PATH")
    return path


def say(line: str) -> None:
    """Tells what is done."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Tells what failed, and why."""
    print(line, file=sys.stderr, flush=True)
