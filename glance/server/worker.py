"""A serving process: green threads accept connections and read request heads, native threads carry requests out.

The only module that uses eventlet, and only as an event loop: nothing is monkey-patched, and nothing of eventlet runs outside the main thread.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import ssl
import warnings
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

# Native threads resolve names; eventlet's own resolver would take 8 MiB, and a seventh of the start.
os.environ.setdefault("EVENTLET_NO_GREENDNS", "yes")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eventlet
    import eventlet.event
    import eventlet.hubs

from glance import errors
from glance.server.connection import RECEIVE, Connection
from glance.server.http import Refused, find_head_end
from glance.server.listening import connection_limit, tls_context, url_of
from glance.server.loads import Loads
from glance.server.settings import Service, check_reload
from glance.server.side import SideServer
from glance.server.signals import SignalPipe
from glance.server.threads import ThreadPool
from glance.server.wsgi import Outcome, Site

LOG = logging.getLogger(__name__)
T = TypeVar("T")

#: Sent by the parent to a worker whose successor is ready: it finishes what it has, and gives quiet clients a moment.
RETIRE = signal.SIGUSR1
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, RETIRE)
#: Seconds after which a retiring worker closes a connection on which nothing happens, and one that ends: long enough for a request on its way.
_QUIET = 2.0
_LAST_QUIET = 1.0
#: Seconds that a client has for reading a last answer before its connection is closed.
_LINGER = 2.0
#: Seconds between two looks at what the other workers hold.
_STEP = 0.001
#: Seconds until an accept that failed for want of a resource is tried again.
_SHORTAGE = 0.1


@dataclass(slots=True, eq=False)
class Generation:
    """A loaded service and its requests that are being carried out."""

    service: Service
    site: Site
    tls: ssl.SSLContext | None
    running: int = 0
    retired: bool = False


class Worker:
    """Serves on ``listener`` until a signal ends it, or ``lifeline`` (a pipe from the parent) closes. ``reload`` answers SIGHUP; the
    service's side is served on ``side``."""

    def __init__(
        self,
        service: Service,
        listener: socket.socket,
        *,
        loads: Loads | None = None,
        index: int = 0,
        lifeline: int | None = None,
        reload: Callable[[], Service] | None = None,
        side: socket.socket | None = None,
    ) -> None:
        self._listener = listener
        self._loads = loads or Loads(1)
        self._index = index
        self._lifeline = lifeline
        self._reload = reload
        self._side = SideServer(side, self._watched) if side is not None else None
        self._generation = self._make_generation(service)
        self._pool = ThreadPool(service.settings.threads)
        self._limit = connection_limit()
        self._held: set[Connection] = set()
        #: Connections on which no request has begun, the longest quiet first: since when, and the green thread that waits.
        self._quiet: dict[Connection, tuple[float, object]] = {}
        self._returned: deque[tuple[Generation, Connection, Outcome]] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        #: Whether answers are the last ones on their connections, since this process will end.
        self._leaving = False
        #: None while serving; then the seconds that a quiet connection is left open.
        self._parting: float | None = None
        self._stop = eventlet.event.Event()

    def run(self, ready: Callable[[], None] | None = None) -> int:
        """Serves, drains, and returns the exit status."""
        signals = SignalPipe(SIGNALS)
        eventlet.hubs.use_hub()
        self._generation.service.started()
        settings = self._generation.service.settings
        LOG.info("(%d) wsgi starting up on %s", os.getpid(), url_of(self._listener, settings))
        for task in (partial(self._watch_signals, signals), self._take_returned, self._watch_parent):
            eventlet.spawn_n(task)
        accepting = eventlet.spawn(self._accept)
        if self._side is not None:
            self._side.start()
        if ready is not None:
            ready()
        self._stop.wait()
        accepting.kill()
        self._accept_waiting()
        self._listener.close()
        if self._side is not None:
            self._pool.submit(self._side.stop)  # nobody may take this process for ready any more
        self._drain()
        self._generation.service.stopped()
        LOG.info("(%d) wsgi exited", os.getpid())
        return 0

    def _make_generation(self, service: Service) -> Generation:
        address = self._listener.getsockname()[:2]
        return Generation(service, Site(service.app, service.settings, address, service.observed), tls_context(service.settings))

    def _watched(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """What those are told who ask at the side address."""
        side = self._generation.service.side
        if side is None:
            start_response("404 Not Found", [])
            return []
        return side(environ, start_response)

    # Signals and the end

    def _watch_signals(self, signals: SignalPipe) -> None:
        while True:
            eventlet.hubs.trampoline(signals.fileno(), read=True)
            numbers = signals.read()
            if signal.SIGINT in numbers:
                self._part(_LAST_QUIET)
            if signal.SIGTERM in numbers:
                self._leave()
            if RETIRE in numbers:
                self._part(_QUIET)
            if signal.SIGHUP in numbers and self._reload is not None and not self._leaving:
                self._swap(self._reload)

    def _watch_parent(self) -> None:
        if self._lifeline is not None:
            eventlet.hubs.trampoline(self._lifeline, read=True)
            self._part(0)

    def _leave(self) -> None:
        """Says that this process will end while it still serves, and ends ``drain_delay`` seconds later."""
        if not self._leaving:
            self._leaving = True
            self._generation.service.leaving()
            eventlet.spawn_after(self._generation.service.settings.drain_delay, self._part, _LAST_QUIET)

    def _part(self, quiet: float) -> None:
        self._leaving = True
        self._parting = quiet if self._parting is None else min(quiet, self._parting)
        if not self._stop.ready():
            self._stop.send()

    def _drain(self) -> None:
        """Waits for running requests, and closes what is quiet."""
        started = monotonic()
        deadline = started + self._generation.service.settings.drain_timeout
        while self._held and monotonic() < deadline:
            latest = monotonic() - (self._parting or 0)
            for conn in [conn for conn, (since, _waiting) in self._quiet.items() if since <= latest]:
                self._close_quiet(conn)
            eventlet.sleep(0.02)
        if self._held:
            LOG.warning("%d connections were cut after %g seconds of waiting for them", len(self._held), monotonic() - started)

    def _close_quiet(self, conn: Connection) -> None:
        _since, waiting = self._quiet.pop(conn, (0, None))
        if waiting is not None:
            eventlet.kill(waiting)

    def _swap(self, load: Callable[[], Service]) -> None:
        """Takes a new service for all further requests; the old one ends with its last request."""
        try:
            service = load()
            check_reload(self._generation.service.settings, service.settings)
            new = self._make_generation(service)
            service.accepted()
            service.started()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new configuration, the old one goes on
            log_failed_reload(error)
            return
        old, self._generation = self._generation, new
        old.retired = True
        self._end_if_done(old)
        LOG.info("(%d) configuration reloaded", os.getpid())

    def _end_if_done(self, generation: Generation) -> None:
        if generation.retired and not generation.running:
            self._pool.submit(generation.service.stopped)

    # Connections

    def _accept(self) -> None:
        try:
            self._accept_all()
        except Exception:
            LOG.exception("No more connections can be accepted")
            self._part(_QUIET)

    def _accept_all(self) -> None:
        while True:
            eventlet.hubs.trampoline(self._listener, read=True)
            self._leave_to_others()
            if len(self._held) >= self._limit:
                self._make_room()
            else:
                self._accept_one()

    def _leave_to_others(self) -> None:
        """Gives workers that hold fewer connections the time to take the next one."""
        until = monotonic() + self._loads.patience(self._index)
        while monotonic() < until and self._loads.patience(self._index):
            eventlet.sleep(_STEP)

    def _make_room(self) -> None:
        """Who says nothing gives way to who comes; where all are busy, the newcomers wait."""
        if self._quiet:
            self._close_quiet(next(iter(self._quiet)))
        else:
            eventlet.sleep(_SHORTAGE)

    def _accept_waiting(self) -> None:
        """Takes what the kernel has connected already: with the socket's end it would be reset."""
        while len(self._held) < self._limit and self._accept_one():
            pass

    def _accept_one(self) -> bool:
        """False where there is none, or it cannot be taken at the moment."""
        try:
            sock, peer = self._listener.accept()
        except (BlockingIOError, ConnectionError):
            return False
        except OSError as error:
            LOG.warning("A connection could not be accepted: %s", error.strerror)
            eventlet.sleep(_SHORTAGE)
            return False
        sock.setblocking(False)
        conn = Connection(sock, (peer[0], peer[1]))
        self._held.add(conn)
        self._loads.note(self._index, len(self._held))
        eventlet.spawn_n(self._open, conn)
        return True

    def _open(self, conn: Connection) -> None:
        tls = self._generation.tls
        if tls is not None:
            deadline = monotonic() + self._generation.service.settings.header_timeout
            try:
                conn.sock = tls.wrap_socket(conn.sock, server_side=True, do_handshake_on_connect=False)
                _wait_for(conn, conn.sock.do_handshake, deadline)
            except OSError as error:
                LOG.info("TLS with %s failed: %s", conn.peer[0], error)
                self._close(conn)
                return
        self._listen(conn)

    def _listen(self, conn: Connection) -> None:
        """Waits for a request head, and hands it to a native thread. A connection on which none comes is closed."""
        head: int | Refused | None = None
        try:
            if self._await_request(conn):
                head = self._read_head(conn)
        except Refused as refused:
            head = refused
        except OSError:
            pass
        except BaseException:
            self._close(conn)
            raise
        if head is None:
            self._close(conn)
            return
        self._generation.running += 1
        self._pool.submit(partial(self._carry_out, self._generation, conn, head))

    def _await_request(self, conn: Connection) -> bool:
        """Waits for the first bytes; False when the client closed. Raises OSError, TimeoutError after ``keepalive_timeout``."""
        deadline = monotonic() + self._generation.service.settings.keepalive_timeout
        self._quiet[conn] = (monotonic(), eventlet.getcurrent())
        try:
            while not conn.has_request():
                data = _receive(conn, deadline)
                if not data:
                    return False
                conn.buffer += data
        finally:
            self._quiet.pop(conn, None)
        return True

    def _read_head(self, conn: Connection) -> int | None:
        """The length of the head, None when the client closed. Raises Refused, also when the head takes too long, and OSError."""
        rules = self._generation.site.rules
        deadline = monotonic() + self._generation.service.settings.header_timeout
        seen = 0
        while True:
            end = find_head_end(conn.buffer, seen, rules)
            if end is not None:
                return end
            seen = len(conn.buffer)
            try:
                data = _receive(conn, deadline)
            except TimeoutError:
                raise Refused("slow") from None
            if not data:
                return None
            conn.buffer += data

    def _carry_out(self, generation: Generation, conn: Connection, head: int | Refused) -> None:
        """On a native thread: ``head`` is the length of a request's head, or why it is refused."""
        outcome = Outcome.CUT
        try:
            if isinstance(head, Refused):
                outcome = generation.site.refuse(conn, head, conn.buffer)
            else:
                outcome = generation.site.serve(conn, head, lambda: not self._leaving, lambda: self._may_stay(generation))
        finally:
            self._returned.append((generation, conn, outcome))
            os.eventfd_write(self._wake, 1)

    def _may_stay(self, generation: Generation) -> bool:
        """Whether a native thread may wait a moment for its client's next request: half of them never do, and it must not serve what has changed."""
        return not self._leaving and generation is self._generation and self._pool.is_half_free

    def _take_returned(self) -> None:
        while True:
            eventlet.hubs.trampoline(self._wake, read=True)
            os.eventfd_read(self._wake)
            while self._returned:
                generation, conn, outcome = self._returned.popleft()
                generation.running -= 1
                self._end_if_done(generation)
                eventlet.spawn_n(self._continue, conn, outcome)

    def _continue(self, conn: Connection, outcome: Outcome) -> None:
        if outcome is Outcome.CUT:
            self._close(conn)
            return
        conn.sock.settimeout(0)
        if outcome is Outcome.KEEP:
            self._listen(conn)
        else:
            self._close_gently(conn)

    def _close_gently(self, conn: Connection) -> None:
        """Ends the answer, then waits a little for the client to close: closing with unread data would destroy what it has not read yet."""
        deadline = monotonic() + _LINGER
        with suppress(OSError, ValueError):
            if isinstance(conn.sock, ssl.SSLSocket):
                # Sends the notice of the end; not to wait for the client's raises an error.
                conn.sock.unwrap()
        with suppress(OSError):
            conn.sock.shutdown(socket.SHUT_WR)
            while _receive(conn, deadline):
                # A client that never stops sending must not keep the others waiting.
                eventlet.sleep(0)
        self._close(conn)

    def _close(self, conn: Connection) -> None:
        self._held.discard(conn)
        self._loads.note(self._index, len(self._held))
        conn.sock.close()


def log_failed_reload(error: Exception) -> None:
    """Says why a new configuration is not used."""
    if isinstance(error, errors.GlanceError):
        LOG.error("The configuration was not reloaded: %s", error.message)
    else:
        LOG.error("The configuration was not reloaded", exc_info=error)


def _receive(conn: Connection, deadline: float) -> bytes:
    """What has arrived, b"" when the client closed. Raises OSError, TimeoutError at ``deadline`` (of the monotonic clock)."""
    return _wait_for(conn, partial(conn.sock.recv, RECEIVE), deadline)


def _wait_for(conn: Connection, call: Callable[[], T], deadline: float) -> T:
    """What ``call`` returns once it need not wait for the client. Raises OSError, TimeoutError at ``deadline``."""
    while True:
        writing = False
        try:
            return call()
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except ssl.SSLWantWriteError:
            writing = True
        left = deadline - monotonic()
        if left <= 0:
            raise TimeoutError
        eventlet.hubs.trampoline(conn.sock, read=not writing, write=writing, timeout=left, timeout_exc=TimeoutError)
