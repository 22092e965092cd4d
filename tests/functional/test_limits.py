"""What operators limit and protect, in real processes: quotas of projects that the registry keeps, and properties."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from glance.testing.servers import Glance

RACING = 50
IDENTITY = {"X-Identity-Status": "Confirmed", "X-User-Id": "u", "X-Tenant-Id": "P1", "X-Roles": "member"}
JSON = {**IDENTITY, "Content-Type": "application/json"}
#: The operator of security S08: what an earlier section refuses, a later one does not allow.
PROTECTIONS = (
    "[^x_.*]\ncreate = admin\nread = admin,member\nupdate = admin\ndelete = admin\n"
    "[^secret]\ncreate = admin\nread = admin\nupdate = admin\ndelete = admin\n"
    "[.*]\ncreate = member\nread = member\nupdate = member\ndelete = member\n"
)


def test_quota_when_fifty_uploads_race_then_as_many_as_fit_and_nothing_stays_reserved(fresh_glance: Callable[..., Glance]) -> None:
    limits = {"DEFAULT": {"user_storage_quota": "7KB", "project_image_quota": RACING}}
    glance = fresh_glance(flavor="trusted-auth", registry_options=limits)
    body = b'{"disk_format": "raw", "container_format": "bare"}'
    ids = [glance.request("POST", "/v2/images", JSON, body).json["id"] for _ in range(RACING)]

    def upload(image_id: str) -> int:
        return glance.request("PUT", f"/v2/images/{image_id}/file", {**IDENTITY, "Content-Type": "application/octet-stream"}, bytes(1024)).status

    with ThreadPoolExecutor(RACING) as pool:
        found = Counter(pool.map(upload, ids))

    assert found == {204: 7, 413: RACING - 7}
    assert glance.request("POST", "/v2/images", JSON, body).status == 413
    images = glance.request("GET", f"/v2/images?limit={RACING}", IDENTITY).json["images"]
    assert Counter(image["status"] for image in images) == {"active": 7, "queued": RACING - 7}
    usage = glance.request("GET", "/v2/info/usage", IDENTITY).json["usage"]
    assert usage["image_count_total"] == {"usage": RACING, "limit": RACING}
    assert usage["image_count_uploading"] == {"usage": 0, "limit": -1}
    active = next(image["id"] for image in images if image["status"] == "active")
    queued = next(image["id"] for image in images if image["status"] == "queued")
    assert glance.request("DELETE", f"/v2/images/{active}", IDENTITY).status == 204
    assert upload(queued) == 204  # all room that others had asked for is there again


def test_properties_when_a_file_protects_them_then_the_first_section_decides_in_both_versions(
    fresh_glance: Callable[..., Glance], tmp_path: Path
) -> None:
    file = tmp_path / "protections.conf"
    file.write_text(PROTECTIONS)
    glance = fresh_glance(flavor="trusted-auth", api_options={"DEFAULT": {"property_protection_file": file}})
    sent = b'{"x_owner": "P1", "secret_code": "77", "y": "1"}'
    image_id = glance.request("POST", "/v2/images", {**JSON, "X-Roles": "admin,member"}, sent).json["id"]
    patch = {**IDENTITY, "Content-Type": "application/openstack-images-v2.1-json-patch"}

    def change(name: str) -> int:
        document = b'[{"op": "replace", "path": "/%s", "value": "new"}]' % name.encode()
        return glance.request("PATCH", f"/v2/images/{image_id}", patch, document).status

    assert [change(name) for name in ("x_owner", "secret_code", "y")] == [403, 409, 200]
    seen = glance.request("HEAD", f"/v1/images/{image_id}", IDENTITY)
    assert {name.lower(): value for name, value in seen.headers if name.lower().startswith("x-image-meta-property")} == {
        "x-image-meta-property-x_owner": "P1",
        "x-image-meta-property-y": "new",
    }
