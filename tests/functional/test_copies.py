"""Copies from other servers go on while the service reloads its configuration or stops."""

from __future__ import annotations

import http.server
import os
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from glance.testing.servers import Glance, wait_until
from tests.running import running

SIZE = 30_000
HEADERS = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare"}


class SlowSource(http.server.BaseHTTPRequestHandler):
    """Answers with SIZE bytes, over about two seconds."""

    def do_HEAD(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        for _ in range(20):
            self.wfile.write(b"x" * (SIZE // 20))
            time.sleep(0.1)

    def log_message(self, format: str, *args: object) -> None:
        """Tests print nothing."""


@pytest.fixture
def source() -> Iterator[str]:
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), SlowSource)) as server:
        yield f"http://127.0.0.1:{server.server_port}/image"


def start_copy(glance: Glance, source: str) -> str:
    answer = glance.request("POST", "/v1/images", {**HEADERS, "x-glance-api-copy-from": source})
    assert (answer.status, answer.json["image"]["status"], answer.json["image"]["size"]) == (201, "queued", SIZE)
    image_id = str(answer.json["image"]["id"])
    wait_until(lambda: status(glance, image_id) == "saving", "the copy to begin")
    return image_id


def status(glance: Glance, image_id: str) -> str | None:
    return glance.request("HEAD", f"/v1/images/{image_id}").header("x-image-meta-status")


@pytest.mark.parametrize("workers", [0, 2])
def test_copy_when_the_configuration_is_reloaded_then_it_completes(
    fresh_glance: Callable[..., Glance], local_sources: dict[str, dict[str, str]], source: str, workers: int
) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {**local_sources["DEFAULT"], "workers": workers}})
    image_id = start_copy(glance, source)
    os.kill(glance.pid("api"), signal.SIGHUP)
    wait_until(lambda: status(glance, image_id) != "saving", "the copy to end")
    assert status(glance, image_id) == "active"
    assert glance.request("GET", f"/v1/images/{image_id}").body == b"x" * SIZE


@pytest.mark.parametrize("control", [False, True])
def test_copy_when_the_service_stops_then_it_is_completed_first(
    fresh_glance: Callable[..., Glance], local_sources: dict[str, dict[str, str]], source: str, control: bool
) -> None:
    glance = fresh_glance(api_options=local_sources, control=control)
    image_id = start_copy(glance, source)
    glance.restart()
    assert status(glance, image_id) == "active"
    assert glance.request("GET", f"/v1/images/{image_id}").body == b"x" * SIZE
