"""Connections of psycopg that do not wait for ever: the driver itself gives up while it connects, but never while a server is silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

import psycopg


def bounded(answer_timeout: float) -> Callable[..., psycopg.Connection[Any]]:
    """What makes connections that are lost once the server is silent for so many seconds, in the middle of a statement."""

    class Bounded(psycopg.Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *args: Any, **kwargs: Any) -> Any:
            try:
                return super().wait(_until(gen, time.monotonic() + answer_timeout), *args, **kwargs)
            except TimeoutError as error:
                self.pgconn.finish()
                raise psycopg.OperationalError(str(error)) from error

    return Bounded.connect


def _until(gen: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """As ``gen``, which is told ten times a second that nothing has come; raises TimeoutError after the deadline."""
    try:
        wanted = next(gen)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() > deadline:
                raise TimeoutError("the server does not answer")
            wanted = gen.send(ready)
    except StopIteration as end:
        return end.value
