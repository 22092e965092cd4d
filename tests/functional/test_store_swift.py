"""glance-api with its images in Swift: real processes, a real Swift."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from swiftclient.client import Connection, get_auth

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import request_bytes
from tests.http_front import Front
from tests.running import running
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
def store_options(swift_server: SwiftServer, container: str) -> dict[str, str]:
    return {
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


@pytest.fixture
def in_swift(fresh_glance: Callable[..., Glance], store_options: dict[str, str]) -> Glance:
    return fresh_glance(api_options={"DEFAULT": {"debug": "True", "show_image_direct_url": "True"}, "glance_store": store_options}, control=True)


@pytest.fixture
def of_tenants(fresh_glance: Callable[..., Glance], store_options: dict[str, str]) -> Glance:
    """A service behind a proxy that says who asks; images lie in the accounts of their owners."""
    user = {"swift_store_user": SwiftServer.reseller, "swift_store_key": SwiftServer.service_key}
    store = {**store_options, **user, "swift_store_multi_tenant": "True", "swift_store_public_acl": "True"}
    options = {"DEFAULT": {"debug": "True", "show_image_direct_url": "True"}, "glance_store": store}
    return fresh_glance(flavor="trusted-auth", api_options=options, control=True)


def caller(server: SwiftServer, project: str, user: str, key: str, roles: str = "member") -> dict[str, str]:
    token = get_auth(server.auth_url, user, key)[1]
    return {"X-Identity-Status": "Confirmed", "X-User-Id": user, "X-Tenant-Id": project, "X-Roles": roles, "X-Auth-Token": token}


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


def killed_in_the_middle(glance: Glance, swift: Connection, container: Callable[[str], str], who: dict[str, str]) -> None:
    """A segmented upload whose server is killed leaves nothing once the server runs again."""
    image_id = glance.request("POST", "/v2/images", {**JSON, **who}, json.dumps(FORMATS).encode()).json["id"]
    swift.put_container(container(image_id))
    fields = [f"{name}: {value}" for name, value in {**BYTES, **who, "Content-Length": 8 * MIB}.items()]
    head = request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", *fields)
    with glance.connect() as connection:
        connection.sendall(head + os.urandom(4 * MIB))
        wait_until(lambda: len(names(swift, container(image_id))) >= 2, "the first segments")
        glance.kill()
    glance.start()
    wait_until(lambda: glance.request("GET", f"/v2/images/{image_id}", who).json["status"] == "queued", "the repair of the image")


def test_upload_when_killed_in_the_middle_then_recovery_erases_the_segments(in_swift: Glance, swift: Connection, container: str) -> None:
    killed_in_the_middle(in_swift, swift, lambda _id: container, {})
    assert names(swift, container) == []


def test_upload_to_the_owners_account_when_killed_in_the_middle_then_recovery_erases_all(
    of_tenants: Glance, swift: Connection, swift_server: SwiftServer, container: str
) -> None:
    who = caller(swift_server, "test", swift_server.user, swift_server.key)
    killed_in_the_middle(of_tenants, swift, lambda image_id: f"{container}_{image_id}", who)
    assert swift.get_account(prefix=container)[1] == []


def test_images_of_tenants_then_in_their_accounts_and_swift_knows_who_reads(
    of_tenants: Glance, swift: Connection, swift_server: SwiftServer, container: str
) -> None:
    owner = caller(swift_server, "test", swift_server.user, swift_server.key)
    other = caller(swift_server, "other", swift_server.other, swift_server.other_key)
    admin = caller(swift_server, "operators", swift_server.reseller, swift_server.service_key, "admin")
    data = os.urandom(3 * MIB)

    def change(who: dict[str, str], *operations: dict[str, object]) -> None:
        patch = {**who, "Content-Type": "application/openstack-images-v2.1-json-patch"}
        assert of_tenants.request("PATCH", path, patch, json.dumps(operations).encode()).status == 200

    def access() -> str:
        return str(swift.head_container(f"{container}_{image_id}").get("x-container-read", ""))

    image_id = of_tenants.request("POST", "/v2/images", {**JSON, **owner}, json.dumps(FORMATS).encode()).json["id"]
    path = f"/v2/images/{image_id}"
    member = json.dumps({"member": "other"}).encode()
    assert of_tenants.request("POST", f"{path}/members", {**JSON, **owner}, member).status == 200
    assert of_tenants.request("PUT", f"{path}/file", {**BYTES, **owner}, data).status == 204
    assert of_tenants.request("GET", path, owner).json["direct_url"] == f"swift+{swift_server.url}/v1/AUTH_test/{container}_{image_id}/{image_id}"
    assert access() == "other"
    assert of_tenants.request("GET", f"{path}/file", other).body == data

    assert of_tenants.request("DELETE", f"{path}/members/other", owner).status == 204
    assert access() == ""
    assert of_tenants.request("PUT", f"/v1/images/{image_id}/members/other", owner).status == 204
    assert access() == "other"
    change(admin, {"op": "replace", "path": "/visibility", "value": "public"})
    assert access() == ".r:*,.rlistings"
    assert of_tenants.request("GET", f"{path}/file", other).body == data
    change(owner, {"op": "replace", "path": "/visibility", "value": "private"})
    assert access() == ""
    assert of_tenants.request("GET", f"{path}/file", admin).body == data

    assert of_tenants.request("DELETE", path, owner).status == 204
    wait_until(lambda: swift.get_account(prefix=container)[1] == [], "the data to be erased")
    logs = "".join(file.read_text() for file in Path(of_tenants.directory / "log").iterdir())
    for secret in (owner["X-Auth-Token"], other["X-Auth-Token"], swift_server.service_key, "AUTH_test"):
        assert secret not in logs


def test_service_when_swift_does_not_answer_then_starts_and_the_store_recovers(in_swift: Glance, swift_server: SwiftServer) -> None:
    with running(Front(swift_server.port)) as front:
        front.answer = lambda _request: (503, {}, b"")
        in_swift.add_options("api", {"glance_store": {"swift_store_auth_address": f"{front.url}/auth/v1.0"}})
        in_swift.restart()
        assert in_swift.request("POST", "/v1/images", {**V1, **BYTES}, b"data").status == 503
        front.answer = lambda _request: None
        assert in_swift.request("POST", "/v1/images", {**V1, **BYTES}, b"data").status == 201
