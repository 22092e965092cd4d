"""What a server costs: processor time and memory of all its processes, as /proc counts them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK: int = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Tree:
    """Processes and all that descend from them; ``roots`` are asked each time, since servers are restarted."""

    roots: Callable[[], Sequence[int]]

    def pids(self) -> list[int]:
        """Those that run now."""
        found, waiting = [], list(self.roots())
        parents = list(_parents())
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            waiting += [child for child, parent in parents if parent == pid]
        return found

    def seconds(self) -> float:
        """Processor time of those that run, and of those that they have waited for."""
        return sum(sum(map(int, fields[11:15])) for pid in self.pids() for fields in _stat(pid)) / _TICK

    def memory(self) -> int:
        """Bytes resident now; what processes share counts for each."""
        return sum(_field(Path(f"/proc/{pid}/status"), "VmRSS") for pid in self.pids())

    def proportional_memory(self) -> int:
        """Bytes resident now; what some share counts once."""
        return sum(_field(Path(f"/proc/{pid}/smaps_rollup"), "Pss") for pid in self.pids())

    def peak(self) -> int:
        """The most bytes that each has held since ``reset_peak``, added up."""
        return sum(_field(Path(f"/proc/{pid}/status"), "VmHWM") for pid in self.pids())

    def reset_peak(self) -> None:
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def _parents() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").glob("[0-9]*"):
        pid = int(path.name)
        yield from ((pid, int(fields[1])) for fields in _stat(pid))


def _stat(pid: int) -> Iterator[list[str]]:
    """The fields of proc_pid_stat(5) from the third on; nothing for a process that has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        yield Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _field(path: Path, name: str) -> int:
    """Bytes that a line of a file of /proc tells."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for line in path.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0
