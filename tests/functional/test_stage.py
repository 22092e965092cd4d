"""Staging in real processes: what half-sent data and kill -9 leave, and what they must not."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import request_bytes

MIB = 1024 * 1024
TYPE = {"Content-Type": "application/octet-stream"}
#: Worker processes that a parent watches, and one process that does everything.
SHAPES = {"two programs": {}, "embedded": {"services": ("api",), "api_options": {"DEFAULT": {"registry_mode": "embedded", "workers": 0}}}}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def mortal(request: pytest.FixtureRequest, fresh_glance: Callable[..., Glance]) -> Glance:
    """A service that a test may kill."""
    return fresh_glance(**request.param)


def new(glance: Glance) -> str:
    answer = glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, b"{}")
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def stage(glance: Glance, image_id: str, data: bytes | Iterator[bytes]) -> int:
    return glance.request("PUT", f"/v2/images/{image_id}/stage", TYPE, data).status


def status(glance: Glance, image_id: str) -> str:
    return str(glance.request("GET", f"/v2/images/{image_id}").json["status"])


def kept(glance: Glance, image_id: str) -> list[Path]:
    """What lies in the staging store for an image, complete or not."""
    return list(glance.staging.glob(f"*{image_id}*"))


@contextmanager
def half_staged(glance: Glance, image_id: str) -> Iterator[None]:
    """While it lasts, a client has sent one MiB of the two that it announced, and the service has written some of it."""
    head = request_bytes(f"PUT /v2/images/{image_id}/stage HTTP/1.1", "Content-Type: application/octet-stream", f"Content-Length: {2 * MIB}")
    with glance.connect() as connection:
        connection.sendall(head + os.urandom(MIB))
        wait_until(lambda: any(path.stat().st_size for path in kept(glance, image_id)), "the first bytes in the staging store")
        yield


def test_stage_when_killed_in_the_middle_then_queued_and_no_bytes_are_left(mortal: Glance) -> None:
    image_id = new(mortal)
    with half_staged(mortal, image_id):
        assert status(mortal, image_id) == "uploading"
        mortal.kill()
    assert len(kept(mortal, image_id)) == 1
    mortal.start()
    wait_until(lambda: status(mortal, image_id) == "queued", "the repair of the image")
    assert kept(mortal, image_id) == []
    assert stage(mortal, image_id, b"again") == 204
    assert (mortal.staging / image_id).read_bytes() == b"again"


def test_stage_when_acknowledged_and_then_killed_then_kept_and_only_what_has_no_image_is_swept(mortal: Glance) -> None:
    image_id, data = new(mortal), os.urandom(MIB)
    assert stage(mortal, image_id, data) == 204
    mortal.kill()
    unknown, foreign = mortal.staging / str(uuid.uuid4()), mortal.staging / "README"
    for path in (unknown, foreign):
        path.write_text("left behind")
        os.utime(path, (0, 0))
    mortal.add_options("api", {"DEFAULT": {"orphan_sweep_interval": "0.2"}})  # others wait a minute for the first sweep
    mortal.start()
    wait_until(lambda: not unknown.exists(), "the sweep")
    assert foreign.exists()
    assert (status(mortal, image_id), (mortal.staging / image_id).read_bytes()) == ("uploading", data)
    assert mortal.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert kept(mortal, image_id) == []


def test_stage_when_the_image_is_deleted_in_the_middle_then_nothing_is_left(glance: Glance) -> None:
    image_id = new(glance)
    with half_staged(glance, image_id):
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    wait_until(lambda: kept(glance, image_id) == [], "the end of the upload")
    assert glance.request("GET", f"/v2/images/{image_id}").status == 404


def test_stage_when_the_client_goes_away_then_queued_and_nothing_is_left(glance: Glance) -> None:
    image_id = new(glance)
    with half_staged(glance, image_id):
        pass
    wait_until(lambda: status(glance, image_id) == "queued", "the end of the upload")
    assert kept(glance, image_id) == []
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204


def test_stage_when_the_id_is_a_path_then_refused_and_nothing_is_written(glance: Glance) -> None:
    before = set(glance.staging.glob("*"))
    for image_id in ("%2e%2e%2fx", "..", "..%2f..%2fimages%2fx", "x" * 300, "%00", str(uuid.uuid4())):
        assert stage(glance, image_id, b"data") in {400, 404}, image_id
    assert set(glance.staging.glob("*")) == before
    assert not list(glance.directory.rglob("x*"))


def test_stage_of_256_mib_then_memory_stays_flat(glance: Glance) -> None:
    image_id, block, count = new(glance), os.urandom(MIB), 256
    before = glance.memory()
    glance.reset_peak_memory()
    assert stage(glance, image_id, iter([block] * count)) == 204
    growth = glance.peak_memory() - before
    assert (glance.staging / image_id).stat().st_size == count * MIB
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert growth < 64 * MIB
