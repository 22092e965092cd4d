"""glance.client against the real service, in both dialects, and the calls that nova's image service of 2011 made through it (spec-v1 4.2)."""

from __future__ import annotations

import datetime
import hashlib
import http.client
import io
import json
import os
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from glance.client import Client
from glance.common import exception
from glance.testing.servers import Glance, wait_until

DATA = os.urandom(200_000)
CHECKSUM = hashlib.md5(DATA).hexdigest()
RAW = {"disk_format": "raw", "container_format": "bare"}

#: What Cactus sends beside what it knows: the same keys always, None as an empty value.
UNKNOWN = dict.fromkeys(("id", "created_at", "updated_at", "deleted_at", "location", "checksum", "size"))


@pytest.fixture(params=["", "/v1"], ids=["dialect-0", "dialect-1"])
def client(request: pytest.FixtureRequest, glance: Glance) -> Client:
    return Client(glance.api_host, glance.api_port, doc_root=request.param)


@pytest.fixture
def image(client: Client) -> Iterator[dict[str, Any]]:
    """A public image with data."""
    made = client.add_image({"name": "Ubuntu ä", "is_public": True, **RAW, "properties": {"distro": "Ubuntu ö"}}, io.BytesIO(DATA))
    yield made
    if not client.get_image_meta(made["id"])["deleted"]:
        client.delete_image(made["id"])


def download(client: Client, image_id: str) -> bytes:
    return b"".join(client.get_image(image_id)[1])


def listed(images: list[dict[str, Any]], image_id: str) -> dict[str, Any] | None:
    return next((one for one in images if one["id"] == image_id), None)


# The client's own promises


def test_add_image_when_data_is_a_file_then_is_active_and_complete(image: dict[str, Any]) -> None:
    expected = {"name": "Ubuntu ä", "status": "active", "size": len(DATA), "checksum": CHECKSUM, "is_public": True, "deleted": False, **RAW}
    assert {key: image[key] for key in expected} == expected
    assert image["properties"] == {"distro": "Ubuntu ö"}


def test_get_images_when_an_image_is_public_then_lists_it(client: Client, image: dict[str, Any]) -> None:
    brief = listed(client.get_images(), image["id"])
    assert brief is not None
    assert (brief["name"], brief["size"], brief["checksum"]) == ("Ubuntu ä", len(DATA), CHECKSUM)
    assert "properties" not in brief
    assert ("uri" in brief) == (client.address.path == "")


def test_get_images_detailed_when_an_image_is_public_then_shows_all_of_it(client: Client, image: dict[str, Any]) -> None:
    full = listed(client.get_images_detailed(), image["id"])
    assert full is not None
    assert full["properties"] == {"distro": "Ubuntu ö"}
    assert "location" not in full
    assert {"created_at", "updated_at", "deleted_at", "status", "owner", "min_disk", "min_ram"} <= full.keys()


def test_get_image_meta_when_asked_then_agrees_with_the_list(client: Client, image: dict[str, Any]) -> None:
    meta = client.get_image_meta(image["id"])
    for key in ("id", "name", "size", "checksum", "status", "is_public", "deleted", "disk_format", "container_format", "properties", "created_at"):
        assert meta[key] == image[key], key


def test_get_image_when_read_then_gives_every_byte(client: Client, image: dict[str, Any]) -> None:
    meta, chunks = client.get_image(image["id"])
    assert (meta["size"], meta["properties"]) == (len(DATA), {"distro": "Ubuntu ö"})
    assert b"".join(chunks) == DATA


@pytest.mark.parametrize("data", [b"", io.BytesIO(), b"x"], ids=["no bytes", "empty file", "one byte"])
def test_add_image_when_data_is_tiny_then_is_active(client: Client, data: Any) -> None:
    made = client.add_image({"name": "tiny", **RAW}, data)
    assert made["status"] == "active"
    assert len(download(client, made["id"])) == made["size"]
    client.delete_image(made["id"])


def test_add_image_when_data_comes_from_a_pipe_then_is_stored(client: Client) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as source, os.fdopen(writer, "wb") as sink:
        sink.write(b"from a pipe")
        sink.close()
        made = client.add_image({"name": "piped", **RAW}, source)
    assert (made["size"], download(client, made["id"])) == (11, b"from a pipe")
    client.delete_image(made["id"])


