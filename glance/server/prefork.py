"""The parent process: binds, forks workers, replaces them when they die or when the configuration changed. It never serves."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import select
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from glance import errors
from glance.server.listening import bind_side, handed_over_or_bound, raise_file_limit, tls_context
from glance.server.loads import Loads
from glance.server.settings import Service, check_reload
from glance.server.signals import SignalPipe
from glance.server.worker import RETIRE, Worker, log_failed_reload
from glance.tallies import Tallies

LOG = logging.getLogger(__name__)

_UMASK = 0o027
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_BLOCKED = (*_SIGNALS, RETIRE)
#: A worker that lived less than this many seconds is replaced only after a pause, which doubles up to the longest one.
_SETTLED = 5.0
_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0
#: Seconds after ``drain_delay`` and ``drain_timeout`` until workers that are still there are killed.
_GRACE = 5.0


def serve(load: Callable[[], Service], tallies: Tallies | None = None) -> int:
    """Serves what ``load`` makes until SIGTERM or SIGINT, and returns the exit status. SIGHUP loads anew, without dropping a request.

    ``load`` is called in the parent process, before anything else, and must leave no threads and no connections. ``tallies`` are what its
    services count with. Raises ConfigurationError when the first one does, or when an address cannot be bound.
    """
    service = load()
    tls_context(service.settings)
    service.accepted()
    _keep_what_is_loaded()
    raise_file_limit()
    os.umask(_UMASK)
    listener, side = handed_over_or_bound(service.settings), bind_side(service.settings)
    if service.settings.workers == 0:
        return Worker(service, listener, reload=load, side=side).run()
    return Parent(load, service, listener, side, tallies or Tallies()).run()


@dataclass(slots=True)
class Child:
    """A worker process. ``ready`` is the pipe on which it reports that it serves, ``slot`` where it counts."""

    pid: int
    generation: int
    index: int
    ready: int
    slot: int
    serving: bool = False
    retired: bool = False
    since: float = 0.0


class Parent:
    """Keeps as many workers of the newest generation as configured; older ones retire once these are ready."""

    def __init__(self, load: Callable[[], Service], service: Service, listener: socket.socket, side: socket.socket | None, tallies: Tallies) -> None:
        self._load = load
        self._service = service
        self._listener = listener
        self._side = side
        self._tallies = tallies
        self._generation = 0
        self._loads = Loads(service.settings.workers)
        self._children: dict[int, Child] = {}
        self._pause = 0.0
        self._next_start = 0.0
        self._signals = SignalPipe(_SIGNALS)
        # The workers notice its end: nobody ever writes, and only this process holds it open.
        self._lifeline, self._life = os.pipe()

    def run(self) -> int:
        """Works until a signal ends it; returns the exit status."""
        while True:
            self._start_missing()
            self._retire_old()
            numbers = self._wait()
            if numbers & {signal.SIGTERM, signal.SIGINT}:
                break
            self._reap()
            if signal.SIGHUP in numbers:
                self._reload()
        self._end(signal.SIGINT if signal.SIGINT in numbers else signal.SIGTERM)
        return 0

    @property
    def _wanted(self) -> int:
        return max(1, self._service.settings.workers)

    def _current(self) -> list[Child]:
        return [child for child in self._children.values() if child.generation == self._generation]

    def _start_missing(self) -> None:
        if monotonic() < self._next_start:
            return
        taken = {child.index for child in self._current()}
        try:
            for index in range(self._wanted):
                if index not in taken:
                    self._fork(index)
        except OSError as error:
            LOG.error("No worker can be started at the moment: %s", error.strerror)
            self._delay_start()

    def _fork(self, index: int) -> None:
        slot = self._free_slot()
        reader, writer = os.pipe()
        # A signal that comes before the child has its own pipe must neither be lost nor be taken for the parent's.
        signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
        try:
            pid = os.fork()
            if pid == 0:
                self._be_worker(index, slot, reader, writer)
        except OSError:
            os.close(reader)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _BLOCKED)
            os.close(writer)
        self._children[pid] = Child(pid, self._generation, index, reader, slot, since=monotonic())

    def _free_slot(self) -> int:
        taken = {child.slot for child in self._children.values()}
        slot = next(number for number in itertools.count() if number not in taken)
        self._tallies.reserve(slot)
        return slot

    def _be_worker(self, index: int, slot: int, reader: int, writer: int) -> None:
        """In the child; does not return."""
        status = 1
        try:
            self._signals.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os.close(self._life)
            os.close(reader)
            for child in self._children.values():
                os.close(child.ready)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGCHLD,))
            self._tallies.enter(slot)
            worker = Worker(self._service, self._listener, loads=self._loads, index=index, lifeline=self._lifeline, side=self._side)
            status = worker.run(ready=lambda: _report(writer))
        except errors.GlanceError as error:
            LOG.error("A worker could not start: %s", error.message)
        except BaseException:
            LOG.exception("A worker ended unexpectedly")
        finally:
            logging.shutdown()
            os._exit(status)

    def _wait(self) -> set[int]:
        """Sleeps until something happens; returns the signals that came."""
        poller = select.poll()
        poller.register(self._signals, select.POLLIN)
        starting = {child.ready: child for child in self._children.values() if not child.serving}
        for descriptor in starting:
            poller.register(descriptor, select.POLLIN)
        missing = len(self._current()) < self._wanted
        timeout = max(0.0, self._next_start - monotonic()) * 1000 + 1 if missing else None
        for descriptor, _events in poller.poll(timeout):
            if descriptor in starting:
                starting[descriptor].serving = os.read(descriptor, 1) != b""
        return self._signals.read()

    def _reap(self) -> None:
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            del self._children[pid]
            os.close(child.ready)
            self._tallies.leave(child.slot)
            if not child.retired:
                self._note_death(child, os.waitstatus_to_exitcode(status))

    def _note_death(self, child: Child, code: int) -> None:
        LOG.warning("Worker %d ended with status %d; another one is started", child.pid, code)
        if child.serving and monotonic() - child.since >= _SETTLED:
            self._pause = self._next_start = 0.0
        else:
            self._delay_start()

    def _delay_start(self) -> None:
        """Each failure in a row makes the pause before the next attempt longer."""
        self._pause = min(max(_FIRST_PAUSE, 2 * self._pause), _LONGEST_PAUSE)
        self._next_start = monotonic() + self._pause

    def _reload(self) -> None:
        try:
            service = self._load()
            check_reload(self._service.settings, service.settings)
            tls_context(service.settings)
            service.accepted()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new configuration, the old one goes on
            log_failed_reload(error)
            return
        self._service = service
        _keep_what_is_loaded()
        self._generation += 1
        self._loads = Loads(self._wanted)
        self._pause = self._next_start = 0.0
        LOG.info("Configuration reloaded; new workers are started")

    def _retire_old(self) -> None:
        current = self._current()
        succeeded = len(current) == self._wanted and all(child.serving for child in current)
        for child in self._children.values():
            outdated = child.generation != self._generation and not child.retired
            if outdated and (succeeded or not child.serving):
                child.retired = True
                os.kill(child.pid, RETIRE if child.serving else signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        """Passes on the signal, which lets the workers finish their requests; kills those that do not end."""
        self._listener.close()
        if self._side is not None:
            self._side.close()
        for child in self._children.values():
            child.retired = True
            os.kill(child.pid, number)
        settings = self._service.settings
        deadline = monotonic() + settings.drain_delay + settings.drain_timeout + _GRACE
        poller = select.poll()
        poller.register(self._signals, select.POLLIN)
        while self._children and monotonic() < deadline:
            poller.poll((deadline - monotonic()) * 1000)
            self._signals.read()
            self._reap()
        for child in self._children.values():
            LOG.error("Worker %d did not end, and is killed", child.pid)
            os.kill(child.pid, signal.SIGKILL)


def _keep_what_is_loaded() -> None:
    """Takes all objects of this moment out of the sight of the garbage collector, but those that nobody needs.

    They stay as long as the process. A collection in a worker would look at each of them: no request goes on meanwhile, for a twentieth of a second,
    and it writes to them, so that 20 MiB would not be shared any more.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _report(writer: int) -> None:
    os.write(writer, b"1")
    os.close(writer)
