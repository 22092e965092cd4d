"""Native threads that carry out requests: made when needed, kept for the next one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue

LOG = logging.getLogger(__name__)

Task = Callable[[], None]

#: Seconds that a thread waits for its turn: whoever has it may be waiting for something else.
_PATIENCE = 0.005


class Turns:
    """Lets ``count`` threads compute at a time, any number when it is None.

    Threads that all want the interpreter lock take it from each other at every system call, which costs more than waiting in line.
    """

    def __init__(self, count: int | None, patience: float = _PATIENCE) -> None:
        self._patience = patience
        self._free = None if count is None else threading.Semaphore(count)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Waits for a turn, at most for ``patience`` seconds, and gives it back at the end."""
        mine = self._free is not None and self._free.acquire(timeout=self._patience)
        try:
            yield
        finally:
            if self._free is not None and mine:
                self._free.release()


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
    def has_waiting(self) -> bool:
        """Whether tasks wait for a thread."""
        return self._spare < 0

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
