"""Signals as bytes on a pipe, so that a poll loop or the hub wakes up for them at once."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Collection
from pathlib import Path
from types import FrameType


def hold_reload() -> None:
    """Lets a SIGHUP wait until this process, or the program that it becomes, has a ``SignalPipe`` for it: by itself it would end a process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})


def is_ready(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM: our programs make it when they are about to work, and servers with it the one for SIGHUP
    (proc(5), SigCgt of status). Raises FileNotFoundError or ProcessLookupError where there is none of that number."""
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) & 1 << signal.SIGTERM - 1)


class SignalPipe:
    """Catches ``signals`` until closed, also those that were blocked so far. ``fileno`` becomes readable when one has come.

    To be made in the main thread.
    """

    def __init__(self, signals: Collection[signal.Signals]) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, _note)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)

    def fileno(self) -> int:
        return self._reader

    def read(self) -> set[int]:
        """The signals that came since the last call."""
        try:
            return set(os.read(self._reader, 4096))
        except BlockingIOError:
            return set()

    def close(self) -> None:
        signal.set_wakeup_fd(-1)
        os.close(self._reader)
        os.close(self._writer)


def _note(_number: int, _frame: FrameType | None) -> None:
    """The interpreter has written the signal's number to the pipe already."""
