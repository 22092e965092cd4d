"""Programs that bring databases up to date, two at once, or each killed after one statement more: ``python -m tests.faults.upgrading WAY URL...``

They are children of one process, as importing what they need takes longer than what they do. Tells, as JSON, how many died for each database.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

from sqlalchemy import event

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine

_CHANGES = re.compile(r"\s*(CREATE|ALTER|DROP|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)

#: What a program tells when a revision is complete.
_DONE = b"done "


def pair(url: str) -> int:
    """Two do the same work at the same moment; both succeed."""
    children = [_child(lambda: migrate.sync(_engine(url), tell=_nobody)) for _ in range(2)]
    for pid in children:
        _check(os.waitpid(pid, 0)[1])
    return 0


def die(url: str) -> int:
    """One after the other is killed, each after one statement more that changes something; again from one on once a revision is complete, and where
    the database keeps what the statement did."""
    killed, count, seen = 0, 1, set[bytes]()
    keeps = _engine(url).dialect.name not in {"sqlite", "postgresql"}
    while True:
        reading, writing = os.pipe()
        pid = _child(lambda: migrate.sync(_dying(url, count, writing), tell=lambda line: _pass_on(line, writing)))  # noqa: B023 - forked here and now
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            told = pipe.read()
        status = os.waitpid(pid, 0)[1]
        if not os.WIFSIGNALED(status):
            _check(status)
            return killed
        killed += 1
        again = told.startswith(_DONE) or (keeps and told not in seen)
        count = 1 if again else count + 1
        seen.add(told)


def _child(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return pid


def _check(status: int) -> None:
    if status:
        sys.exit(f"A program ended with {os.waitstatus_to_exitcode(status)}.")


def _engine(url: str) -> Any:
    return make_engine(DatabaseSettings(url, answer_timeout=None))


def _dying(url: str, count: int, pipe: int) -> Any:
    """Connections of a program that is killed after ``count`` statements that change something; it tells the last one before."""
    engine = _engine(url)
    executed: list[str] = []

    @event.listens_for(engine, "after_cursor_execute")
    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        if _CHANGES.match(statement):
            executed.append(f"{statement} {parameters}")
        if len(executed) == count:
            os.write(pipe, executed[-1].encode())
            os.kill(os.getpid(), signal.SIGKILL)

    return engine


def _pass_on(line: str, pipe: int) -> None:
    if line.endswith("is done."):
        os.write(pipe, _DONE)


def _nobody(_line: str) -> None:
    """Nobody is told."""


if __name__ == "__main__":
    print(json.dumps([{"pair": pair, "die": die}[sys.argv[1]](url) for url in sys.argv[2:]]))
