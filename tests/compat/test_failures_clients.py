"""The last failure of an image in python-glanceclient and python-openstackclient as they are published, against real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.compat.real_clients import Clients, properties

DISK = b"QFI\xfb" + bytes(1000)
FIELDS = {"os_glance_failure_at", "os_glance_failure_status", "os_glance_failure_reason", "os_glance_failure_request_id"}


@pytest.fixture
def failed(glance: Glance, clients: Clients, source: Path) -> Iterator[str]:
    """The id of an image whose upload was refused: the data are of another format."""
    body = b'{"disk_format": "vmdk", "container_format": "bare"}'
    image_id = str(glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, body).json["id"])
    source.write_bytes(DISK)
    assert "HTTP 415" in clients.glance_error(2, "image-upload", image_id, "--file", str(source))
    yield image_id
    glance.request("DELETE", f"/v2/images/{image_id}")


def test_glance_show_when_the_upload_failed_then_says_why(clients: Clients, failed: str) -> None:
    shown = properties(clients.glance(2, "image-show", failed))
    assert shown["os_glance_failure_reason"].startswith("The disk_format of the image is vmdk")
    assert shown.keys() >= FIELDS


def test_openstack_show_when_the_upload_failed_then_says_why(clients: Clients, failed: str) -> None:
    shown = clients.openstack_json("image", "show", failed)
    assert shown["properties"]["os_glance_failure_reason"].startswith("The disk_format of the image is vmdk")


def test_clients_when_the_upload_failed_then_still_change_and_upload(glance: Glance, clients: Clients, failed: str, source: Path) -> None:
    clients.openstack("image", "set", "--property", "a=1", failed)
    clients.glance(2, "image-update", "--disk-format", "qcow2", "--property", "b=2", failed)
    clients.openstack("image", "unset", "--property", "a", failed)
    shown = glance.request("GET", f"/v2/images/{failed}").json
    assert (shown["b"], shown["disk_format"], "a" in shown) == ("2", "qcow2", False)
    source.write_bytes(b"raw")
    clients.glance(2, "image-update", "--disk-format", "raw", failed)
    clients.glance(2, "image-upload", failed, "--file", str(source))
    assert not FIELDS & glance.request("GET", f"/v2/images/{failed}").json.keys()
