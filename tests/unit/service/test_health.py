"""What readiness depends on: looked at in time, not too often, and told by code."""

from __future__ import annotations

import threading

import pytest

from glance import errors
from glance.service.health import Check, Finding, Health
from glance.testing.servers import wait_until


def failing(error: Exception) -> Check:
    def fail() -> None:
        raise error

    return Check("part", fail)


def test_findings_when_all_is_well_then_come_in_order() -> None:
    assert Health([Check("one", lambda: None), Check("two", lambda: None)]).findings() == (Finding("one", None), Finding("two", None))


@pytest.mark.parametrize(
    ("error", "code"), [(errors.DatabaseUnavailable(), "database-unavailable"), (ValueError("a secret"), "glance-error")], ids=["ours", "another"]
)
def test_findings_when_a_check_fails_then_name_the_code_alone(error: Exception, code: str) -> None:
    assert Health([failing(error)]).findings() == (Finding("part", code),)


def test_findings_when_a_check_hangs_then_the_others_are_told_and_it_is_not_started_again() -> None:
    goes_on = threading.Event()
    started: list[int] = []

    def hang() -> None:
        started.append(1)
        goes_on.wait(60)

    watched = Health([Check("slow", hang), Check("fast", lambda: None)], patience=0.2)

    found = [watched.findings() for _ in range(3)]
    goes_on.set()

    assert found == [(Finding("slow", "timeout"), Finding("fast", None))] * 3
    assert started == [1]
    wait_until(lambda: watched.findings()[0].error is None, "the check to end")


def test_findings_when_the_system_had_no_thread_left_then_tell_later_what_is_so() -> None:
    watched = Health([Check("part", lambda: None)], patience=0.2)
    usual = threading.stack_size(1 << 46)  # more than a process can have
    try:
        with pytest.raises(RuntimeError):
            watched.findings()
    finally:
        threading.stack_size(usual)

    wait_until(lambda: watched.findings()[0].error is None, "the check to run")


def test_findings_within_the_time_that_they_hold_then_nobody_is_asked_again() -> None:
    asked: list[int] = []
    watched = Health([Check("part", lambda: asked.append(1), fresh=3600)])

    for _ in range(5):
        watched.findings()

    assert asked == [1]


def test_findings_once_they_are_old_then_tell_what_is_now() -> None:
    broken = [True]

    def look() -> None:
        if broken:
            raise errors.StoreUnavailable(store="x")

    watched = Health([Check("part", look, fresh=0)])

    first = watched.findings()
    broken.clear()

    assert (first[0].error, watched.findings()[0].error) == ("store-unavailable", None)
