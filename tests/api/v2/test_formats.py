"""Data that are not what was declared, or not safe (spec-v2 13, 14.22, 14.26, 14.27)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glance.inspector.inspection import FormatInspector, InspectorSettings
from glance.testing.wire import Answer
from tests.api.conftest import DATA, Api
from tests.disk_images import BACKED, DATA_FILE, SIZE, descriptor, qcow2

LEARNED = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")
MISMATCH = "The disk_format of the image is {}, but its data are {}. Declare the format that the data have, or convert them."


def put(api: Api, image_id: str, data: bytes) -> Answer:
    return api.request("PUT", f"/v2/images/{image_id}/file", {**DATA, "Accept": "application/json"}, data)


def untouched(api: Api, image_id: str) -> bool:
    """Whether the image waits for data as if none had been sent."""
    image = api.get(f"/v2/images/{image_id}")
    return image["status"] == "queued" and not any(image[name] for name in LEARNED) and list(api.images.iterdir()) == []


def test_raw_data_when_stored_then_the_virtual_size_is_their_length(api: Api) -> None:
    image_id = api.new()
    assert put(api, image_id, b"0123456789").status == 204
    image = api.get(f"/v2/images/{image_id}")
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", 10, 10)


def test_qcow2_when_declared_so_then_the_virtual_size_is_that_of_its_disk(api: Api) -> None:
    image_id = api.new(qcow2(), disk_format="qcow2")
    image = api.get(f"/v2/images/{image_id}")
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", 200 * 1024, SIZE)


def test_no_data_when_declared_raw_then_active_without_virtual_size(api: Api) -> None:
    image = api.get(f"/v2/images/{api.new(b'')}")
    assert (image["status"], image["size"], image["virtual_size"]) == ("active", 0, None)


@pytest.mark.parametrize(("declared", "data", "detected"), [("vmdk", qcow2(), "qcow2"), ("qcow2", b"0123456789", "raw"), ("iso", qcow2(), "qcow2")])
def test_data_when_of_another_format_then_415_and_nothing_stays(api: Api, declared: str, data: bytes, detected: str) -> None:
    image_id = api.new(disk_format=declared)
    refused = put(api, image_id, data)
    assert (refused.status, MISMATCH.format(declared, detected) in refused.text) == (415, True)
    assert untouched(api, image_id)
    assert api.patch(image_id, [{"op": "replace", "path": "/disk_format", "value": detected}]).status == 200
    assert put(api, image_id, data).status == 204


@pytest.mark.parametrize("declared", ["qcow2", "raw"])
@pytest.mark.parametrize("data", [qcow2(*BACKED), qcow2(DATA_FILE)], ids=["backing file", "data file"])
def test_data_when_unsafe_then_415_and_nothing_stays(api: Api, declared: str, data: bytes) -> None:
    image_id = api.new(disk_format=declared)
    refused = put(api, image_id, data)
    assert (refused.status, "Image failed safety checks" in refused.text, "passwd" in refused.text) == (415, True, False)
    assert untouched(api, image_id)


def test_data_in_another_container_then_not_looked_at(api: Api) -> None:
    image = api.get(f"/v2/images/{api.new(qcow2(*BACKED), disk_format='vmdk', container_format='ova')}")
    assert (image["status"], image["virtual_size"]) == ("active", None)


def test_formats_when_they_need_not_match_then_stored_but_unsafe_data_refused(make_api: Callable[..., Api]) -> None:
    api = make_api(inspector=FormatInspector(InspectorSettings(require_match=False)))
    image = api.get(f"/v2/images/{api.new(qcow2(), disk_format='vmdk')}")
    assert (image["status"], image["virtual_size"]) == ("active", None)
    assert put(api, api.new(disk_format="vmdk"), descriptor()).status == 415
