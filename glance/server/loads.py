"""How many connections each worker holds, in memory that the workers share: new ones go to who has fewest."""

from __future__ import annotations

import mmap

#: How many connections more than the least loaded worker one may hold without leaving new ones to others; zero would slow down short ones.
_TOLERATED = 1
#: Seconds that a connection is left to others for each one beyond that, and at most.
_PATIENCE = 0.002
_LONGEST = 0.02


class Loads:
    """One counter for each of ``workers`` processes; made before they are forked."""

    def __init__(self, workers: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")

    def note(self, worker: int, held: int) -> None:
        self._counts[worker] = held

    def patience(self, worker: int) -> float:
        """How long that worker should leave new connections to the others: nothing unless one of them holds clearly fewer."""
        return min(_PATIENCE * max(0, self._counts[worker] - min(self._counts) - _TOLERATED), _LONGEST)
