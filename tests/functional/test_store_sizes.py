"""Images of many segments and parts, through a real glance-api: every byte comes back, and memory stays flat. The time is nobody's business here."""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Callable

import pytest

from glance.testing.servers import Glance
from tests.remote_stores import s3_options, swift_options
from tests.swift_server import SwiftServer

MIB = 1 << 20
SIZE = 256 * MIB
UPLOAD = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare", "Content-Type": "application/octet-stream"}
FLAT = 64 * MIB
EMBEDDED = {"registry_mode": "embedded", "workers": "0"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(params=[(swift_options, 20), (s3_options, 8)], ids=["swift", "s3"])
def remote_glance(request: pytest.FixtureRequest, fresh_glance: Callable[..., Glance], swift_server: SwiftServer) -> Glance:
    """A service of one process that has kept and read an image already: what it loads once does not count as growth."""
    options, megabytes = request.param
    store = options(swift_server, f"sizes-{uuid.uuid4().hex}", megabytes)
    glance = fresh_glance(services=("api",), api_options={"DEFAULT": EMBEDDED, "glance_store": store})
    image_id = upload(glance, b"first")
    glance.request("GET", f"/v1/images/{image_id}")
    glance.request("DELETE", f"/v1/images/{image_id}")
    return glance


def upload(glance: Glance, data: bytes) -> str:
    answer = glance.request("POST", "/v1/images", UPLOAD, data, timeout=600)
    assert answer.status == 201, answer.text
    return answer.json["image"]["id"]


def test_large_image_up_and_down_then_the_same_and_memory_flat(remote_glance: Glance, capsys: pytest.CaptureFixture[str]) -> None:
    data = os.urandom(SIZE)
    before = remote_glance.memory()
    remote_glance.reset_peak_memory()

    image_id = upload(remote_glance, data)
    uploaded = remote_glance.peak_memory() - before
    received = remote_glance.request("GET", f"/v1/images/{image_id}", timeout=600).body
    downloaded = remote_glance.peak_memory() - before

    with capsys.disabled():
        print(f"\n256 MiB: memory grew by {uploaded / MIB:.1f} MiB for the upload, {downloaded / MIB:.1f} MiB in all")
    assert hashlib.sha256(received).digest() == hashlib.sha256(data).digest()
    assert downloaded < FLAT
    remote_glance.request("DELETE", f"/v1/images/{image_id}", timeout=600)
