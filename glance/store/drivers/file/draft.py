"""Files that are being written."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Draft:
    """A new file, open under a temporary name in a directory that is open too. ``made`` are the names to take away if it comes to nothing."""

    name: str
    temporary: str
    directory: int
    fd: int
    made: list[str]
    held: ExitStack

    def drop(self) -> bool:
        """Leaves nothing behind; False where the directory cannot be changed any more."""
        dropped = True
        for leftover in self.made:
            try:
                os.unlink(leftover, dir_fd=self.directory)
            except FileNotFoundError:
                pass
            except OSError:
                dropped = False
        self.held.close()
        return dropped
