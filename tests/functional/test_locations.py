"""Registered data whose process is killed while it reads them, and what operators are told who show where data are."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from tests.conftest import Options
from tests.web import Web, web

__all__ = ["web"]

BYTES = b"bytes of an image"
PASTE = Path(__file__).parents[2] / "etc/glance-api-paste.ini"
#: Makes all that glance-api serves with, and listens nowhere.
COMPOSE = "import sys; from glance.bootstrap.api import api_service; api_service(['--config-file', sys.argv[1]])"
VALIDATION = {"os_hash_algo": "sha512", "os_hash_value": "ab" * 64}


def test_registration_when_the_process_is_killed_while_importing_then_queued_again(
    fresh_glance: Callable[..., Glance], local_sources: Options, web: Web
) -> None:
    glance = fresh_glance(api_options=local_sources)

    def send(method: str, path: str, document: object = None) -> dict[str, object]:
        body = None if document is None else json.dumps(document).encode()
        answer = glance.request(method, path, {"Content-Type": "application/json"} if body else {}, body)
        assert answer.status < 300, answer.text
        return dict(answer.json) if answer.body else {}

    reading, killed = threading.Event(), threading.Event()
    web.before = lambda: (reading.set(), killed.wait(60))
    image = f"/v2/images/{send('POST', '/v2/images', {'disk_format': 'raw', 'container_format': 'bare'})['id']}"
    send("POST", f"{image}/locations", {"url": web.put("/x", BYTES), "validation_data": VALIDATION})
    assert reading.wait(60)
    assert send("GET", image)["status"] == "importing"
    glance.kill()
    killed.set()
    web.before = lambda: None
    glance.start()
    wait_until(lambda: send("GET", image)["status"] == "queued", "recovery of the image")
    assert send("GET", image)["size"] is None
    send("POST", f"{image}/locations", {"url": web.url("/x")})
    wait_until(lambda: send("GET", image)["os_hash_value"] is not None, "the digest")
    assert send("GET", image)["status"] == "active"


@pytest.mark.parametrize(
    ("host", "option", "warned"),
    [
        ("0.0.0.0", "show_multiple_locations", True),
        ("192.0.2.1", "show_image_direct_url", True),
        ("127.0.0.1", "show_multiple_locations", False),
        ("0.0.0.0", "debug", False),
    ],
)
def test_api_when_others_can_reach_it_and_locations_are_shown_then_it_warns(tmp_path: Path, host: str, option: str, warned: bool) -> None:
    shutil.copy(PASTE, tmp_path)
    conf = tmp_path / "glance-api.conf"
    conf.write_text(
        f"[DEFAULT]\nbind_host = {host}\n{option} = true\n"
        f"[database]\nconnection = sqlite:///{tmp_path}/glance.sqlite\n"
        f"[glance_store]\nfilesystem_store_datadir = {tmp_path}/images\n"
    )
    done = subprocess.run([sys.executable, "-c", COMPOSE, conf], capture_output=True, text=True, timeout=60, check=True)
    assert (f"{option} is on: whoever sees an image learns where its data is." in done.stdout + done.stderr) == warned
