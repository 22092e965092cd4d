"""Work that goes on after its request was answered: bounded, and never lost to an error of other work."""

from __future__ import annotations

import itertools
import threading

from glance.background import THREADS, Periodic, Threads

WAIT = 10


def test_background_when_much_is_submitted_then_few_threads_do_all_of_it() -> None:
    background = Threads()
    before = threading.active_count()
    go_on = threading.Event()
    done = threading.Semaphore(0)

    def task() -> None:
        go_on.wait(WAIT)
        done.release()

    for _ in range(3 * THREADS):
        background.submit(task)
    assert threading.active_count() - before <= THREADS
    go_on.set()
    assert all(done.acquire(timeout=WAIT) for _ in range(3 * THREADS))


def test_background_when_waited_for_then_until_all_is_done_or_the_time_is_up() -> None:
    background = Threads()
    assert background.wait(0)
    go_on = threading.Event()
    background.submit(lambda: go_on.wait(WAIT))
    assert not background.wait(0.01)
    go_on.set()
    assert background.wait(WAIT)


def test_periodic_work_when_it_fails_then_it_is_tried_again() -> None:
    tries = itertools.count(1)
    succeeded = threading.Event()

    def task() -> None:
        if next(tries) < 3:
            raise RuntimeError
        succeeded.set()

    periodic = Periodic(0.001, task)
    periodic.start()
    assert succeeded.wait(WAIT)
    periodic.stop()


def test_periodic_work_when_it_is_to_begin_later_then_it_does_not_begin_at_once() -> None:
    begun = threading.Event()
    periodic = Periodic(0.001, begun.set, after=1000)
    periodic.start()
    assert not begun.wait(0.1)
    periodic.stop()


def test_background_when_a_task_fails_then_the_next_ones_are_done() -> None:
    background = Threads()
    done = threading.Event()
    for _ in range(2 * THREADS):
        background.submit(lambda: 1 / 0)
    background.submit(done.set)
    assert done.wait(WAIT)
    assert background.wait(WAIT)
