"""Data that go to the disk while more of them come, so that little is left for the end."""

from __future__ import annotations

import ctypes

#: sync_file_range(2), which Python does not offer, and its flag for not waiting.
_sync_file_range = ctypes.CDLL(None).sync_file_range
_sync_file_range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
_WRITE = 2


def start(fd: int, offset: int, length: int) -> None:
    """Lets the kernel begin to write that part of a file. It promises nothing, and what fails is reported by the fsync that must follow."""
    _sync_file_range(fd, offset, length, _WRITE)
