"""Data that go to the disk while more of them come, so that little is left for the end."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

#: The flag of sync_file_range(2) for not waiting.
_WRITE = 2


def sync_file_range(library: object) -> Callable[[int, int, int, int], int] | None:
    """sync_file_range(2) of a C library, which Python does not offer; None where there is none, since only Linux has it."""
    call = getattr(library, "sync_file_range", None)
    if call is not None:
        call.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return call


_CALL = sync_file_range(ctypes.CDLL(None))


def start(fd: int, offset: int, length: int) -> None:
    """Lets the kernel begin to write that part of a file, where it can be told to. It promises nothing, and what fails is reported by the fsync that
    must follow."""
    if _CALL is not None:
        _CALL(fd, offset, length, _WRITE)