def test_update_image_when_only_the_name_is_given_then_properties_go_unless_kept(client: Client, image: dict[str, Any]) -> None:
    kept = client.update_image(image["id"], {"name": "kept"}, features={"x-glance-registry-purge-props": "false"})
    assert (kept["name"], kept["properties"]) == ("kept", {"distro": "Ubuntu ö"})
    purged = client.update_image(image["id"], {"name": "purged"})
    assert (purged["name"], purged["properties"]) == ("purged", {})


def test_filters_when_given_then_select(client: Client) -> None:
    mark = uuid.uuid4().hex
    ids = {client.add_image({"name": f"{mark}-{n}", **RAW, "properties": {"mark": mark, "n": str(n)}}, b"x" * n)["id"] for n in (1, 2, 3)}
    ours = {"is_public": "none", "property-mark": mark}
    assert {one["id"] for one in client.get_images(ours)} == ids
    assert [one["name"] for one in client.get_images({**ours, "size_min": 2}, sort_key="name", sort_dir="asc")] == [f"{mark}-2", f"{mark}-3"]
    assert [one["name"] for one in client.get_images_detailed({"is_public": None, "name": f"{mark}-1"})] == [f"{mark}-1"]
    for image_id in ids:
        client.delete_image(image_id)


def test_members_when_changed_then_both_lists_follow(client: Client, image: dict[str, Any]) -> None:
    one, two = f"one-{uuid.uuid4().hex}", f"two-{uuid.uuid4().hex}"
    assert client.add_member(image["id"], one)
    assert client.add_member(image["id"], two, can_share=True)
    members = {member["member_id"]: member["can_share"] for member in client.get_image_members(image["id"])}
    assert members == {one: False, two: True}
    assert client.get_member_images(two) == [{"image_id": image["id"], "can_share": True}]
    assert client.replace_members(image["id"], {"member_id": one, "can_share": True})
    assert client.get_image_members(image["id"]) == [{"member_id": one, "can_share": True}]
    assert client.delete_member(image["id"], one)
    assert client.get_image_members(image["id"]) == []
    assert client.get_member_images(one) == []


@pytest.mark.parametrize("method", ["get_image", "get_image_meta", "update_image", "delete_image", "get_image_members"])
def test_image_when_unknown_then_not_found(client: Client, method: str) -> None:
    with pytest.raises(exception.NotFound):
        getattr(client, method)(str(uuid.uuid4()))


def test_image_when_deleted_twice_then_not_found(client: Client, image: dict[str, Any]) -> None:
    assert client.delete_image(image["id"]) is True
    with pytest.raises(exception.NotFound):
        client.delete_image(image["id"])


def test_id_when_taken_then_duplicate(client: Client, image: dict[str, Any]) -> None:
    with pytest.raises(exception.Duplicate):
        client.add_image({"id": image["id"], "name": "again"})


@pytest.mark.parametrize("size", [3, 16 * 1024 * 1024])
def test_upload_when_the_image_has_data_then_duplicate(client: Client, image: dict[str, Any], size: int) -> None:
    with pytest.raises(exception.Duplicate):
        client.update_image(image["id"], {}, io.BytesIO(bytes(size)))
    assert download(client, image["id"]) == DATA


@pytest.mark.parametrize("meta", [{"disk_format": "floppy"}, {"disk_format": "ami", "container_format": "ovf"}, {"min_ram": -1}, {"store": "tape"}])
def test_metadata_when_refused_then_invalid(client: Client, meta: dict[str, Any]) -> None:
    with pytest.raises(exception.Invalid):
        client.add_image({"name": "bad", **RAW, **meta}, b"abc")


def test_checksum_when_wrong_then_invalid_and_the_image_is_killed(client: Client) -> None:
    image_id = str(uuid.uuid4())
    with pytest.raises(exception.Invalid, match="did not match"):
        client.add_image({"id": image_id, "name": "bad", **RAW, "checksum": "0" * 32}, b"abc")
    assert client.get_image_meta(image_id)["status"] == "killed"
    client.delete_image(image_id)


def test_image_when_protected_then_cannot_be_deleted(client: Client, image: dict[str, Any]) -> None:
    assert client.update_image(image["id"], {"protected": True})["protected"] is True
    with pytest.raises(exception.Forbidden) as caught:
        client.delete_image(image["id"])
    assert isinstance(caught.value, exception.NotAuthorized)
    client.update_image(image["id"], {"protected": False})


# Nova's GlanceImageService, Cactus and Diablo


