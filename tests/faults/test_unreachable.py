"""R18: a store that cannot be reached before, in the middle, or at the end of an upload.

Each kind of fault has a proxy, and a store of the service behind it, so that all of them happen at the same time: a fault that is waited out
costs no other one time.
"""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from glance.testing.servers import wait_until
from glance.testing.wire import Answer
from tests.faults.clients import PATIENCE, attempts, create, download, new_image, records, status, stored, upload
from tests.faults.conftest import FAULTS, STORE_TIMEOUT, Report, Scene, Service
from tests.faults.places import MIB
from tests.faults.proxy import ERROR, REFUSED, Fault

#: A generous bound, in seconds, for an upload: each of its requests may be repeated, and so may those that clean up.
BOUND = 60 * STORE_TIMEOUT


@dataclass(frozen=True)
class Tried:
    """What an upload came to, after how many seconds."""

    image_id: str
    fault: Fault
    answer: Answer
    seconds: float


Upload = Callable[[Service, str, Fault, str], Answer]


def before(service: Service, store: str, fault: Fault, image_id: str) -> Answer:
    """The fault is there already."""
    service.proxies[store].fault = fault
    return upload(service.glance, image_id, [bytes(MIB)] * 3, 3 * MIB, f"X-Image-Meta-Store: {store}")


