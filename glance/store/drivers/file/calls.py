"""Calls of a file system that may never return, such as those to a server of NFS that is gone."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, TypeVar

from glance import errors

LOG = logging.getLogger(__name__)

T = TypeVar("T")


def _nothing(_result: object) -> None:
    """Most results need no care."""


class BoundedCalls:
    """Runs calls on threads of their own, ``threads`` at a time. Waits ``timeout`` seconds at most for a thread to be free, and as long for the call.

    Nothing can end a thread that hangs in the kernel. It is left to itself, and counts as hung until the call returns. While ``most_hung`` do, all
    further calls fail at once. The threads are daemons, so that a process can end.
    """

    def __init__(self, store: str, timeout: float, threads: int, most_hung: int) -> None:
        self._store = store
        self._timeout = timeout
        self._threads = threads
        self._most_hung = most_hung
        self._begin()
        begin = weakref.WeakMethod(self._begin)
        os.register_at_fork(after_in_child=lambda: (found := begin()) and found())

    def _begin(self) -> None:
        """Also in a process that was forked, where none of the threads are."""
        self._free = threading.Semaphore(self._threads)
        self._lock = threading.Lock()
        self._hung: set[Future[Any]] = set()
        self._current = threading.local()

    def run(self, call: Callable[[], T], undo: Callable[[T], object] = _nothing) -> T:
        """What ``call`` returns, or raises. StoreUnavailable where it takes too long; what it returns later is given to ``undo``. A call within
        a call is a part of it."""
        if self._running is not None:
            return call()
        if len(self._hung) >= self._most_hung or not self._free.acquire(timeout=self._timeout):
            raise errors.StoreUnavailable(store=self._store)
        future: Future[T] = Future()
        try:
            threading.Thread(target=self._work, args=(future, call, undo), name=f"store-{self._store}", daemon=True).start()
        except RuntimeError:
            self._free.release()
            raise errors.StoreUnavailable(store=self._store) from None
        try:
            return future.result(self._timeout)
        except TimeoutError:
            return self._give_up(future)

    @property
    def given_up(self) -> bool:
        """Whether the call that runs on this thread has been: then it must change nothing any more."""
        return self._running in self._hung

    @property
    def _running(self) -> Future[Any] | None:
        return getattr(self._current, "future", None)

    def _give_up(self, future: Future[T]) -> T:
        with self._lock:
            if future.done():
                return future.result()
            self._hung.add(future)
            hung = len(self._hung)
        LOG.error("The store '%s' does not answer within %g seconds; %d calls hang.", self._store, self._timeout, hung)
        raise errors.StoreUnavailable(store=self._store)

    def _work(self, future: Future[T], call: Callable[[], T], undo: Callable[[T], object]) -> None:
        self._current.future = future
        try:
            result = call()
        except BaseException as error:  # noqa: BLE001 - whoever waits raises it
            with self._ending(future) as awaited:
                if awaited:
                    future.set_exception(error)
        else:
            with self._ending(future) as awaited:
                if awaited:
                    future.set_result(result)
            if not awaited:
                undo(result)
        finally:
            self._free.release()

    @contextmanager
    def _ending(self, future: Future[T]) -> Iterator[bool]:
        """Whether anybody still waits for a call that has returned; meanwhile nobody gives it up."""
        with self._lock:
            awaited = future not in self._hung
            self._hung.discard(future)
            yield awaited
