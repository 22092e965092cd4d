"""What bounds an upload: how fast this machine makes the digests that every image gets, beside which all else is little."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence

from benchmarks.measuring import Sample
from benchmarks.wire import MIB

_DATA = os.urandom(MIB)


def rate(size: int, algorithms: Sequence[str]) -> Sample:
    """One thread that makes these digests of ``size`` bytes."""
    digests = [hashlib.new(name, usedforsecurity=False) for name in algorithms]
    started, before = time.perf_counter(), time.thread_time()
    for _ in range(size // MIB):
        for digest in digests:
            digest.update(_DATA)
    return {"MiB/s": size / MIB / (time.perf_counter() - started), "thread s/GiB": (time.thread_time() - before) * 1024 * MIB / size}
