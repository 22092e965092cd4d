"""Native threads that carry out requests: made when needed, kept for the next one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue

LOG = logging.getLogger(__name__)

Task = Callable[[], None]


class ThreadPool:
    """At most ``size`` threads; tasks beyond that wait in order."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._lock = threading.Lock()
        #: Threads that wait for a task, less the tasks that wait for a thread.
        self._spare = 0
        self._count = 0

    def submit(self, task: Task) -> None:
        """Runs ``task`` soon. Called from one thread only."""
        with self._lock:
            self._spare -= 1
            grow = self._spare < 0 and self._count < self._size
        if grow:
            self._grow()
        self._tasks.put(task)

    @property
    def is_half_free(self) -> bool:
        """Whether at least half of ``size`` threads have nothing to do, or need not even exist."""
        return 2 * (self._count - self._spare) <= self._size

    def _grow(self) -> None:
        try:
            threading.Thread(target=self._work, name="request", daemon=True).start()
        except RuntimeError:
            # The system has no thread left; those that exist will come to this task.
            LOG.warning("No more than %d threads could be started", self._count)
            if self._count == 0:
                raise
            return
        with self._lock:
            self._count += 1
            self._spare += 1

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            try:
                task()
            except Exception:
                LOG.exception("A task failed")
            # The task may hold a connection: it must not stay alive until the next one comes.
            del task
            with self._lock:
                self._spare += 1
