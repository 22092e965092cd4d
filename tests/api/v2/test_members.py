"""Memberships of version 2, and what they let a project see (spec-v2 4.1)."""

from __future__ import annotations

import pytest

from tests.api.conftest import Api


def listed(api: Api, query: str = "") -> list[str]:
    return [image["id"] for image in api.get(f"/v2/images{query}")["images"]]


@pytest.fixture
def mine(shared_api: Api) -> Api:
    return shared_api.as_caller("P1")


@pytest.fixture
def theirs(shared_api: Api) -> Api:
    return shared_api.as_caller("P2")


def test_member_when_added_then_pending_and_seen_by_both(mine: Api, theirs: Api) -> None:
    image_id = mine.new()
    path = f"/v2/images/{image_id}/members"
    added = mine.send_json("POST", path, {"member": "P2"})
    member = added.json
    assert (added.status, member["created_at"][-1], member["updated_at"][-1]) == (200, "Z", "Z")
    expected = {"member_id": "P2", "image_id": image_id, "status": "pending", "schema": "/v2/schemas/member"}
    assert {name: member[name] for name in expected} == expected
    assert set(member) - set(expected) == {"created_at", "updated_at"}
    mine.send_json("POST", path, {"member": "P3"})
    assert sorted(one["member_id"] for one in mine.get(path)["members"]) == ["P2", "P3"]
    assert mine.get(path)["schema"] == "/v2/schemas/members"
    assert [one["member_id"] for one in theirs.get(path)["members"]] == ["P2"]
    assert (theirs.get(f"{path}/P2"), theirs.request("GET", f"{path}/P3").status) == (member, 404)


def test_member_when_it_changes_who_else_is_one_then_403(mine: Api, theirs: Api) -> None:
    path = f"/v2/images/{mine.new()}/members"
    mine.send_json("POST", path, {"member": "P2"})
    assert theirs.request("DELETE", f"{path}/P2").status == 403
    assert theirs.send_json("POST", path, {"member": "P3"}).status == 403


def test_members_when_the_image_is_not_shared_then_403(mine: Api) -> None:
    assert mine.request("GET", f"/v2/images/{mine.new(visibility='private')}/members").status == 403


BAD_MEMBERS = {
    "nothing": ({}, 400, "Member to be added not specified"),
    "empty": ({"member": ""}, 400, "Member can't be empty"),
    "number": ({"member": 5}, 400, "It must be of type string."),
    "long": ({"member": "m" * 256}, 400, "can't exceed 255 characters."),
    "control character": ({"member": "a\nb"}, 400, "Control characters are not allowed."),
    "list": (["P2"], 400, "Unexpected body type."),
}


@pytest.mark.parametrize(("document", "status", "text"), BAD_MEMBERS.values(), ids=BAD_MEMBERS)
def test_member_when_the_body_is_bad_then_refused(mine: Api, document: object, status: int, text: str) -> None:
    answer = mine.send_json("POST", f"/v2/images/{mine.new()}/members", document)
    assert (answer.status, text in answer.text) == (status, True), answer.text


def test_member_when_there_already_or_the_image_is_not_shared_then_refused(mine: Api) -> None:
    path = f"/v2/images/{mine.new()}/members"
    assert [mine.send_json("POST", path, {"member": "P2"}).status for _ in range(2)] == [200, 409]
    assert mine.send_json("POST", f"/v2/images/{mine.new(visibility='private')}/members", {"member": "P2"}).status == 403
    assert mine.request("DELETE", f"{path}/P2").status == 204
    assert mine.request("DELETE", f"{path}/P2").status == 404
    assert mine.send_json("POST", path, {"member": "P2"}).status == 200


def test_answer_when_given_by_the_member_then_its_lists_follow(mine: Api, theirs: Api) -> None:
    image_id = mine.new()
    path = f"/v2/images/{image_id}/members"
    mine.send_json("POST", path, {"member": "P2"})
    assert (listed(theirs), listed(theirs, "?visibility=shared&member_status=pending")) == ([], [image_id])
    assert listed(theirs, "?member_status=all") == [image_id]
    assert theirs.get(f"/v2/images/{image_id}")["id"] == image_id
    assert mine.send_json("PUT", f"{path}/P2", {"status": "accepted"}).status == 403
    assert theirs.send_json("PUT", f"{path}/P2", {"status": "accepted"}).json["status"] == "accepted"
    assert listed(theirs) == [image_id]
    assert theirs.send_json("PUT", f"{path}/P2", {"status": "rejected"}).json["status"] == "rejected"
    assert (listed(theirs), listed(theirs, "?member_status=rejected")) == ([], [image_id])
    assert theirs.request("GET", f"/v2/images/{image_id}").status == 200


@pytest.mark.parametrize(("document", "text"), [({}, "Status not specified"), ({"status": "zz"}, "Choose one of"), ({"status": []}, "type string")])
def test_answer_when_bad_then_400(mine: Api, theirs: Api, document: object, text: str) -> None:
    path = f"/v2/images/{mine.new()}/members"
    mine.send_json("POST", path, {"member": "P2"})
    answer = theirs.send_json("PUT", f"{path}/P2", document)
    assert (answer.status, text in answer.text) == (400, True), answer.text


def test_member_when_touched_by_strangers_then_404(shared_api: Api, mine: Api) -> None:
    path = f"/v2/images/{mine.new()}/members"
    mine.send_json("POST", path, {"member": "P2"})
    stranger = shared_api.as_caller("P3")
    assert stranger.request("GET", path).status == 404
    assert stranger.request("GET", f"{path}/P2").status == 404
    assert stranger.send_json("PUT", f"{path}/P2", {"status": "accepted"}).status == 404
    assert stranger.request("DELETE", f"{path}/P2").status == 404
    assert stranger.send_json("POST", path, {"member": "P3"}).status == 404


def test_members_when_the_image_becomes_private_then_they_see_nothing_of_it(mine: Api, theirs: Api) -> None:
    image_id = mine.new(b"abc")
    mine.send_json("POST", f"/v2/images/{image_id}/members", {"member": "P2"})
    theirs.send_json("PUT", f"/v2/images/{image_id}/members/P2", {"status": "accepted"})
    assert listed(theirs) == [image_id]
    mine.patch(image_id, [{"op": "replace", "path": "/visibility", "value": "private"}])
    assert listed(theirs) == []
    for path in (f"/v2/images/{image_id}", f"/v2/images/{image_id}/file", f"/v1/images/{image_id}"):
        assert theirs.request("GET", path).status == 404
    mine.patch(image_id, [{"op": "replace", "path": "/visibility", "value": "shared"}])
    assert listed(theirs) == [image_id]
