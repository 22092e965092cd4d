"""Work that goes on after its request was answered: bounded, and never lost to an error of other work."""

from __future__ import annotations

import threading

from glance.bootstrap import COPIES, Threads

WAIT = 10


def test_background_when_much_is_submitted_then_few_threads_do_all_of_it() -> None:
    background = Threads()
    before = threading.active_count()
    go_on = threading.Event()
    done = threading.Semaphore(0)

    def task() -> None:
        go_on.wait(WAIT)
        done.release()

    for _ in range(3 * COPIES):
        background.submit(task)
    assert threading.active_count() - before <= COPIES
    go_on.set()
    assert all(done.acquire(timeout=WAIT) for _ in range(3 * COPIES))


def test_background_when_a_task_fails_then_the_next_ones_are_done() -> None:
    background = Threads()
    done = threading.Event()
    for _ in range(2 * COPIES):
        background.submit(lambda: 1 / 0)
    background.submit(done.set)
    assert done.wait(WAIT)
