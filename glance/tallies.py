"""Numbers that the worker processes of a service count, and that any of them can add up: what one has counted outlives it, and a reload."""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections.abc import Iterator

#: The name of a family of numbers, and the values of its labels.
Key = tuple[str, ...]

_SIZE = 256 * 1024
_USED = struct.Struct("=Q")
#: Value, whether it is a level, bytes of the key, which follows.
_RECORD = struct.Struct("=dHH")
_VALUE = struct.Struct("=d")


class Tallies:
    """Made before workers are forked, in memory that has no name: nothing is left of it when the last process has ended, however that was.

    Each process counts in a slot of its own, so that none waits for another. A slot that is free goes to the next process, which counts on from the
    numbers that it finds. A slot holds a few thousand of them; what does not fit is not counted.
    """

    def __init__(self) -> None:
        self._file = os.memfd_create("glance-tallies")
        self._lock = threading.Lock()
        self.reserve(0)
        self.enter(0)

    def reserve(self, slot: int) -> None:
        """Makes room for a process. For the process that forks them."""
        if os.fstat(self._file).st_size < (slot + 1) * _SIZE:
            os.ftruncate(self._file, (slot + 1) * _SIZE)

    def enter(self, slot: int) -> None:
        """From now on this process counts in a slot that is reserved."""
        self._memory = mmap.mmap(self._file, _SIZE, offset=slot * _SIZE)
        self._places = {key: place for place, key, _value, _level in _records(self._memory)}

    def leave(self, slot: int) -> None:
        """The process that counted there has ended, maybe suddenly: what it had in use is free. What it has counted stays."""
        with mmap.mmap(self._file, _SIZE, offset=slot * _SIZE) as memory:
            for place, _key, _value, is_level in _records(memory):
                if is_level:
                    _put(memory, place, 0)

    def count(self, name: str, *labels: str, amount: float = 1) -> None:
        """Adds to a number that only grows."""
        self._add((name, *labels), amount, is_level=False)

    def shift(self, name: str, *labels: str, amount: float) -> None:
        """Adds to a number that is 0 once this process has ended."""
        self._add((name, *labels), amount, is_level=True)

    def totals(self) -> dict[Key, float]:
        """The numbers of all processes, added up."""
        found: dict[Key, float] = {}
        for start in range(0, os.fstat(self._file).st_size, _SIZE):
            with mmap.mmap(self._file, _SIZE, offset=start, prot=mmap.PROT_READ) as memory:
                for _place, key, value, _level in _records(memory):
                    found[key] = found.get(key, 0) + value
        return found

    def _add(self, key: Key, amount: float, *, is_level: bool) -> None:
        with self._lock:
            place = self._places.get(key) or self._append(key, is_level=is_level)
            if place is not None:
                _put(self._memory, place, _VALUE.unpack_from(self._memory, place)[0] + amount)

    def _append(self, key: Key, *, is_level: bool) -> int | None:
        """The place of a new number; None where there is no room."""
        name = "\0".join(key).encode()
        place = _end(self._memory)
        end = place + _RECORD.size + len(name) + -(_RECORD.size + len(name)) % 8
        if end > _SIZE:
            return None
        self._memory[place : place + _RECORD.size + len(name)] = _RECORD.pack(0, is_level, len(name)) + name
        self._memory[: _USED.size] = _USED.pack(end)  # last: whoever dies before has written nothing
        self._places[key] = place
        return place


def _put(memory: mmap.mmap, place: int, value: float) -> None:
    """At once, so that nobody reads half of it."""
    memory[place : place + _VALUE.size] = _VALUE.pack(value)


def _end(memory: mmap.mmap) -> int:
    used: int = _USED.unpack_from(memory)[0]
    return used or _USED.size


def _records(memory: mmap.mmap) -> Iterator[tuple[int, Key, float, bool]]:
    """Place, key, value and whether it is a level."""
    place, end = _USED.size, _end(memory)
    while place < end:
        value, is_level, length = _RECORD.unpack_from(memory, place)
        name = place + _RECORD.size
        yield place, tuple(memory[name : name + length].decode().split("\0")), value, bool(is_level)
        place = name + length + -(_RECORD.size + length) % 8
