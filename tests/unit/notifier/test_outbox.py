"""Things that wait for a slow receiver."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import pytest

from glance.notifier.outbox import Outbox
from glance.testing.servers import wait_until


class Receiver:
    """Takes things only while ``open`` is set."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.taking = threading.Event()
        self.taken: list[int] = []

    def take(self, item: int) -> None:
        self.taking.set()
        self.open.wait(30)
        self.taken.append(item)


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def quickly(work: Callable[[], object]) -> None:
    """In less time than the receiver would take."""
    started = time.monotonic()
    work()
    assert time.monotonic() - started < 10


def test_put_when_the_receiver_hangs_then_returns_at_once_and_all_arrive_in_order_later(receiver: Receiver) -> None:
    outbox = Outbox(receiver.take)
    for item in range(100):
        quickly(lambda item=item: outbox.put(item))  # type: ignore[misc]
    assert receiver.taken == []
    receiver.open.set()
    outbox.close(30)
    assert receiver.taken == list(range(100))


def test_put_when_too_much_waits_then_the_oldest_are_dropped_and_counted_once(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(receiver.take, capacity=3)
    outbox.put(0)
    receiver.taking.wait(30)
    for item in range(1, 11):
        outbox.put(item)
    assert caplog.messages == []
    receiver.open.set()
    wait_until(lambda: bool(caplog.messages), "the count")
    assert receiver.taken == [0, 8, 9, 10]
    outbox.put(11)
    outbox.close(30)
    assert caplog.messages == ["7 notifications were dropped while their receiver did not take any."]


def test_close_when_the_receiver_hangs_then_ends_in_time_and_counts_what_is_lost(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    outbox = Outbox(receiver.take, capacity=2)
    outbox.put(0)
    receiver.taking.wait(30)
    for item in range(1, 5):
        outbox.put(item)
    quickly(lambda: outbox.close(0.05))
    assert caplog.messages == ["5 notifications were not delivered before the process ended."]
    receiver.open.set()
    outbox.close(30)  # its last message, about those dropped, must not arrive in the log of the next test


def test_close_when_nothing_was_put_then_starts_no_thread() -> None:
    before = threading.active_count()
    Outbox(print).close()
    assert threading.active_count() == before


def test_delivery_when_it_raises_then_logged_and_the_next_one_arrives(caplog: pytest.LogCaptureFixture) -> None:
    taken = []

    def take(item: int) -> None:
        if item == 1:
            raise ValueError
        taken.append(item)

    outbox = Outbox(take)
    outbox.put(1)
    outbox.put(2)
    outbox.close(30)
    assert (taken, caplog.messages) == ([2], ["A notification could not be delivered"])


def test_put_when_the_process_was_forked_then_delivered_by_a_thread_of_the_child() -> None:
    reading, writing = os.pipe()
    outbox: Outbox[bytes] = Outbox(lambda item: os.write(writing, item) and None)
    outbox.put(b"parent ")
    outbox.close(30)
    child = os.fork()
    if not child:
        outbox.put(b"child")
        outbox.close(30)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert pipe.read() == b"parent child"
