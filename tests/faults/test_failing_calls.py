"""R02: each system call of an upload that changes a file, or opens one, fails once. The client is told what is wrong, the service lives, and
nothing stays but a whole image, or one that waits for another try and says why.

The N-th call of one kind fails, for N = 1, 2, 3... until an upload no longer makes so many. Without ``--long`` N grows faster.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from glance.testing.servers import Glance, Service, wait_until
from glance.testing.wire import Answer, decoded, request_bytes
from tests.faults.clients import BYTES, PATIENCE, V1, download, new_image, records
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.tracing import injected, injecting

CALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat",
    "ftruncate", "fallocate",
)  # fmt: skip

CALLS_OF_REGISTRY = tuple(call for call in CALLS if call != "write")

ERRORS = ("EIO", "ENOSPC", "EDQUOT", "EROFS", "EMFILE", "EINTR")

#: What strace is told for a call that writes less than it was given: nothing at all, which is all that it can pretend.
SHORT = "retval=0"
WRITES = {"write", "pwrite64"}

#: Those of the file store that change something.
STEPS = (("openat", 2), ("write", 1), ("fsync", 1), ("linkat", 1), ("unlinkat", 1), ("fsync", 2))

DATA = os.urandom(300_000)


def upload(glance: Glance, image_id: str, version: str) -> Answer:
    """The answer, also one that comes before all is sent, or after which the connection stays open."""
    lines = [f"PUT /v2/images/{image_id}/file HTTP/1.1"] if version == "v2" else ["POST /v1/images HTTP/1.1", *V1, f"x-image-meta-id: {image_id}"]
    with glance.connect(PATIENCE) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(request_bytes(*lines, BYTES, f"Content-Length: {len(DATA)}") + DATA)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return Answer(answer.status, decoded(answer.getheaders()), answer.read())


@dataclass
class Sweep:
    """What has been seen of a service whose calls fail. ``left`` are images whose data could not be erased at once; recovery does."""

    glance: Glance
    service: Service
    version: str
    trace: Path
    points: Counter[str] = field(default_factory=Counter)
    answers: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def fails_at(self, call: str, what: str, number: int) -> bool:
        """One upload with a failure at that call. False when it did not get that far, and succeeded."""
        image_id = str(uuid.uuid4()) if self.version == "v1" else new_image(self.glance)
        with injecting(self.glance.pid(self.service), call, what, number, self.trace):
            answer = upload(self.glance, image_id, self.version)
        hits = injected(self.trace)
        self._check(image_id, answer)
        if not hits:
            assert answer.status in {201, 204}, answer.text
            return False
        self.points[call] += 1
        self.answers[answer.status] += 1
        # There may be two: the thread of an earlier request may not have ended.
        if not any(answer.status in self._expected(hit, what) for hit in hits):
            self.wrong.append(f"{answer.status} {answer.text!r} after {hits}")
        return True

    def recover(self) -> None:
        """What a failure has left is erased at the next start."""
        self.glance.restart()
        for image_id in self.left:
            wait_until(lambda one=image_id: self._shown(one).get("status") != "saving", "recovery")
            self._check_ended(image_id)
        assert list(self.glance.images.iterdir()) == []

    def _expected(self, hit: str, what: str) -> set[int]:
        """What a client may be told of a call that failed: that it succeeded, where that is still true; what is full; or to come again."""
        done = 201 if self.version == "v1" else 204
        if str(self.glance.images) not in hit:
            return {done, 503} if "glance.sqlite" in hit else {done}
        if what == SHORT:
            return {done}
        error = what.removeprefix("error=")
        if error == "EINTR":
            return {done, 503}
        return {413} if error in {"ENOSPC", "EDQUOT"} and "O_DIRECTORY" not in hit else {503}

    def _check(self, image_id: str, answer: Answer) -> None:
        """The service lives, and the image is what the answer says."""
        assert self.glance.exit_code(self.service) is None
        assert self.glance.request("GET", "/readyz").status == 200
        if answer.status in {201, 204}:
            assert self._shown(image_id)["status"] == "active"
            assert download(self.glance, image_id).body == DATA
            assert self.glance.request("DELETE", f"/v2/images/{image_id}").status == 204
        elif self._shown(image_id).get("status") == "saving":
            self.left.append(image_id)
        else:
            self._check_ended(image_id)
        names = {path.name.lstrip(".")[:36] for path in self.glance.images.iterdir()}
        assert names <= set(self.left)

    def _check_ended(self, image_id: str) -> None:
        """It has neither data nor an attempt; its owner reads why, and may try again."""
        shown = self._shown(image_id)
        if not shown:
            assert self.version == "v1"  # it failed before there was an image
            return
        # One of version 1 is queued where not even an attempt could be put on record.
        assert shown["status"] in ({"killed", "queued"} if self.version == "v1" else {"queued"})
        assert records(self.glance, image_id)[:2] == (0, 0)
        assert re.fullmatch(r"[A-Z][^\n]*\.", shown.get("os_glance_failure_reason", "It did not begin."))
        if self.version == "v2":
            assert upload(self.glance, image_id, self.version).status == 204
        assert self.glance.request("DELETE", f"/v2/images/{image_id}").status == 204

    def _shown(self, image_id: str) -> dict[str, str]:
        answer = self.glance.request("GET", f"/v2/images/{image_id}")
        return dict(answer.json) if answer.status == 200 else {}


@contextmanager
def sweeping(directory: Path, version: str, *, registry: bool = False, service: Service = "api") -> Iterator[Sweep]:
    """A service that makes no calls of its own while an upload is traced."""
    options = {"DEFAULT": {"workers": 0, "recovery_interval": 1800, "upload_lease_seconds": 3600, **({} if registry else EMBEDDED)}}
    services: tuple[Service, ...] = ("registry", "api") if registry else ("api",)
    glance = Glance(directory / "glance", services=services, api_options=options, registry_options={"DEFAULT": {"workers": 0}})
    with glance:
        sweep = Sweep(glance, service, version, directory / "trace")
        assert not sweep.fails_at("rename", "error=EIO", 1)  # what is only done once, is done with this one
        yield sweep


def told(sweep: Sweep) -> str:
    right = sweep.answers.total() - len(sweep.wrong)
    return (
        f"{sweep.points.total()} points {dict(sweep.points)}, answers {dict(sweep.answers)}, {right} of {sweep.answers.total()} right, "
        f"{len(sweep.left)} left to recovery, 0 violations"
    )


@pytest.mark.timeout(600)
def test_call_for_an_image_that_fails_then_the_client_is_told_and_nothing_stays(tmp_path: Path) -> None:
    with sweeping(tmp_path, "v2") as sweep:
        for call, number in STEPS:
            for what in ("error=EIO", "error=ENOSPC"):
                assert sweep.fails_at(call, what, number), (call, number)
        assert sweep.fails_at("write", SHORT, 1)
        sweep.recover()
    assert sweep.wrong == []


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize(
    ("registry", "service"), [(False, "api"), (True, "api"), (True, "registry")], ids=["embedded", "api-of-two", "registry-of-two"]
)
def test_every_call_that_fails_then_the_client_is_told_and_nothing_stays(
    tmp_path: Path, report: Report, rounds: Rounds, registry: bool, service: Service, version: str
) -> None:
    with sweeping(tmp_path, version, registry=registry, service=service) as sweep:
        # All that glance-registry gives to write() is its log, and word to itself that a connection is free, which cannot fail.
        for call in CALLS if service == "api" else CALLS_OF_REGISTRY:
            for what in [*(f"error={error}" for error in ERRORS), *([SHORT] if call in WRITES else [])]:
                number = 1
                while sweep.fails_at(call, what, number):
                    number += rounds(20, 1)
        sweep.recover()
    report(f"R02 file, upload of version {version[1]}, glance-{service} of {2 if registry else 1}: {told(sweep)}")
    assert sweep.wrong == []