def test_cactus_when_it_walks_through_an_images_life_then_every_call_is_understood(client: Client) -> None:
    """detail, create, update with data, show, index, get, update and delete, as ``GlanceImageService`` does each of them."""
    mine = {"project_id": "p1", "user_id": "u1", "mappings": None}
    sent = {**UNKNOWN, "is_public": True, "deleted": False, "status": "queued", **RAW, "properties": mine}

    def detail() -> list[dict[str, Any]]:
        return [one for one in client.get_images_detailed() if one["is_public"] or one["properties"].get("project_id") == "p1"]

    before = {one["id"] for one in detail()}
    created = client.add_image({**sent, "name": "cactus"})
    image_id = created["id"]
    assert image_id not in before
    assert (created["status"], created["size"], created["properties"]) == ("queued", 0, {"project_id": "p1", "user_id": "u1", "mappings": None})

    meta = client.get_image_meta(image_id)
    stored = client.update_image(image_id, {**sent, "id": image_id, "name": meta["name"]}, io.BytesIO(DATA))
    assert (stored["name"], stored["status"], stored["size"], stored["checksum"]) == ("cactus", "active", len(DATA), CHECKSUM)

    assert client.get_image_meta(image_id)["properties"]["user_id"] == "u1"
    assert listed(client.get_images(), image_id) is not None
    assert [one["id"] for one in detail() if one["name"] == "cactus"] == [image_id]
    assert {one["id"] for one in detail()} == before | {image_id}
    meta, chunks = client.get_image(image_id)
    assert (meta["name"], b"".join(chunks)) == ("cactus", DATA)

    meta = client.get_image_meta(image_id)
    updated = client.update_image(image_id, {**sent, "id": image_id, "name": "renamed", "status": meta["status"]}, None)
    assert (updated["name"], updated["status"], updated["size"], updated["checksum"]) == ("renamed", "active", len(DATA), CHECKSUM)
    assert download(client, image_id) == DATA

    assert client.get_image_meta(image_id)["name"] == "renamed"
    assert client.delete_image(image_id) is True
    assert {one["id"] for one in detail()} == before
    with pytest.raises(exception.NotFound):
        client.get_image(image_id)


@pytest.mark.parametrize("status", ["creating", "queued"])
def test_snapshot_when_nova_asks_for_one_then_the_image_waits_for_data(client: Client, status: str) -> None:
    properties = {"instance_id": "42", "user_id": "u1", "image_state": "creating", "ramdisk_id": None}
    created = client.add_image({"name": "snapshot", "is_public": False, "status": status, "properties": properties})
    assert (created["status"], created["is_public"], created["size"]) == ("queued", False, 0)
    meta = client.get_image_meta(created["id"])
    assert meta["status"] == "queued"
    assert meta["properties"]["instance_id"] == "42"
    with pytest.raises(exception.NotFound):
        client.get_image(created["id"])
    client.delete_image(created["id"])


@pytest.mark.parametrize("image_format", ["aki", "ari", "ami"])
def test_s3_import_when_it_goes_through_its_states_then_the_image_becomes_active(client: Client, image_format: str) -> None:
    """EC2 RegisterImage: a reservation, then PUTs that carry all properties; one of them brings the data."""
    properties = {"architecture": "x86_64", "image_location": "bucket/ami.manifest.xml", "image_state": "pending", "project_id": "p1"}
    meta = {"disk_format": image_format, "container_format": image_format, "status": "queued", "is_public": True, "name": None}
    image_id = client.add_image({**meta, "properties": properties})["id"]
    for state in ("decrypting", "untarring"):
        changed = client.update_image(image_id, {**meta, "properties": {**properties, "image_state": state}})
        assert (changed["status"], changed["properties"]["image_state"]) == ("queued", state)
    stored = client.update_image(image_id, {**meta, "properties": {**properties, "image_state": "uploading"}}, io.BytesIO(DATA))
    assert (stored["status"], stored["size"]) == ("active", len(DATA))
    last = "active" if client.address.path else "queued"  # Diablo corrects the status at the end, Cactus never does
    done = client.update_image(image_id, {**meta, "status": last, "properties": {**properties, "image_state": "available"}})
    assert (done["status"], done["properties"]) == ("active", {**properties, "image_state": "available"})
    assert download(client, image_id) == DATA
    client.delete_image(image_id)


