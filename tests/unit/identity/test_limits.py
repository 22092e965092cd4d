"""Limits that keystone tells, and what counts while it tells none. Keystone is played; tests/functional/test_keystone_limits.py asks a real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest
from keystoneauth1.exceptions import BadRequest, ConnectFailure, NotFound

from glance import errors
from glance.identity.limits import PAUSE, KeystoneLimits, LimitsSettings, to_quotas
from glance.model.quotas import Quotas

MIB = 1024 * 1024
REGISTERED = {"image_size_total": 10, "image_stage_total": 5, "image_count_total": 7, "image_count_uploading": 2}


@dataclass(frozen=True)
class Answer:
    document: Any

    def json(self) -> Any:
        return self.document


@dataclass
class Keystone:
    """A client of a keystone with these limits, each as (region, limit). ``asked`` are the paths that it was asked for. Whoever asks for one of
    ``on_the_way`` runs that first."""

    registered: dict[str, list[tuple[str | None, Any]]] = field(default_factory=lambda: {name: [(None, limit)] for name, limit in REGISTERED.items()})
    projects: dict[str, dict[str, list[tuple[str | None, Any]]]] = field(default_factory=dict)
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)
    on_the_way: dict[str, Callable[[], object]] = field(default_factory=dict)

    def get(self, path: str, params: Mapping[str, str]) -> Answer:
        self.asked.append(path)
        self.on_the_way.get(params.get("project_id", path), bool)()
        if self.failure:
            raise self.failure
        if path == "/endpoints/ours":
            return Answer({"endpoint": {"service_id": "image", "region_id": "here"}})
        assert params["service_id"] == "image"
        if path == "/registered_limits":
            return Answer({"registered_limits": rows(self.registered, "default_limit")})
        if " " in params["project_id"]:
            raise BadRequest("Invalid input for field/attribute project_id.")
        return Answer({"limits": rows(self.projects.get(params["project_id"], {}), "resource_limit")})


def rows(limits: Mapping[str, list[tuple[str | None, Any]]], value: str) -> list[dict[str, Any]]:
    return [{"resource_name": name, "region_id": region, value: limit} for name, found in limits.items() for region, limit in found]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Gate:
    """Holds up whoever comes to it until ``opened``."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def __call__(self) -> None:
        self.reached.set()
        assert self.opened.wait(60)


Asking = Callable[..., KeystoneLimits]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def asking(clock: Clock) -> Asking:
    """Makes a source that asks a keystone."""
    return lambda keystone, kept=3600: KeystoneLimits(keystone, LimitsSettings("ours", fresh=60, kept=kept), clock)


def test_limits_then_sizes_are_mebibytes_and_minus_one_is_no_limit() -> None:
    assert to_quotas(REGISTERED) == Quotas(images=7, uploading=2, stored=10 * MIB, staged=5 * MIB)
    assert to_quotas(dict.fromkeys(REGISTERED, -1)) == Quotas()
    assert to_quotas(dict.fromkeys(REGISTERED, 0)) == Quotas(0, 0, 0, 0)


def test_limit_when_it_is_not_registered_then_allows_nothing_and_the_log_tells(asking: Asking, caplog: pytest.LogCaptureFixture) -> None:
    keystone = Keystone({"image_size_total": [(None, 1)], "image_count_total": [(None, 3)]})

    assert asking(keystone).of("p") == Quotas(images=3, uploading=0, stored=MIB, staged=0)
    assert "no registered limit image_stage_total, image_count_uploading" in caplog.text


def test_limits_of_a_project_then_count_before_the_registered_ones(asking: Asking) -> None:
    limits = asking(Keystone(projects={"p": {"image_count_total": [("here", 9)], "image_size_total": [("here", -1)]}}))

    assert limits.of("p") == Quotas(images=9, uploading=2, stored=-1, staged=5 * MIB)
    assert limits.of("other") == limits.of(None) == limits.of("no project") == to_quotas(REGISTERED)


def test_limits_of_a_region_then_count_before_those_of_all_and_of_others_never(asking: Asking) -> None:
    keystone = Keystone()
    keystone.registered |= {"image_count_total": [("here", 1), (None, 2), ("there", 3)], "image_size_total": [("there", 99)]}

    quotas = asking(keystone).of("p")

    assert (quotas.images, quotas.stored, quotas.uploading) == (1, 0, 2)


def test_limits_when_they_are_fresh_then_known_without_asking(asking: Asking, clock: Clock) -> None:
    keystone = Keystone()
    limits = asking(keystone)
    assert limits.known("p") is None
    quotas = limits.of("p")
    asked = len(keystone.asked)

    clock.now += 59.9
    assert limits.known("p") == limits.of("p") == quotas
    assert len(keystone.asked) == asked
    clock.now += 0.2
    keystone.projects["p"] = {"image_count_total": [("here", 100)]}
    assert limits.known("p") is None
    assert limits.of("p").images == 100