def breaking(service: Service, store: str, fault: Fault) -> Iterator[bytes]:
    """The chunks of an upload; the fault comes when some of them have arrived in the store."""
    proxy, half = service.proxies[store], os.urandom(service.place.size // 2 + 1)
    sent = proxy.sent
    yield half
    wait_until(lambda: proxy.sent > sent + MIB, "the first part to be sent", PATIENCE)
    proxy.fault = fault
    yield half


def in_the_middle(service: Service, store: str, fault: Fault, image_id: str) -> Answer:
    size = 2 * (service.place.size // 2 + 1)
    return upload(service.glance, image_id, breaking(service, store, fault), size, f"X-Image-Meta-Store: {store}")


def in_the_middle_of_version_1(service: Service, store: str, fault: Fault, image_id: str) -> Answer:
    return create(service.glance, image_id, breaking(service, store, fault), None, f"X-Image-Meta-Store: {store}")


def at_the_end(service: Service, store: str, fault: Fault, image_id: str) -> Answer:
    """The fault comes with the request that makes the data visible."""
    service.proxies[store].arm(fault, service.place.last_request(image_id))
    data = os.urandom(service.place.size)
    return upload(service.glance, image_id, [data], len(data), f"X-Image-Meta-Store: {store}")


def try_all(service: Service, phase: Upload) -> list[Tried]:
    """One upload for each fault, all at the same time."""

    def attempt(store: str, fault: Fault) -> Tried:
        image_id = str(uuid.uuid4()) if phase is in_the_middle_of_version_1 else new_image(service.glance)
        began = time.monotonic()
        answer = phase(service, store, fault, image_id)
        return Tried(image_id, fault, answer, time.monotonic() - began)

    for proxy in service.proxies.values():
        proxy.heal()
    with ThreadPoolExecutor(len(FAULTS)) as threads:
        return list(threads.map(attempt, service.proxies, FAULTS))


def check_other_store(service: Service, stop: Callable[[], bool]) -> list[float]:
    """Uploads to, and downloads from, the store that works; returns the seconds of each pair."""
    data, took = os.urandom(100_000), []
    while not stop():
        began = time.monotonic()
        image_id = stored(service.glance, data, "X-Image-Meta-Store: good")
        assert download(service.glance, image_id).body == data
        took.append(time.monotonic() - began)
        assert service.glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    return took


def check_answers(service: Service, report: Report, phase: Upload) -> list[Tried]:
    """All uploads are refused in time, and those to the other store go on."""
    trying = [True]
    with ThreadPoolExecutor(1) as threads:
        other = threads.submit(check_other_store, service, lambda: not trying)
        try:
            tried = try_all(service, phase)
        finally:
            trying.clear()
        took = other.result()
    answers = Counter(one.answer.status for one in tried)
    slowest = max(tried, key=lambda one: one.seconds)
    meanwhile = f"meanwhile {len(took)} images through another store, slowest {max(took):.2f} s"
    seen = f"{len(tried)} faults, answers {dict(answers)}, slowest {slowest.fault.name} {slowest.seconds:.1f} s"
    report(f"R18 {service.place.driver}, {phase.__name__}: {seen}; {meanwhile}")
    assert set(answers) <= {502, 503}, [(one.fault.name, one.answer.text) for one in tried]
    assert slowest.seconds < BOUND
    return tried


#: What is tried with each driver; the older version of the API does nothing else there but to kill the image, which one of them shows.
PHASES = {"swift": (before, in_the_middle, in_the_middle_of_version_1, at_the_end), "s3": (before, in_the_middle, at_the_end)}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_uploads_when_their_store_cannot_be_reached_then_503_in_time_and_nothing_stays(service: Service, report: Report) -> None:
    glance, driver = service.glance, service.place.driver
    tried = {phase: check_answers(service, report, phase) for phase in PHASES[driver]}

    # The stores are back, and recovery runs, as it does every minute and at each start.
    for proxy in service.proxies.values():
        proxy.heal()
    glance.restart()
    wait_until(lambda: attempts(glance) == 0, "recovery", PATIENCE)

    for phase, uploads in tried.items():
        falls_to = "killed" if phase is in_the_middle_of_version_1 else "queued"
        assert {one.fault.name: status(glance, one.image_id) for one in uploads} == {fault.name: falls_to for fault in FAULTS}
    assert service.place.held() == []
    again = [upload(glance, one.image_id, [b"again"], 5, f"X-Image-Meta-Store: bad{number}") for number, one in enumerate(tried[before])]
    assert [answer.status for answer in again] == [204] * len(FAULTS)
    for one in tried[before]:
        assert glance.request("DELETE", f"/v2/images/{one.image_id}").status == 204
    count = sum(map(len, tried.values()))
    report(f"R18 {driver}: after recovery all {count} images are queued (version 1: killed), leftovers 0; {len(again)} of them uploaded again")


@pytest.mark.parametrize("shared", ["swift", "s3"], indirect=True)
def test_upload_when_its_store_goes_away_then_recovery_erases_what_it_left(scene: Scene) -> None:
    glance, place, half = scene.glance, scene.place, bytes(scene.place.size // 2 + 1)
    before, image_id = place.held(), new_image(glance)

    def chunks() -> Iterator[bytes]:
        yield half
        wait_until(lambda: place.held() != before, "the first part to be stored", PATIENCE)
        scene.proxy.fault = REFUSED
        yield half

    answer = upload(glance, image_id, chunks(), 2 * len(half))

    assert (answer.status, "erased once it can be used again" in answer.text) == (503, True)
    assert status(glance, image_id) == "saving"
    assert place.held() != before
    scene.proxy.heal()
    glance.restart()
    wait_until(lambda: status(glance, image_id) == "queued", "recovery", PATIENCE)


@pytest.mark.parametrize("shared", ["swift", "s3"], indirect=True)
def test_upload_when_its_store_fails_at_once_then_503_and_the_image_waits_for_another_try(scene: Scene) -> None:
    glance = scene.glance
    for fault in (REFUSED, ERROR):
        image_id = new_image(glance)
        scene.proxy.fault = fault
        answer = upload(glance, image_id, [b"data"], 4)
        assert (answer.status, answer.header("Retry-After")) == (503, "5"), answer.text
        assert (status(glance, image_id), records(glance, image_id)) == ("queued", (0, 0, None))
        scene.proxy.heal()
        assert upload(glance, image_id, [b"data"], 4).status == 204
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
