"""The sweep with real processes: what it erases by itself, what glance-scrubber erases, and what is left for its operator to decide."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from glance.testing.servers import Glance, program, wait_until

DAY = 86400
QUICK = {"DEFAULT": {"orphan_sweep_interval": 0.2, "recovery_interval": 0.2}}


@pytest.fixture
def glance(fresh_glance: Callable[..., Glance]) -> Glance:
    """A service with the grace that is usual."""
    return fresh_glance(api_options=QUICK)


def new(glance: Glance, data: bytes) -> str:
    body = json.dumps({"disk_format": "raw", "container_format": "bare"}).encode()
    image_id = str(glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, body).json["id"])
    assert glance.request("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, data).status == 204
    return image_id


def put(path: Path, age: float) -> str:
    path.write_bytes(b"left")
    return aged(path, age)


def aged(path: Path, age: float) -> str:
    os.utime(path, (time.time() - age,) * 2)
    return path.name


def kept(glance: Glance) -> set[str]:
    return {path.name for path in glance.images.iterdir() if not path.name.startswith(".probe")}


def scrub(glance: Glance) -> None:
    line = [program("glance-scrubber"), "--config-file", str(glance.conf("api"))]
    assert subprocess.run(line, capture_output=True, timeout=60, check=False).returncode == 0


def test_service_then_erases_old_parts_and_tells_of_old_data(glance: Glance) -> None:
    image_id, unknown, other = new(glance, b"live"), str(uuid.uuid4()), str(uuid.uuid4())
    aged(glance.images / image_id, 2 * DAY)
    put(glance.images / f".{unknown}.0123456789abcdef", 2 * DAY)
    young = put(glance.images / f".{other}.0123456789abcdef", DAY / 2)
    put(glance.images / unknown, 2 * DAY)
    wait_until(lambda: kept(glance) == {image_id, unknown, young}, "the sweep")
    wait_until(lambda: "Data that no image names lie in store 'file': 1 of them." in glance.logs(), "the sweep to tell")
    assert glance.request("GET", f"/v2/images/{image_id}/file").body == b"live"


def test_scrubber_when_told_to_then_erases_old_data_too(glance: Glance) -> None:
    image_id, unknown = new(glance, b"live"), str(uuid.uuid4())
    for name in (image_id, unknown):
        put(glance.images / name, 2 * DAY)
    scrub(glance)
    assert kept(glance) == {image_id, unknown}
    glance.add_options("api", {"DEFAULT": {"remove_orphans": True}})
    scrub(glance)
    assert kept(glance) == {image_id}


def test_service_when_its_database_is_that_of_an_hour_ago_then_newer_data_are_left_for_the_grace(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {**QUICK["DEFAULT"], "remove_orphans": True}})
    before = new(glance, b"before")
    glance.stop()
    shutil.copy(glance.database, glance.directory / "copy")
    glance.start()
    after = new(glance, b"after")
    glance.stop()
    shutil.copy(glance.directory / "copy", glance.database)
    aged(glance.images / before, 2 * DAY)
    aged(glance.images / after, 3600)
    unknown = put(glance.images / str(uuid.uuid4()), 2 * DAY)
    glance.start()
    wait_until(lambda: unknown not in kept(glance), "the sweep")
    assert kept(glance) == {before, after}
