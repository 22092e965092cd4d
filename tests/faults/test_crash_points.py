"""R01: kill -9 at every system call of an upload, and of a delete, that changes a file or sends something. After a restart nothing is lost, torn
or left over.

The service dies before the N-th call of one kind, for N = 1, 2, 3... until the request no longer gets that far. Without ``--long`` N grows faster.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from glance.testing.servers import PATIENCE, Glance, Service, wait_until
from tests.faults.clients import FORMATS, JSON, download
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.places import InFiles, Place, place_of
from tests.faults.tracing import KILL, injecting
from tests.swift_server import SwiftServer

CALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
    "mkdir", "fchmod", "ftruncate", "fallocate", "connect", "sendto", "sendmsg",
)  # fmt: skip

#: What they cannot do without; how often each is called depends on how the bytes arrive.
NEEDED = {
    "api": {"sendto"},
    "registry": {"pwrite64", "fdatasync", "sendto"},
    "file": {"openat", "fsync", "unlinkat"},
    "swift": {"sendto"},
    "s3": {"sendto"},
}

#: Nobody sees them but while the service works on them, or has died.
UNFINISHED = {"saving", "pending_delete"}

V1 = {"Content-Type": "application/octet-stream", **{f"x-image-meta-{name}": value for name, value in FORMATS.items()}}


@dataclass
class Scene:
    """A service that does not mind to be killed, the place of its data, and a directory for traces. ``parts`` lie there of one whole image."""

    glance: Glance
    place: Place
    data: bytes
    traces: Path
    parts: int = 0

    def restart(self) -> None:
        self.glance.kill()
        self.glance.start()

    def held(self) -> Counter[str]:
        """How many things lie in the place of each image."""
        return Counter(name.lstrip(".")[:36] for name in self.place.held())

    def status(self, image_id: str) -> str:
        answer = self.glance.request("GET", f"/v2/images/{image_id}")
        return "absent" if answer.status == 404 else str(answer.json["status"])


#: One request about an image of an id: a second one may be carried out by another thread, whose calls are counted apart. Gives whether it was
#: acknowledged.
Act = Callable[[Scene, str], bool]


def upload(scene: Scene, image_id: str) -> bool:
    return scene.glance.request("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, scene.data).status == 204


def create(scene: Scene, image_id: str) -> bool:
    """An upload of version 1."""
    return scene.glance.request("POST", "/v1/images", {**V1, "x-image-meta-id": image_id}, scene.data).status == 201


def delete(scene: Scene, image_id: str) -> bool:
    return scene.glance.request("DELETE", f"/v2/images/{image_id}").status == 204


def prepare(act: Act, scene: Scene, image_id: str) -> None:
    """Whatever the act needs."""
    if act is upload:
        assert scene.glance.request("POST", "/v2/images", JSON, json.dumps({**FORMATS, "id": image_id}).encode()).status == 201
    if act is delete:
        assert create(scene, image_id)


#: What each is called in reports.
ACTS: dict[Act, str] = {upload: "upload of version 2", create: "upload of version 1", delete: "delete"}

#: What every change tries: a file without data, one with both its names, one that is published and not on record, and one whose image is deleted.
SOME: tuple[tuple[Act, str, int], ...] = ((upload, "write", 1), (upload, "unlinkat", 1), (upload, "fdatasync", 2), (delete, "unlinkat", 1))


def acknowledged(act: Act, scene: Scene, image_id: str) -> bool:
    try:
        return act(scene, image_id)
    except (OSError, http.client.HTTPException):
        return False


def outcomes(act: Act, *, acknowledged: bool) -> set[str]:
    """What an image may be after a restart."""
    if act is delete:
        return {"absent"} if acknowledged else {"absent", "active"}
    if acknowledged:
        return {"active"}
    return {"active", "queued"} if act is upload else {"active", "absent", "queued", "killed"}


def check_repaired(scene: Scene, image_id: str, allowed: set[str], patience: float = PATIENCE) -> None:
    """The image is as it may be, whole where it is active; nothing else is in the place, and the service works."""
    wait_until(lambda: scene.status(image_id) not in UNFINISHED, "the repair of the image", patience)
    found = scene.status(image_id)
    assert found in allowed
    if found == "active":
        whole = download(scene.glance, image_id).body == scene.data  # data are too large for pytest to show how they differ
        assert whole
    expected = {image_id: scene.parts} if found == "active" else {}
    wait_until(lambda: scene.held() == expected, f"the place to hold {expected}", patience)
    following = str(uuid.uuid4())
    assert create(scene, following)
    for one in {following, image_id} if found != "absent" else {following}:
        assert delete(scene, one)
    assert scene.place.held() == []


def survived(glance: Glance, service: Service) -> bool:
    """Whether the service still answers; returns False once it is dead, not while it is dying."""
    try:
        glance.request("GET", "/", service=service)
    except (OSError, http.client.HTTPException):
        wait_until(lambda: glance.exit_code(service) is not None, "the death of a service that does not answer")
        return False
    return True


def crashes_at(scene: Scene, act: Act, service: Service, call: str, number: int) -> bool:
    """One request with a death at that call. False when it did not get that far; else everything was checked after a restart."""
    image_id = str(uuid.uuid4())
    prepare(act, scene, image_id)
    with injecting(scene.glance.pid(service), call, KILL, number, scene.traces / "trace"):
        done = acknowledged(act, scene, image_id)
    if survived(scene.glance, service):
        assert done
        assert act is delete or delete(scene, image_id)
        return False
    scene.restart()
    check_repaired(scene, image_id, outcomes(act, acknowledged=done))
    return True


def sweep(scene: Scene, act: Act, service: Service, step: int) -> Counter[str]:
    """How many crash points were tried of each system call: every ``step``-th."""
    points: Counter[str] = Counter()
    for call in CALLS:
        while crashes_at(scene, act, service, call, 1 + step * points[call]):
            points[call] += 1
    return +points


@contextmanager
def started(directory: Path, driver: str, server: SwiftServer | None, *, registry: bool = False) -> Iterator[Scene]:
    """Without worker processes a death is seen at once. Who recovers waits for the next start, so that it makes no calls of its own."""
    with ExitStack() as ended:
        options = {"DEFAULT": {"workers": 0, "recovery_interval": 1800, **({} if registry else EMBEDDED)}}
        services: tuple[Service, ...] = ("registry", "api") if registry else ("api",)
        glance = Glance(directory / "glance", services=services, api_options=options, registry_options={"DEFAULT": {"workers": 0}})
        place: Place = InFiles(glance.images)
        if server is not None:
            place = place_of(driver, server)
            glance.add_options("api", {"glance_store": {"stores": f"{driver},file", "default_store": driver, **place.options(server.url)}})
        ended.callback(place.close)
        ended.enter_context(glance)
        scene = Scene(glance, place, bytes(range(256)) * (place.size // 256 + 1), directory)
        image_id = str(uuid.uuid4())  # what is only done once, is done with this one
        assert create(scene, image_id)
        scene.parts = scene.held()[image_id]
        assert delete(scene, image_id)
        yield scene


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One process that does everything."""
    with started(tmp_path_factory.mktemp("killed"), "file", None) as scene:
        yield scene


