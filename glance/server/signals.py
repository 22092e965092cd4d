"""Signals as bytes on a pipe, so that a poll loop or the hub wakes up for them at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from types import FrameType


class SignalPipe:
    """Catches ``signals`` until closed. ``fileno`` becomes readable when one has come. To be made in the main thread."""

    def __init__(self, signals: Iterable[signal.Signals]) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        for number in signals:
            signal.signal(number, _note)

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