@pytest.mark.parametrize(
    "failure", [ConnectFailure("refused"), NotFound("Could not find endpoint: ours."), ValueError("no JSON"), KeyError("limits")]
)
def test_keystone_when_it_fails_then_the_last_limits_count_for_a_while(
    asking: Asking, clock: Clock, failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    keystone = Keystone()
    limits = asking(keystone)
    quotas = limits.of("p")
    clock.now += 61
    keystone.failure = failure

    assert limits.of("p") == limits.known("p") == quotas
    with pytest.raises(errors.LimitsUnavailable):
        limits.of("unknown")
    assert f"Keystone does not tell the limits of projects; the last known ones count: {type(failure).__name__}" in caplog.text
    clock.now += 3600
    assert limits.known("p") is None
    with pytest.raises(errors.LimitsUnavailable):
        limits.of("p")


def test_keystone_when_it_failed_then_left_alone_for_a_moment(asking: Asking, clock: Clock) -> None:
    keystone = Keystone(failure=ConnectFailure("refused"))
    limits = asking(keystone)
    for _ in range(3):
        with pytest.raises(errors.LimitsUnavailable):
            limits.of("p")
    assert len(keystone.asked) == 1

    keystone.failure = None
    clock.now += PAUSE
    assert limits.of("p") == to_quotas(REGISTERED)


def test_limits_when_many_want_them_at_once_then_one_asks(asking: Asking) -> None:
    keystone = Keystone()
    limits = asking(keystone)

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(limits.of, ["p"] * 20))

    assert found == {to_quotas(REGISTERED)}
    assert keystone.asked.count("/limits") == 1


def test_limits_of_many_projects_then_asked_for_at_once_and_the_registered_ones_once(asking: Asking) -> None:
    projects = [f"p{number}" for number in range(20)]
    keystone = Keystone(on_the_way=dict.fromkeys(projects, threading.Barrier(20, timeout=60).wait))

    with ThreadPoolExecutor(20) as pool:
        found = set(pool.map(asking(keystone).of, projects))

    assert found == {to_quotas(REGISTERED)}
    assert sorted(keystone.asked) == ["/endpoints/ours", *["/limits"] * 20, "/registered_limits"]


@pytest.mark.parametrize(("owner", "question"), [("p", "p"), (None, "/registered_limits")])
def test_limits_when_somebody_asks_again_then_those_known_count_for_others(asking: Asking, clock: Clock, owner: str | None, question: str) -> None:
    keystone, gate = Keystone(projects={"p": {"image_count_total": [("here", 1)]}}), Gate()
    limits = asking(keystone)
    quotas = limits.of(owner)
    clock.now += 61
    keystone.on_the_way[question] = gate
    for told in (keystone.registered, keystone.projects["p"]):
        told["image_count_total"] = [("here", 100)]

    with ThreadPoolExecutor(1) as pool:
        asking_again = pool.submit(limits.of, owner)
        try:
            assert gate.reached.wait(60)
            assert limits.known(owner) == limits.of(owner) == quotas
        finally:
            gate.opened.set()
        assert asking_again.result().images == 100


def test_limits_when_they_are_fresh_then_nobody_waits_for_those_of_another_project(asking: Asking) -> None:
    keystone, gate = Keystone(), Gate()
    limits = asking(keystone)
    quotas = limits.of("p")
    keystone.on_the_way["slow"] = gate

    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(limits.of, "slow")
        try:
            assert gate.reached.wait(60)
            assert limits.of("p") == limits.known("p") == limits.of("another") == quotas
        finally:
            gate.opened.set()
        assert slow.result() == quotas


def test_keystone_when_it_was_silent_then_one_tries_and_nobody_else_waits(asking: Asking, clock: Clock) -> None:
    keystone, gate = Keystone(), Gate()
    limits = asking(keystone)
    quotas = limits.of("p")
    assert limits.of("q") == quotas
    clock.now += 61
    keystone.failure = ConnectFailure("silent")
    assert limits.of("p") == quotas
    clock.now += PAUSE
    keystone.on_the_way["/registered_limits"] = gate

    with ThreadPoolExecutor(1) as pool:
        trying = pool.submit(limits.of, "p")
        try:
            assert gate.reached.wait(60)
            assert limits.of("q") == limits.known("q") == quotas
            with pytest.raises(errors.LimitsUnavailable):
                limits.of("unknown")
        finally:
            gate.opened.set()
        assert trying.result() == quotas


def test_keystone_when_limits_are_fresh_for_longer_than_they_are_kept_then_they_stay_known(asking: Asking) -> None:
    keystone = Keystone()
    limits = asking(keystone, kept=0)
    quotas = limits.of("p")
    keystone.failure = ConnectFailure("refused")

    with pytest.raises(errors.LimitsUnavailable):
        limits.of("unknown")
    assert limits.of("p") == limits.known("p") == quotas


def test_answer_when_it_is_odd_for_one_project_then_the_others_are_asked_for_as_ever(asking: Asking, clock: Clock) -> None:
    keystone = Keystone(projects={"odd": {"image_count_total": [("here", "many")]}})
    limits = asking(keystone)

    for _ in range(3):
        with pytest.raises(errors.LimitsUnavailable):
            limits.of("odd")
    assert keystone.asked.count("/limits") == 1
    assert limits.of("p") == to_quotas(REGISTERED)
    del keystone.projects["odd"]
    clock.now += PAUSE
    assert limits.of("odd") == to_quotas(REGISTERED)
