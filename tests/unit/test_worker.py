"""Names of processes: whether one of them has ended is claimed only where that is certain."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from glance import worker

#: Prints its name, and keeps running until its input ends.
CHILD = [sys.executable, "-c", "from glance import worker; print(worker.current(), flush=True); input()"]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(CHILD, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        yield process
        process.kill()


def name_of(process: subprocess.Popen[str]) -> str:
    return process.stdout.readline().strip()


def test_current_when_asked_again_is_the_same_and_alive() -> None:
    assert worker.current() == worker.current()
    assert not worker.is_dead(worker.current())


def test_current_when_asked_again_does_not_read_proc_again() -> None:
    script = "import sys; from glance import worker; worker.current()\n"
    script += "sys.addaudithook(lambda event, args: event == 'open' and print(args))\nworker.current()"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=True).stdout == b""


def test_current_after_a_fork_is_the_childs() -> None:
    mine = worker.current()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writing, worker.current().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        theirs = pipe.read()
    assert theirs.rsplit("/", 2)[:2] == [mine.rsplit("/", 2)[0], str(pid)]
    assert worker.is_dead(theirs)


def test_process_when_killed_is_dead_even_before_it_is_reaped(child: subprocess.Popen[str]) -> None:
    name = name_of(child)
    assert not worker.is_dead(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert worker.is_dead(name)
    child.wait()
    assert worker.is_dead(name)


def test_process_when_its_pid_was_used_anew_is_dead(child: subprocess.Popen[str]) -> None:
    assert worker.is_dead(f"{name_of(child).rpartition('/')[0]}/1")


def test_process_when_in_another_pid_namespace_is_not_called_dead() -> None:
    command = ["unshare", "-rpf", "--mount-proc", *CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        name = name_of(process)
        assert name.split("/")[:2] == worker.current().split("/")[:2]
        assert not worker.is_dead(name)
        process.stdin.close()
    assert not worker.is_dead(name)


@pytest.mark.parametrize("part", [0, 1, 2])
def test_process_when_on_another_host_or_before_a_boot_is_left_to_its_lease(part: int) -> None:
    parts = worker.current().split("/")
    parts[part] = "other"
    parts[-1] = "1"
    assert not worker.is_dead("/".join(parts))


@pytest.mark.parametrize("name", ["", "gone", "host/boot/1/2", "host/boot/pid/x/2"])
def test_name_when_it_is_of_no_form_known_is_left_to_its_lease(name: str) -> None:
    assert not worker.is_dead(name)
