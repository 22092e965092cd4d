"""How many connections each worker holds, in memory that the workers share: new ones go to who has fewest."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from time import monotonic

#: Seconds that a connection is left to others for each one more than the least loaded worker holds, and at most.
_PATIENCE = 0.002
_LONGEST = 0.02
#: Where a connection has ended within so many seconds, they come and go: one more is nothing then, and to wait would cost more than it evens out.
_RESTLESS = 0.05


class Loads:
    """One counter for each of ``workers`` processes; made before they are forked."""

    def __init__(self, workers: int, clock: Callable[[], float] = monotonic) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")
        self._clock = clock
        #: When this process ended a connection.
        self._ended = -_RESTLESS

    def note(self, worker: int, held: int) -> None:
        if held < self._counts[worker]:
            self._ended = self._clock()
        self._counts[worker] = held

    def patience(self, worker: int) -> float:
        """How long that worker, which is this process, should leave new connections to the others: nothing unless one of them holds fewer."""
        more = self._counts[worker] - min(self._counts)
        if more == 1 and self._clock() - self._ended < _RESTLESS:
            return 0
        return min(_PATIENCE * more, _LONGEST)
