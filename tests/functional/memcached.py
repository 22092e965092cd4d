"""A real memcached of a test's own (Debian package memcached)."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
from types import TracebackType
from typing import Self

from glance.testing.servers import free_ports, wait_until


class Memcached:
    """As a context manager it starts and ends."""

    def __init__(self) -> None:
        [self.port] = free_ports(1)
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._kill()

    def restart(self) -> None:
        """Ends it as a crash would, and starts it again: it has forgotten all, and its clients' connections are broken."""
        self._kill()
        self._start()

    def _start(self) -> None:
        command = [str(shutil.which("memcached")), "-l", "127.0.0.1", "-p", str(self.port), "-m", "16", "-u", getpass.getuser()]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        wait_until(self._answers, "memcached to answer")

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, command: str) -> str:
        """The answer to a command of its text protocol."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as connection:
            connection.sendall(f"{command}\r\nquit\r\n".encode())
            with connection.makefile("rb") as answer:
                return answer.read().decode(errors="replace")

    def count(self) -> int:
        """How many values it holds."""
        return self._statistic("curr_items")

    def connections(self) -> int:
        """How many connections it has, with the one that asks and those that it listens on."""
        return self._statistic("curr_connections")

    def _statistic(self, name: str) -> int:
        lines = self.ask("stats").splitlines()
        return next(int(line.split()[2]) for line in lines if line.startswith(f"STAT {name} "))

    def _answers(self) -> bool:
        try:
            return self.ask("version").startswith("VERSION")
        except OSError:
            return False
