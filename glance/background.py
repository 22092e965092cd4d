"""Work beside requests: copies that go on after their answer, and what is done again and again."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

from glance import errors

LOG = logging.getLogger(__name__)

#: Tasks that one process works on at the same time.
THREADS = 16

#: Seconds after which periodic work that failed is tried again: the registry may start a moment later than we do.
RETRY_INTERVAL = 3.0


class Threads:
    """The ``Background`` of ``glance.interfaces``: a few threads, made when there is work, work through all that was submitted."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[Callable[[], object]] = deque()
        self._working = 0

    def submit(self, task: Callable[[], object]) -> None:
        with self._changed:
            self._waiting.append(task)
            if self._working < THREADS:
                threading.Thread(target=self._work, daemon=True).start()
                self._working += 1

    def wait(self, seconds: float) -> bool:
        """Waits until all that was submitted is done, at most so long; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._working, seconds)

    def _work(self) -> None:
        while (task := self._next()) is not None:
            _succeeds(task)

    def _next(self) -> Callable[[], object] | None:
        with self._changed:
            if self._waiting:
                return self._waiting.popleft()
            self._working -= 1
            self._changed.notify_all()
            return None


class Periodic:
    """Runs ``task`` on a thread of its own, ``after`` so many seconds and then every ``interval`` seconds; what goes wrong is logged, and tried again
    soon."""

    def __init__(self, interval: float, task: Callable[[], object], *, after: float = 0) -> None:
        self._interval = interval
        self._after = after
        self._task = task
        self._ended = threading.Event()

    def start(self) -> None:
        """Starts the thread; it does not keep the process alive."""
        threading.Thread(target=self._run, daemon=True).start()

    def stop(self) -> None:
        """Lets the thread end after what it is doing."""
        self._ended.set()

    def _run(self) -> None:
        pause = self._after
        while not self._ended.wait(pause):
            pause = self._interval if _succeeds(self._task) else min(self._interval, RETRY_INTERVAL)


def _succeeds(task: Callable[[], object]) -> bool:
    """Runs a task; what goes wrong is logged and goes no further."""
    try:
        task()
    except errors.GlanceError as error:
        LOG.warning("Work in the background failed: %s", error)
    except Exception:
        LOG.exception("Work in the background failed")
    else:
        return True
    return False
