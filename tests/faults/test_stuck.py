"""R33 and R34: a node is frozen, or killed, while images are uploaded, staged and deleted. Another one, or the same after its next start, takes over
what it did: within 90 seconds with the lease that is shipped; here it is shorter. A node that goes on afterwards publishes nothing."""

from __future__ import annotations

import contextlib
import http.client
import os
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from glance.service.reasons import INTERRUPTED
from glance.testing.servers import wait_until
from tests.faults.clients import PATIENCE, attempts, download, new_image, stored, upload
from tests.faults.conftest import Report, Rounds
from tests.faults.nodes import ELSEWHERE, KINDS, LEASE, HalfSent, Nodes, await_status, begin, shown, two_nodes
from tests.swift_server import SwiftServer

SLOW = pytest.mark.slow

#: Seconds until nothing may be stuck any more.
BOUND = 90

#: Deletes at the same time.
CLIENTS = 8


@pytest.fixture(scope="module", params=["file", pytest.param("swift", marks=SLOW), pytest.param("s3", marks=SLOW)])
def shared_nodes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, swift_server: SwiftServer) -> Iterator[Nodes]:
    with two_nodes(request.param, tmp_path_factory.mktemp("nodes"), swift_server) as nodes:
        yield nodes


@pytest.fixture
def nodes(shared_nodes: Nodes) -> Iterator[Nodes]:
    """Two nodes that run, and nothing is left of what a test did."""
    shared_nodes.glance.start()
    yield shared_nodes
    shared_nodes.proxy.heal()
    assert (shared_nodes.place.held(), shared_nodes.staged(), attempts(shared_nodes.glance)) == ([], [], 0)


def half_sent(nodes: Nodes, count: int) -> dict[str, tuple[str, HalfSent]]:
    """By the id of its image: that many uploads of each kind through the first node, on record."""
    uploads = {}
    for number in range(count):
        for kind in KINDS:
            data = os.urandom(nodes.place.size if number % 2 else 200_000)
            image_id = str(uuid.uuid4()) if kind == "v1 create" else new_image(nodes.glance)
            uploads[image_id] = kind, begin(nodes.glance, kind, image_id, data)
    wait_until(lambda: attempts(nodes.glance) == len(uploads), "all uploads to be on record", PATIENCE)
    return uploads


def image_of(name: str) -> str:
    """The image that something in a place belongs to, by its name: an id, or one that begins with it."""
    return name[:36]


def check_fallen(nodes: Nodes, uploads: dict[str, tuple[str, HalfSent]]) -> None:
    """Waits until no image is stuck; its owner can read why."""
    for image_id, (kind, _) in uploads.items():
        await_status(nodes.second, image_id, KINDS[kind][1])
        assert shown(nodes.second, image_id)["os_glance_failure_reason"] == INTERRUPTED


@dataclass
class Deletes:
    """Clients that delete images through the first node, several at a time."""

    nodes: Nodes
    images: list[str]
    answers: Counter[int | None] = field(default_factory=Counter)

    def delete(self, image_id: str) -> None:
        status = None
        with contextlib.suppress(OSError, http.client.HTTPException):
            status = self.nodes.glance.request("DELETE", f"/v2/images/{image_id}", timeout=BOUND).status
        self.answers[status] += 1

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """While a part of them is answered, and others are in the middle; all are answered afterwards, or will not be."""
        with ThreadPoolExecutor(CLIENTS) as clients:
            running = [clients.submit(self.delete, image_id) for image_id in self.images]
            wait_until(lambda: self.answers.total() >= len(self.images) // 4, "some deletes", PATIENCE)
            yield
            for one in running:
                one.result()


# R33


def test_node_that_is_frozen_until_another_has_taken_over_then_its_uploads_cannot_publish_and_its_deletes_are_done(
    nodes: Nodes, report: Report, rounds: Rounds
) -> None:
    zombies = half_sent(nodes, rounds(2, 50))
    queued = [image_id for image_id, (kind, _) in zombies.items() if KINDS[kind][1] == "queued"]
    refilled = {image_id: os.urandom(300_000) for image_id in queued[::2]}
    deletes = Deletes(nodes, [stored(nodes.glance, os.urandom(1000)) for _ in range(rounds(24, 400))])
    with deletes.begun(), nodes.frozen():
        caught = nodes.waiting()
        check_fallen(nodes, zombies)
        for image_id, data in refilled.items():
            assert upload(nodes.second, image_id, [data], len(data)).status == 204
        wait_until(lambda: nodes.waiting() == 0, "the other node to erase", BOUND)
    answers = Counter(zombie.finish() for _kind, zombie in zombies.values())

    assert {image_id: download(nodes.second, image_id).body for image_id in refilled} == refilled
    for image_id in zombies.keys() - refilled.keys():
        assert shown(nodes.second, image_id)["status"] == KINDS[zombies[image_id][0]][1]
    assert {shown(nodes.second, image_id)["status"] for image_id in deletes.images} == {"404"}
    what = f"{len(zombies)} uploads frozen, {len(refilled)} of them sent anew meanwhile"
    report(f"R33 {nodes.place.driver}: {what}; zombie publishes {answers.total() - answers[410] - answers[412]}; answers {dict(answers)}")
    what = f"{len(deletes.images)} deletes, {caught} of them frozen in the middle and erased by another node"
    report(f"R33 {nodes.place.driver}: {what}; answers {dict(deletes.answers)}, left 0")
    assert set(answers) == {410, 412}
    assert deletes.answers == {204: len(deletes.images)}
    assert (sorted(set(map(image_of, nodes.place.held()))), nodes.staged()) == (sorted(refilled), [])
    for image_id in zombies:
        assert nodes.second.request("DELETE", f"/v2/images/{image_id}").status == 204


# R34


@pytest.mark.parametrize("by", ["the same node after its next start", "another node"])
def test_node_that_is_killed_while_images_are_uploaded_and_deleted_then_nothing_is_stuck(
    nodes: Nodes, report: Report, rounds: Rounds, by: str
) -> None:
    uploads = half_sent(nodes, rounds(2, 25))
    deletes = Deletes(nodes, [stored(nodes.glance, os.urandom(1000)) for _ in range(rounds(24, 200))])
    with deletes.begun():
        if by != "another node":
            nodes.second.kill()
        nodes.glance.kill()
        caught = nodes.waiting()
    began = time.monotonic()
    if by != "another node":
        nodes.glance.start()
        nodes.second.start(ELSEWHERE)
    check_fallen(nodes, uploads)
    wait_until(lambda: nodes.waiting() == 0, "deleted images to be erased", BOUND)
    seconds = time.monotonic() - began

    for _kind, one in uploads.values():
        assert one.finish() is None
    for image_id in {*uploads, *deletes.images}:
        assert nodes.second.request("DELETE", f"/v2/images/{image_id}").status in {204, 404}
    what = f"{len(uploads)} uploads and {caught} deletes caught in the middle, {by} goes on: stuck 0 after {seconds:.1f} s (lease {LEASE} s)"
    report(f"R34 {nodes.place.driver}: {what}")
    assert seconds < BOUND
