"""glance-control: starts and stops the servers of this machine. It knows them by name, program, pid file and exit status only.

- ``start`` puts a server into the background, and waits a while until it serves or has ended.
- ``stop`` sends SIGTERM: the server accepts nothing more, ends what it is doing and exits. The command does not wait for that, but where another
  server comes after it: what the API still answers needs its registry, which is left alone where the API has not ended after 15 seconds.
- ``shutdown`` is ``stop`` and waits until the server has gone, 15 seconds at most. In 2011 it sent SIGHUP, which now means reload; the line that it
  prints names the signal that is sent.
- ``restart`` is ``shutdown``, then ``start``, also beside a server that has not ended: it has left its address, or is about to.
- ``reload`` and ``force-reload`` send SIGHUP: the server reads the files that it was started with anew and loses no request. They print what
  they printed in 2011, when they stopped and started it.
- ``status`` says which servers run, and which were told to end and were waited for in vain.

The lines are those of 2011, where there were any. What is done goes to stdout, what failed and why to stderr. Exit statuses: 0 done, also where
nothing was left to do; 1 failed; 3 ``status`` found a server stopped; with ``--await-child`` the exit status of a server that ended.
"""

from __future__ import annotations

import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from glance.errors import ConfigurationError
from glance.server.pidfile import PidFile, Process
from glance.server.signals import hold_reload, is_ready

SERVERS = ("api", "registry", "scrubber")
#: What "all" stands for: the service erases by itself what a scrubber would.
ALL = ("api", "registry")
PID_DIR = Path("/var/run/glance")

_SCRUBBER = "glance-scrubber"
_STOP_SECONDS = 15
_START_SECONDS = 15.0  # a server that has not ended by then counts as started, though it may still wait for its database
_POLL_SECONDS = 0.1
_BOUNCE_SECONDS = 1.0
_BACKOFF_RESET_SECONDS = 60.0
_BACKOFF_LONGEST_SECONDS = 60.0
_STOPPED = 3
_SIGNAL_STATUS = 128  # a shell adds this to the number of the signal that ended a program
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
        always = ["--daemon"] if self.name == _SCRUBBER else []
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
    return [directory / "glance-api.conf", *([own] if own.is_file() else [])] if name == _SCRUBBER else [own]


def run(command: str, servers: Sequence[Server], manner: Manner) -> int:
    """Carries out one of COMMANDS and returns the exit status."""
    try:
        return COMMANDS[command](servers, manner)
    except (ConfigurationError, OSError) as error:
        _complain(str(error))
        return 1
    except KeyboardInterrupt:  # ends a supervisor; its servers run on
        return _SIGNAL_STATUS + signal.SIGINT


def _start_all(servers: Sequence[Server], manner: Manner) -> int:
    if not _configured(servers):
        return 1
    _raise_limits()
    launched = []
    failed = False
    for server in servers:
        try:
            launched += _start(server, manner)
        except (ConfigurationError, OSError) as error:
            _complain(f"unable to launch {server.name}. Got error: {error}")
            failed = True
    status = _Supervisor(manner).run(launched) if manner.respawn else _settle(launched, manner)
    return status or int(failed)


def _stop(servers: Sequence[Server], _manner: Manner) -> int:
    return _end(servers, await_last=False)


def _shutdown(servers: Sequence[Server], _manner: Manner) -> int:
    return _end(servers, await_last=True)


def _restart(servers: Sequence[Server], manner: Manner) -> int:
    if not _configured(servers):
        return 1
    failed = _end(servers, await_last=True)
    return _start_all(servers, manner) or failed


def _reload(servers: Sequence[Server], _manner: Manner) -> int:
    if not _configured(servers):
        return 1
    told = []
    for server in servers:
        if server.name == _SCRUBBER:
            _complain(f"Reload of {server.name} not supported")
            return 1
        try:
            if _signal(server, signal.SIGHUP, forget=False):
                told.append(server)
        except (ConfigurationError, OSError) as error:
            _complain(str(error))
    for server in told:
        _say(server.line("Starting"))
    return int(len(told) < len(servers))


def _status(servers: Sequence[Server], _manner: Manner) -> int:
    status = 0
    for server in servers:
        try:
            process, ending = server.pid_file.running(), server.ending.running()
        except (ConfigurationError, OSError) as error:
            _complain(str(error))
            status = 1
            continue
        _say(f"{server.name} (pid {process.pid}) is running..." if process else f"{server.name} is stopped")
        if ending:
            _say(f"{server.name} (pid {ending.pid}) was told to end, and has not ended yet")
        if process is None:
            status = status or _STOPPED
    return status


COMMANDS: dict[str, Callable[[Sequence[Server], Manner], int]] = {
    "start": _start_all,
    "stop": _stop,
    "shutdown": _shutdown,
    "restart": _restart,
    "reload": _reload,
    "force-reload": _reload,
    "status": _status,
}


def _configured(servers: Sequence[Server]) -> bool:
    """False, and says so, where a configuration file that was named does not exist; without a name the program looks for itself."""
    missing = [path for server in servers for path in server.config_files if not path.is_file()]
    if not missing:
        return True
    _complain("Could not find any configuration file to use!")
    for path in missing:
        _complain(f"There is no file {path}")
    return False


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
            _complain(f"Unable to increase {name} limit{reason}")


