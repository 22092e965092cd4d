"""glance-api with its images in Swift: real processes, a real Swift."""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from swiftclient.client import Connection

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import request_bytes
from tests.swift_server import SwiftServer
from tests.swift_stores import names, swift

__all__ = ["swift"]

MIB = 1 << 20
JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}
FORMATS = {"name": "one", "disk_format": "raw", "container_format": "bare"}
V1 = {f"x-image-meta-{name}": value for name, value in FORMATS.items()}


@pytest.fixture
def container() -> str:
    return f"functional-{uuid.uuid4().hex}"


@pytest.fixture
def in_swift(fresh_glance: Callable[..., Glance], swift_server: SwiftServer, container: str) -> Glance:
    store = {
        "stores": "swift,http",
        "default_store": "swift",
        "swift_store_auth_address": swift_server.auth_url,
        "swift_store_user": swift_server.user,
        "swift_store_key": swift_server.key,
        "swift_store_container": container,
        "swift_store_create_container_on_put": "True",
        "swift_store_large_object_size": "2",
        "swift_store_large_object_chunk_size": "1",
    }
    return fresh_glance(api_options={"DEFAULT": {"debug": "True", "show_image_direct_url": "True"}, "glance_store": store})


def chunked(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [1000, 5 * MIB + 5])
def test_images_of_both_versions_then_kept_read_in_part_and_erased(
    in_swift: Glance, swift: Connection, container: str, size: int, known: bool
) -> None:
    data = os.urandom(size)
    body = (lambda: data) if known else (lambda: chunked(data))

    first = in_swift.request("POST", "/v1/images", {**V1, **BYTES}, body())
    assert first.status == 201, first.text
    assert first.json["image"]["checksum"] == hashlib.md5(data).hexdigest()
    one = first.json["image"]["id"]
    two = in_swift.request("POST", "/v2/images", JSON, json.dumps(FORMATS).encode()).json["id"]
    assert in_swift.request("PUT", f"/v2/images/{two}/file", BYTES, body()).status == 204

    assert in_swift.request("GET", f"/v1/images/{one}").body == data
    assert in_swift.request("GET", f"/v2/images/{two}/file").body == data
    part = in_swift.request("GET", f"/v2/images/{two}/file", {"Range": "bytes=500-899"})
    assert (part.status, part.body) == (206, data[500:900])
    shown = in_swift.request("GET", f"/v2/images/{two}").json
    assert shown["direct_url"] == f"swift+config://ref1/{container}/{two}"
    assert shown["os_hash_value"] == hashlib.sha512(data).hexdigest()

    for path in (f"/v1/images/{one}", f"/v2/images/{two}"):
        assert in_swift.request("DELETE", path).status in (200, 204)
    wait_until(lambda: names(swift, container) == [], "the data to be erased")


def test_upload_when_killed_in_the_middle_then_recovery_erases_the_segments(in_swift: Glance, swift: Connection, container: str) -> None:
    image_id = in_swift.request("POST", "/v2/images", JSON, json.dumps(FORMATS).encode()).json["id"]
    swift.put_container(container)
    head = request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", "Content-Type: application/octet-stream", f"Content-Length: {8 * MIB}")
    with in_swift.connect() as connection:
        connection.sendall(head + os.urandom(4 * MIB))
        wait_until(lambda: len(names(swift, container)) >= 2, "the first segments")
        in_swift.kill()
    in_swift.start()
    wait_until(lambda: in_swift.request("GET", f"/v2/images/{image_id}").json["status"] == "queued", "the repair of the image")
    assert names(swift, container) == []


def test_credentials_then_neither_in_logs_nor_in_the_database_nor_in_answers(in_swift: Glance, swift_server: SwiftServer) -> None:
    answer = in_swift.request("POST", "/v1/images", {**V1, **BYTES}, b"data")
    refused = in_swift.request("POST", "/v1/images", {**V1, "x-image-meta-location": "swift+http://u:SENTINEL@127.0.0.1/auth/v1.0/c/o"})
    assert (answer.status, refused.status) == (201, 400)
    in_swift.stop()
    with sqlite3.connect(in_swift.database) as database:
        dump = "\n".join(database.iterdump())
    database.close()
    logs = "".join(path.read_text() for path in Path(in_swift.directory / "log").iterdir())
    assert "swift+config://ref1/" in dump
    for secret in (swift_server.user, "AUTH_", "SENTINEL"):
        assert secret not in dump + logs + answer.text
    assert re.search(r"swift_store_key +\*{4}\n", logs)
