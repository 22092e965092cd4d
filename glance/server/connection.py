"""One client's connection, as a native thread uses it: blocking, with limits on how slow the other side may be."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
from time import monotonic

from glance import errors

#: Bytes per second that a peer must move on average while it is waited for; far below any working line.
LEAST_RATE = 128
#: Bytes received at a time while it is not known how many there will be, and from who sends slowly: what a slow upload holds in memory.
RECEIVE = 64 * 1024
#: Bytes received at a time from who sends fast: large enough that work on them outweighs what is done once for each piece.
_LARGEST = 1024 * 1024
#: Bytes of a TLS record at most (RFC 8446 5.1).
_RECORD = 16 * 1024
_SENDFILE_STEP = 64 * 1024 * 1024
_LINE_END = b"\r\n"
#: What the system says of a dead peer, besides what ConnectionError and TimeoutError stand for.
_UNREACHABLE = frozenset({errno.EHOSTUNREACH, errno.EHOSTDOWN, errno.ENETUNREACH, errno.ENETDOWN})


class PeerGone(Exception):
    """The client went away, or is too slow to be served, while an answer was sent to it."""


class Pace:
    """Watches how fast a peer is: LEAST_RATE bytes per second, averaged over ``window`` seconds of waiting. Raises TimeoutError."""

    def __init__(self, window: float) -> None:
        self._window = window
        self._waited = 0.0
        self._moved = 0

    def add(self, seconds: float, size: int) -> None:
        self._waited += seconds
        self._moved += size
        if self._waited >= self._window:
            if self._moved < LEAST_RATE * self._waited:
                raise TimeoutError
            self._waited = 0.0
            self._moved = 0


class Connection:
    """A socket and what was received from it beyond what has been used."""

    def __init__(self, sock: socket.socket, peer: tuple[str, int]) -> None:
        self.sock = sock
        self.peer = peer
        self.buffer = bytearray()
        self._timeout = 0.0
        self._receive_at_most = RECEIVE
        self._pace = Pace(0)

    def block(self, timeout: float) -> None:
        """From now on calls wait, at most ``timeout`` seconds without progress."""
        self._timeout = timeout
        self._pace = Pace(timeout)
        self.sock.settimeout(timeout)

    @property
    def is_encrypted(self) -> bool:
        """Whether this process speaks TLS with the client."""
        return isinstance(self.sock, ssl.SSLSocket)

    def receive(self, size: int) -> bytes:
        """What has arrived, at most ``size`` bytes; b"" when the client closed its side. Raises ClientDisconnected."""
        if self.buffer:
            data = bytes(self.buffer[:size])
            del self.buffer[:size]
            return data
        started = monotonic()
        try:
            data = self._arrived(min(size, self._receive_at_most))
            self._pace.add(monotonic() - started, len(data))
        except OSError as error:
            raise errors.ClientDisconnected from error
        if len(data) < size:
            self._receive_at_most = min(max(2 * len(data), RECEIVE), _LARGEST)
        return data

    def _arrived(self, size: int) -> bytes:
        """At least one byte, unless the client closed its side. TLS gives a record at a time, of 16 KiB at most: all that are there are taken."""
        if not self.is_encrypted:
            self._wait_for(select.POLLIN)  # recv would hold a buffer of that size meanwhile, for each client that is slow
            return self.sock.recv(size)
        records = [self.sock.recv(min(size, _RECORD))]
        left = size - len(records[0])
        self.sock.settimeout(0)
        try:
            while left and records[-1]:
                records.append(self.sock.recv(min(left, _RECORD)))
                left -= len(records[-1])
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # no other record is there as a whole
        finally:
            self.sock.settimeout(self._timeout)
        return b"".join(records)

    def has_request(self) -> bool:
        """Whether a request has begun to arrive. An empty line before it is dropped: clients of old end a body with one (RFC 9112 2.2)."""
        if self.buffer.startswith(_LINE_END):
            del self.buffer[: len(_LINE_END)]
        return not _LINE_END.startswith(self.buffer)

    def await_request(self, timeout: float) -> bool:
        """Whether a request has begun to arrive, which is waited for once. Raises OSError, TimeoutError when nothing comes in time."""
        if self.has_request():
            return True
        self.sock.settimeout(timeout)
        self.buffer += self.sock.recv(RECEIVE)
        return self.has_request()

    def unread(self, data: bytes) -> None:
        """Puts ``data`` back in front of what is received next."""
        self.buffer[:0] = data

    def send(self, data: bytes) -> None:
        """Sends all of ``data``. Raises PeerGone."""
        view = memoryview(data)
        try:
            while view:
                started = monotonic()
                sent = self.sock.send(view)
                self._pace.add(monotonic() - started, sent)
                view = view[sent:]
        except OSError as error:
            raise PeerGone from error

    def sendfile(self, source: int, offset: int, count: int) -> int:
        """Sends up to ``count`` bytes of a regular file by the kernel alone; returns how many there were. The file's position moves along, and so
        tells how many they were also when the peer has gone. Raises PeerGone, OSError where the file cannot be read."""
        os.lseek(source, offset, os.SEEK_SET)
        sent = 0
        while sent < count:
            try:
                step = os.sendfile(self.sock.fileno(), source, None, min(count - sent, _SENDFILE_STEP))
            except BlockingIOError:
                self._wait_until_writable()
                continue
            except (ConnectionError, TimeoutError) as error:
                raise PeerGone from error
            except OSError as error:
                if error.errno in _UNREACHABLE:
                    raise PeerGone from error
                raise
            if step == 0:
                break
            self._pace.add(0, step)
            sent += step
        return sent

    def _wait_until_writable(self) -> None:
        started = monotonic()
        try:
            self._wait_for(select.POLLOUT)
            self._pace.add(monotonic() - started, 0)
        except TimeoutError as error:
            raise PeerGone from error

    def _wait_for(self, event: int) -> None:
        """Raises TimeoutError."""
        poller = select.poll()
        poller.register(self.sock, event)
        if not poller.poll(self._timeout * 1000):
            raise TimeoutError
