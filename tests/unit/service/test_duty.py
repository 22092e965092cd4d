"""Which process works for all, and that it stops once another one may."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine

from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.service.duty import Duty
from glance.testing.registry_contract import Clock
from tests.databases import moments

LONG = 3600.0
#: A lease that is over as soon as it is looked at again: the registry is asked each time.
NONE = 0.0

Seat = Callable[..., Duty]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def records(engine: Engine, clock: Clock) -> Registry:
    return SqlRegistry(engine, lease_clock=moments(clock), lease_seconds=60)


@pytest.fixture
def seat(records: Registry) -> Seat:
    """A process's view of one duty."""

    def make(worker: str, *, dead: str = "", lease_seconds: float = NONE) -> Duty:
        return Duty(records, "sweeping", lambda: worker, lambda other: other == dead, lease_seconds)

    return make


def test_duty_when_several_want_it_then_one_has_it(seat: Seat) -> None:
    first, second = seat("first"), seat("second")
    assert [first.mine(), second.mine(), first.mine(), second.mine()] == [True, False, True, False]


def test_duty_when_its_holder_certainly_ended_then_the_next_has_it_at_once(seat: Seat) -> None:
    first = seat("first")
    assert first.mine()
    assert seat("second", dead="first").mine()
    assert not first.mine()


def test_duty_when_its_holder_is_silent_then_the_next_has_it_after_the_lease(seat: Seat, clock: Clock) -> None:
    first, second = seat("first"), seat("second")
    assert first.mine()
    clock.advance(59)
    assert not second.mine()
    clock.advance(1)
    assert second.mine()
    assert not first.mine()


def test_duty_when_the_lease_is_young_then_the_registry_is_not_asked(seat: Seat, records: Registry) -> None:
    first = seat("first", lease_seconds=LONG)
    assert first.mine()
    assert records.duties.take("sweeping", "second", "first") == "second"
    assert first.mine()


def test_duty_when_another_process_has_it_then_asked_again_each_time(seat: Seat, clock: Clock) -> None:
    other, first = seat("other"), seat("first", lease_seconds=LONG)
    assert other.mine()
    assert not first.mine()
    clock.advance(60)
    assert first.mine()
