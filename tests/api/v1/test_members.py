"""Members and shared images, and what other callers see of an image (spec-v1 7.3)."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import DATA, RAW, Api


def put_json(api: Api, path: str, document: object) -> int:
    return api.request("PUT", path, {"Content-Type": "application/json"}, json.dumps(document).encode()).status


def test_member_when_added_changed_and_removed_then_listed_so(api: Api) -> None:
    members = f"/v1/images/{api.create()}/members"
    assert put_json(api, f"{members}/t2", {"member": {"can_share": True}}) == 204
    assert api.request("PUT", f"{members}/t3").status == 204
    assert api.request("PUT", f"{members}/t2").status == 204
    found = sorted(api.request("GET", members).json["members"], key=lambda one: one["member_id"])
    assert found == [{"member_id": "t2", "can_share": True}, {"member_id": "t3", "can_share": False}]
    assert [one["can_share"] for one in api.request("GET", "/v1/shared-images/t2").json["shared_images"]] == [True]
    assert api.request("DELETE", f"{members}/t3").status == 204
    again = api.request("DELETE", f"{members}/t3")
    assert (again.status, "Membership could not be found." in again.text) == (404, True)
    assert api.request("GET", "/v1/shared-images/t3").json == {"shared_images": []}


@pytest.mark.parametrize(
    "document",
    [{"memberships": [{"member_id": "t9"}]}, [{"member_id": "t9", "can_share": False}], {"member_id": "t9"}],
    ids=["wrapped", "bare list of 2011", "single"],
)
def test_members_when_replaced_then_only_those_are_left(api: Api, document: object) -> None:
    members = f"/v1/images/{api.create()}/members"
    put_json(api, f"{members}/t1", {"member": {"can_share": True}})
    assert put_json(api, members, document) == 204
    assert api.request("GET", members).json == {"members": [{"member_id": "t9", "can_share": False}]}


@pytest.mark.parametrize("document", [{}, {"memberships": [{}]}, [[]], {"memberships": [{"member_id": 7}]}, [{"member_id": "x", "can_share": 2}]])
def test_members_when_the_body_has_another_shape_then_400(api: Api, document: object) -> None:
    assert put_json(api, f"/v1/images/{api.create()}/members", document) == 400


def test_members_when_the_body_is_no_json_then_400(api: Api) -> None:
    answer = api.request("PUT", f"/v1/images/{api.create()}/members", {"Content-Type": "application/json"}, b"{")
    assert (answer.status, "Malformed JSON in request body." in answer.text) == (400, True)


def test_members_when_over_the_quota_then_413_and_unchanged(api: Api) -> None:
    members = f"/v1/images/{api.create()}/members"
    many = [{"member_id": f"t{number}"} for number in range(129)]
    answer = api.request("PUT", members, {"Content-Type": "application/json"}, json.dumps(many).encode())
    assert (answer.status, "Attempted: 129, Maximum: 128" in answer.text) == (413, True)
    assert api.request("GET", members).json == {"members": []}


def test_members_when_the_image_is_unknown_or_deleted_then_404(api: Api) -> None:
    image_id = api.create()
    api.request("DELETE", f"/v1/images/{image_id}")
    for unknown in ("nope", image_id):
        assert api.request("GET", f"/v1/images/{unknown}/members").status == 404
        assert api.request("PUT", f"/v1/images/{unknown}/members/t1").status == 404


def test_request_when_nobody_is_confirmed_then_401(shared_api: Api) -> None:
    for headers in ({}, {"X-Identity-Status": "Invalid", "X-Roles": "admin"}, {"X-Roles": "admin", "X-Tenant-Id": "t1"}):
        assert shared_api.request("GET", "/v1/images", headers).status == 401


def test_private_image_when_another_project_asks_then_as_if_it_did_not_exist(shared_api: Api) -> None:
    owner, other = shared_api.as_caller("t1"), shared_api.as_caller("t2")
    image_id = owner.create({"x-image-meta-name": "mine"}, b"abc")
    assert owner.show(image_id)["x-image-meta-owner"] == "t1"
    for method, headers in (("HEAD", {}), ("GET", {}), ("PUT", {"x-image-meta-name": "x"}), ("DELETE", {})):
        assert other.request(method, f"/v1/images/{image_id}", headers).status == 404
        assert other.request(method, "/v1/images/99999999-2222-4333-8444-555555555555", headers).status == 404
    for query in ("", "?is_public=None", "?is_public=False", "?is_public=0", "?name=mine", "?changes-since=1970-01-01", "?property-x=1&owner=t1"):
        assert other.names(query) == []
    assert owner.names() == ["mine"]
    assert owner.request("GET", f"/v1/images/{image_id}").body == b"abc"


def test_shared_image_when_a_member_asks_then_it_reads_and_may_not_change(shared_api: Api) -> None:
    owner, member = shared_api.as_caller("t1"), shared_api.as_caller("t2")
    image_id = owner.create({"x-image-meta-name": "mine"}, b"abc")
    assert put_json(owner, f"/v1/images/{image_id}/members/t2", None) == 204
    put_json(owner, f"/v1/images/{image_id}/members/t4", None)
    assert member.request("GET", f"/v1/images/{image_id}").body == b"abc"
    assert member.names() == ["mine"]
    assert member.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "x"}).status == 404
    assert member.request("DELETE", f"/v1/images/{image_id}").status == 404
    assert put_json(member, f"/v1/images/{image_id}/members/t3", None) == 404
    assert member.request("GET", f"/v1/images/{image_id}/members").json == {"members": [{"member_id": "t2", "can_share": False}]}
    assert put_json(owner, f"/v1/images/{image_id}/members/t2", {"member": {"can_share": True}}) == 204
    assert put_json(member, f"/v1/images/{image_id}/members/t3", None) == 204
    assert shared_api.as_caller("t3").names() == ["mine"]


def test_public_image_when_another_project_changes_it_then_403(shared_api: Api) -> None:
    admin, other = shared_api.as_caller("ops", "admin"), shared_api.as_caller("t2")
    image_id = admin.create({"x-image-meta-is_public": "True", "x-image-meta-owner": "t1"}, b"abc")
    assert other.request("GET", f"/v1/images/{image_id}").status == 200
    assert other.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "x"}).status == 403
    assert other.request("DELETE", f"/v1/images/{image_id}").status == 403
    assert admin.request("GET", f"/v1/images/{image_id}").body == b"abc"


def test_publishing_when_the_caller_is_no_administrator_then_403(shared_api: Api) -> None:
    caller = shared_api.as_caller("t1")
    refused = caller.request("POST", "/v1/images", {**RAW, **DATA, "x-image-meta-is_public": "True"}, b"abc")
    assert (refused.status, "publicize_image" in refused.text) == (403, True)
    image_id = caller.create()
    assert caller.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-is_public": "True"}).status == 403
    assert caller.show(image_id)["x-image-meta-is_public"] == "False"
    assert caller.request("POST", "/images", {"x-image-meta-is_public": "True"}).status == 403


def test_owner_when_sent_by_a_member_then_silently_its_own(shared_api: Api) -> None:
    caller = shared_api.as_caller("t2")
    image_id = caller.create({"x-image-meta-owner": "t1"})
    assert caller.show(image_id)["x-image-meta-owner"] == "t2"
    assert caller.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-owner": "t1"}).json["image"]["owner"] == "t2"


@pytest.mark.parametrize(("headers", "owner"), [({}, "t0"), ({"x-image-meta-owner": "t1"}, "t1"), ({"x-image-meta-owner": ""}, None)])
def test_owner_when_sent_by_an_administrator_then_applied_and_empty_means_nobody(shared_api: Api, headers: dict[str, str], owner: str | None) -> None:
    answer = shared_api.as_caller("t0", "admin").request("POST", "/v1/images", headers)
    assert answer.json["image"]["owner"] == owner


def test_identity_when_no_service_confirms_it_then_headers_change_nothing(api: Api) -> None:
    image_id = api.create()
    forged = {"X-Identity-Status": "Confirmed", "X-Tenant-Id": "t9", "X-Roles": "member", "X-User-Id": "u"}
    assert api.request("GET", f"/v1/images/{image_id}", forged).status == 404
    assert api.request("HEAD", f"/v1/images/{image_id}", forged).status == 200


def test_anonymous_when_allowed_then_reads_public_images_and_changes_nothing(make_api) -> None:  # type: ignore[no-untyped-def]
    from glance.api.settings import ApiSettings

    api = make_api(trusted=True, settings=ApiSettings(allow_anonymous_access=True))
    admin = api.as_caller("ops", "admin")
    public = admin.create({"x-image-meta-name": "open", "x-image-meta-is_public": "1"}, b"abc")
    closed = [admin.create({"x-image-meta-name": "closed", "x-image-meta-owner": owner}, b"abc") for owner in ("", "t1")]
    assert api.names("?is_public=None") == ["open"]
    assert [api.request("HEAD", f"/v1/images/{image_id}").status for image_id in closed] == [404, 404]
    assert [api.as_caller("t2").request("HEAD", f"/v1/images/{image_id}").status for image_id in closed] == [200, 404]
    assert api.request("GET", f"/v1/images/{public}").body == b"abc"
    for method, path in (("POST", "/v1/images"), ("PUT", f"/v1/images/{public}"), ("DELETE", f"/v1/images/{public}")):
        answer = api.request(method, path)
        assert (answer.status, "Read-only access" in answer.text) == (403, True)
