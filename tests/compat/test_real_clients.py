"""python-glanceclient, python-openstackclient and openstacksdk as they are published, against real processes."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from glance.testing.servers import Glance
from tests.compat.real_clients import DATA, Clients, properties, rows
from tests.compat.scripted import Server, reply
from tests.file_server import offering

RAW = ("--disk-format", "raw", "--container-format", "bare")


@pytest.fixture
def queued(glance: Glance, image_id: str) -> str:
    """The id of an image without data."""
    body = {"id": image_id, "name": "queued", "disk_format": "raw", "container_format": "bare", "colour": "red"}
    assert glance.request("POST", "/v2/images", {}, json.dumps(body).encode()).status == 201
    return image_id


@pytest.fixture
def active(glance: Glance, queued: str) -> str:
    """The id of an image that holds DATA."""
    assert glance.request("PUT", f"/v2/images/{queued}/file", {"Content-Type": "application/octet-stream"}, DATA).status == 204
    return queued


# glance, version 2


def test_glance_create_when_a_file_is_given_then_uploads_it_and_draws_progress(clients: Clients, image_id: str, source: Path) -> None:
    described = ("--name", "böot", "--property", "colour=red", "--property", "a/b~c=d", "--tag", "old", "new")

    screen = clients.glance_on_screen(2, "image-create", "--id", image_id, *RAW, *described, "--file", str(source), "--progress")

    assert "100%" in screen
    shown = properties(clients.glance(2, "image-show", image_id))
    assert (shown["name"], shown["status"], shown["size"], shown["visibility"]) == ("böot", "active", str(len(DATA)), "shared")
    assert (shown["colour"], shown["a/b~c"], shown["tags"]) == ("red", "d", '["new", "old"]')
    assert (shown["checksum"], shown["os_hash_algo"]) == (hashlib.md5(DATA).hexdigest(), "sha512")
    assert shown["os_hash_value"] == hashlib.sha512(DATA).hexdigest()


@pytest.mark.parametrize("version", [1, 2])
def test_glance_create_when_data_is_piped_then_uploads_what_comes(clients: Clients, image_id: str, source: Path, version: int) -> None:
    created = properties(clients.glance(version, "image-create", "--id", image_id, *RAW, source=source))

    assert (created["status"], created["checksum"]) == ("active", hashlib.md5(DATA).hexdigest())


def test_glance_upload_when_the_image_waits_then_draws_progress_and_stores_the_data(clients: Clients, queued: str, source: Path) -> None:
    screen = clients.glance_on_screen(2, "image-upload", queued, "--file", str(source), "--size", str(len(DATA)), "--progress")

    assert "100%" in screen
    shown = properties(clients.glance(2, "image-show", queued))
    assert (shown["status"], shown["size"], shown["os_hash_value"]) == ("active", str(len(DATA)), hashlib.sha512(DATA).hexdigest())


def test_glance_list_when_filtered_and_sorted_then_shows_what_fits(clients: Clients, queued: str) -> None:
    filters = ("--property-filter", "colour=red", "--property-filter", "status=queued", "--visibility", "shared", "--sort", "name:asc,size:desc")

    assert queued in [row[0] for row in rows(clients.glance(2, "image-list", *filters))]
    assert queued not in clients.glance(2, "image-list", *filters, "--property-filter", "name=another")


@pytest.mark.parametrize(("version", "options"), [(1, ["--all-tenants"]), (2, [])], ids=["1", "2"])
def test_glance_list_when_pages_are_small_then_follows_them(clients: Clients, active: str, source: Path, version: int, options: list[str]) -> None:
    newer = properties(clients.glance(version, "image-create", *RAW, source=source))["id"]

    listed = [row[0] for row in rows(clients.glance(version, "image-list", "--page-size", "1", *options))]

    clients.glance(version, "image-delete", newer)
    assert {active, newer} <= set(listed)
    assert len(listed) == len(set(listed))


@pytest.mark.parametrize("version", [1, 2])
def test_glance_download_then_draws_progress_and_brings_the_same_bytes(clients: Clients, active: str, tmp_path: Path, version: int) -> None:
    screen = clients.glance_on_screen(version, "image-download", active, "--file", str(tmp_path / "copy"), "--progress")

    assert "100%" in screen
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.parametrize("version", [1, 2])
def test_glance_download_when_the_bytes_differ_from_the_digest_then_fails(
    glance: Glance, clients: Clients, active: str, tmp_path: Path, version: int
) -> None:
    (glance.images / active).write_bytes(DATA[::-1])

    assert "Corrupt image download" in clients.glance_error(version, "image-download", active, "--file", str(tmp_path / "copy"))


def test_glance_update_then_changes_fields_properties_and_visibility(clients: Clients, queued: str) -> None:
    changes = ("--name", "renamed", "--property", "size~/x=1", "--remove-property", "colour", "--visibility", "public", "--min-ram", "64")

    shown = properties(clients.glance(2, "image-update", queued, *changes))

    assert (shown["name"], shown["visibility"], shown["min_ram"], shown["size~/x"]) == ("renamed", "public", "64", "1")
    assert "colour" not in shown


def test_glance_hidden_when_set_then_only_the_hidden_list_has_it(clients: Clients, queued: str) -> None:
    assert properties(clients.glance(2, "image-update", queued, "--hidden", "true"))["os_hidden"] == "True"

    assert queued not in clients.glance(2, "image-list")
    assert queued in clients.glance(2, "image-list", "--hidden", "true")


def test_glance_tags_when_added_and_deleted_then_show_on_the_image(clients: Clients, queued: str) -> None:
    clients.glance(2, "image-tag-update", queued, "old")
    clients.glance(2, "image-tag-update", queued, "new one")
    clients.glance(2, "image-tag-delete", queued, "old")

    assert properties(clients.glance(2, "image-show", queued))["tags"] == '["new one"]'
    assert queued in clients.glance(2, "image-list", "--tag", "new one")


def test_glance_members_when_one_accepts_then_the_list_says_so(clients: Clients, queued: str) -> None:
    assert rows(clients.glance(2, "member-create", queued, "p2")) == [[queued, "p2", "pending"]]

    clients.glance(2, "member-update", queued, "p2", "accepted")
    assert rows(clients.glance(2, "member-list", "--image-id", queued)) == [[queued, "p2", "accepted"]]

    clients.glance(2, "member-delete", queued, "p2")
    assert rows(clients.glance(2, "member-list", "--image-id", queued)) == []


def test_glance_deactivate_then_reactivate_brings_the_image_back(clients: Clients, active: str) -> None:
    clients.glance(2, "image-deactivate", active)
    assert properties(clients.glance(2, "image-show", active))["status"] == "deactivated"

    clients.glance(2, "image-reactivate", active)
    assert properties(clients.glance(2, "image-show", active))["status"] == "active"


def test_glance_delete_when_protected_then_only_after_the_protection_ends(clients: Clients, queued: str) -> None:
    clients.glance(2, "image-update", queued, "--protected", "True")
    assert clients.glance_error(2, "image-delete", queued) == f"You are not permitted to delete the image '{queued}'."

    clients.glance(2, "image-update", queued, "--protected", "False")
    clients.glance(2, "image-delete", queued)


def test_54_glance_from_create_to_delete_then_every_command_succeeds(clients: Clients, image_id: str, source: Path, tmp_path: Path) -> None:
    """Example 54 of the specification's list."""
    clients.glance(2, "image-create", "--id", image_id, "--file", str(source), *RAW, "--name", "c")
    assert [image_id, "c"] in rows(clients.glance(2, "image-list"))
    clients.glance(2, "image-download", image_id, "--file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == DATA
    clients.glance(2, "image-delete", image_id)

    error = clients.glance_error(2, "image-show", image_id)
    assert error.startswith("HTTP 404 Not Found: ")
    assert image_id in error


def test_glance_when_ids_are_integers_then_makes_lists_and_deletes_images(fresh_glance: Callable[..., Glance], tmp_path: Path, source: Path) -> None:
    counting = fresh_glance(services=("api",), api_options={"DEFAULT": {"image_id_format": "integer", "registry_mode": "embedded", "workers": 0}})
    clients = Clients(counting.url, tmp_path)

    created = properties(clients.glance(2, "image-create", *RAW, "--name", "one", "--file", str(source)))

    assert (created["id"], created["status"]) == ("1", "active")
    assert rows(clients.glance(2, "image-list")) == [["1", "one"]]
    clients.glance(2, "image-delete", "1")
    assert rows(clients.glance(2, "image-list")) == []


def test_glance_offers_when_asked_then_are_printed(clients: Clients) -> None:
    assert "import-methods" in clients.glance(2, "import-info")
    assert rows(clients.glance(2, "usage")) == []
    assert clients.glance_error(2, "stores-info") == "Multi Backend support is not enabled"


@pytest.mark.parametrize("version", [1, 2])
def test_glance_delete_then_the_image_is_gone(clients: Clients, active: str, version: int) -> None:
    clients.glance(version, "image-delete", active)

    assert clients.glance_error(version, "image-delete", active) == f"No image with an ID of '{active}' exists."


def test_glance_stage_then_the_image_waits_for_its_import(clients: Clients, queued: str, source: Path) -> None:
    clients.glance(2, "image-stage", queued, "--file", str(source))

    shown = properties(clients.glance(2, "image-show", queued))
    assert (shown["status"], shown["size"], shown["checksum"]) == ("uploading", str(len(DATA)), "None")


def test_glance_locations_when_added_changed_and_removed_then_the_image_follows(
    fresh_glance: Callable[..., Glance], local_sources: dict[str, dict[str, str]], image_id: str, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        (tmp_path / name).write_bytes(DATA)
    glance = fresh_glance(
        api_options={
            "DEFAULT": {**local_sources["DEFAULT"], "show_multiple_locations": True},
            "glance_store": {"stores": "file,http", "default_store": "file"},
        }
    )
    clients = Clients(glance.url, tmp_path)

    def locations() -> list[tuple[str, str | None]]:
        shown = json.loads(properties(clients.glance(2, "image-show", image_id))["locations"])
        return [(one["url"], one["metadata"].get("note")) for one in shown]

    clients.glance(2, "image-create", "--id", image_id, *RAW)
    with offering(tmp_path) as web:
        clients.glance(2, "add-location", image_id, "--url", f"{web}/first")
        clients.glance(2, "location-add", image_id, "--url", f"{web}/second", "--metadata", '{"note": "old"}')
        clients.glance(2, "location-update", image_id, "--url", f"{web}/second", "--metadata", '{"note": "new"}')
        assert locations() == [(f"{web}/first", None), (f"{web}/second", "new")]

        clients.glance(2, "location-delete", image_id, "--url", f"{web}/first")
        assert locations() == [(f"{web}/second", "new")]
        clients.glance(2, "image-download", image_id, "--file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == DATA


@pytest.mark.parametrize(
    ("command", "status", "cause"),
    [
        ("image-show {missing}", "404 Not Found", "{missing}"),
        ("image-download {missing} --file unused", "404 Not Found", "{missing}"),
        ("image-tag-delete {queued} missing", "404 Not Found", "tag"),
        ("image-create --id {queued} --name new", "409 Conflict", "{queued}"),
        ("member-create {queued} p2", "409 Conflict", "p2"),
        ("image-deactivate {queued}", "403 Forbidden", "status"),
        ("image-update {queued} --property os_glance_x=1", "403 Forbidden", "os_glance_x"),
    ],
)
def test_glance_error_then_is_one_line_that_names_the_cause(
    glance: Glance, clients: Clients, queued: str, command: str, status: str, cause: str
) -> None:
    assert glance.request("POST", f"/v2/images/{queued}/members", {}, b'{"member": "p2"}').status == 200
    ids = {"queued": queued, "missing": str(uuid.uuid4())}

    error = clients.glance_error(2, *command.format(**ids).split())

    assert f"HTTP {status}: " in error
    assert cause.format(**ids) in error.partition(status)[2]
    assert "\n" not in error
    assert "<" not in error


# glance, version 1


def test_glance_1_create_when_a_file_is_given_then_uploads_it(clients: Clients, image_id: str, source: Path) -> None:
    described = ("--name", "boot", "--property", "colour=red", "--is-public", "True")

    screen = clients.glance_on_screen(1, "image-create", "--id", image_id, *RAW, *described, "--file", str(source), "--progress")

    assert "100%" in screen
    shown = properties(clients.glance(1, "image-show", image_id))
    assert (shown["name"], shown["status"], shown["size"], shown["is_public"]) == ("boot", "active", str(len(DATA)), "True")
    assert (shown["Property 'colour'"], shown["checksum"]) == ("red", hashlib.md5(DATA).hexdigest())


def test_glance_1_update_then_changes_fields_and_adds_properties(clients: Clients, active: str) -> None:
    shown = properties(clients.glance(1, "image-update", active, "--name", "renamed", "--property", "size=big", "--is-public", "True"))

    assert (shown["name"], shown["is_public"], shown["Property 'size'"], shown["status"]) == ("renamed", "True", "big", "active")


def test_glance_1_members_when_created_and_deleted_then_the_list_follows(clients: Clients, queued: str) -> None:
    clients.glance(1, "member-create", queued, "p2", "--can-share")
    assert rows(clients.glance(1, "member-list", "--image-id", queued)) == [[queued, "p2", "True"]]

    clients.glance(1, "member-delete", queued, "p2")
    assert rows(clients.glance(1, "member-list", "--image-id", queued)) == []


# openstack


def test_openstack_create_when_a_file_is_given_then_show_and_list_have_it(clients: Clients, image_id: str, source: Path) -> None:
    described = ("--property", "colour=red", "--property", "a/b=c", "--tag", "one", "--tag", "two")

    clients.openstack("image", "create", "--id", image_id, *RAW, *described, "--file", str(source), "stack-image")

    shown = clients.openstack_json("image", "show", "stack-image")
    assert (shown["id"], shown["status"], shown["size"], shown["tags"]) == (image_id, "active", len(DATA), ["one", "two"])
    assert (shown["properties"]["colour"], shown["properties"]["a/b"]) == ("red", "c")
    listed = clients.openstack_json("image", "list", "--long", "--property", "colour=red", "--tag", "one", "--tag", "two")
    assert [(one["ID"], one["Size"], one["Checksum"]) for one in listed] == [(image_id, len(DATA), hashlib.md5(DATA).hexdigest())]


def test_openstack_set_and_unset_then_change_the_image(clients: Clients, queued: str) -> None:
    changes = ("--name", "renamed", "--property", "new=1", "--tag", "one", "--tag", "two", "--public", "--min-disk", "3", "--hidden")

    clients.openstack("image", "set", queued, *changes)
    clients.openstack("image", "unset", queued, "--property", "colour", "--tag", "one")

    shown = clients.openstack_json("image", "show", queued)
    assert (shown["name"], shown["visibility"], shown["min_disk"], shown["tags"]) == ("renamed", "public", 3, ["two"])
    assert (shown["properties"]["new"], "colour" in shown["properties"]) == ("1", False)
    assert queued in [one["ID"] for one in clients.openstack_json("image", "list", "--hidden")]


def test_openstack_set_when_deactivated_then_activated_then_the_image_can_be_saved(clients: Clients, active: str, tmp_path: Path) -> None:
    clients.openstack("image", "set", active, "--deactivate")
    assert clients.openstack_json("image", "show", active)["status"] == "deactivated"

    clients.openstack("image", "set", active, "--activate")
    clients.openstack("image", "save", active, "--file", str(tmp_path / "copy"))
    assert (tmp_path / "copy").read_bytes() == DATA


def test_openstack_project_when_added_accepted_and_removed_then_the_members_follow(clients: Clients, queued: str, keystone: Server) -> None:
    version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": f"{keystone.url}/v3/"}]}
    keystone.replies = [reply({"version": version}), reply({"project": {"id": "p2", "name": "p2"}})] * 3
    identity = f"{keystone.url}/v3"

    def members() -> list[tuple[str, str]]:
        return [(one["Member ID"], one["Status"]) for one in clients.openstack_json("image", "member", "list", queued)]

    added = clients.openstack_json("image", "add", "project", queued, "p2", identity=identity)
    assert (added["member_id"], added["status"]) == ("p2", "pending")

    clients.openstack("image", "set", queued, "--project", "p2", "--accept", identity=identity)
    assert members() == [("p2", "accepted")]

    clients.openstack("image", "remove", "project", queued, "p2", identity=identity)
    assert members() == []


def test_openstack_list_when_filtered_then_shows_what_fits(clients: Clients, queued: str) -> None:
    filters = ("--property", "colour=red", "--status", "queued", "--shared", "--sort", "name:asc", "--limit", "100")

    assert queued in [one["ID"] for one in clients.openstack_json("image", "list", "--name", "queued", *filters)]
    assert clients.openstack_json("image", "list", "--name", "another", *filters) == []


def test_openstack_save_when_the_bytes_differ_from_the_digest_then_fails(glance: Glance, clients: Clients, active: str, tmp_path: Path) -> None:
    (glance.images / active).write_bytes(DATA[::-1])

    assert "checksum mismatch" in clients.openstack_error("image", "save", active, "--file", str(tmp_path / "copy"))


def test_openstack_delete_when_protected_then_only_after_the_protection_ends(clients: Clients, queued: str) -> None:
    clients.openstack("image", "set", queued, "--protected")
    assert "403" in clients.openstack_error("image", "delete", queued)

    clients.openstack("image", "set", queued, "--unprotected")
    clients.openstack("image", "delete", queued)


def test_openstack_delete_then_the_image_is_gone(clients: Clients, active: str) -> None:
    clients.openstack("image", "delete", active)

    assert clients.openstack_error("image", "show", active) == f"No Image found for {active}"


def test_openstack_create_when_the_id_is_taken_then_the_error_names_it(clients: Clients, queued: str) -> None:
    line = clients.openstack_error("image", "create", "--id", queued, "another")

    assert "409" in line
    assert queued in line
    assert "\n" not in line


# openstacksdk


def test_sdk_then_works_from_upload_to_delete(clients: Clients, source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"

    saw = json.loads(clients.python(Path(__file__).with_name("sdk_script.py"), clients.url, str(source), str(copy)))

    assert copy.read_bytes() == DATA
    assert saw == {
        "created": [True, "active", len(DATA), "sha512", ["red"], "debian", "yes"],
        "listed": [True],
        "changed": [["blue"], 64, "no"],
        "filtered": ["sdk-image"],
        "hidden": [[], True],
        "protected": 403,
        "shared": ["pending", ["p2"], "accepted"],
        "unshared": [],
        "paged": 3,
        "deleted": None,
    }
