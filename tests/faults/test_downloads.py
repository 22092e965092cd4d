"""R19: a store that fails while an image is read from it: the rest comes from the same store, or from another one, else the client sees the cut."""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest

from glance.testing.servers import Glance
from tests.faults.clients import PATIENCE, add_copy, download, stored
from tests.faults.conftest import FAULTS, STORE_TIMEOUT, Report, Rounds, Scene, Service
from tests.faults.places import MIB
from tests.faults.proxy import Fault

SEED = 19

SIZE = 6 * MIB

#: Seconds that a download may take whose store fails.
BOUND = 20 * STORE_TIMEOUT


def interrupted(glance: Glance, image_id: str, happens: Callable[[], None]) -> tuple[bytes, bool]:
    """What a client gets of a download in the middle of which something happens, and whether it is all that was announced."""
    connection = http.client.HTTPConnection(glance.api_host, glance.api_port, timeout=PATIENCE)
    with closing(connection):
        connection.request("GET", f"/v2/images/{image_id}/file")
        answer = connection.getresponse()
        assert answer.status == 200
        begun = answer.read(1000)
        happens()
        try:
            return begun + answer.read(), True
        except http.client.IncompleteRead as error:
            return begun + error.partial, False


@pytest.mark.parametrize("shared", ["swift", "s3"], indirect=True)
@pytest.mark.timeout(1200)
def test_download_when_its_connection_is_reset_then_taken_up_again_or_visibly_cut(scene: Scene, report: Report, rounds: Rounds) -> None:
    glance, numbers = scene.glance, random.Random(SEED)
    data = numbers.randbytes(scene.place.size)
    image_id = stored(glance, data)

    places = [numbers.randrange(len(data)) for _ in range(rounds(5, 100))]
    for place in places:
        scene.proxy.fault = Fault("one reset", reset_down=place, times=1)
        found = download(glance, image_id)
        assert (found.status, found.whole, found.body == data) == (200, True, True)
    scene.proxy.fault = Fault("always reset", reset_down=MIB + MIB // 2)
    cut = download(glance, image_id)
    scene.proxy.fault = Fault("reset before the first piece", reset_down=MIB // 2)
    refused = download(glance, image_id)

    assert (cut.status, cut.whole) == (200, False)
    assert data.startswith(cut.body)
    assert (refused.status, "cannot be used" in refused.text) == (503, True)
    scene.proxy.heal()
    assert download(glance, image_id).body == data
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    saved = f"{len(places)} of {len(places)} downloads saved by resume after one reset (seed {SEED})"
    report(f"R19 {scene.place.driver}: {saved}; where no connection lasts, cut short, or 503 before the first byte")


def read_all(service: Service, ids: dict[str, str]) -> list[tuple[str, bytes, bool, float]]:
    """A download for each fault, all at the same time: the fault, what came, whether it is all, and the seconds."""

    def attempt(store: str, fault: Fault) -> tuple[str, bytes, bool, float]:
        began = time.monotonic()
        # What is done to requests alone meets one that was interrupted.
        fault = replace(fault, reset_down=0) if fault.answer is not None or fault.reset_up is not None else fault

        def happens() -> None:
            service.proxies[store].fault = fault

        body, whole = interrupted(service.glance, ids[store], happens)
        return fault.name, body, whole, time.monotonic() - began

    with ThreadPoolExecutor(len(FAULTS)) as threads:
        tried = list(threads.map(attempt, service.proxies, FAULTS))
    for proxy in service.proxies.values():
        proxy.heal()
    return tried


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_download_when_its_store_fails_then_another_copy_saves_it_and_else_it_is_visibly_cut(service: Service, report: Report) -> None:
    glance = service.glance
    data = random.Random(SEED).randbytes(SIZE)
    ids = {store: stored(glance, data, f"X-Image-Meta-Store: {store}") for store in service.proxies}

    for copies in (1, 2):
        tried = read_all(service, ids)

        saved = [name for name, _, whole, _ in tried if whole]
        name, _, _, seconds = max(tried, key=lambda one: one[3])
        words = f"{len(saved)} of {len(tried)} downloads saved{f' ({saved})' if copies == 1 else ''}"
        report(f"R19 {service.place.driver}, {copies} copies: {words}, the others cut short; bad bytes 0; slowest {name} {seconds:.1f} s")
        assert seconds < BOUND
        assert [one for one, body, whole, _ in tried if not (body == data if whole else data.startswith(body))] == []
        assert copies == 1 or len(saved) == len(tried)
        assert {store: download(glance, image_id).body == data for store, image_id in ids.items()} == dict.fromkeys(ids, True)
        if copies == 1:
            for image_id in ids.values():
                add_copy(glance, image_id, data, "good")
    for image_id in ids.values():
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert service.place.held() == []
