"""nova's image driver as it is published (spec-v2 12.4), against real processes without identity."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from glance.testing.servers import Glance
from tests.compat.real_clients import Clients

DATA = os.urandom(300_000)
MAPPING = [{"virtual": "root", "device": "/dev/sda1"}]


def test_nova_then_makes_lists_changes_downloads_and_deletes_its_images(fresh_glance: Callable[..., Glance], tmp_path: Path) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {"show_multiple_locations": True, "show_image_direct_url": True}})
    (tmp_path / "nova.conf").write_text(f"[glance]\nendpoint_override = {glance.url}\nnum_retries = 0\n")
    (tmp_path / "data").write_bytes(DATA)

    saw = json.loads(Clients(glance.url, tmp_path).python(Path(__file__).with_name("nova_script.py"), str(tmp_path)))

    for copy in ("path", "file", "pieces", "by URL"):
        assert (tmp_path / copy).read_bytes() == DATA, copy
    shown = saw.pop("shown")
    assert shown["made before"]
    assert [one["url"] for one in shown["locations"]] == [f"file://{glance.images}/{shown['id']}"] * 2  # nova adds the direct URL to the list
    assert saw == {
        "reserved": {
            "status": "queued",
            "size": 0,
            "is_public": False,
            "min_ram": 64,
            "min_disk": 1,
            "owner_project_name": "prøject",
            "mappings": MAPPING,
            "kernel_id": None,
        },
        "uploaded": {
            "status": "active",
            "size": len(DATA),
            "checksum": hashlib.md5(DATA).hexdigest(),
            "image_location": "snapshot",
            "image_type": "snapshot",
        },
        "updated": ["renamed", "active", {"image_type": "backup"}],
        "created with data": {"status": "active", "size": len(DATA), "is_public": True},
        "default format": "qcow2",
        "volume-backed": {
            "status": "active",
            "size": 0,
            "disk_format": "raw",
            "container_format": "bare",
            "block_device_mapping": [{"snapshot_id": "s1", "boot_index": 0}],
        },
        "members": [["p2", "pending"]],
        "listed": {
            "all": True,
            "public": True,
            "by status": True,
            "by property": True,
            "by name": True,
            "changed since": True,
            "changed since a later time": [],
            "page": True,
            "next page": True,
            "by small pages": True,
        },
        "refused": {
            "delete a protected image": "ImageNotAuthorized",
            "delete a missing image": "ImageNotFound",
            "show a missing image": "ImageNotFound",
            "update a missing image": "ImageNotFound",
            "download a missing image": "ImageNotFound",
            "download an image without data": "ImageUnacceptable",
            "create with a bad value": "Invalid",
            "create with a reserved name": "Forbidden",
            "update with a bad value": "ImageBadRequest",
            "list after a missing image": "Invalid",
        },
        "deleted": [True] * 4,
        "left": [],
    }
