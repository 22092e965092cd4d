"""glance-api with its images in S3: real processes, a real server."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator

import boto3
import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import request_bytes
from tests.swift_server import SwiftServer

MIB = 1024 * 1024
V1 = {"x-image-meta-name": "one", "x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare", "x-image-meta-is_public": "True"}
V2 = b'{"name": "two", "disk_format": "raw", "container_format": "bare"}'
JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}
#: Below a part, and several parts of 5 MiB.
SIZES = (1000, 12 * MIB + 5)
BUCKET = "glance-functional"


@pytest.fixture
def in_s3(fresh_glance: Callable[..., Glance], swift_server: SwiftServer) -> Glance:
    store = {
        "stores": "s3,http",
        "default_store": "s3",
        "s3_store_host": swift_server.url,
        "s3_store_access_key": swift_server.user,
        "s3_store_secret_key": swift_server.key,
        "s3_store_bucket": BUCKET,
        "s3_store_create_bucket_on_put": "True",
        "s3_store_bucket_url_format": "path",
        "s3_store_large_object_size": "5",
        "s3_store_large_object_chunk_size": "5",
    }
    return fresh_glance(api_options={"DEFAULT": {"debug": "True", "workers": "2", "show_image_direct_url": "True"}, "glance_store": store})


@pytest.fixture
def kept(swift_server: SwiftServer) -> Iterator[Callable[[], list[str]]]:
    """What lies in the bucket: objects, and uploads that never ended."""
    keys = {"aws_access_key_id": swift_server.user, "aws_secret_access_key": swift_server.key}
    client = boto3.client("s3", endpoint_url=swift_server.url, region_name=swift_server.region, **keys)

    def kept() -> list[str]:
        objects = client.list_objects_v2(Bucket=BUCKET).get("Contents", ())
        uploads = client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", ())
        return [one["Key"] for one in (*objects, *uploads)]

    with contextlib.closing(client):
        yield kept


def chunked(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), MIB):
        yield data[start : start + MIB]


@pytest.mark.parametrize("chunks", [False, True], ids=["length", "chunked"])
def test_images_in_s3_when_uploaded_by_both_versions_then_read_in_whole_and_part_and_deleted(
    in_s3: Glance, kept: Callable[[], list[str]], chunks: bool
) -> None:
    for size in SIZES:
        data = os.urandom(size)
        sent = chunked(data) if chunks else data
        first = in_s3.request("POST", "/v1/images", {**V1, **BYTES}, sent).json["image"]
        assert (first["status"], first["size"], first["checksum"]) == ("active", size, hashlib.md5(data).hexdigest())

        second = in_s3.request("POST", "/v2/images", JSON, V2).json["id"]
        assert in_s3.request("PUT", f"/v2/images/{second}/file", BYTES, chunked(data) if chunks else data).status == 204
        image = in_s3.request("GET", f"/v2/images/{second}").json
        assert (image["status"], image["os_hash_value"]) == ("active", hashlib.sha512(data).hexdigest())
        assert image["direct_url"].endswith(f"/{BUCKET}/{second}")
        assert "@" not in image["direct_url"]

        assert sorted(kept()) == sorted([first["id"], second])
        for path in (f"/v1/images/{first['id']}", f"/v2/images/{second}/file"):
            assert in_s3.request("GET", path).body == data
        part = in_s3.request("GET", f"/v2/images/{second}/file", {"Range": f"bytes={size - 500}-{size - 401}"})
        assert (part.status, part.body) == (206, data[size - 500 : size - 400])

        assert in_s3.request("DELETE", f"/v1/images/{first['id']}").status == 200
        assert in_s3.request("DELETE", f"/v2/images/{second}").status == 204
        wait_until(lambda: kept() == [], "the bucket to be empty")


def test_upload_to_s3_when_killed_in_the_middle_then_recovery_ends_the_multipart_upload(in_s3: Glance, kept: Callable[[], list[str]]) -> None:
    image_id = in_s3.request("POST", "/v2/images", JSON, V2).json["id"]
    head = request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", "Content-Type: application/octet-stream", f"Content-Length: {40 * MIB}")
    with in_s3.connect() as connection:
        connection.sendall(head + bytes(12 * MIB))
        wait_until(lambda: kept() == [image_id], "the multipart upload to begin")
        in_s3.kill()

    in_s3.start()

    wait_until(lambda: in_s3.request("GET", f"/v2/images/{image_id}").json["status"] == "queued", "recovery")
    assert kept() == []
    assert in_s3.request("PUT", f"/v2/images/{image_id}/file", BYTES, b"again").status == 204
    assert in_s3.request("DELETE", f"/v2/images/{image_id}").status == 204
