"""Calls that may hang: bounded in time and number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator

import pytest

from glance import errors
from glance.store.drivers.file.calls import BoundedCalls
from glance.testing.servers import wait_until

#: Short for calls that hang, long for those that end by themselves.
SHORT, LONG = 0.05, 60.0


class Hanging:
    """Calls that hang until ``end``; notes whether they had been given up when they went on."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.given_up: list[bool] = []

    def within(self, calls: BoundedCalls) -> Callable[[], str]:
        def call() -> str:
            self.end.wait(LONG)
            self.given_up.append(calls.given_up)
            return "late"

        return call


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.end.set()
    wait_until(lambda: threads() == 0, "the threads to end")


def threads() -> int:
    return sum(thread.name == "store-file" for thread in threading.enumerate())


def works(calls: BoundedCalls) -> bool:
    """Whether a call is let in; with a short time-out it may still be given up on a busy machine."""
    try:
        return calls.run(lambda: True)
    except errors.StoreUnavailable:
        return False


def test_run_when_the_call_ends_then_returns_or_raises_what_it_does() -> None:
    calls = BoundedCalls("file", LONG, 2, 1)

    def fail() -> None:
        raise errors.LocationNotFound(store="file")

    assert [calls.run(lambda number=number: number) for number in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(errors.LocationNotFound):
        calls.run(fail)
    assert calls.run(lambda: calls.run(lambda: (calls.given_up, threading.current_thread().name))) == (False, "store-file")
    assert calls.given_up is False


def test_run_when_the_call_hangs_then_unavailable_and_what_comes_late_is_undone(hanging: Hanging) -> None:
    calls = BoundedCalls("file", SHORT, 2, 2)
    undone: list[str] = []

    with pytest.raises(errors.StoreUnavailable):
        calls.run(hanging.within(calls), undo=undone.append)
    assert undone == []
    hanging.end.set()

    wait_until(lambda: undone == ["late"], "the late result")
    assert hanging.given_up == [True]


def test_run_when_too_many_hang_then_fails_without_beginning_until_one_returns(hanging: Hanging) -> None:
    calls = BoundedCalls("file", SHORT, 8, 2)
    for _ in range(2):
        with pytest.raises(errors.StoreUnavailable):
            calls.run(hanging.within(calls))

    with pytest.raises(errors.StoreUnavailable):
        calls.run(hanging.within(calls))
    assert threads() == 2
    hanging.end.set()
    wait_until(lambda: works(calls), "a call to be let in")


def test_run_when_all_threads_are_busy_then_waits_for_one_no_longer_than_for_a_call(hanging: Hanging) -> None:
    calls = BoundedCalls("file", SHORT, 1, 5)
    with pytest.raises(errors.StoreUnavailable):
        calls.run(hanging.within(calls))

    begun: list[str] = []
    with pytest.raises(errors.StoreUnavailable):
        calls.run(lambda: begun.append("second"))

    assert begun == []


def test_run_when_a_call_that_hung_fails_late_then_nobody_hears_it_and_it_counts_no_more(hanging: Hanging) -> None:
    calls = BoundedCalls("file", SHORT, 1, 1)

    def fail() -> None:
        hanging.end.wait(LONG)
        raise OSError

    with pytest.raises(errors.StoreUnavailable):
        calls.run(fail)
    hanging.end.set()
    wait_until(lambda: works(calls), "a call to be let in")


def test_run_in_a_process_that_was_forked_while_a_call_hung_then_begins_anew(hanging: Hanging) -> None:
    calls = BoundedCalls("file", SHORT, 1, 1)
    with pytest.raises(errors.StoreUnavailable):
        calls.run(hanging.within(calls))

    child = os.fork()
    if not child:
        os._exit(0 if any(works(calls) for _attempt in range(100)) else 1)

    assert os.waitpid(child, 0)[1] == 0
    assert not works(calls), "here it still hangs"
