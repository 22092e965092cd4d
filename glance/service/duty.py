"""Work that one process at a time does for all, on whatever machines they run."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from glance.interfaces import Registry


class Duty:
    """One duty, as one process sees it. ``worker`` names this process, ``is_dead`` tells whether another one has certainly ended; a duty stays with
    its process for ``lease_seconds`` after it last asked.

    Whoever works asks ``mine`` before each step: the answer is no once another process may have the duty.
    """

    def __init__(self, registry: Registry, name: str, worker: Callable[[], str], is_dead: Callable[[str], bool], lease_seconds: float) -> None:
        self._records = registry.duties
        self._name = name
        self._worker = worker
        self._is_dead = is_dead
        self._lease = lease_seconds
        self._sure_until = 0.0
        self._lock = threading.Lock()

    def mine(self) -> bool:
        """Whether this process has the duty, which it takes if nobody has it; asks the registry when half of the lease is over. Raises
        RegistryUnavailable, DatabaseUnavailable."""
        with self._lock:
            now = time.monotonic()
            if now < self._sure_until:
                return True
            worker = self._worker()
            holder = self._records.take(self._name, worker)
            if holder != worker and self._is_dead(holder):
                holder = self._records.take(self._name, worker, holder)
            self._sure_until = now + self._lease / 2 if holder == worker else 0.0
            return holder == worker
