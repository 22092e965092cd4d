"""R13: data that change behind the service. Nobody gets them as complete, the copy is marked, and another one is read."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from glance.testing.servers import Glance
from tests.faults.clients import Download, add_copy, download, marked, stored
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.places import MIB, Change, InFiles, Place, place_of
from tests.swift_server import SwiftServer

SIZE = 300_000

#: Which bits change is the same in every run.
SEED = 13

OTHER = os.urandom(4 * MIB)

#: What happens to data of the same length, and what only their length tells.
TURNED: dict[str, Change] = {
    "first byte": lambda data: bytes([data[0] ^ 1]) + data[1:],
    "middle byte": lambda data: data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 128]) + data[len(data) // 2 + 1 :],
    "last byte": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
    "swapped with another image": lambda data: OTHER[: len(data)],
}
CUT: dict[str, Change] = {"cut": lambda data: data[:-1], "extended": lambda data: data + b"x", "emptied": lambda _data: b""}


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Glance:
    """Not started."""
    return Glance(tmp_path_factory.mktemp("rot"), services=("api",), api_options={"DEFAULT": EMBEDDED})


@pytest.fixture(scope="module")
def places(glance: Glance, swift_server: SwiftServer) -> Iterator[dict[str, Place]]:
    """By the name of the store; "plain" compares nothing with a digest, "spare" is for the second copies."""
    with ExitStack() as ended:
        remote = {name: place_of(name, swift_server) for name in ("swift", "s3")}
        for place in remote.values():
            ended.callback(place.close)
        directories = {name: glance.directory / name for name in ("verified", "plain", "spare")}
        sections: dict[str, dict[str, str]] = {name: {"filesystem_store_datadir": str(path)} for name, path in directories.items()}
        sections["verified"]["verify_on_read"] = "true"
        sections |= {name: place.options(swift_server.url) for name, place in remote.items()}
        enabled = ", ".join([f"{name}:file" for name in directories] + [f"{name}:{name}" for name in remote])
        glance.add_options("api", {"DEFAULT": {"enabled_backends": enabled}, "glance_store": {"default_backend": "plain"}, **sections})
        ended.enter_context(glance)
        yield {**{name: InFiles(path) for name, path in directories.items()}, **remote}


def turned_at(place: float, bit: int) -> Change:
    """One bit of the byte at that share (0 to 1) of the data."""

    def change(data: bytes) -> bytes:
        at = int(place * len(data))
        return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]

    return change


def is_good(found: Download, data: bytes) -> bool:
    return (found.status, found.whole, found.body) == (200, True, data)


def looks_good(found: Download) -> bool:
    """Whether a client takes it for the image."""
    return found.status == 200 and found.whole


@pytest.mark.parametrize(
    ("store", "size"),
    [("verified", SIZE), ("verified", 3 * MIB), ("plain", SIZE), ("swift", SIZE), ("swift", 3 * MIB), ("s3", SIZE), ("s3", 11 * MIB)],
)
def test_data_when_they_change_behind_the_service_then_never_complete_but_marked_and_another_copy_read(
    glance: Glance, places: dict[str, Place], report: Report, store: str, size: int
) -> None:
    changes = CUT if store == "plain" else {**TURNED, **CUT}
    if size > SIZE:
        changes = {name: changes[name] for name in ("middle byte", "cut")}
    seen: Counter[str] = Counter()
    for name, change in changes.items():
        data = os.urandom(size)
        image_id = stored(glance, data, f"X-Image-Meta-Store: {store}")
        places[store].change(image_id, change)

        alone = [download(glance, image_id, path) for path in ("/v2/images/{}/file", "/v1/images/{}")]
        seen.update("cut short" if found.status == 200 else str(found.status) for found in alone)
        assert not any(map(looks_good, alone)), name
        assert marked(glance, image_id) == [True], name

        add_copy(glance, image_id, data, "spare")
        assert is_good(download(glance, image_id), data), name
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert places[store].held() == []
    detected = f"{len(changes)} of {len(changes)} changes detected ({dict(seen)}), bad bytes completed as good 0"
    report(f"R13 {store}, {size} bytes: {detected}; all marked, and then read from another copy")


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("store", ["verified", "swift", "s3"])
def test_data_when_one_random_bit_has_changed_then_never_complete(
    glance: Glance, places: dict[str, Place], report: Report, rounds: Rounds, store: str
) -> None:
    numbers, flips = random.Random(SEED), rounds(10, 1000)
    data = numbers.randbytes(SIZE)
    whole = 0
    for _ in range(flips):
        image_id = stored(glance, data, f"X-Image-Meta-Store: {store}")
        places[store].change(image_id, turned_at(numbers.random(), numbers.randrange(8)))
        whole += looks_good(download(glance, image_id))
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    report(f"R13 {store}: one random bit changed, {flips - whole} of {flips} detected (seed {SEED}), bad bytes completed as good {whole}")
    assert whole == 0


def test_data_when_one_of_two_copies_has_changed_then_the_next_request_at_the_latest_reads_the_other(
    glance: Glance, places: dict[str, Place], report: Report
) -> None:
    first = []
    for store in ("verified", "swift", "s3"):
        data = os.urandom(3 * MIB)
        image_id = stored(glance, data, f"X-Image-Meta-Store: {store}")
        add_copy(glance, image_id, data, "spare")
        places[store].change(image_id, TURNED["middle byte"])

        found = download(glance, image_id)
        assert is_good(found, data) or not looks_good(found)
        first.append("whole" if is_good(found, data) else "cut short")
        assert marked(glance, image_id) == [True, False]
        assert is_good(download(glance, image_id), data)
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    report(f"R13 two copies, the first one bad: first request {first}, second request whole in 3 of 3")
