"""R35: the sweep runs all the time, with hardly any grace, while images come and go: nothing that lives is erased, and all that nobody needs is."""

from __future__ import annotations

import hashlib
import random
import re
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from tests.faults.clients import BYTES, PATIENCE, attempts, download, new_image, upload
from tests.faults.conftest import Report, Rounds, Scene, served
from tests.faults.test_disconnects import interrupted_upload
from tests.swift_server import SwiftServer

#: Clients at the same time.
CLIENTS = 6
SEED = 35
#: Seconds: S3 tells times to the second, so that less would be no grace at all.
OPTIONS = {"orphan_grace": 2, "orphan_sweep_interval": 0.1, "remove_orphans": True}

_ERASED = re.compile(r"Erased from store '\w+', where no image needs it: (\S+) \(\w+\)")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

#: Ids of images that stay, and the digests of their data.
Kept = dict[str, str]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def delete(glance: Glance, image_id: str) -> None:
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204


def live(glance: Glance, numbers: random.Random) -> Kept:
    """The life of an image: stored and kept, or deleted afterwards, or in the middle; given up by its client and sent again; or only staged."""
    data = bytes(1024) + numbers.randbytes(numbers.randrange(100_000))  # whatever follows, zeros are the beginning of no format
    length = len(data) if numbers.random() < 0.5 else None
    what = numbers.choice(("keep", "delete", "delete in the middle", "send again", "stage"))
    if what == "send again":
        interrupted_upload(glance, numbers, data)
    image_id = new_image(glance)
    if what == "stage":
        assert glance.request("PUT", f"/v2/images/{image_id}/stage", {"Content-Type": BYTES.partition(": ")[2]}, data).status == 204
        assert (glance.staging / image_id).read_bytes() == data
    elif what == "delete in the middle":

        def halves() -> Iterator[bytes]:
            yield data[: len(data) // 2]
            delete(glance, image_id)
            yield data[len(data) // 2 :]

        assert upload(glance, image_id, halves(), length).status in {404, 409, 410}
        return {}
    else:
        assert upload(glance, image_id, [data], length).status == 204
    if what in {"delete", "stage"} or numbers.random() < 0.5:
        delete(glance, image_id)
        return {}
    return {image_id: digest(data)}


class Litter:
    """What nobody needs, put into the place by hand. For one thread."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.things = 0
        self.ids: set[str] = set()

    def put(self, image_id: str = "") -> str:
        """Of an image that nobody knows, or that has no data."""
        found = image_id or str(uuid.uuid4())
        self.ids.add(found)
        self.things += self._scene.place.litter(found)
        return found

    def await_gone(self, *ids: str) -> None:
        def gone() -> bool:
            new_image(self._scene.glance)  # what is newer than the last change of the database stays
            return not any(one in name for name in self._scene.place.held() for one in ids)

        wait_until(gone, "the sweep", PATIENCE)


def slow_uploads(scene: Scene, litter: Litter, count: int) -> Kept:
    """Uploads whose clients pause until the sweep has erased what came later than their first half."""
    glance, seen, goes_on = scene.glance, threading.Semaphore(0), threading.Event()
    images = {new_image(glance): random.Random(SEED + number).randbytes(scene.place.size) for number in range(count)}

    def halves(data: bytes) -> Iterator[bytes]:
        yield data[: len(data) // 2]
        seen.release()
        assert goes_on.wait(PATIENCE)
        yield data[len(data) // 2 :]

    with ThreadPoolExecutor(count) as clients:
        sent = [clients.submit(upload, glance, image_id, halves(data), None) for image_id, data in images.items()]
        for _ in sent:
            assert seen.acquire(timeout=PATIENCE)
        wait_until(lambda: all(any(one in name for name in scene.place.held()) for one in images), "the first halves", PATIENCE)
        for _ in range(2):
            litter.await_gone(litter.put())
        goes_on.set()
        assert [one.result().status for one in sent] == [204] * count
    return {image_id: digest(data) for image_id, data in images.items()}


def erased(glance: Glance) -> Counter[str]:
    """Of which images the sweep has erased how many things."""
    return Counter(
        found[0] if (found := _UUID.search(name)) else name for name in _ERASED.findall((glance.directory / "log" / "api.log").read_text())
    )


@pytest.fixture(params=["file", "swift", "s3"])
def sweeping(request: pytest.FixtureRequest, tmp_path: Path, swift_server: SwiftServer) -> Iterator[Scene]:
    with served(request.param, tmp_path, swift_server, DEFAULT=OPTIONS) as scene:
        yield scene


@pytest.mark.timeout(14400)
def test_sweep_when_it_runs_all_the_time_then_only_what_nobody_needs_goes(sweeping: Scene, report: Report, rounds: Rounds) -> None:
    glance, litter, count = sweeping.glance, Litter(sweeping), rounds(60, 10_000)
    kept = slow_uploads(sweeping, litter, 3)
    with ThreadPoolExecutor(CLIENTS) as clients:
        lives: list[Future[Kept]] = []
        for number in range(count):
            lives.append(clients.submit(live, glance, random.Random(SEED + number)))
            if number % 10 == 0:
                litter.put(new_image(glance) if number % 20 else "")
                lives[max(0, number - 10 * CLIENTS)].result()
    for one in lives:
        kept |= one.result()
    wait_until(lambda: attempts(glance) == 0, "all uploads to end", PATIENCE)
    litter.await_gone(*litter.ids)

    assert {one: digest(download(glance, one).body) for one in kept} == kept
    assert {found[0] for name in sweeping.place.held() if (found := _UUID.search(name))} == set(kept)
    wait_until(lambda: erased(glance).total() >= litter.things, "the log to tell all", PATIENCE)
    live_erased = sum(number for one, number in erased(glance).items() if one not in litter.ids)
    assert (live_erased, erased(glance).total()) == (0, litter.things)
    driver = sweeping.place.driver
    report(
        f"R35 {driver}: {count} random lives (seed {SEED}), {len(kept)} images kept; live objects erased 0, orphans {litter.things}/{litter.things}"
    )
