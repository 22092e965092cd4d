"""Request bodies as ``wsgi.input``: exactly the bytes that the framing declares, or ClientDisconnected, never a quiet early end."""

from __future__ import annotations

import io
import re
from abc import abstractmethod
from collections.abc import Callable
from typing import Protocol

from glance import errors

#: A read gives at least this much, or what was asked for, unless the body ends; it does not wait for more.
PATIENT_READ = 64 * 1024
#: Bytes taken from the wire at a time where chunks are expected, if so many have come; and chunks passed on together, however small they are.
_FILL = 1024 * 1024
_TOGETHER = 1024
#: Bytes of a chunk-size line with its extensions, and of all trailers.
_SIZE_LINE = 256
_TRAILERS = 16 * 1024
#: At most 15 digits: no file is larger, and nothing overflows anywhere.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:;[\t\x20-\x7e\x80-\xff]*)?\r\n")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n")


class Wire(Protocol):
    """Where bytes come from: a connection."""

    def receive(self, size: int) -> bytes:
        """What has arrived, at least one byte and at most ``size``; b"" when the peer closed its side. Raises ClientDisconnected."""

    def unread(self, data: bytes) -> None:
        """Gives bytes back: they belong to the next request."""


class Body(io.RawIOBase):
    """A request body, to be read once. ``before_first`` is called before the first byte is waited for (100 Continue); it may raise
    ClientDisconnected."""

    def __init__(self, wire: Wire, before_first: Callable[[], None] | None = None) -> None:
        self._wire = wire
        self._before_first = before_first
        #: All bytes were read.
        self.finished = False
        #: The framing is lost: the connection cannot be used any more.
        self.broken = False

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Up to ``size`` bytes (None or negative: all), b"" at the end; at least 64 KiB of a longer ``size`` unless the body ends."""
        if size is None or size < 0:
            return b"".join(iter(lambda: self._next(PATIENT_READ), b""))
        data = self._next(size)
        enough = min(size, PATIENT_READ)
        while data and len(data) < enough:
            more = self._next(size - len(data))
            if not more:
                break
            data += more
        return data

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        data = self._next(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def discard(self, limit: int) -> bool:
        """Reads what is left if that is at most ``limit`` bytes; tells whether the body has been read to its end."""
        try:
            while limit >= 0 and not self.finished and not self._announced():
                limit -= len(self._next(limit + 1))
        except errors.ClientDisconnected:
            return False
        return self.finished and limit >= 0

    def is_beyond(self, limit: int) -> bool:
        """Whether ``discard(limit)`` is certain to fail."""
        return self.broken or (not self.finished and (self._announced() or self._least_left() > limit))

    def _announced(self) -> bool:
        """The client waits for a 100 Continue: it may never send the body."""
        return self._before_first is not None

    def _next(self, size: int) -> bytes:
        if self.finished or size == 0:
            return b""
        if self.broken:
            raise errors.ClientDisconnected
        try:
            if self._before_first is not None:
                self._before_first()
                self._before_first = None
            return self._receive(size)
        except errors.ClientDisconnected:
            self.broken = True
            raise

    @abstractmethod
    def _least_left(self) -> int:
        """Bytes that are known to follow."""

    @abstractmethod
    def _receive(self, size: int) -> bytes:
        """Up to ``size`` bytes; b"" at the end, after setting ``finished``."""


class LengthBody(Body):
    """A body of ``length`` bytes."""

    def __init__(self, wire: Wire, length: int, before_first: Callable[[], None] | None = None) -> None:
        super().__init__(wire, before_first)
        self._left = length
        self.finished = length == 0

    def _least_left(self) -> int:
        return self._left

    def _receive(self, size: int) -> bytes:
        data = self._wire.receive(min(size, self._left))
        if not data:
            raise errors.ClientDisconnected
        self._left -= len(data)
        self.finished = self._left == 0
        return data


class ChunkedBody(Body):
    """A body in chunks (RFC 9112 7.1). Extensions and trailers are read, checked and dropped."""

    def __init__(self, wire: Wire, before_first: Callable[[], None] | None = None) -> None:
        super().__init__(wire, before_first)
        self._buffer = b""
        self._at = 0
        #: Bytes left in the current chunk; its line end still follows.
        self._left = 0

    def _least_left(self) -> int:
        return self._left

    def _receive(self, size: int) -> bytes:
        if self._left == 0:
            pieces = self._whole_chunks(size)
            if pieces:
                return b"".join(pieces)
            self._start_chunk()
        return b"" if self.finished else self._chunk_data(size)

    def _whole_chunks(self, size: int) -> list[memoryview]:
        """The chunks that lie in the buffer with both their ends, up to ``size`` bytes: a million tiny ones must not cost much."""
        pieces: list[memoryview] = []
        view = memoryview(self._buffer)
        at = self._at
        while len(pieces) < _TOGETHER and (match := _CHUNK_SIZE.match(self._buffer, at)):
            start = match.end()
            end = start + int(match[1], 16)
            size -= end - start
            if end == start or size < 0 or start - at > _SIZE_LINE or not self._buffer.startswith(b"\r\n", end):
                break
            pieces.append(view[start:end])
            at = end + 2
        self._at = at
        return pieces

    def _start_chunk(self) -> None:
        """Reads a chunk's size; after the last chunk also the trailers."""
        while (match := _CHUNK_SIZE.match(self._buffer, self._at)) is None:
            if len(self._buffer) - self._at > _SIZE_LINE or b"\n" in self._buffer[self._at :]:
                raise errors.ClientDisconnected
            self._fill()
        if match.end() - self._at > _SIZE_LINE:
            raise errors.ClientDisconnected
        self._at = match.end()
        self._left = int(match[1], 16)
        if self._left == 0:
            self._skip_trailers()

    def _chunk_data(self, size: int) -> bytes:
        """Bytes of the current chunk from the buffer, else from the wire; with the last one also the chunk's line end."""
        size = min(size, self._left)
        if self._at < len(self._buffer):
            piece = self._buffer[self._at : self._at + size]
            self._at += len(piece)
        else:
            self._buffer, self._at = b"", 0  # what was read needs no memory while a client takes its time
            piece = self._wire.receive(size)
        if not piece:
            raise errors.ClientDisconnected
        self._left -= len(piece)
        if self._left == 0:
            self._end_chunk()
        return piece

    def _end_chunk(self) -> None:
        while len(self._buffer) - self._at < 2:
            self._fill()
        if not self._buffer.startswith(b"\r\n", self._at):
            raise errors.ClientDisconnected
        self._at += 2

    def _skip_trailers(self) -> None:
        left = _TRAILERS
        while not self._buffer.startswith(b"\r\n", self._at):
            match = _TRAILER.match(self._buffer, self._at)
            if match is not None:
                left -= match.end() - self._at
                self._at = match.end()
            elif b"\n" in self._buffer[self._at :] or len(self._buffer) - self._at > _TRAILERS:
                raise errors.ClientDisconnected
            else:
                self._fill()
            if left < 0:
                raise errors.ClientDisconnected
        self._wire.unread(self._buffer[self._at + 2 :])
        self._buffer = b""
        self._at = 0
        self.finished = True

    def _fill(self) -> None:
        self._buffer, self._at = self._buffer[self._at :], 0
        data = self._wire.receive(_FILL)
        if not data:
            raise errors.ClientDisconnected
        self._buffer += data
