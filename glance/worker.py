"""The name of a process that survives comparison: after a crash, another process can tell whether the one that held a lease still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def current() -> str:
    """``host/boot id/pid/start time``: no two processes ever share it."""
    return _name(os.getpid())


def is_dead(worker: str) -> bool:
    """True only where the process certainly ended: it ran on this host, in an earlier boot, or its pid is gone or used anew."""
    host, boot, pid, _started = worker.rsplit("/", 3)
    if host != socket.gethostname():
        return False
    if boot != _boot_id():
        return True
    return _name(int(pid)) != worker


def _name(pid: int) -> str:
    return f"{socket.gethostname()}/{_boot_id()}/{pid}/{_start_time(pid)}"


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


def _start_time(pid: int) -> str:
    """Clock ticks since boot when the process started (proc(5), field 22 of stat); "" when it is gone, or dead and not yet reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] == "Z" else fields[19]
