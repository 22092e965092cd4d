"""glance-control: starts and stops the servers of this machine. It knows them by name, program, pid file and exit status only.

====================  ==================================================================================================================
start                 puts a server into the background, and looks at it for a moment
stop                  SIGTERM: the server stops accepting, ends what it is doing, and exits; the command does not wait for that
shutdown              stop, and waits until the server has gone. In 2011 it was SIGHUP, which now means reload; the line that is printed names
                      the signal that is sent
restart               shutdown of all named servers, then start
reload, force-reload  SIGHUP: the server reads its own configuration files anew and loses no request; it prints what a restart would print
status                says which servers run
====================  ==================================================================================================================

The lines are those of 2011, where there were any. What a command does goes to stdout, why it cannot goes to stderr. Exit statuses: 0 done,
also where nothing was left to do; 1 failed; 3 ``status`` found a server stopped; with ``--await-child`` the exit status of a server that ended.
"""

from __future__ import annotations

import os
import resource
import secrets
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

from glance.errors import ConfigurationError
from glance.server.pidfile import PidFile, Process

SERVERS = ("api", "registry")
PID_DIR = Path("/var/run/glance")

_STOP_SECONDS = 15
_SETTLE_SECONDS = 1.0  # a server that lives that long was started
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
        files = tuple(path / f"{name}.conf" if path.is_dir() else path for path in config)
        return cls(name, PidFile(pid_file, name), files, tuple(options))

    def line(self, verb: str) -> str:
        """What is said when the server is started: ``Starting glance-api with /etc/glance/glance-api.conf``."""
        files = ", ".join(str(path) for path in self.config_files)
        return f"{verb} {self.name} with {files}" if files else f"{verb} {self.name}"

    def command(self) -> list[str]:
        """The argument list that runs the server in the foreground. Raises FileNotFoundError where there is no such program."""
        beside = [os.path.dirname(os.path.abspath(sys.argv[0])), os.path.dirname(sys.executable)]
        program = shutil.which(self.name, path=os.pathsep.join([*beside, os.environ.get("PATH", os.defpath)]))
        if program is None:
            raise FileNotFoundError("no such program beside this one or in PATH")
        return [program, *(f"--config-file={path}" for path in self.config_files), *self.options]


@dataclass(frozen=True)
class Manner:
    """How servers are started. ``await_child``: seconds for which a server that ends decides the exit status."""

    await_child: int = 0
    capture_output: bool = False
    respawn: bool = False


@dataclass
class _Launched:
    """A server that runs as our child, or did; ``delay`` is how long it waits before it is started again, ``due`` when that is over."""

    server: Server
    child: subprocess.Popen[bytes]
    process: Process
    since: float
    delay: float = 0.0
    due: float | None = None


def run(command: str, servers: Sequence[Server], manner: Manner) -> int:
    """Carries out one of COMMANDS and returns the exit status."""
    try:
        return COMMANDS[command](servers, manner)
    except (ConfigurationError, OSError) as error:
        _complain(str(error))
        return 1


def start(servers: Sequence[Server], manner: Manner) -> int:
    """Starts those that do not run yet."""
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
    status = _supervise(launched, manner) if manner.respawn else _settle(launched, manner)
    return status or int(failed)


def stop(servers: Sequence[Server], _manner: Manner) -> int:
    """Asks those that run to end."""
    for server in servers:
        _signal(server, signal.SIGTERM, forget=True)
    return 0


def shutdown(servers: Sequence[Server], _manner: Manner) -> int:
    """Asks those that run to end, and waits until they have."""
    asked = [(server, _signal(server, signal.SIGTERM, forget=True)) for server in servers]
    gone = [process is None or _wait(server, process) for server, process in asked]
    return int(not all(gone))


def restart(servers: Sequence[Server], manner: Manner) -> int:
    """Ends those that run and starts all, unless one does not end: it would fight with its successor for the port."""
    if not _configured(servers) or shutdown(servers, manner):
        return 1
    return start(servers, manner)


def reload(servers: Sequence[Server], _manner: Manner) -> int:
    """Lets those that run read their configuration; 1 where one does not run."""
    if not _configured(servers):
        return 1
    told = [server for server in servers if _signal(server, signal.SIGHUP, forget=False)]
    for server in told:
        _say(server.line("Starting"))
    return int(len(told) < len(servers))


def status(servers: Sequence[Server], _manner: Manner) -> int:
    """Says who runs; 3 where one does not, as init scripts do."""
    stopped = False
    for server in servers:
        process = server.pid_file.read()
        if process and server.pid_file.runs(process):
            _say(f"{server.name} (pid {process.pid}) is running...")
        else:
            _say(f"{server.name} is stopped")
            stopped = True
    return 3 if stopped else 0


COMMANDS: dict[str, Callable[[Sequence[Server], Manner], int]] = {
    "start": start,
    "stop": stop,
    "shutdown": shutdown,
    "restart": restart,
    "reload": reload,
    "force-reload": reload,
    "status": status,
}


def _configured(servers: Sequence[Server]) -> bool:
    """False, and says so, where a configuration file that was named does not exist; without a name the program looks for itself."""
    if all(path.is_file() for server in servers for path in server.config_files):
        return True
    _complain("Could not find any configuration file to use!")
    return False


def _signal(server: Server, number: signal.Signals, *, forget: bool) -> Process | None:
    """Signals a server and returns its process; None where it does not run. ``forget`` removes the pid file: who supervises the server sees by that
    that its end is meant, hence under one lock.
    """
    with server.pid_file.locked():
        process = server.pid_file.read()
        if process is None:
            _say(f"No {server.name} running")
            return None
        sent = server.pid_file.signal(process, number)
        if forget or not sent:
            server.pid_file.remove()
    if not sent:
        _say(f"Process {process.pid} not running")
        return None
    _say(f"Stopping {server.name}  pid: {process.pid}  signal: {number}")
    return process


def _wait(server: Server, process: Process) -> bool:
    """Waits for the end of a process; False, and says so, where it does not come."""
    if server.pid_file.wait(process, _STOP_SECONDS):
        return True
    _complain(f"Waited {_STOP_SECONDS} seconds for pid {process.pid} ({server.pid_file.path}) to die; giving up")
    return False


def _start(server: Server, manner: Manner) -> list[_Launched]:
    """Starts one server; an empty list where it runs already."""
    directory = server.pid_file.path.parent
    try:
        directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError:
        writable = False
    else:
        writable = os.access(directory, os.W_OK | os.X_OK, effective_ids=True)
    with server.pid_file.locked():
        process = server.pid_file.read()
        if process and server.pid_file.runs(process):
            _say(f"{server.name} appears to already be running: {server.pid_file.path}")
            return []
        if process and writable:
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
    logger = shutil.which("logger")
    if manner.capture_output and logger is None:
        raise FileNotFoundError("--capture-output needs the program logger")
    output = subprocess.PIPE if manner.capture_output else subprocess.DEVNULL
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: server.pid_file.write(Process.current()),  # noqa: PLW1509 - this program has one thread
        )
    except (OSError, subprocess.SubprocessError) as error:
        server.pid_file.remove()
        raise OSError(str(error)) from error
    process = server.pid_file.read()