def _signal(server: Server, number: signal.Signals, *, forget: bool) -> Process | None:
    """Signals a server and returns its process; None where it does not run. With ``forget`` the pid file goes, under the same lock: a
    supervisor that sees the server die sees by that that it was meant.
    """
    with server.pid_file.locked():
        process = server.pid_file.read()
        if process is None:
            _say(f"No {server.name} running")
            return None
        try:
            sent = server.pid_file.signal(process, number)
        except PermissionError as error:
            raise PermissionError(f"Unable to send signal {number} to {server.name}  pid: {process.pid}.  Running as non-root?") from error
        if forget or not sent:
            server.pid_file.remove()
    if not sent:
        _say(f"Process {process.pid} not running")
        return None
    _say(f"Stopping {server.name}  pid: {process.pid}  signal: {number}")
    return process


def _end(servers: Sequence[Server], *, await_last: bool) -> int:
    """Asks those that run to end, one after the other, and waits for each; returns the exit status.

    A server that does not end keeps those after it, which it needs for what it still answers.
    """
    for number, server in enumerate(servers, 1):
        try:
            told = _signal(server, signal.SIGTERM, forget=True)
            ended = _has_ended(server, told) if await_last or server is not servers[-1] else True
        except (ConfigurationError, OSError) as error:
            _complain(str(error))
            ended = False
        if not ended:
            for kept in servers[number:]:
                _complain(f"{kept.name} is left as it is: {server.name} may need it until it has ended")
            return 1
    return 0


def _has_ended(server: Server, told: Process | None) -> bool:
    """Waits for the process that was told to end, and for one that was waited for in vain before; False where this is in vain, too."""
    earlier = server.ending.read()
    for process in filter(None, (told, earlier)):
        server.ending.write(process)  # before the wait, which may be interrupted
        if not server.pid_file.wait(process, _STOP_SECONDS):
            _complain(f"Waited {_STOP_SECONDS} seconds for pid {process.pid} ({server.pid_file.path}) to die; giving up")
            return False
    if told or earlier:
        server.ending.remove()
    return True


def _start(server: Server, manner: Manner) -> list[_Launched]:
    """Starts one server; an empty list where it runs already."""
    writable = server.pid_file.make_directory()
    with server.pid_file.locked():
        if server.pid_file.running():
            _say(f"{server.name} appears to already be running: {server.pid_file.path}")
            return []
        if writable and server.pid_file.read():
            _say(f"Removing stale pid file {server.pid_file.path}")
            server.pid_file.remove()
        _say(server.line("Starting"))
        return [_launch(server if writable else _with_temporary_pid_file(server), manner)]


def _with_temporary_pid_file(server: Server) -> Server:
    """The same server with its pid file in a directory that only its user can write to."""
    path = Path(tempfile.mkdtemp(prefix="glance-")) / server.pid_file.path.name
    _say(f"Unable to create pid file {server.pid_file.path}.  Running as non-root?")
    _say(f"Falling back to a temp file, you can stop {server.name} service using:")
    _say(f"  {sys.argv[0]} {server.name.removeprefix('glance-')} stop --pid-file {path}")
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
                _complain(f"{one.server.name} (pid {one.child.pid}) does not serve yet; its log says what it waits for")
            continue
        with one.server.pid_file.locked():
            if not one.on_record():
                continue
            one.server.pid_file.remove()
        end = f"exit status {code}" if code >= 0 else f"signal {-code}"
        _complain(f"unable to launch {one.server.name}. Got error: {end}. To see why, run: {shlex.join(one.server.command())}")
        status = (code if code >= 0 else _SIGNAL_STATUS - code) if manner.await_child else 1
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
                _say(f"Suppressed respawn as {one.server.name} was deliberately stopped.")
                return None
            now = time.monotonic()
            if one.due is None:
                return self._died(one, now - one.since, now)
            return one if now < one.due else self._respawned(one)

    def _died(self, one: _Launched, lived: float, now: float) -> _Launched | None:
        if lived < _BOUNCE_SECONDS:
            _say(f"Suppressed respawn as {one.server.name} was bouncing.")
            one.server.pid_file.remove()
            self._status = 1
            return None
        delay = 0.0 if lived > _BACKOFF_RESET_SECONDS else one.delay
        return replace(one, due=now + delay, delay=min(max(1.0, 2 * delay), _BACKOFF_LONGEST_SECONDS))

    def _respawned(self, one: _Launched) -> _Launched | None:
        _say(one.server.line("Respawning"))
        try:
            return replace(_launch(one.server, self._manner), delay=one.delay)
        except OSError as error:
            _complain(f"unable to launch {one.server.name}. Got error: {error}")
            self._status = 1
            return None


def _find(program: str) -> str:
    """The path of a program: beside the interpreter (a virtual environment has its own), beside this one, in PATH."""
    beside = (os.path.dirname(sys.executable), os.path.dirname(os.path.abspath(sys.argv[0])))
    path = shutil.which(program, path=os.pathsep.join((*beside, os.environ.get("PATH", os.defpath))))
    if path is None:
        raise FileNotFoundError(f"no program {program} beside this one or in PATH")
    return path


def _say(line: str) -> None:
    print(line, flush=True)


def _complain(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
