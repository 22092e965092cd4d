"""A place where things wait for a receiver that is slow or away, so that nobody else has to."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

LOG = logging.getLogger(__name__)

#: Notifications that wait in one process at most, a few kB each.
CAPACITY = 10_000
#: Seconds that the end of a process waits for those that are left.
PATIENCE = 2.0

T = TypeVar("T")


class Outbox(Generic[T]):
    """Hands over everything that is put into it, in order, on a thread of its own; ``deliver`` may take as long as it likes.

    When too much waits, the oldest is dropped, and how many those were is logged once the outbox is empty again. The thread starts with the first
    thing to deliver, so that an outbox made before a fork works in each child.
    """

    def __init__(self, deliver: Callable[[T], None], capacity: int = CAPACITY) -> None:
        self._deliver = deliver
        self._waiting: deque[T] = deque()
        self._capacity = capacity
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._busy = False
        self._dropped = 0

    def put(self, item: T) -> None:
        """Returns at once."""
        with self._changed:
            if len(self._waiting) >= self._capacity:
                self._waiting.popleft()
                self._dropped += 1
            self._waiting.append(item)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="notifications", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self, patience: float = PATIENCE) -> None:
        """Waits until all is delivered, at most so many seconds; what is not is counted in the log."""
        with self._changed:
            if not self._changed.wait_for(self._is_empty, patience):
                left = len(self._waiting) + self._busy + self._dropped
                LOG.warning("%d notifications were not delivered before the process ended.", left)

    def _is_empty(self) -> bool:
        return not self._waiting and not self._busy

    def _run(self) -> None:
        while True:
            item = self._next()
            try:
                self._deliver(item)
            except Exception:
                LOG.exception("A notification could not be delivered")

    def _next(self) -> T:
        with self._changed:
            self._busy = False
            if not self._waiting and self._dropped:
                LOG.warning("%d notifications were dropped while their receiver did not take any.", self._dropped)
                self._dropped = 0
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting)
            self._busy = True
            return self._waiting.popleft()
