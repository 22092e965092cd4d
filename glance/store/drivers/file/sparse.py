"""Files with holes: what is zero takes no room on the disk."""

from __future__ import annotations

import os
from collections.abc import Iterator


def write(fd: int, chunk: bytes, start: int, block: int) -> int:
    """Writes ``chunk`` at the offset ``start``, but not the blocks of zeros in it, and returns the offset of its end. Blocks are ``block`` bytes and
    begin at multiples of that. The file is as long as the last byte written: whoever is done sets its length."""
    zeros = bytes(block)
    for piece in _pieces(chunk, start, block):
        if piece != zeros[: len(piece)]:
            _write_all(fd, piece, start)
        start += len(piece)
    return start


def _pieces(chunk: bytes, start: int, block: int) -> Iterator[bytes]:
    """``chunk`` cut where blocks begin."""
    at = 0
    while at < len(chunk):
        end = at + block - (start + at) % block
        yield chunk[at:end]
        at = end


def _write_all(fd: int, data: bytes, offset: int) -> None:
    left = memoryview(data)
    while left:
        written = os.pwrite(fd, left, offset)
        left = left[written:]
        offset += written
