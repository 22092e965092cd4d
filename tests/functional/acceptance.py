"""Rows of curl commands that build on each other: how one is written, run and checked."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from glance.testing.servers import Glance
from glance.testing.wire import Answer, parse_one


@dataclass
class World:
    """The service and what earlier rows left for later ones."""

    glance: Glance
    directory: Path
    names: dict[str, str]
    passed: set[int] = field(default_factory=set)

    def fill(self, text: str) -> str:
        return Template(text).safe_substitute(self.names)

    def run(self, command: str) -> Answer:
        """Runs one shell line with curl in it; ``$A``, ``$I`` and so on are filled in, ``@S`` is the file of stars."""
        line = self.fill(command).replace("curl ", "curl -sS --raw --max-time 20 ", 1)
        done = subprocess.run(["bash", "-c", line], cwd=self.directory, capture_output=True, timeout=30, check=False)
        assert done.returncode == 0, f"{line}\nended with {done.returncode}: {done.stderr.decode()}"
        return parse_one(done.stdout, to_head="-I " in line or "-X HEAD" in line)


Check = Callable[[World, Answer], None]


def text(expected: str) -> Check:
    """The body contains a sentence."""

    def check(world: World, answer: Answer) -> None:
        assert world.fill(expected) in answer.text

    return check


def headers(**expected: str | None) -> Check:
    """Headers have these values, None: are absent. An underscore of the keyword is a dash; two are an underscore."""

    def check(world: World, answer: Answer) -> None:
        for keyword, value in expected.items():
            name = keyword.replace("__", "\0").replace("_", "-").replace("\0", "_")
            assert answer.header(name) == (value and world.fill(value)), name

    return check


def document(expected: object) -> Check:
    """The body is this JSON."""

    def check(world: World, answer: Answer) -> None:
        assert answer.header("Content-Type") == "application/json"
        assert answer.json == expected

    return check


def image(**expected: object) -> Check:
    """The body is one image in JSON, with these values among others."""

    def check(world: World, answer: Answer) -> None:
        shown = answer.json["image"]
        wanted = {name: world.fill(value) if isinstance(value, str) else value for name, value in expected.items()}
        assert {name: shown[name] for name in wanted} == wanted

    return check


def listed(*names: str | None) -> Check:
    """The body lists images of exactly these names, in order."""

    def check(world: World, answer: Answer) -> None:
        assert [one["name"] for one in answer.json["images"]] == list(names)

    return check


def body(expected: bytes) -> Check:
    def check(world: World, answer: Answer) -> None:
        assert answer.body == expected

    return check


def remember(name: str, header: str) -> Check:
    """Keeps the last part of a header's value for later rows."""

    def check(world: World, answer: Answer) -> None:
        world.names[name] = str(answer.header(header)).rpartition("/")[2]

    return check


@dataclass(frozen=True)
class Step:
    command: str
    status: int
    checks: tuple[Check, ...]


def step(command: str, status: int, *checks: Check) -> Step:
    return Step(command, status, checks)


@dataclass(frozen=True)
class Row:
    """One example. ``needs`` are the rows whose images it uses; ``before`` is done first."""

    number: int
    title: str
    steps: tuple[Step, ...]
    needs: tuple[int, ...] = ()
    before: Callable[[World], None] | None = None


def row(number: int, title: str, *steps: Step, needs: tuple[int, ...] = (), before: Callable[[World], None] | None = None) -> Row:
    return Row(number, title, steps, needs, before)


def run_row(world: World, example: Row) -> None:
    """Runs an example's commands, and checks the answer of each."""
    missing = set(example.needs) - world.passed
    assert not missing, f"row {example.number} needs rows {sorted(missing)}, which did not pass"
    if example.before:
        example.before(world)
    for one in example.steps:
        answer = world.run(one.command)
        assert answer.status == one.status, f"{one.command}\n{answer.text}"
        for check in one.checks:
            check(world, answer)
    world.passed.add(example.number)
