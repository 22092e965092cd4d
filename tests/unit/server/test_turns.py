"""Few threads compute at a time, and none waits for long."""

from __future__ import annotations

import threading
from time import monotonic, sleep

from glance.server.threads import Turns


def test_turns_when_they_are_short_then_one_at_a_time() -> None:
    turns, inside, most = Turns(1, patience=10), [0], [0]

    def compute() -> None:
        for _ in range(20):
            with turns.taken():
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                inside[0] -= 1

    threads = [threading.Thread(target=compute) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_turn_when_another_one_lasts_then_taken_all_the_same() -> None:
    turns, go_on = Turns(1), threading.Event()

    def stay() -> None:
        with turns.taken():
            go_on.wait(10)

    thread = threading.Thread(target=stay)
    thread.start()
    sleep(0.01)
    started = monotonic()
    with turns.taken():
        waited = monotonic() - started
    go_on.set()
    thread.join()
    assert waited < 5
    with turns.taken(), turns.taken():
        pass


def test_turns_when_there_is_no_limit_then_nobody_waits() -> None:
    turns = Turns(None)
    with turns.taken(), turns.taken():
        pass
