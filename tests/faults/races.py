"""Requests at the same moment, of clients that do not know of each other."""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import pytest

from glance.testing.servers import Glance
from tests.databases import DatabaseServer
from tests.faults.clients import PATIENCE
from tests.faults.conftest import EMBEDDED

#: Races at the same time: each has images of its own.
RACES = 4

#: For tests that run on each database: on SQLite with every change.
ON_EACH = [pytest.param("sqlite"), *(pytest.param(name, marks=pytest.mark.slow) for name in ("postgresql", "mariadb"))]

T = TypeVar("T")


@contextlib.contextmanager
def served_on(request: pytest.FixtureRequest, directory: Path, database: str, workers: int, flavor: str = "") -> Iterator[Glance]:
    """A service of so many worker processes on a database of that kind."""
    with contextlib.ExitStack() as ended:
        glance = Glance(directory, flavor=flavor, services=("api",), api_options={"DEFAULT": {**EMBEDDED, "workers": workers}})
        if database != "sqlite":
            server: DatabaseServer = request.getfixturevalue(database)
            engine = ended.enter_context(server.migrated())
            glance.add_options("api", {"database": {"connection": server.url(str(engine.url.database))}})
        yield ended.enter_context(glance)


def at_once(*calls: Callable[[], T]) -> list[T]:
    """What the calls return, which begin at the same moment on threads of their own."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], T]) -> T:
        start.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def tally(race: Callable[[random.Random], str], count: int, seed: int) -> Counter[str]:
    """Runs ``race`` that often, some at the same time, each with random numbers of its own; what they came to, and how often."""
    with ThreadPoolExecutor(RACES) as threads:
        return Counter(threads.map(race, [random.Random(f"{seed} {number}") for number in range(count)]))


def summary(outcomes: Counter[str]) -> str:
    """The most frequent one first."""
    return ", ".join(f"{count} x {outcome}" for outcome, count in outcomes.most_common())


class Moment:
    """A point in the body of an upload: ``chunks`` are ``data`` in pieces, and once ``at`` bytes of them were taken somebody who waits goes on."""

    PIECE = 65536

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at
        self._reached = threading.Event()

    def wait(self) -> None:
        self._reached.wait(PATIENCE)

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), self.PIECE):
            if start >= self._at:
                self._reached.set()
            yield self._data[start : start + self.PIECE]
        self._reached.set()
