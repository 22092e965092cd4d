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

import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from glance.errors import ConfigurationError
from glance.server.launching import SCRUBBER, SIGNAL_STATUS, Manner, Server, complain, launch, say
from glance.server.pidfile import Process

SERVERS = ("api", "registry", "scrubber")
#: What "all" stands for: the service erases by itself what a scrubber would.
ALL = ("api", "registry")
PID_DIR = Path("/var/run/glance")

_STOP_SECONDS = 15
_STOPPED = 3


def run(command: str, servers: Sequence[Server], manner: Manner) -> int:
    """Carries out one of COMMANDS and returns the exit status."""
    try:
        return COMMANDS[command](servers, manner)
    except (ConfigurationError, OSError) as error:
        complain(str(error))
        return 1
    except KeyboardInterrupt:  # ends a supervisor; its servers run on
        return SIGNAL_STATUS + signal.SIGINT


def _start(servers: Sequence[Server], manner: Manner) -> int:
    return launch(servers, manner) if _configured(servers) else 1


def _stop(servers: Sequence[Server], _manner: Manner) -> int:
    return _end(servers, await_last=False)


def _shutdown(servers: Sequence[Server], _manner: Manner) -> int:
    return _end(servers, await_last=True)


def _restart(servers: Sequence[Server], manner: Manner) -> int:
    if not _configured(servers):
        return 1
    failed = _end(servers, await_last=True)
    return launch(servers, manner) or failed


def _reload(servers: Sequence[Server], _manner: Manner) -> int:
    if not _configured(servers):
        return 1
    told = []
    for server in servers:
        if server.name == SCRUBBER:
            complain(f"Reload of {server.name} not supported")
            return 1
        try:
            if _signal(server, signal.SIGHUP, forget=False):
                told.append(server)
        except (ConfigurationError, OSError) as error:
            complain(str(error))
    for server in told:
        say(server.line("Starting"))
    return int(len(told) < len(servers))


def _status(servers: Sequence[Server], _manner: Manner) -> int:
    status = 0
    for server in servers:
        try:
            process, ending = server.pid_file.running(), server.ending.running()
        except (ConfigurationError, OSError) as error:
            complain(str(error))
            status = 1
            continue
        say(f"{server.name} (pid {process.pid}) is running..." if process else f"{server.name} is stopped")
        if ending:
            say(f"{server.name} (pid {ending.pid}) was told to end, and has not ended yet")
        if process is None:
            status = status or _STOPPED
    return status


COMMANDS: dict[str, Callable[[Sequence[Server], Manner], int]] = {
    "start": _start,
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
    complain("Could not find any configuration file to use!")
    for path in missing:
        complain(f"There is no file {path}")
    return False


def _signal(server: Server, number: signal.Signals, *, forget: bool) -> Process | None:
    """Signals a server and returns its process; None where it does not run. With ``forget`` the pid file goes, under the same lock: a
    supervisor that sees the server die sees by that that it was meant.
    """
    with server.pid_file.locked():
        process = server.pid_file.read()
        if process is None:
            say(f"No {server.name} running")
            return None
        try:
            sent = server.pid_file.signal(process, number)
        except PermissionError as error:
            raise PermissionError(f"Unable to send signal {number} to {server.name}  pid: {process.pid}.  Running as non-root?") from error
        if forget or not sent:
            server.pid_file.remove()
    if not sent:
        say(f"Process {process.pid} not running")
        return None
    say(f"Stopping {server.name}  pid: {process.pid}  signal: {number}")
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
            complain(str(error))
            ended = False
        if not ended:
            for kept in servers[number:]:
                complain(f"{kept.name} is left as it is: {server.name} may need it until it has ended")
            return 1
    return 0


def _has_ended(server: Server, told: Process | None) -> bool:
    """Waits for the process that was told to end, and for one that was waited for in vain before; False where this is in vain, too."""
    earlier = server.ending.read()
    for process in filter(None, (told, earlier)):
        server.ending.write(process)  # before the wait, which may be interrupted
        if not server.pid_file.wait(process, _STOP_SECONDS):
            complain(f"Waited {_STOP_SECONDS} seconds for pid {process.pid} ({server.pid_file.path}) to die; giving up")
            return False
    if told or earlier:
        server.ending.remove()
    return True
