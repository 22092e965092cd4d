"""The acceptance examples of the v1 API: real curl commands against real processes, in order, each building on the ones before.

The numbers are those of the specification's list. Programs (57-65) and identity (66-73) have modules of their own.
"""

from __future__ import annotations

import hashlib
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer, parse_one
from tests.functional.acceptance import Row, World, body, document, headers, image, listed, remember, row, run_row, step, text

STARS = b"*" * 5120
STARS_MD5 = "c2e5db72bd7fd153f53ede5da5a06de3"
ABC_MD5 = "900150983cd24fb0d6963f7d28e17f72"
IMAGE = "11111111-2222-4333-8444-555555555555"
QUEUED = "22222222-2222-4333-8444-555555555555"

SHORTHANDS = {
    "I": IMAGE,
    "Q": QUEUED,
    "O": "-H 'Content-Type: application/octet-stream'",
    "F": "-H 'x-image-meta-disk_format: raw' -H 'x-image-meta-container_format: bare'",
}

KEYS = {
    "id", "name", "disk_format", "container_format", "size", "checksum", "status", "owner", "is_public", "properties", "min_disk", "min_ram",
    "protected", "deleted", "deleted_at", "virtual_size", "created_at", "updated_at",
}  # fmt: skip


def versions(world: World, answer: Answer) -> None:
    links = [{"rel": "self", "href": world.fill("$A/v1/")}]
    *newest, newer, older = answer.json["versions"]
    assert all(one["id"].startswith("v2.") for one in newest)
    assert newer == {"id": "v1.1", "status": "SUPPORTED", "links": links}
    assert older == {"id": "v1.0", "status": "SUPPORTED", "links": links}


def all_image_fields(world: World, answer: Answer) -> None:
    assert set(answer.json["image"]) == KEYS


def brief_stars(world: World, answer: Answer) -> None:
    [shown] = answer.json["images"]
    assert shown == {"id": IMAGE, "name": "stars", "disk_format": "vhd", "container_format": "ovf", "size": 5120, "checksum": STARS_MD5}


STARS_HEADERS = headers(
    ETag=STARS_MD5,
    X_Image_Meta_Id="$I",
    X_Image_Meta_Name="stars",
    X_Image_Meta_Disk__format="vhd",
    X_Image_Meta_Container__format="ovf",
    X_Image_Meta_Size="5120",
    X_Image_Meta_Checksum=STARS_MD5,
    X_Image_Meta_Status="active",
    X_Image_Meta_Is__public="False",
    X_Image_Meta_Protected="False",
    X_Image_Meta_Deleted="False",
    X_Image_Meta_Min__disk="0",
    X_Image_Meta_Min__ram="0",
    X_Image_Meta_Property_Distro__name="Ubuntu 10.04 LTS",
    X_Image_Meta_Owner=None,
    X_Image_Meta_Deleted__at=None,
    X_Image_Meta_Location=None,
)


def has_times(world: World, answer: Answer) -> None:
    assert "T" in str(answer.header("x-image-meta-created_at"))
    assert "T" in str(answer.header("x-image-meta-updated_at"))


def copied_from_stars(world: World, answer: Answer) -> None:
    path = f"/v1/images/{answer.json['image']['id']}"

    def finished() -> bool:
        return world.glance.request("HEAD", path).header("x-image-meta-status") not in {"queued", "saving"}

    wait_until(finished, "the copy")
    copy = world.glance.request("HEAD", path)
    assert copy.header("x-image-meta-status") == "active"
    assert (copy.header("x-image-meta-size"), copy.header("x-image-meta-checksum")) == ("5120", STARS_MD5)
    assert world.glance.request("GET", path).body == STARS


def publish_all(world: World) -> None:
    with closing(sqlite3.connect(world.glance.database)) as database, database:
        database.execute("update images set visibility='public'")


def lists_all_newest_first(world: World, answer: Answer) -> None:
    every = world.glance.request("GET", "/v1/images/detail?is_public=None&limit=1000").json["images"]
    newest_first = sorted(every, key=lambda one: (one["created_at"], one["id"]), reverse=True)
    assert [one["id"] for one in answer.json["images"]] == [one["id"] for one in newest_first]
    assert IMAGE in {one["id"] for one in newest_first}
    assert not {"killed", "deleted"} & {one["status"] for one in newest_first}


def dialect_0_list(world: World, answer: Answer) -> None:
    [stars] = [one for one in answer.json["images"] if one["id"] == IMAGE]
    assert stars["uri"] == world.fill("$A/images/$I")
    assert stars["size"] == 5120
    assert "location" not in stars


