"""The leases of the uploads that run in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from glance.interfaces import Registry


class Leases:
    """Remembers the attempts that run here. Whoever owns the process calls ``renew`` more often than a lease lasts."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._attempts: set[str] = set()
        self._lock = threading.Lock()

    def hold(self, attempt: str) -> None:
        """From now on ``renew`` keeps the attempt alive."""
        with self._lock:
            self._attempts.add(attempt)

    def release(self, attempt: str) -> None:
        """The attempt has ended."""
        with self._lock:
            self._attempts.discard(attempt)

    @contextmanager
    def held(self, attempt: str) -> Iterator[None]:
        """``hold`` and ``release`` around what is done."""
        self.hold(attempt)
        try:
            yield
        finally:
            self.release(attempt)

    def renew(self) -> None:
        """Prolongs all leases that are held; one call, whatever their number."""
        with self._lock:
            attempts = sorted(self._attempts)
        if attempts:
            self._registry.uploads.renew(attempts)
