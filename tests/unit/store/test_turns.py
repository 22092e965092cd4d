"""Taking turns by name."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from time import sleep

import pytest

from glance.store.turns import Turns

LONG = 60.0


def test_turn_when_another_thread_has_that_of_another_name_then_nobody_waits() -> None:
    turns = Turns()

    def within_another() -> bool:
        with turns.of("two"):
            return True

    with turns.of("one"), ThreadPoolExecutor(1) as pool:
        assert pool.submit(within_another).result(LONG)


def test_turn_when_several_threads_want_the_same_then_one_at_a_time() -> None:
    turns, together, inside = Turns(), threading.Barrier(8), threading.Lock()

    def alone(_thread: int) -> bool:
        together.wait(LONG)
        with turns.of("one"):
            free = inside.acquire(blocking=False)
            sleep(0.005)  # so that somebody who does not wait is seen
            if free:
                inside.release()
            return free

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(alone, range(8)))


def test_turn_when_it_ends_in_an_error_then_the_next_one_has_it() -> None:
    turns = Turns()
    with pytest.raises(KeyError), turns.of("one"):
        raise KeyError
    with turns.of("one"):
        pass