def registry_record(world: World, answer: Answer) -> None:
    record = answer.json["image"]
    assert record["location"] == f"file://{world.glance.images}/{IMAGE}"
    assert [one["url"] for one in record["location_data"]] == [record["location"]]


POST = "curl -i -X POST $A/v1/images"
NAMED_STARS = (
    "-H 'x-image-meta-id: $I' -H 'x-image-meta-name: stars' -H 'x-image-meta-disk_format: vhd' -H 'x-image-meta-container_format: ovf' "
    "-H 'x-image-meta-property-Distro-Name: Ubuntu 10.04 LTS'"
)
SECRET = "-H 'X-Glance-Registry-Secret: $SECRET'"

ROWS = (
    row(1, "root", step("curl -i $A/", 300, versions)),
    row(2, "versions", step("curl -i $A/versions", 200, versions)),
    row(3, "v1-without-slash", step("curl -i $A/v1", 302, headers(Location="$A/v1/"), body(b""))),
    row(4, "unknown-version", step("curl -i $A/v9/images", 300, versions)),
    row(5, "vendor-accept", step("curl -i -H 'Accept: application/vnd.openstack.images-v1' $A/images", 200, document({"images": []}))),
    row(6, "empty-detail", step("curl -i -X GET $A/v1/images/detail", 200, document({"images": []}))),
    row(
        7,
        "upload",
        step(
            f"{POST} {NAMED_STARS} $O --data-binary @S",
            201,
            headers(Location="$A/v1/images/$I", ETag=STARS_MD5),
            all_image_fields,
            image(id="$I", name="stars", status="active", size=5120, checksum=STARS_MD5, owner=None, is_public=False, deleted_at=None),
            image(properties={"distro_name": "Ubuntu 10.04 LTS"}, disk_format="vhd", container_format="ovf", min_disk=0, min_ram=0),
            image(protected=False, deleted=False, virtual_size=None),
        ),
    ),
    row(8, "private-not-listed", step("curl -i $A/v1/images", 200, document({"images": []})), needs=(7,)),
    row(9, "all-listed", step("curl -i '$A/v1/images?is_public=None'", 200, brief_stars), needs=(7,)),
    row(
        10,
        "head",
        step("curl -I $A/v1/images/$I", 200, headers(Content_Length="0"), STARS_HEADERS, has_times),
        step("curl -i -X HEAD $A/v1/images/$I", 200, headers(Content_Length="0"), STARS_HEADERS),
        needs=(7,),
    ),
    row(
        11,
        "download",
        step(
            "curl -i -X GET $A/v1/images/$I",
            200,
            headers(Content_Type="application/octet-stream", Content_Length="5120"),
            STARS_HEADERS,
            body(STARS),
        ),
        needs=(7,),
    ),
    row(
        12,
        "publish-without-identity",
        step(f"{POST} -H 'x-image-meta-name: p' -H 'x-image-meta-is_public: true' $F", 201, image(is_public=True)),
        step("curl -i $A/v1/images", 200, listed("p")),
    ),
    row(
        13,
        "taken-id",
        step(f"{POST} -H 'x-image-meta-id: $I' -H 'x-image-meta-name: dup'", 409, text("An image with identifier $I already exists")),
        needs=(7,),
    ),
    row(14, "unknown-disk-format", step(f"{POST} -H 'x-image-meta-disk_format: floppy'", 400, text("Invalid disk format 'floppy' for image."))),
    row(
        15,
        "mixed-formats",
        step(
            f"{POST} -H 'x-image-meta-disk_format: ami' -H 'x-image-meta-container_format: ovf'",
            400,
            text("Invalid mix of disk and container formats. When setting a disk or container format to one of 'aki', 'ari', or 'ami'"),
        ),
    ),
    row(16, "unknown-store", step(f"{POST} -H 'x-image-meta-store: tape' $F $O --data-binary abc", 400, text("Required store tape is invalid"))),
    row(
        17,
        "wrong-size",
        step(
            f"{POST} -H 'x-image-meta-size: 17' $F $O -H 'Transfer-Encoding: chunked' --data-binary @S",
            400,
            text("Supplied size (17) and size generated from uploaded image (5120) did not match. Setting image status to 'killed'."),
        ),
    ),
    row(
        18,
        "wrong-checksum",
        step(
            f"{POST} -H 'x-image-meta-checksum: d41d8cd98f00b204e9800998ecf8427e' $F $O --data-binary abc",
            400,
            text(
                f"Supplied checksum (d41d8cd98f00b204e9800998ecf8427e) and checksum generated from uploaded image ({ABC_MD5}) "
                "did not match. Setting image status to 'killed'."
            ),
        ),
    ),
    row(
        19,
        "wrong-content-type",
        step(f"{POST} $F -H 'Content-Type: text/plain' --data-binary abc", 400, text("Content-Type must be application/octet-stream")),
    ),
    row(20, "no-disk-format", step(f"{POST} $O --data-binary abc", 400, text("Disk format is not specified."))),
    row(
        21,
        "file-location",
        step(f"{POST} -H 'x-image-meta-location: file:///etc/passwd' $F", 400, text("External sources are not supported: 'file:///etc/passwd'")),
    ),
    row(
        22,
        "reserve",
        step(
            f"{POST} -H 'x-image-meta-id: $Q' -H 'x-image-meta-name: later' $F -H 'x-image-meta-property-a: 1' -H 'x-image-meta-property-b: 2'",
            201,
            headers(ETag=None),
            image(status="queued", size=0, checksum=None, properties={"a": "1", "b": "2"}),
        ),
    ),
    row(23, "download-of-queued", step("curl -i $A/v1/images/$Q", 404, text("Image $Q is not active")), needs=(22,)),
    row(
        24,
        "update-without-purge",
        step(
            "curl -i -X PUT $A/v1/images/$Q -H 'x-image-meta-property-b: 3' -H 'x-glance-registry-purge-props: false'",
            200,
            image(properties={"a": "1", "b": "3"}),
        ),
        needs=(22,),
    ),
    row(
        25,
        "upload-to-queued",
        step(
            "curl -i -X PUT $A/v1/images/$Q $O -H 'Transfer-Encoding: chunked' --data-binary abc",
            200,
            headers(ETag=ABC_MD5),
            image(status="active", size=3, properties={"a": "1", "b": "3"}),
        ),
        needs=(24,),
    ),
    row(
        26,
        "second-upload",
        step("curl -i -X PUT $A/v1/images/$Q $O --data-binary abc", 409, text("Cannot upload to an unqueued image")),
        needs=(25,),
    ),
    row(
        27,
        "rename-purges",
        step("curl -i -X PUT $A/v1/images/$Q -H 'x-image-meta-name: renamed'", 200, image(name="renamed", properties={})),
        needs=(25,),
    ),
    row(
        28,
        "status-is-fixed",
        step("curl -i -X PUT $A/v1/images/$Q -H 'x-image-meta-status: queued'", 403, text("Forbidden to modify 'status' of image.")),
        step("curl -i -X PUT $A/images/$Q -H 'x-image-meta-status: queued'", 200, image(status="active")),
        needs=(25,),
    ),
    row(29, "download-again", step("curl -i $A/v1/images/$Q", 200, headers(Content_Length="3"), body(b"abc")), needs=(25,)),
    row(
        30,
        "filter-sort-limit",
        step("curl -i '$A/v1/images?is_public=None&size_min=4&sort_key=name&sort_dir=asc&limit=1'", 200, listed("stars")),
        needs=(7,),
    ),
    row(31, "bad-filter", step("curl -i '$A/v1/images?size_min=foo'", 400, text("Bad value passed to filter size_min got foo"))),
    row(
        32,
        "bad-sort-key",
        step(
            "curl -i '$A/v1/images?sort_key=color'",
            400,
            text("Unsupported sort_key. Acceptable values: name, status, container_format, disk_format, size, id, created_at, updated_at"),
        ),
    ),
    row(
        33,
        "limits",
        step("curl -i '$A/v1/images?limit=-1'", 400, text("limit param must be positive")),
        step("curl -i '$A/v1/images?limit=x'", 400, text("limit param must be an integer")),
        step("curl -i '$A/v1/images?limit=0'", 200, document({"images": []})),
    ),
    row(
        34,
        "bad-parameters",
        step("curl -i '$A/v1/images?marker=zz'", 400, text("Invalid marker format")),
        step("curl -i '$A/v1/images?changes-since=garbage'", 400, text("Unrecognized changes-since value")),
        step("curl -i '$A/v1/images?is_public=maybe'", 400, text("Bad value passed to filter is_public got maybe")),
    ),
    row(
        35,
        "protected",
        step("curl -i -X PUT $A/v1/images/$Q -H 'x-image-meta-protected: True'", 200, image(protected=True)),
        step("curl -i -X DELETE $A/v1/images/$Q", 403, text("Image is protected")),
        needs=(25,),
    ),
    row(
        36,
        "delete-twice",
        step("curl -i -X PUT $A/v1/images/$Q -H 'x-image-meta-protected: False'", 200, image(protected=False)),
        step("curl -i -X DELETE $A/v1/images/$Q", 200, headers(Content_Length="0"), body(b"")),
        step("curl -i -X DELETE $A/v1/images/$Q", 404, text("Image $Q not found.")),
        needs=(35,),
    ),
    row(
        37,
        "deleted-as-administrator",
        step("curl -I $A/v1/images/$Q", 200, headers(X_Image_Meta_Status="deleted", X_Image_Meta_Deleted="True")),
        step("curl -i $A/v1/images/$Q", 404, text("Image $Q is not active")),
        needs=(36,),
    ),
    row(
        38,
        "add-member",
        step(
            "curl -i -X PUT $A/v1/images/$I/members/t2 -H 'Content-Type: application/json' -d '{\"member\":{\"can_share\":true}}'",
            204,
        ),
        needs=(7,),
    ),
    row(
        39,
        "members",
        step("curl -i $A/v1/images/$I/members", 200, document({"members": [{"can_share": True, "member_id": "t2"}]})),
        step("curl -i $A/v1/shared-images/t2", 200, document({"shared_images": [{"image_id": IMAGE, "can_share": True}]})),
        needs=(38,),
    ),
    row(
        40,
        "bare-list-of-members",
        step('curl -i -X PUT $A/v1/images/$I/members -d \'[{"member_id":"t3","can_share":false}]\'', 204),
        step("curl -i $A/v1/images/$I/members", 200, document({"members": [{"can_share": False, "member_id": "t3"}]})),
        needs=(38,),
    ),
    row(
        41,
        "remove-member",
        step("curl -i -X DELETE $A/v1/images/$I/members/t3", 204),
        step("curl -i -X DELETE $A/v1/images/$I/members/t3", 404, text("Membership could not be found.")),
        needs=(40,),
    ),
    row(
        42,
        "wrong-methods",
        step("curl -i -X PATCH $A/v1/images/$I", 405, headers(Allow="GET, HEAD, PUT, DELETE")),
        step("curl -i -X POST $A/v1/images/$I/members", 405, headers(Allow="GET, PUT")),
        step("curl -I $A/v1/images/detail", 405, headers(Allow="GET")),
    ),
    row(43, "no-cache-api", step("curl -i $A/v1/cached_images", 404)),
    row(
        44,
        "base64-is-stored-as-it-comes",
        step(
            "base64 S | curl $A/v1/images -i -X POST -H 'Content-Transfer-Encoding: base64' $O -H 'x-image-meta-name: cirros' "
            "-H 'x-image-meta-disk_format: qcow2' -H 'x-image-meta-container_format: bare' --data-binary @-",
            201,
            image(size=6918, disk_format="qcow2", checksum="$ENCODED_MD5"),
        ),
    ),
    row(45, "published-by-sql", step("curl -i $A/v1/images", 200, lists_all_newest_first), needs=(7, 12, 44), before=publish_all),
    row(
        46,
        "error-bodies",
        step(
            "curl -i -H 'Accept: application/json' $A/v1/images/nope",
            404,
            document(
                {
                    "message": "The resource could not be found.<br /><br />\nImage with identifier nope not found\n\n",
                    "code": "404 Not Found",
                    "title": "Not Found",
                }
            ),
        ),
        step(
            "curl -i -H 'Accept:' $A/v1/images/nope",
            404,
            headers(Content_Type="text/plain; charset=UTF-8"),
            text("404 Not Found\n\nThe resource could not be found.\n\n Image with identifier nope not found"),
        ),
    ),
    row(47, "empty-image", step(f"{POST} -H 'x-image-meta-size: 0' $F", 201, image(status="active", size=0, checksum=None))),
    row(
        48,
        "copy-from",
        step(f"{POST} -H 'x-glance-api-copy-from: $A/v1/images/$I' $F", 201, image(status="queued"), copied_from_stars),
        needs=(7,),
    ),
    row(
        50,
        "bad-headers",
        step(f"{POST} -H 'x-image-meta-min_ram: -1'", 400, text("Invalid value '-1' for parameter 'min_ram': Cannot be a negative value.")),
        step(f"{POST} -H 'x-image-meta-id: 7'", 400, text("Failed to reserve image. Got error: "), text("Invalid image id format")),
        step(f"{POST} -H 'x-image-meta-bogus: 1'", 400, text("Bad header: x-image-meta-bogus")),
    ),
    row(
        51,
        "lists-without-version",
        step("curl -i $A/images/", 200, dialect_0_list),
        step("curl -i $A/images/detail", 200, dialect_0_list),
        needs=(45,),
    ),
    row(
        52,
        "classic-upload",
        step(
            "curl -i -X POST $A/images/ -H 'x-image-meta-name: U' -H 'x-image-meta-type: kernel' -H 'x-image-meta-store: file' "
            "-H 'x-image-meta-is-public: on' $O --data-binary @S",
            201,
            remember("U", "Location"),
            image(is_public=True, disk_format="aki", container_format="aki", properties={"type": "kernel"}, uri="$A/images/$U", store="file"),
        ),
    ),
    row(53, "unknown-type", step("curl -i -X POST $A/images -H 'x-image-meta-name: U' -H 'x-image-meta-type: floppy'", 400)),
    row(
        54,
        "classic-head",
        step(
            "curl -I $A/images/$U",
            200,
            headers(X_Image_Meta_Uri="$A/images/$U", X_Image_Meta_Name="U", X_Image_Meta_Type="kernel", X_Image_Meta_Size="5120"),
            headers(X_Image_Meta_Store="file", X_Image_Meta_Deleted__at="", X_Image_Meta_Status="active", X_Image_Meta_Is__public="True"),
            headers(ETag=STARS_MD5),
            has_times,
        ),
        needs=(52,),
    ),
    row(
        55,
        "classic-update",
        step("curl -i -X PUT $A/images/$U -H 'x-image-meta-name: V'", 200, headers(X_Image_Meta_Name="V"), image(name="V")),
        needs=(52,),
    ),
    row(
        56,
        "registry",
        step("curl -i $R/images/$I", 401),
        step(f"curl -i {SECRET} $R/images/$I", 200, registry_record),
        needs=(7,),
    ),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, local_sources: dict[str, dict[str, str]]) -> Iterator[World]:
    directory = tmp_path_factory.mktemp("acceptance")
    (directory / "S").write_bytes(STARS)
    encoded = subprocess.run(["base64", "S"], cwd=directory, capture_output=True, timeout=10, check=True).stdout
    with Glance(directory / "glance", api_options=local_sources) as glance:
        names = {
            **SHORTHANDS,
            "A": glance.url,
            "R": f"http://127.0.0.1:{glance.registry_port}",
            "SECRET": glance.registry_secret,
            "ENCODED_MD5": hashlib.md5(encoded).hexdigest(),
        }
        yield World(glance, directory, names)


