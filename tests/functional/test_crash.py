"""kill -9 at every file-changing system call of an upload, and at any time under load: after a restart nothing is lost, torn or left over.

strace injects the signal before the N-th call of one kind, for N = 1, 2, 3... until an upload no longer gets that far. It attaches to the running
server, which takes root or ``kernel.yama.ptrace_scope`` 0.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from glance.testing.servers import PATIENCE, Glance, Service, wait_until

CALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
    "mkdir", "fchmod", "sendto",
)  # fmt: skip
HEADERS = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare", "Content-Type": "application/octet-stream"}
DATA = bytes(range(256)) * 400

#: What an upload cannot do without, by service; how often each is called depends on how the bytes arrive.
NEEDED = {"api": {"openat", "write", "fsync", "linkat", "sendto"}, "registry": {"pwrite64", "fdatasync", "sendto"}}

#: One process that does everything, and the two of the default installation. Without worker processes a death is seen at once.
EMBEDDED = {"services": ("api",), "api_options": {"DEFAULT": {"registry_mode": "embedded", "workers": 0}}}
TWO = {"api_options": {"DEFAULT": {"workers": 0}}, "registry_options": {"DEFAULT": {"workers": 0}}}


@contextmanager
def killing(pid: int, call: str, number: int) -> Iterator[None]:
    """While it lasts, the ``number``-th ``call`` of any thread of the process kills it."""
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    command = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject, "-p", str(pid)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        try:
            assert tracer.stderr
            attached = tracer.stderr.readline()
            assert "attached" in attached, attached
            yield
        finally:
            tracer.kill()  # the kernel detaches; asked politely, strace waits for threads that are dying


def upload(glance: Glance, image_id: str, data: bytes = DATA) -> bool:
    """Whether the upload was acknowledged."""
    try:
        answer = glance.request("POST", "/v1/images", {**HEADERS, "x-image-meta-id": image_id}, data)
    except (OSError, http.client.HTTPException):
        return False
    return answer.status == 201


def status(glance: Glance, image_id: str) -> str:
    """The image's status, "absent" when there is none."""
    answer = glance.request("HEAD", f"/v1/images/{image_id}")
    return "absent" if answer.status == 404 else str(answer.header("x-image-meta-status"))


def check_repaired(glance: Glance, image_id: str, *, acknowledged: bool, patience: float = PATIENCE) -> None:
    """The image is complete or cleanly not there, nothing else is in the store, and the service works."""
    wait_until(lambda: status(glance, image_id) != "saving", "the repair of the image", patience)
    found = status(glance, image_id)
    assert found in ({"active"} if acknowledged else {"active", "queued", "killed", "absent"})
    if found == "active":
        body = glance.request("GET", f"/v1/images/{image_id}").body
        assert hashlib.sha256(body).digest() == hashlib.sha256(DATA).digest()
    expected = {image_id} if found == "active" else set()
    wait_until(lambda: {path.name for path in glance.images.iterdir()} == expected, f"the store to hold {expected}", patience)
    following = str(uuid.uuid4())
    assert upload(glance, following)
    for one in {following, image_id} if found != "absent" else {following}:
        assert glance.request("DELETE", f"/v1/images/{one}").status == 200
    assert list(glance.images.iterdir()) == []


