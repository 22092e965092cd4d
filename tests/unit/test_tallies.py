"""Numbers that processes count together."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from glance.tallies import Tallies


def in_child(work: Callable[[], object], *, killed: bool = False) -> None:
    """Runs ``work`` in a process that ends, or is killed, right after it."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            if killed:
                os.kill(os.getpid(), 9)
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def working(tallies: Tallies, slot: int, *, killed: bool = False) -> None:
    def work() -> None:
        tallies.enter(slot)
        tallies.count("requests", "GET", "200")
        tallies.shift("in_use", amount=1)

    tallies.reserve(slot)
    in_child(work, killed=killed)


def test_counts_of_several_processes_then_are_added_up() -> None:
    tallies = Tallies()
    for slot in (1, 2, 3):
        working(tallies, slot)
    tallies.count("requests", "PUT", "200", amount=0.5)

    assert tallies.totals() == {("requests", "GET", "200"): 3, ("requests", "PUT", "200"): 0.5, ("in_use",): 3}


def test_process_when_killed_then_what_it_counted_stays_and_what_it_used_is_free() -> None:
    tallies = Tallies()
    working(tallies, 1, killed=True)

    tallies.leave(1)

    assert tallies.totals() == {("requests", "GET", "200"): 1, ("in_use",): 0}


def test_slot_when_taken_again_then_counting_goes_on() -> None:
    tallies = Tallies()
    for _ in range(3):
        working(tallies, 1)
        tallies.leave(1)

    assert tallies.totals() == {("requests", "GET", "200"): 3, ("in_use",): 0}


def test_slot_when_reserved_after_a_process_was_forked_then_that_process_sees_its_numbers() -> None:
    tallies = Tallies()
    asked, told = os.pipe()
    answer, answered = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.read(asked, 1)
        os.write(answered, str(tallies.totals()).encode())
        os._exit(0)
    working(tallies, 5)
    os.write(told, b"1")
    found = os.read(answer, 4096).decode()
    os.waitpid(pid, 0)
    for descriptor in (asked, told, answer, answered):
        os.close(descriptor)

    assert found == str({("requests", "GET", "200"): 1.0, ("in_use",): 1.0})


def test_count_on_many_threads_then_nothing_is_lost() -> None:
    tallies = Tallies()
    start = threading.Barrier(4)

    def count() -> None:
        start.wait()
        for number in range(1000):
            tallies.count("requests", str(number % 3))

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(count) for _ in range(4)]:
            done.result()

    assert sum(tallies.totals().values()) == 4000


def test_numbers_when_there_is_no_room_then_the_others_go_on() -> None:
    tallies = Tallies()
    for number in range(10_000):
        tallies.count("requests", f"{number:040}")
    tallies.count("requests", f"{0:040}")

    found = tallies.totals()

    assert 3000 < len(found) < 10_000
    assert found["requests", f"{0:040}"] == 2
