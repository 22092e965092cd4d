"""Other people's programs, run as their users do: at a terminal, knowing nothing but where the service is."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROGRAMS = ROOT / ".venv-clients" / "bin"
DEADLINE = 60.0
#: What the tests store.
DATA = os.urandom(300_000)


class ClientFailure(AssertionError):
    """A command did not end as the test expects."""


@dataclass(frozen=True)
class Clients:
    """The programs, for one service. ``home`` is the user's directory; the glance command keeps schemas there."""

    url: str
    home: Path

    def glance(self, version: int, *arguments: str, source: Path | None = None) -> str:
        """What a ``glance`` command prints; ``source`` is piped into it."""
        return self._output(self._glance_command(version, arguments), source=source)

    def glance_error(self, version: int, *arguments: str) -> str:
        """What a ``glance`` command that fails prints as the error."""
        return self._error(self._glance_command(version, arguments))

    def glance_on_screen(self, version: int, *arguments: str) -> str:
        """All that a ``glance`` command shows at a terminal, which is where it draws progress."""
        command = shlex.join(self._glance_command(version, arguments))
        return self._output(["script", "--quiet", "--return", "--command", command, "/dev/null"])

    def openstack(self, *arguments: str, identity: str | None = None) -> str:
        """What an ``openstack`` command prints; ``identity`` is the URL of an identity service (v3)."""
        return self._output([str(PROGRAMS / "openstack"), *arguments], self._cloud(identity))

    def openstack_json(self, *arguments: str, identity: str | None = None) -> Any:
        """The same for a command that shows something, parsed."""
        return json.loads(self.openstack(*arguments, "--format", "json", identity=identity))

    def openstack_error(self, *arguments: str) -> str:
        """What an ``openstack`` command that fails prints as the error."""
        return self._error([str(PROGRAMS / "openstack"), *arguments], self._cloud())

    def python(self, script: Path, *arguments: str) -> str:
        """What a script prints that may import openstacksdk."""
        return self._output([str(PROGRAMS / "python"), str(script), *arguments])

    def _glance_command(self, version: int, arguments: tuple[str, ...]) -> list[str]:
        options = ["--os-image-api-version", str(version), "--os-image-url", self.url, "--os-auth-token", "any"]
        return [str(PROGRAMS / "glance"), *options, *arguments]

    def _cloud(self, identity: str | None = None) -> dict[str, str]:
        cloud = {"OS_AUTH_TYPE": "none", "OS_ENDPOINT": self.url}
        return cloud | ({"OS_IDENTITY_API_VERSION": "3", "OS_IDENTITY_ENDPOINT_OVERRIDE": identity} if identity else {})

    def _output(self, command: list[str], variables: Mapping[str, str] | None = None, source: Path | None = None) -> str:
        done = run(self.home, command, variables or {}, source)
        if done.returncode:
            raise ClientFailure(f"{shlex.join(command)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def _error(self, command: list[str], variables: Mapping[str, str] | None = None) -> str:
        done = run(self.home, command, variables or {})
        if not done.returncode:
            raise ClientFailure(f"{shlex.join(command)} did not fail: {done.stdout}{done.stderr}")
        return done.stderr.strip()


def run(home: Path, command: list[str], variables: Mapping[str, str], source: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end as the user whose directory is ``home``; ``variables`` are added to the environment."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8", **variables}
    with _keyboard() if source is None else source.open("rb") as stdin:
        return subprocess.run(command, stdin=stdin, capture_output=True, text=True, env=environment, timeout=DEADLINE, check=False)


@contextlib.contextmanager
def _keyboard() -> Iterator[int]:
    """A terminal on which nobody types: the glance command takes any other standard input for image data."""
    ours, theirs = os.openpty()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def rows(table: str) -> list[list[str]]:
    """The cells of a table that ``glance`` draws, row by row, without its head."""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines() if line.startswith("|")][1:]


def properties(table: str) -> dict[str, str]:
    """A table of two columns by its first one; a value that is broken over lines is put together."""
    found: dict[str, str] = {}
    name = ""
    for key, value in rows(table):
        name = key or name
        found[name] = found.get(name, "") + value
    return found
