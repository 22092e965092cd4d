"""The name of a process that survives comparison: after a crash, another process can tell whether the one that held a lease still lives."""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def current() -> str:
    """``host/boot id/pid namespace/pid/start time``: no two processes ever share it."""
    return _remembered(os.getpid())


def is_dead(worker: str) -> bool:
    """True only where the process certainly ended: its pid could be seen from here, and is gone or used anew.

    A container may share its host name and boot id with others, and does not see their processes: of those only the lease tells.
    """
    place, *process = worker.rsplit("/", 2)
    return place == _place() and name_of(int(process[0])) != worker


def name_of(pid: int) -> str:
    """The name of a process that can be seen from here; one that has ended gets a name that no process has."""
    return f"{_place()}/{pid}/{_start_time(pid)}"


@lru_cache(maxsize=1)
def _remembered(pid: int) -> str:
    """Keyed by pid, so that a fork is not taken for its parent."""
    return name_of(pid)


def _place() -> str:
    """Within one place a pid means one process at a time."""
    namespace = os.stat("/proc/self/ns/pid").st_ino
    return f"{socket.gethostname()}/{_BOOT_ID.read_text().strip()}/{namespace}"


def _start_time(pid: int) -> str:
    """Clock ticks since boot when the process started (proc(5), field 22 of stat); "" when it is gone, or dead and not yet reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
