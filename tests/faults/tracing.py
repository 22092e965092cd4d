"""System calls of a running service that kill it, or fail, at a chosen moment: strace attaches to it and injects that.

It takes root or ``kernel.yama.ptrace_scope`` 0.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KILL = "signal=SIGKILL"


@contextmanager
def injecting(pid: int, call: str, what: str, number: int | str, trace: Path, on: Path | None = None) -> Iterator[None]:
    """While it lasts, ``what`` happens at the ``number``-th ``call`` of each thread of the process ("2+": at all but the first), of those ``on`` a
    file where one is given; ``trace`` gets a line for each call."""
    inject = f"inject={call}:{what}:when={number}"
    only = ["-P", str(on)] if on is not None else []
    command = ["strace", "-f", "-y", "-o", str(trace), "-e", f"trace={call}", "-e", inject, *only, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            yield
        finally:
            tracer.kill()  # the kernel detaches; asked politely, strace waits for threads that are dying


def injected(trace: Path) -> list[str]:
    """The calls that failed on purpose, as strace writes them: with the paths of their descriptors."""
    found, begun = [], dict[str, str]()
    for line in trace.read_text(errors="replace").splitlines():
        thread = line.split()[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line  # another thread came in between; the rest follows
        elif "(INJECTED)" in line:
            found.append(begun[thread] + line if "resumed>" in line else line)
    return found
