"""Native threads that carry out requests: made when needed, kept for the next one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from queue import Empty, SimpleQueue

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
        self._limited = count is not None
        #: A queue, since that of the standard library is several times faster than its semaphore.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(count or 0):
            self._free.put(None)

    def taken(self) -> AbstractContextManager[None]:
        """Waits for a turn, at most for ``patience`` seconds, and gives it back at the end."""
        return self._turn() if self._limited else nullcontext()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        try:
            self._free.get(timeout=self._patience)
        except Empty:
            yield
            return
        try:
            yield
        finally:
            self._free.put(None)


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