@pytest.mark.parametrize("example", ROWS, ids=lambda example: f"{example.number:02}-{example.title}")
def test_example_when_run_in_order_then_answers_as_specified(world: World, example: Row) -> None:
    run_row(world, example)


CONFLICTING_FRAMING = (
    b"POST /v1/images HTTP/1.1\r\nHost: glance\r\nContent-Type: application/octet-stream\r\nx-image-meta-disk_format: raw\r\n"
    b"x-image-meta-container_format: bare\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
)


def test_49_length_with_chunks_by_default_then_refused_and_closed(world: World) -> None:
    assert parse_one(world.glance.raw(CONFLICTING_FRAMING)).status == 400


def test_49_length_with_chunks_where_allowed_then_stored_and_closed(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {"allow_conflicting_framing": True}})

    answer = parse_one(glance.raw(CONFLICTING_FRAMING))

    assert answer.status == 201
    assert answer.json["image"]["size"] == 3


def test_blog_of_2014_when_followed_then_gives_what_its_author_wanted(world: World, tmp_path: Path) -> None:
    original = bytes(range(256)) * 4000
    (world.directory / "cirros.img").write_bytes(original)
    upload = world.run(
        "base64 cirros.img | curl $A/v1/images -i -X POST -H 'Content-Transfer-Encoding: base64' $O -H 'x-image-meta-name: cirros' "
        "-H 'x-image-meta-is_public: true' -H 'x-image-meta-disk_format: qcow2' -H 'x-image-meta-container_format: bare' --data-binary @-"
    )
    assert upload.status == 201
    world.names["B"] = upload.json["image"]["id"]

    assert world.names["B"] in {one["id"] for one in world.run("curl -i -X GET $A/v1/images").json["images"]}
    head = world.run("curl -i -X HEAD $A/v1/images/$B")
    assert (head.header("Content-Length"), head.header("x-image-meta-size")) == ("0", str(upload.json["image"]["size"]))
    line = world.fill("curl -sS --max-time 20 $A/v1/images/$B | base64 -d")
    restored = subprocess.run(["bash", "-c", line], capture_output=True, timeout=30, check=True).stdout
    assert restored == original
