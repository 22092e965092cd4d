"""PUT and GET of images' data, deactivation (spec-v2 3.1, 3.2, 3.5), and the two versions side by side."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import pytest

from glance.service import Limits
from glance.store.drivers.memory import MemoryStore
from glance.store.stores import StoreSet
from tests.api.conftest import DATA, Api

BYTES = b"0123456789"
CHECKSUM = "781e5e245d69b566979b86e28d23f2c7"
SIZE = "x-openstack-image-size"


def test_upload_when_complete_then_active_with_size_and_both_digests(api: Api) -> None:
    image_id = api.new(BYTES)
    image = api.get(f"/v2/images/{image_id}")
    expected = {
        "status": "active",
        "size": 10,
        "checksum": CHECKSUM,
        "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(BYTES).hexdigest(),
    }
    assert {name: image[name] for name in expected} == expected
    again = api.request("PUT", f"/v2/images/{image_id}/file", DATA, BYTES)
    assert (again.status, api.get(f"/v2/images/{image_id}")["status"]) == (409, "active")


UPLOADS = {
    "length": ({}, BYTES, 204),
    "chunks": ({"Transfer-Encoding": "chunked"}, BYTES, 204),
    "size and length": ({SIZE: "10"}, BYTES, 204),
    "size and chunks": ({SIZE: "10", "Transfer-Encoding": "chunked"}, BYTES, 204),
    "no bytes": ({}, b"", 204),
    "size over length": ({SIZE: "99"}, BYTES, 400),
    "size over chunks": ({SIZE: "99", "Transfer-Encoding": "chunked"}, BYTES, 400),
    "size under length": ({SIZE: "9"}, BYTES, 400),
    "size under chunks": ({SIZE: "9", "Transfer-Encoding": "chunked"}, BYTES, 400),
    "size that is none": ({SIZE: "x"}, BYTES, 400),
    "negative size": ({SIZE: "-1"}, BYTES, 400),
    "empty size": ({SIZE: ""}, BYTES, 400),
    "JSON": ({"Content-Type": "application/json"}, BYTES, 415),
    "no type": ({"Content-Type": ""}, BYTES, 415),
    "encoded": ({"Content-Encoding": "gzip"}, BYTES, 415),
    "too large": ({}, BYTES * 20, 413),
    "too large in chunks": ({"Transfer-Encoding": "chunked"}, BYTES * 20, 413),
}


@pytest.mark.parametrize(("headers", "body", "status"), UPLOADS.values(), ids=UPLOADS)
def test_upload_when_refused_then_the_image_is_queued_and_takes_data_later(
    make_api: Callable[..., Api], headers: Mapping[str, str], body: bytes, status: int
) -> None:
    api = make_api(limits=Limits(image_size=100))
    image_id = api.new()
    path = f"/v2/images/{image_id}/file"
    answer = api.request("PUT", path, {**DATA, **headers}, body)
    image = api.get(f"/v2/images/{image_id}")
    assert (answer.status, image["status"]) == (status, "active" if status == 204 else "queued"), answer.text
    if status == 204:
        assert (image["size"], api.request("GET", path).body) == (len(body), body)
    else:
        assert (image["size"], image["checksum"]) == (None, None)
        assert not list(api.images.glob(f"*{image_id}*"))
        assert api.request("PUT", path, DATA, BYTES).status == 204


def test_upload_when_sizes_differ_then_told_both(api: Api) -> None:
    answer = api.request("PUT", f"/v2/images/{api.new()}/file", {**DATA, SIZE: "99"}, b"abc")
    assert (answer.status, "Size mismatch: expected 99 bytes, got 3 bytes" in answer.text) == (400, True)


def test_upload_when_formats_are_missing_then_400_and_queued(api: Api) -> None:
    image_id = api.send_json("POST", "/v2/images", {}).json["id"]
    assert api.request("PUT", f"/v2/images/{image_id}/file", DATA, BYTES).status == 400
    assert api.get(f"/v2/images/{image_id}")["status"] == "queued"


def test_upload_when_a_store_is_named_that_there_is_not_then_it_is_ignored(api: Api) -> None:
    image_id = api.new()
    assert api.request("PUT", f"/v2/images/{image_id}/file", {**DATA, "x-image-meta-store": "zz"}, BYTES).status == 204
    assert [path.name for path in api.images.iterdir()] == [image_id]


def test_upload_when_one_of_several_stores_is_named_then_kept_there(make_api: Callable[..., Api]) -> None:
    stores = make_api().services.stores
    both = StoreSet([*(stores.get(name) for name in stores.names), MemoryStore("memory")], "file", stores.staging)
    api = make_api(stores=both)
    kept, refused = api.new(), api.new()
    assert api.request("PUT", f"/v2/images/{kept}/file", {**DATA, "x-image-meta-store": "memory"}, BYTES).status == 204
    assert (list(api.images.iterdir()), api.request("GET", f"/v2/images/{kept}/file").body) == ([], BYTES)
    answer = api.request("PUT", f"/v2/images/{refused}/file", {**DATA, "x-image-meta-store": "http"}, BYTES)
    assert (answer.status, "'http' only reads" in answer.text, api.get(f"/v2/images/{refused}")["status"]) == (410, True, "queued")


def test_download_when_there_is_no_data_then_204(api: Api) -> None:
    answer = api.request("GET", f"/v2/images/{api.new()}/file")
    assert (answer.status, answer.body) == (204, b"")


def test_download_when_active_then_the_bytes_and_their_digest(api: Api) -> None:
    answer = api.request("GET", f"/v2/images/{api.new(BYTES)}/file")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, BYTES, "10")
    assert (answer.header("Content-MD5"), answer.header("Content-Type")) == (CHECKSUM, "application/octet-stream")


RANGES = {
    "bytes=2-4": (206, "bytes 2-4/10", b"234"),
    "bytes=7-": (206, "bytes 7-9/10", b"789"),
    "bytes=-3": (206, "bytes 7-9/10", b"789"),
    "bytes=5-99": (206, "bytes 5-9/10", b"56789"),
    "bytes=0-0,2-3": (400, None, None),
    "bytes=90-": (416, "bytes */10", None),
    "bytes=10-": (416, "bytes */10", None),
    "bytes=4-2": (416, "bytes */10", None),
    "lines=1-2": (416, "bytes */10", None),
    "garbage": (416, "bytes */10", None),
    f"bytes={10**40}-": (416, "bytes */10", None),
}


@pytest.mark.parametrize(("asked", "expected"), RANGES.items(), ids=lambda value: str(value)[:20])
def test_download_when_a_range_is_asked_for_then_exactly_that_or_refused(
    api: Api, asked: str, expected: tuple[int, str | None, bytes | None]
) -> None:
    status, content_range, body = expected
    answer = api.request("GET", f"/v2/images/{api.new(BYTES)}/file", {"Range": asked})
    assert (answer.status, answer.header("Content-Range")) == (status, content_range)
    if body is not None:
        assert (answer.body, answer.header("Content-Length"), answer.header("Content-MD5")) == (body, str(len(body)), CHECKSUM)


def test_download_when_the_range_is_asked_for_as_clients_once_did_then_the_same(api: Api) -> None:
    answer = api.request("GET", f"/v2/images/{api.new(BYTES)}/file", {"Content-Range": "bytes 2-4/*"})
    assert (answer.status, answer.header("Content-Range"), answer.body) == (206, "bytes 2-4/10", b"234")


def test_deactivated_image_when_read_then_for_administrators_only_until_reactivated(shared_api: Api) -> None:
    mine, admin = shared_api.as_caller("P1"), shared_api.as_caller("P0", roles="admin")
    image_id = mine.new(BYTES)
    path = f"/v2/images/{image_id}"
    assert [mine.request("POST", f"{path}/actions/deactivate").status for _ in range(2)] == [204, 204]
    assert mine.get(path)["status"] == "deactivated"
    assert (mine.request("GET", f"{path}/file").status, admin.request("GET", f"{path}/file").body) == (403, BYTES)
    assert mine.send_json("POST", f"{path}/actions/reactivate", {}).status == 400
    assert [mine.request("POST", f"{path}/actions/reactivate").status for _ in range(2)] == [204, 204]
    assert mine.request("GET", f"{path}/file").body == BYTES


def test_deactivate_when_queued_unknown_or_of_others_then_refused(shared_api: Api) -> None:
    mine, other = shared_api.as_caller("P1"), shared_api.as_caller("P2")
    path = f"/v2/images/{mine.new()}/actions"
    assert (mine.request("POST", f"{path}/deactivate").status, mine.request("POST", f"{path}/reactivate").status) == (403, 403)
    assert other.request("POST", f"{path}/deactivate").status == 404
    assert mine.request("POST", "/v2/images/nope/actions/deactivate").status == 404


def test_image_when_made_by_one_version_then_it_is_the_same_in_the_other(api: Api) -> None:
    first = api.create({"x-image-meta-name": "n", "x-image-meta-property-kind": "k"}, BYTES)
    shown = api.get(f"/v2/images/{first}")
    assert (shown["name"], shown["kind"], shown["status"], shown["size"]) == ("n", "k", "active", 10)
    assert api.request("GET", f"/v2/images/{first}/file").body == BYTES
    second = api.new(BYTES, name="m", kind="k", tags=["x"], os_hidden=True)
    headers = api.show(second)
    assert (headers["x-image-meta-name"], headers["x-image-meta-property-kind"], headers["etag"]) == ("m", "k", CHECKSUM)
    assert not {name for name in headers if "os_h" in name or "tags" in name or "visibility" in name}
    assert api.request("PUT", f"/v1/images/{second}", {"x-image-meta-name": "o"}).status == 200
    changed = api.get(f"/v2/images/{second}")
    assert (changed["name"], changed["tags"], changed["os_hidden"]) == ("o", ["x"], True)
    refused = api.request("POST", "/v1/images", {"x-image-meta-os_hidden": "true"})
    assert (refused.status, "Bad header: x-image-meta-os_hidden" in refused.text) == (400, True)