def test_checker_when_something_is_lost_wrong_or_left_over_then_it_says_so(shared: Scene) -> None:
    image_id = str(uuid.uuid4())
    with pytest.raises(AssertionError):
        check_repaired(shared, image_id, {"active"})
    assert create(shared, image_id)
    with pytest.raises(AssertionError):
        check_repaired(shared, image_id, {"absent"})
    check_repaired(shared, image_id, {"active"})
    image_id = str(uuid.uuid4())
    assert create(shared, image_id)
    shared.place.change(image_id, lambda data: data[::-1])
    with pytest.raises(AssertionError):
        check_repaired(shared, image_id, {"active"})
    assert delete(shared, image_id)
    for left_over in (image_id, f".{image_id}.attempt"):
        path = shared.glance.images / left_over
        path.write_bytes(shared.data)
        with pytest.raises(TimeoutError):
            check_repaired(shared, str(uuid.uuid4()), {"absent"}, patience=0.2)
        path.unlink()


@pytest.mark.timeout(600)
def test_killed_in_the_middle_of_a_step_then_repaired(shared: Scene) -> None:
    for act, call, number in SOME:
        assert crashes_at(shared, act, "api", call, number), (act, call, number)


#: Where images lie, whether the registry is another process, and who is killed.
PLACES: tuple[tuple[str, bool, Service], ...] = (
    ("file", False, "api"),
    ("file", True, "api"),
    ("file", True, "registry"),
    ("swift", False, "api"),
    ("s3", False, "api"),
)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize(("driver", "registry", "service"), PLACES, ids=["embedded", "api-of-two", "registry-of-two", "swift", "s3"])
def test_killed_at_every_call_then_repaired(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    report: Report,
    rounds: Rounds,
    driver: str,
    registry: bool,
    service: Service,
    act: Act,
) -> None:
    server = None if driver == "file" else request.getfixturevalue("swift_server")
    with started(tmp_path, driver, server, registry=registry) as scene:
        points = sweep(scene, act, service, step=rounds(40, 1))

    report(f"R01 {driver}, {ACTS[act]}, glance-{service} of {2 if registry else 1}: {points.total()} crash points {dict(points)}, 0 violations")
    assert points.keys() >= NEEDED[service]
    assert service == "registry" or points.keys() >= NEEDED[driver]
