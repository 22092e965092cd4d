"""The one byte loop: chunks from a source past a flat list of taps."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from glance import errors
from glance.interfaces import ByteSource, Tap

#: Bytes asked of a source at a time: large enough that hashing and writing, which release the interpreter lock, outweigh the loop.
CHUNK = 1024 * 1024
#: A shorter chunk is hashed at once: where data come that slowly, a thread would only cost memory.
_WORTH_A_THREAD = 128 * 1024
#: Chunks that a digest may be behind, so that it goes on while the source or the store waits.
_BEHIND = 4


class Watcher:
    """The end of a tap that has nothing to refuse there, and nothing to release."""

    def finish(self) -> None:
        """Nothing is left to check."""

    def close(self) -> None:
        """Nothing is held."""


@dataclass
class Count(Watcher):
    """Counts bytes; refuses a stream that does not have the ``expected`` number of them, once it has ended. ``falls_to`` is the status that
    the image has then.
    """

    expected: int | None = None
    falls_to: str = "killed"
    total: int = field(default=0, init=False)

    def update(self, chunk: bytes) -> None:
        self.total += len(chunk)

    def finish(self) -> None:
        if self.expected is not None and self.total != self.expected:
            raise errors.SizeMismatch(expected=self.expected, actual=self.total, status=self.falls_to)


@dataclass
class Limit(Watcher):
    """Stops a stream of unknown length as soon as it passes ``maximum`` bytes (CVE-2014-5356)."""

    maximum: int
    passed: int = field(default=0, init=False)

    def update(self, chunk: bytes) -> None:
        self.passed += len(chunk)
        if self.passed > self.maximum:
            raise errors.StreamTooLarge(limit=self.maximum)


def refuse_longer(size: int | None, maximum: int) -> None:
    """Raises ImageTooLarge where a stream is announced that has more than ``maximum`` bytes."""
    if size is not None and size > maximum:
        raise errors.ImageTooLarge(limit=maximum)


class Digest:
    """Hashes a stream; refuses one whose hexadecimal digest is not the ``expected`` one. ``falls_to`` is the status that the image has then.

    ``hexdigest`` is there after ``finish``. Long chunks are hashed on a thread of its own, some chunks behind, so that digests and the write go on
    side by side.
    """

    def __init__(self, algorithm: str, expected: str | None = None, falls_to: str = "killed") -> None:
        self._falls_to = falls_to
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._thread: ThreadPoolExecutor | None = None
        self._behind: deque[Future[None]] = deque()
        self._expected = expected
        self.hexdigest = ""

    def update(self, chunk: bytes) -> None:
        while self._behind and self._behind[0].done():
            self._behind.popleft().result()
        if len(chunk) < _WORTH_A_THREAD and not self._behind:
            self._hash.update(chunk)
            return
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "digest")
        self._behind.append(self._thread.submit(self._hash.update, chunk))
        if len(self._behind) > _BEHIND:
            self._behind.popleft().result()

    def finish(self) -> None:
        for hashed in self._behind:
            hashed.result()
        self.hexdigest = self._hash.hexdigest()
        if self._expected is not None and self.hexdigest != self._expected.lower():
            raise errors.ChecksumMismatch(expected=self._expected, actual=self.hexdigest, status=self._falls_to)

    def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)


def read_chunks(source: ByteSource, length: int | None = None) -> Iterator[bytes]:
    """The bytes of ``source`` in pieces: exactly ``length`` of them (ClientDisconnected when they end before), or all when that is None."""
    left = length
    while left is None or left > 0:
        try:
            chunk = source.read(CHUNK if left is None else min(CHUNK, left))
        except OSError as error:  # what servers of others say of a client that is gone
            raise errors.ClientDisconnected from error
        if not chunk:
            if left is None:
                return
            raise errors.ClientDisconnected
        if left is not None:
            left -= len(chunk)
        yield chunk
        del chunk  # while the next one is waited for, nobody holds it, lest every slow client costs that much


def flow(chunks: Iterator[bytes], taps: Sequence[Tap]) -> Iterator[bytes]:
    """``chunks``, each shown to every tap first, and the end as well: what comes out complete has passed all checks."""
    try:
        for chunk in chunks:
            for tap in taps:
                tap.update(chunk)
            yield chunk
            del chunk
        for tap in taps:
            tap.finish()
    finally:
        for tap in taps:
            tap.close()