def test_checker_when_something_is_lost_wrong_or_left_over_then_it_says_so(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(**EMBEDDED)
    with pytest.raises(AssertionError):
        check_repaired(glance, str(uuid.uuid4()), acknowledged=True)
    image_id = str(uuid.uuid4())
    assert upload(glance, image_id)
    check_repaired(glance, image_id, acknowledged=True)
    image_id = str(uuid.uuid4())
    assert upload(glance, image_id, DATA[::-1])
    with pytest.raises(AssertionError):
        check_repaired(glance, image_id, acknowledged=True)
    for left_over in (image_id, f".{image_id}.attempt"):
        (glance.images / left_over).write_bytes(DATA)
        with pytest.raises(TimeoutError):
            check_repaired(glance, str(uuid.uuid4()), acknowledged=False, patience=0.2)


def survived(glance: Glance, service: Service) -> bool:
    """Whether the service still answers; returns False once it is dead, not while it is dying."""
    try:
        glance.request("GET", "/", service=service)
    except (OSError, http.client.HTTPException):
        wait_until(lambda: glance.exit_code(service) is not None, "the death of a service that does not answer")
        return False
    return True


def crashes_at(glance: Glance, service: Service, call: str, number: int) -> bool:
    """One upload with a death at that call. False when the upload did not get that far; else everything was checked after a restart."""
    image_id = str(uuid.uuid4())
    with killing(glance.pid(service), call, number):
        acknowledged = upload(glance, image_id)
    if survived(glance, service):
        assert acknowledged
        assert glance.request("DELETE", f"/v1/images/{image_id}").status == 200
        return False
    glance.kill()
    glance.start()
    check_repaired(glance, image_id, acknowledged=acknowledged)
    return True


def sweep(glance: Glance, service: Service, step: int) -> dict[str, int]:
    """Crash points by system call; every ``step``-th is tried."""
    upload(glance, str(uuid.uuid4()))
    for path in glance.images.iterdir():
        assert glance.request("DELETE", f"/v1/images/{path.name}").status == 200
    points = {}
    for call in CALLS:
        number = 1
        while crashes_at(glance, service, call, number):
            points[call] = points.get(call, 0) + 1
            number += step
    return points


def report(capsys: pytest.CaptureFixture[str], where: str, points: dict[str, int]) -> None:
    with capsys.disabled():
        print(f"\n{where}: {sum(points.values())} crash points swept {points}, 0 violations")


@pytest.mark.timeout(600)
def test_upload_killed_at_every_tenth_call_then_repaired(fresh_glance: Callable[..., Glance], capsys: pytest.CaptureFixture[str]) -> None:
    points = sweep(fresh_glance(**EMBEDDED), "api", step=10)

    report(capsys, "glance-api with embedded registry, every 10th", points)
    assert sum(points.values()) >= 5


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize(
    ("options", "service"), [(EMBEDDED, "api"), (TWO, "api"), (TWO, "registry")], ids=["embedded", "api-of-two", "registry-of-two"]
)
def test_upload_killed_at_every_call_then_repaired(
    fresh_glance: Callable[..., Glance], capsys: pytest.CaptureFixture[str], options: dict[str, object], service: Service
) -> None:
    points = sweep(fresh_glance(**options), service, step=1)

    report(capsys, f"glance-{service}, {options.get('services', 'two processes')}", points)
    assert points.keys() >= NEEDED[service]


@dataclass
class Uploader:
    """Uploads one image after the other until told to stop, and keeps what was acknowledged."""

    glance: Glance
    seed: int
    stop: threading.Event

    def run(self) -> dict[str, str]:
        numbers = random.Random(self.seed)
        acknowledged = {}
        while not self.stop.is_set():
            image_id, data = str(uuid.uuid4()), numbers.randbytes(numbers.randrange(300_000))
            if upload(self.glance, image_id, data):
                acknowledged[image_id] = hashlib.sha256(data).hexdigest()
        return acknowledged


def killed_under_load(glance: Glance, seed: int) -> dict[str, str]:
    """Acknowledged images (id: SHA-256) of eight uploaders, until a kill -9 of everything at a random moment."""
    stop = threading.Event()
    with ThreadPoolExecutor(8) as threads:
        uploads = [threads.submit(Uploader(glance, seed + number, stop).run) for number in range(8)]
        stop.wait(random.Random(seed).uniform(0.3, 1.5))
        glance.kill()
        stop.set()
        return {image_id: digest for one in uploads for image_id, digest in one.result().items()}


@pytest.mark.timeout(600)
def test_killed_under_load_then_every_acknowledged_image_is_whole(fresh_glance: Callable[..., Glance], capsys: pytest.CaptureFixture[str]) -> None:
    glance = fresh_glance()
    kept: dict[str, str] = {}
    seed = int.from_bytes(os.urandom(4))
    rounds = 5
    for number in range(rounds):
        kept |= killed_under_load(glance, seed + number * 100)
        glance.start()

    wait_until(lambda: {path.name for path in glance.images.iterdir()} == active_ids(glance), "the store to hold active images only")
    assert set(kept) <= active_ids(glance)
    for image_id, digest in kept.items():
        assert hashlib.sha256(glance.request("GET", f"/v1/images/{image_id}").body).hexdigest() == digest
    with capsys.disabled():
        print(f"\n{len(kept)} acknowledged uploads through {rounds} kills (seed {seed}): 0 lost, 0 wrong, 0 orphans")


def active_ids(glance: Glance) -> set[str]:
    found: set[str] = set()
    marker = ""
    while page := glance.request("GET", f"/v1/images/detail?is_public=None&limit=1000&sort_key=id{marker}").json["images"]:
        found |= {one["id"] for one in page if one["status"] == "active"}
        marker = f"&marker={page[-1]['id']}"
    return found
