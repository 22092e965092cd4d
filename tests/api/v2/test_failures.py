"""The last failure of an image: its owner reads why there are no data, until there are some."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import DATA, RAW, Api

#: More is announced than comes, which only the end tells.
SHORT = {**DATA, "x-openstack-image-size": "99", "Transfer-Encoding": "chunked", "X-Openstack-Request-Id": "req-of-the-upload"}
QCOW2 = b"QFI\xfb" + bytes(1000)


@pytest.fixture
def alice(shared_api: Api) -> Api:
    return shared_api.as_caller("alice")


def failure(api: Api, image_id: str) -> dict[str, str]:
    shown = api.get(f"/v2/images/{image_id}")
    return {name.removeprefix("os_glance_failure_"): value for name, value in shown.items() if name.startswith("os_glance_failure")}


def fail(api: Api, image_id: str) -> None:
    assert api.request("PUT", f"/v2/images/{image_id}/file", SHORT, b"short").status == 400


def test_upload_when_it_fails_then_its_owner_reads_why(alice: Api) -> None:
    image_id = alice.new()
    assert failure(alice, image_id) == {}
    fail(alice, image_id)
    shown = failure(alice, image_id)
    assert shown.pop("at") == alice.get(f"/v2/images/{image_id}")["updated_at"]
    assert shown == {
        "status": "saving",
        "reason": "Size mismatch: expected 99 bytes, got 5 bytes",
        "request_id": "req-of-the-upload",
    }


def test_upload_when_refused_for_its_format_then_the_sentence_is_that_of_the_answer(alice: Api) -> None:
    image_id = alice.new(disk_format="vmdk")
    answer = alice.request("PUT", f"/v2/images/{image_id}/file", {**DATA, "Accept": "application/json"}, QCOW2)
    assert answer.status == 415
    assert failure(alice, image_id)["reason"] in answer.text.replace("<br /><br />", "")


def test_failure_then_others_read_nothing_of_it_and_administrators_do(alice: Api) -> None:
    image_id = alice.new(visibility="shared")
    alice.send_json("POST", f"/v2/images/{image_id}/members", {"member": "bob"})
    fail(alice, image_id)
    assert failure(alice.as_caller("bob"), image_id) == {}
    admin = alice.as_caller("ops", "admin")
    assert failure(admin, image_id) == failure(alice, image_id) != {}
    admin.patch(image_id, [{"op": "replace", "path": "/visibility", "value": "public"}])
    assert failure(alice.as_caller("carol"), image_id) == {}


def test_failure_when_the_next_upload_succeeds_then_forgotten(alice: Api) -> None:
    image_id = alice.new()
    fail(alice, image_id)
    assert alice.request("PUT", f"/v2/images/{image_id}/file", DATA, b"data").status == 204
    assert failure(alice, image_id) == {}


def test_failure_when_staging_failed_then_it_says_uploading(alice: Api) -> None:
    image_id = alice.new()
    assert alice.request("PUT", f"/v2/images/{image_id}/stage", SHORT, b"short").status == 400
    assert failure(alice, image_id)["status"] == "uploading"
    assert alice.request("PUT", f"/v2/images/{image_id}/stage", DATA, b"data").status == 204
    assert failure(alice, image_id)["status"] == "uploading"  # there are no data to read yet


def test_failure_when_the_upload_was_one_of_version_1_then_killed_with_a_reason(alice: Api) -> None:
    headers = {**RAW, **DATA, "x-image-meta-checksum": "ab" * 16}
    answer = alice.request("POST", "/v1/images", {**headers, "x-image-meta-id": "11111111-2222-4333-8444-555555555555"}, b"data")
    assert answer.status == 400
    image_id = "11111111-2222-4333-8444-555555555555"
    assert alice.get(f"/v2/images/{image_id}")["status"] == "killed"
    assert failure(alice, image_id)["reason"].startswith("Supplied checksum")
    assert not [name for name in alice.show(image_id) if "failure" in name]


def test_failure_then_lists_leave_it_out(alice: Api) -> None:
    fail(alice, alice.new())
    [image] = alice.get("/v2/images")["images"]
    assert not [name for name in image if "failure" in name]


@pytest.mark.parametrize("operation", ["add", "replace", "remove"])
def test_failure_then_no_client_changes_it(alice: Api, operation: str) -> None:
    image_id = alice.new()
    fail(alice, image_id)
    change: dict[str, Any] = {"op": operation, "path": "/os_glance_failure_reason"}
    assert alice.patch(image_id, [change if operation == "remove" else {**change, "value": "none"}]).status == 403
    assert alice.send_json("POST", "/v2/images", {"os_glance_failure_reason": "none"}).status == 403
