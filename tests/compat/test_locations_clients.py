"""Locations by way of python-glanceclient as it is published, against a real process that shows them."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.compat.real_clients import PROGRAMS, Clients
from tests.conftest import Options
from tests.web import Web, web

__all__ = ["web"]

DATA = os.urandom(300_000)
SHA512 = hashlib.sha512(DATA).hexdigest()


@pytest.fixture
def showing(fresh_glance: Callable[..., Glance], local_sources: Options) -> Glance:
    return fresh_glance(api_options={"DEFAULT": {**local_sources["DEFAULT"], "show_multiple_locations": "true", "show_image_direct_url": "true"}})


@pytest.fixture
def clients(showing: Glance, tmp_path: Path) -> Clients:
    return Clients(showing.url, tmp_path)


@pytest.fixture
def image_id(clients: Clients) -> Iterator[str]:
    """The id of an image without data."""
    image_id = str(uuid.uuid4())
    clients.glance(2, "image-create", "--id", image_id, "--name", "x", "--disk-format", "raw", "--container-format", "bare")
    yield image_id
    clients.glance(2, "image-delete", image_id)


def shown(glance: Glance, image_id: str) -> dict[str, object]:
    answer = glance.request("GET", f"/v2/images/{image_id}", {}, None)
    assert answer.status == 200
    return dict(json.loads(answer.body))


def test_locations_when_the_glance_command_changes_them_then_as_it_says(
    showing: Glance, clients: Clients, web: Web, image_id: str, tmp_path: Path
) -> None:
    x, y = web.put("/x", DATA), web.put("/y", DATA)
    stated = ("--hash-algo", "sha512", "--hash-value", SHA512)
    clients.glance(2, "location-add", "--url", x, "--metadata", '{"rack": "1"}', *stated, image_id)
    clients.glance(2, "location-add", "--url", y, image_id)
    image = shown(showing, image_id)
    assert (image["status"], image["os_hash_value"], image["direct_url"]) == ("active", SHA512, x)
    clients.glance(2, "location-update", "--url", x, "--metadata", '{"rack": "2"}', image_id)
    at_x = {"url": x, "metadata": {"rack": "2", "store": "http"}}
    assert shown(showing, image_id)["locations"] == [at_x, {"url": y, "metadata": {"store": "http"}}]
    clients.glance(2, "location-delete", "--url", y, image_id)
    assert shown(showing, image_id)["locations"] == [at_x]
    assert "403" in clients.glance_error(2, "location-delete", "--url", x, image_id)
    assert "400" in clients.glance_error(2, "location-add", "--url", "file:///etc/passwd", image_id)
    clients.glance(2, "image-download", "--file", str(tmp_path / "got"), image_id)
    assert (tmp_path / "got").read_bytes() == DATA


SCRIPT = """
import sys, time
from glanceclient import Client
url, image_id, location, value = sys.argv[1:]
images = Client("2", endpoint=url, token="any").images
images.add_image_location(image_id, location, {"os_hash_algo": "sha512", "os_hash_value": value} if value else {})
deadline = time.monotonic() + 30
while images.get(image_id).os_hash_value is None and time.monotonic() < deadline:
    time.sleep(0.05)
print(images.get(image_id).status, images.get_image_locations(image_id)[0]["url"])
"""


@pytest.mark.parametrize("value", ["", SHA512])
def test_location_when_the_client_class_registers_it_then_active_and_hashed(
    showing: Glance, clients: Clients, web: Web, image_id: str, tmp_path: Path, value: str
) -> None:
    assert PROGRAMS.exists()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    url = web.put("/x", DATA)
    assert clients.python(script, showing.url, image_id, url, value).split() == ["active", url]
    image = shown(showing, image_id)
    assert (image["os_hash_value"], image["checksum"]) == (SHA512, hashlib.md5(DATA, usedforsecurity=False).hexdigest())
