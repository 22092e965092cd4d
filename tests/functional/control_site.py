"""A machine with glance-control: programs that stand for the servers, in a directory beside the interpreter, so that they are found first."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import glance

ROOT = Path(glance.__file__).parents[1]

# Its configuration says how it behaves, in words; what happens to it goes to a file beside it.
SERVER = """\
import os, signal, sys, time

here, name = os.path.split(os.path.abspath(__file__))
files = [one.removeprefix("--config-file=") for one in sys.argv if one.startswith("--config-file=")]
behaviour, number = (open(files[0]).read().split() if files else ["serves", "0"])


def tell(*words):
    with open(os.path.join(here, name + ".events"), "a") as events:
        print(time.monotonic(), os.getpid(), *words, file=events)


def end(signum, frame):
    tell("signal", signum)
    if behaviour != "deaf":
        time.sleep(float(number))
        tell("ends")
        sys.exit(0)


if behaviour == "fails":
    sys.exit(int(number))
if behaviour == "fails-late":
    time.sleep(float(number))
    sys.exit(4)
while behaviour == "waits" and not os.path.exists(os.path.join(here, "go")):
    time.sleep(0.02)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGHUP, lambda signum, frame: tell("signal", signum))
signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGHUP])
print("something to log", flush=True)
tell("runs", os.getsid(0), os.readlink("/proc/self/fd/0"), os.readlink("/proc/self/fd/1"), *sys.argv[1:])
if behaviour == "mortal":
    time.sleep(float(number))
    tell("dies")
    sys.exit(1)
while True:
    signal.pause()
"""
LOGGER = '#!/bin/sh\necho "$@" > "$0.input"\nexec cat >> "$0.input"\n'


class Site:
    """A machine with glance-control, two servers and a directory for pid files."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.bin = directory / "bin"
        self.bin.mkdir()
        (self.bin / "python").symlink_to(sys.executable)
        for name, source in (("glance-api", SERVER), ("glance-registry", SERVER)):
            self.program(name, f"#!{sys.executable} -S\n{source}")
        self.program("logger", LOGGER)
        self.control = self.bin / "glance-control"
        self.control.symlink_to(ROOT / "bin" / "glance-control")
        self.pids = directory / "run"
        #: A command in front of glance-control, such as one that mounts something for it.
        self.prefix: Sequence[str] = ()

    def program(self, name: str, source: str) -> None:
        path = self.bin / name
        path.write_text(source)
        path.chmod(0o755)

    def pid_file(self, server: str = "api") -> Path:
        return self.pids / f"glance-{server}.pid"

    def config(self, behaviour: str, name: str = "glance.conf") -> Path:
        path = self.directory / name
        path.write_text(behaviour)
        return path

    def begin(self, *arguments: str | Path) -> subprocess.Popen[str]:
        options = () if "--pid-file" in arguments or "--pid-dir" in arguments else ("--pid-dir", self.pids)
        command = [*self.prefix, self.bin / "python", self.control, *options, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(command, cwd=self.directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def run(self, *arguments: str | Path) -> tuple[int, list[str], list[str]]:
        """Exit status, lines of stdout, lines of stderr but for the one that depends on who runs the tests."""
        with self.begin(*arguments) as process:
            out, err = process.communicate(timeout=60)
        return process.returncode, out.splitlines(), [line for line in err.splitlines() if "file descriptor limit" not in line]

    def pid(self, server: str = "api") -> int:
        return int(self.pid_file(server).read_text().split()[0])

    def events(self, word: str, server: str = "api") -> list[list[str]]:
        """[time, pid, word, ...] of each event."""
        path = self.bin / f"glance-{server}.events"
        lines = path.read_text().splitlines() if path.exists() else []
        return [words for line in lines if (words := line.split())[2] == word]

    def await_event(self, word: str, server: str = "api", count: int = 1) -> list[str]:
        wait_for(lambda: len(self.events(word, server)) >= count)
        return self.events(word, server)[count - 1]

    def close(self) -> None:
        for server in ("api", "registry"):
            for event in self.events("runs", server):
                if str(self.bin).encode() in command_line(int(event[1])):
                    os.kill(int(event[1]), 9)


def wait_for(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
