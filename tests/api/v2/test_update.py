"""PATCH and DELETE of images, and their tags (spec-v2 2.6, 2.7, 4.2)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Api

ACCEPTED = "application/openstack-images-v2.0-json-patch, application/openstack-images-v2.1-json-patch"


@pytest.mark.parametrize("content_type", ["application/json", "", "text/plain; charset=utf-7", "x/" + "y" * 1024])
def test_patch_when_of_another_media_type_then_415_that_names_those_accepted(api: Api, content_type: str) -> None:
    image_id = api.new()
    answer = api.request("PATCH", f"/v2/images/{image_id}", {"Content-Type": content_type} if content_type else {}, b"[]")
    assert (answer.status, answer.header("Accept-Patch")) == (415, ACCEPTED)


def test_patch_when_empty_then_unchanged(api: Api) -> None:
    image_id = api.new(foo="bar", tags=["x"])
    before = api.get(f"/v2/images/{image_id}")
    answer = api.patch(image_id, [], "v2.1")
    assert (answer.status, answer.json) == (200, before)


def test_patch_when_of_several_operations_then_applied_in_order(api: Api) -> None:
    image_id = api.new(foo="bar", kept="1")
    operations = [
        {"op": "replace", "path": "/name", "value": "n"},
        {"op": "add", "path": "/a~1b~01", "value": "q"},
        {"op": "remove", "path": "/foo"},
        {"op": "add", "path": "/temporary", "value": "1"},
        {"op": "remove", "path": "/temporary"},
        {"op": "add", "path": "/kept", "value": "2"},
        {"op": "replace", "path": "/tags", "value": ["b", "a", "b"]},
        {"op": "replace", "path": "/min_disk", "value": 3},
        {"op": "add", "path": "/protected", "value": True},
        {"op": "replace", "path": "/disk_format", "value": "iso"},
    ]
    answer = api.patch(image_id, operations)
    assert answer.status == 200, answer.text
    image = answer.json
    assert image == api.get(f"/v2/images/{image_id}")
    wanted = {"name": "n", "a/b~1": "q", "kept": "2", "tags": ["a", "b"], "min_disk": 3, "protected": True, "disk_format": "iso"}
    assert {name: image.get(name) for name in wanted} == wanted
    assert not {"foo", "temporary"} & set(image)


def test_patch_when_of_v20_then_add_conflicts_with_what_is_there(api: Api) -> None:
    image_id = api.new()
    assert api.patch(image_id, [{"add": "/k", "value": "v"}], "v2.0").json["k"] == "v"
    again = api.patch(image_id, [{"add": "/k", "value": "v"}], "v2.0")
    assert (again.status, "Property k already present." in again.text) == (409, True)
    changed = api.patch(image_id, [{"replace": "/k", "value": "w"}, {"remove": "/k"}, {"replace": "/name", "value": "n"}], "v2.0")
    assert (changed.status, changed.json["name"], "k" in changed.json) == (200, "n", False)


REFUSED: dict[str, tuple[Any, int, str]] = {
    "no list": ({}, 400, "Request body must be a JSON array of operation objects."),
    "no objects": ([1], 400, "Operations must be JSON objects."),
    "no op": ([{"path": "/name", "value": "x"}], 400, "'op'"),
    "no path": ([{"op": "add", "value": "x"}], 400, "'path'"),
    "no value": ([{"op": "add", "path": "/name"}], 400, "'value'"),
    "another op": (
        [{"op": "move", "path": "/name", "from": "/x"}],
        400,
        "Invalid operation: `move`. It must be one of the following: add, remove, replace.",
    ),
    "op is no text": ([{"op": [], "path": "/name"}], 400, "Invalid operation"),
    "path is no text": ([{"op": "add", "path": 5, "value": "x"}], 400, "must be a text"),
    "no slash": ([{"op": "replace", "path": "name", "value": "x"}], 400, 'Pointer `name` does not start with "/".'),
    "empty path": ([{"op": "replace", "path": "", "value": "x"}], 400, 'does not start with "/".'),
    "only a slash": ([{"op": "replace", "path": "/", "value": "x"}], 400, "Pointer `/`"),
    "two slashes": ([{"op": "replace", "path": "//name", "value": "x"}], 400, 'contains adjacent "/".'),
    "slash at the end": ([{"op": "replace", "path": "/name/", "value": "x"}], 400, 'ends with "/".'),
    "unknown escape": ([{"op": "add", "path": "/~0~1~2", "value": "x"}], 400, "not part of a recognized escape sequence."),
    "two levels": ([{"op": "replace", "path": "/name/x", "value": "x"}], 400, "Invalid JSON pointer for this resource: '/name/x'"),
    "into the tags": ([{"op": "add", "path": "/tags/-", "value": "x"}], 400, "Invalid JSON pointer for this resource"),
    "size": ([{"op": "replace", "path": "/size", "value": 1}], 403, "Attribute 'size' is read-only."),
    "id": ([{"op": "replace", "path": "/id", "value": "x"}], 403, "Attribute 'id' is read-only."),
    "status": ([{"op": "replace", "path": "/status", "value": "active"}], 403, "Attribute 'status' is read-only."),
    "reserved": ([{"op": "add", "path": "/os_glance_y", "value": "x"}], 403, "Attribute 'os_glance_y' is reserved."),
    "deleted": ([{"op": "add", "path": "/deleted", "value": "x"}], 403, "Attribute 'deleted' is reserved."),
    "locations": ([{"op": "add", "path": "/locations/-", "value": {}}], 403, "It's not allowed to add locations if locations are invisible."),
    "location": ([{"op": "remove", "path": f"/locations/{10**20}"}], 403, "It's not allowed to remove locations if locations are invisible."),
    "unknown property": ([{"op": "replace", "path": "/nope", "value": "x"}], 409, "Property nope does not exist."),
    "removes nothing": ([{"op": "remove", "path": "/nope"}], 409, "Property nope does not exist."),
    "removes a base property": ([{"op": "remove", "path": "/name"}], 403, "Property name may not be removed."),
    "removes tags": ([{"op": "remove", "path": "/tags"}], 403, "Property tags may not be removed."),
    "visibility": ([{"op": "replace", "path": "/visibility", "value": "zz"}], 400, "Choose one of"),
    "negative": ([{"op": "replace", "path": "/min_ram", "value": -1}], 400, "Cannot be a negative value"),
    "null property": ([{"op": "add", "path": "/p", "value": None}], 400, "It must be of type string."),
    "long pointer": ([{"op": "add", "path": "/" + "x" * 100_000, "value": "x"}], 400, "1 to 255 characters"),
    "many": ([{"op": "add", "path": "/p", "value": "x"}] * 10_000, 413, "at most 1000 operations"),
    "last of two": ([{"op": "replace", "path": "/name", "value": "x"}, {"op": "remove", "path": "/nope"}], 409, "nope"),
}


@pytest.mark.parametrize(("operations", "status", "text"), REFUSED.values(), ids=REFUSED)
def test_patch_when_an_operation_is_bad_then_refused_and_nothing_changes(api: Api, operations: object, status: int, text: str) -> None:
    image_id = api.new(name="before")
    before = api.get(f"/v2/images/{image_id}")
    answer = api.patch(image_id, operations)
    assert (answer.status, text in answer.text) == (status, True), answer.text
    assert api.get(f"/v2/images/{image_id}") == before


@pytest.mark.parametrize("body", [b"", b"{bad", b"null", b"[" * 100_000, b'[{"op": "add", "op": "remove", "path": "/x"}]'])
def test_patch_when_the_body_is_no_list_then_400(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/openstack-images-v2.1-json-patch; charset=utf-8"}
    assert api.request("PATCH", f"/v2/images/{api.new()}", headers, body).status == 400


def test_patch_when_the_image_is_active_then_formats_are_fixed(api: Api) -> None:
    image_id = api.new(b"abc")
    assert api.patch(image_id, [{"op": "replace", "path": "/disk_format", "value": "iso"}]).status == 403
    assert api.patch(image_id, [{"op": "replace", "path": "/name", "value": "n"}]).status == 200


def test_patch_when_the_caller_may_not_then_403_or_404(shared_api: Api) -> None:
    mine, other, admin = (shared_api.as_caller(project, roles) for project, roles in (("P1", "member"), ("P2", "member"), ("P0", "admin")))
    rename = [{"op": "replace", "path": "/name", "value": "n"}]
    publish = [{"op": "replace", "path": "/visibility", "value": "public"}]
    image_id = mine.new()
    assert mine.patch(image_id, [{"op": "replace", "path": "/owner", "value": "P2"}]).status == 403
    assert mine.patch(image_id, publish).status == 403
    assert other.patch(image_id, rename).status == 404
    assert mine.patch(image_id, [{"op": "replace", "path": "/visibility", "value": "community"}]).json["visibility"] == "community"
    assert admin.patch(image_id, publish).json["visibility"] == "public"
    assert other.patch(image_id, rename).status == 403
    assert other.request("DELETE", f"/v2/images/{image_id}").status == 403
    assert admin.patch(image_id, [{"op": "replace", "path": "/owner", "value": "P2"}]).json["owner"] == "P2"


def test_patch_when_hidden_then_listed_only_on_demand(api: Api) -> None:
    image_id = api.new()
    assert api.patch(image_id, [{"op": "replace", "path": "/os_hidden", "value": True}]).json["os_hidden"] is True
    assert api.get("/v2/images")["images"] == []
    for spelling in ("true", "True"):
        assert [image["id"] for image in api.get(f"/v2/images?os_hidden={spelling}")["images"]] == [image_id]
    assert api.get(f"/v2/images/{image_id}")["os_hidden"] is True


def test_delete_when_protected_then_403_and_once_it_is_not_204(api: Api) -> None:
    image_id = api.new(b"abc", protected=True)
    assert api.request("DELETE", f"/v2/images/{image_id}").status == 403
    assert api.patch(image_id, [{"op": "replace", "path": "/protected", "value": False}]).status == 200
    gone = api.request("DELETE", f"/v2/images/{image_id}")
    assert (gone.status, gone.body) == (204, b"")
    assert not (api.images / image_id).exists()


def test_deleted_image_when_asked_for_anything_then_404_for_administrators_too(api: Api) -> None:
    image_id = api.new(b"abc")
    path = f"/v2/images/{image_id}"
    assert api.request("DELETE", path).status == 204
    statuses = {
        "show": api.request("GET", path).status,
        "delete": api.request("DELETE", path).status,
        "patch": api.patch(image_id, [{"op": "replace", "path": "/name", "value": "n"}]).status,
        "download": api.request("GET", f"{path}/file").status,
        "upload": api.request("PUT", f"{path}/file", {"Content-Type": "application/octet-stream"}, b"abc").status,
        "tag": api.request("PUT", f"{path}/tags/x").status,
        "untag": api.request("DELETE", f"{path}/tags/x").status,
        "deactivate": api.request("POST", f"{path}/actions/deactivate").status,
        "reactivate": api.request("POST", f"{path}/actions/reactivate").status,
        "members": api.request("GET", f"{path}/members").status,
        "share": api.send_json("POST", f"{path}/members", {"member": "P2"}).status,
        "answer": api.send_json("PUT", f"{path}/members/P2", {"status": "accepted"}).status,
        "unshare": api.request("DELETE", f"{path}/members/P2").status,
    }
    assert statuses == dict.fromkeys(statuses, 404)


def test_tag_when_added_and_removed_then_the_image_has_it_so_long(api: Api) -> None:
    image_id = api.new(tags=["x"])
    path = f"/v2/images/{image_id}/tags"
    assert [api.request("PUT", f"{path}/{tag}").status for tag in ("aa", "aa")] == [204, 204]
    assert "aa" in api.get(f"/v2/images/{image_id}")["tags"]
    assert [api.request("DELETE", f"{path}/{tag}").status for tag in ("aa", "aa", "zz")] == [204, 404, 404]
    assert "aa" not in api.get(f"/v2/images/{image_id}")["tags"]


def test_tag_when_bad_then_refused(api: Api) -> None:
    path = f"/v2/images/{api.new()}/tags"
    assert api.request("PUT", f"{path}/{'t' * 256}").status == 400
    assert api.request("PUT", f"{path}/{'t' * 255}").status == 204
    assert api.send_json("PUT", f"{path}/x", {}).status == 400
    refused = api.request("GET", f"{path}/x")
    assert (refused.status, refused.header("Allow")) == (405, "PUT, DELETE")
    assert api.request("PUT", f"{path}/a/b").status == 404
    assert api.request("PUT", "/v2/images/nope/tags/x").status == 404


def test_properties_when_v1_gave_them_reserved_names_then_v2_does_not_show_them(api: Api) -> None:
    names = ("direct_url", "locations", "stores", "os_glance_x", "deleted", "fine")
    image_id = api.create({f"x-image-meta-property-{name}": "file:///etc/passwd" for name in names})
    assert not set(names[:-1]) & set(api.get(f"/v2/images/{image_id}"))
    assert api.get(f"/v2/images/{image_id}")["fine"] == "file:///etc/passwd"


@pytest.mark.parametrize("visibility", ["private", "community", "shared"])
def test_visibility_when_v1_repeats_that_it_is_not_public_then_it_stays(api: Api, visibility: str) -> None:
    image_id = api.new(visibility=visibility)
    assert api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-is_public": "False"}).status == 200
    assert api.get(f"/v2/images/{image_id}")["visibility"] == visibility
