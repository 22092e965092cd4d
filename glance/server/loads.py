"""How many connections each worker holds, in memory that the workers share: new ones go to who has fewest."""

from __future__ import annotations

import mmap

#: Seconds to wait before an accept for each connection held above the least loaded worker, and at most.
_PAUSE = 0.002
_LONGEST_PAUSE = 0.02


class Loads:
    """One counter for each of ``workers`` processes; made before they are forked."""

    def __init__(self, workers: int) -> None:
        self._counts = memoryview(mmap.mmap(-1, 4 * workers)).cast("I")

    def note(self, worker: int, held: int) -> None:
        self._counts[worker] = held

    def pause(self, worker: int) -> float:
        """How long that worker should leave new connections to the others: nothing unless it holds more than one of them does."""
        return min(_PAUSE * (self._counts[worker] - min(self._counts)), _LONGEST_PAUSE)