def test_libvirt_snapshot_when_uploaded_with_status_active_then_is_stored(client: Client) -> None:
    image_id = client.add_image({"name": "snap", "is_public": False, "status": "creating", "properties": {"instance_id": "42"}})["id"]
    properties = {"kernel_id": "7", "ramdisk_id": "8", "image_location": "snapshot", "image_state": "available", "owner_id": "p1"}
    meta = {**client.get_image_meta(image_id), **RAW, "name": "snap", "status": "active", "is_public": False, "properties": properties}
    stored = client.update_image(image_id, meta, io.BytesIO(DATA))
    assert (stored["status"], stored["size"], stored["checksum"], stored["disk_format"]) == ("active", len(DATA), CHECKSUM, "raw")
    assert client.get_image_meta(image_id)["properties"] == {"instance_id": "42", **properties}  # a PUT with data removes no property
    client.delete_image(image_id)


@pytest.mark.parametrize("doc_root", ["", "/v1"])
def test_xenserver_plugin_when_it_puts_chunks_by_hand_then_200_and_every_byte(glance: Glance, doc_root: str) -> None:
    """The plugin of the hypervisor knows no client class: chunked PUT in pieces of 8 KiB, then GET of the same path."""
    client = Client(glance.api_host, glance.api_port, doc_root=doc_root)
    image_id = client.add_image({"name": "xen", "is_public": True, "status": "creating", "properties": {"instance_id": "42"}})["id"]
    connection = http.client.HTTPConnection(glance.api_host, glance.api_port, timeout=30)
    connection.putrequest("PUT", f"{doc_root}/images/{image_id}")
    for name, value in {
        "content-type": "application/octet-stream",
        "transfer-encoding": "chunked",
        "x-image-meta-is-public": "True",
        "x-image-meta-status": "queued",
        "x-image-meta-disk-format": "vhd",
        "x-image-meta-container-format": "ovf",
        "x-image-meta-property-os-type": "linux",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    for start in range(0, len(DATA), 8192):
        piece = DATA[start : start + 8192]
        connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
    connection.send(b"0\r\n\r\n")
    answer = connection.getresponse()
    answer.read()
    assert answer.status == 200
    connection.request("GET", f"{doc_root}/images/{image_id}")
    answer = connection.getresponse()
    assert (answer.status, answer.read() == DATA) == (200, True)
    connection.close()
    meta = client.get_image_meta(image_id)
    expected = {"status": "active", "is_public": True, "disk_format": "vhd", "container_format": "ovf", "size": len(DATA), "checksum": CHECKSUM}
    assert {key: meta[key] for key in expected} == expected
    assert meta["properties"]["os_type"] == "linux"
    client.delete_image(image_id)


def test_vmware_snapshot_when_polled_after_the_upload_then_becomes_active(client: Client) -> None:
    image_id = client.add_image({"name": "vmware", "is_public": False, "status": "creating"})["id"]
    meta = {
        "disk_format": "vmdk",
        "container_format": "bare",
        "is_public": True,
        "properties": {"vmware_adaptertype": "lsiLogic", "vmware_ostype": "otherGuest"},
    }
    client.update_image(image_id, meta, io.BytesIO(DATA))
    wait_until(lambda: client.get_image_meta(image_id)["status"] in {"active", "killed"}, "the snapshot to be stored")
    assert client.get_image_meta(image_id)["status"] == "active"
    assert download(client, image_id) == DATA
    client.delete_image(image_id)


def test_diablo_when_it_pages_then_every_image_comes_once_with_times_it_can_read(glance: Glance) -> None:
    client = Client(glance.api_host, glance.api_port, creds={"strategy": "keystone", "username": "u1", "tenant": "p1"})
    mark = uuid.uuid4().hex
    mapping = json.dumps([{"virtual": "root", "device": "/dev/sda1"}])
    properties = {"mark": mark, "block_device_mapping": mapping, "mappings": mapping}
    made = [client.add_image({"name": f"page {n}", **RAW, "is_public": n % 2 == 0, "properties": properties}, b"x")["id"] for n in range(5)]
    seen: list[dict[str, Any]] = []
    marker = None
    while page := client.get_images_detailed({"is_public": "none", "property-mark": mark}, marker, 2):
        assert len(page) <= 2
        seen += page
        marker = page[-1]["id"]
    assert [one["id"] for one in seen] == made[::-1]
    for one in seen:
        assert json.loads(one["properties"]["block_device_mapping"]) == [{"virtual": "root", "device": "/dev/sda1"}]
        for text in (one["created_at"], one["updated_at"]):
            datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f" if "." in text else "%Y-%m-%dT%H:%M:%S")
        client.delete_image(one["id"])
