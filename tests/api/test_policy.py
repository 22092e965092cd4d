"""The operator's policy counts for every use case and, for whoever is nobody, for every route (spec-v2 7)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from glance import errors
from glance.api.settings import ApiSettings
from glance.api.v1 import routes as v1
from glance.api.v2 import routes as v2
from glance.context import RequestContext
from glance.interfaces import Registry
from glance.model.image import Image, ImageQuery
from glance.policies.engine import PolicyEngine
from glance.policies.rules import RULES
from glance.service import Services, image_data, images, locations, members, stores
from tests.api.conftest import Api
from tests.api.test_events import ADMIN, DRAFT, SCENARIOS, Scenario, Scene, scene, url, use_cases
from tests.copies import several_stores
from tests.services import make_services

__all__ = ["scene", "url"]  # fixtures

MakeApi = Callable[..., Api]


def read_from_a_store(services: Services, ctx: RequestContext, image_id: str) -> None:
    blob = image_data.open_data(services, ctx, services.registry.images.get(ADMIN, image_id), prefer=["cheap"])
    assert blob is not None
    blob.close()


#: Use cases that change nothing, each with an image that it can be about.
READING: dict[str, Callable[[Services, RequestContext, str], object]] = {
    "images.get": images.get,
    "images.find": images.find,
    "images.list_page": lambda services, ctx, _: images.list_page(services, ctx, ImageQuery()),
    "image_data.get_readable": image_data.get_readable,
    "image_data.open_data": read_from_a_store,
    "locations.list_locations": locations.list_locations,
    "members.list_members": members.list_members,
    "members.get_member": lambda services, ctx, id_: members.get_member(services, ctx, id_, "guests"),
    "members.list_shared": lambda services, ctx, _: members.list_shared(services, ctx, "guests"),
    "stores.offered_in_detail": lambda services, ctx, _: stores.offered_in_detail(services, ctx),
}
CALLS: dict[str, Scenario] = {
    **SCENARIOS,
    **{name: Scenario(name, lambda on, ctx, id_, act=act: act(on.services, ctx, id_), [], Scene.shared) for name, act in READING.items()},  # type: ignore[misc]
}
#: What others have asked the policy for already, what leaves out what it refuses, and what tells a caller about itself only.
UNASKED = {"locations.point_to", "locations.visible", "readers.tell", "quotas.used"}
#: Rules that decide about callers, and those that only other rules name.
OF_CALLERS = {"default", "context_is_admin", "service_api"}


def refusing(directory: Path, rules: Mapping[str, str]) -> PolicyEngine:
    path = directory / "rules.json"
    path.write_text(json.dumps(rules))
    return PolicyEngine(path)


class Asked(PolicyEngine):
    """The defaults, and which rules were asked for, each with what it was asked about."""

    def __init__(self) -> None:
        super().__init__(None)
        self.about: dict[str, str] = {}

    def allows(self, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> bool:
        self.about[rule] = "image" if "image_id" in target else "caller"
        return super().allows(rule, ctx, target)


def test_use_cases_then_all_of_them_are_in_the_table() -> None:
    of_protections = {name for name in use_cases() if name.startswith("protections.")}
    assert {one.use_case for one in CALLS.values()} == set(use_cases()) - UNASKED - of_protections


@pytest.mark.parametrize("name", CALLS)
def test_use_case_when_the_policy_refuses_everything_then_refused_also_to_administrators(scene: Scene, tmp_path: Path, name: str) -> None:
    image_id = CALLS[name].prepare(scene)
    before = scene.services.registry.images.get(ADMIN, image_id)
    scene.told.events.clear()
    closed = replace(scene, services=replace(scene.services, policy=refusing(tmp_path, {rule.name: "!" for rule in RULES})))

    with pytest.raises(errors.PolicyForbids):
        CALLS[name].act(closed, ADMIN, image_id)

    assert scene.services.registry.images.get(ADMIN, image_id) == before
    assert scene.told.events == []


@pytest.mark.parametrize("name", CALLS)
def test_use_case_when_the_caller_has_no_role_then_refused_by_the_defaults(scene: Scene, name: str) -> None:
    image_id = CALLS[name].prepare(scene)
    nobody = RequestContext(user="u", project="owner")

    with pytest.raises(errors.PolicyForbids):
        CALLS[name].act(scene, nobody, image_id)


def test_locations_when_the_policy_refuses_then_none_is_shown(scene: Scene, tmp_path: Path) -> None:
    image = scene.services.registry.images.get(ADMIN, scene.active())
    closed = replace(scene.services, policy=refusing(tmp_path, {"get_image_location": "!"}))

    assert len(locations.visible(scene.services, ADMIN, image)) == 1
    assert locations.visible(closed, ADMIN, image) == ()


def test_rules_then_every_one_is_asked_for_by_a_use_case_about_what_the_table_says(scene: Scene) -> None:
    policy = Asked()
    watched = replace(scene, services=replace(scene.services, policy=policy))
    for call in CALLS.values():
        call.act(watched, ADMIN, call.prepare(watched))
    draft = replace(images.get(watched.services, ADMIN, watched.queued()), id="", created_at=None)
    for visibility in ("public", "community"):
        images.create(watched.services, ADMIN, replace(draft, visibility=visibility))

    assert policy.about == {rule.name: rule.about for rule in RULES if rule.name not in OF_CALLERS}


@dataclass(frozen=True)
class Route:
    method: str
    path: str


def every_route() -> Sequence[Route]:
    values = {"{image_id}": "0a0a0a0a-0000-4000-8000-000000000001", "{member}": "m", "{name}": "image", "{store}": "cheap"}
    routes: list[Route] = []
    for prefix, table in (("/v1", v1.TABLE), ("/v2", v2.TABLE)):
        for pattern, handlers in table.items():
            path = prefix + re.sub(r"{\w+}", lambda found: values[found[0]], pattern)
            routes += [Route(method, path) for method in handlers]
    return routes


@pytest.mark.parametrize("route", every_route(), ids=lambda route: f"{route.method} {route.path}")
def test_route_when_nobody_asks_then_401(shared_api: Api, route: Route) -> None:
    answer = shared_api.request(route.method, route.path, body=b"" if route.method in {"PUT", "POST", "PATCH"} else None)
    assert answer.status == 401, answer.text


@pytest.mark.parametrize(
    ("roles", "created", "listed"), [("", 201, 200), ("member", 201, 200), ("manager", 201, 200), ("reader", 403, 200), ("x", 403, 403)]
)
def test_roles_then_those_of_the_defaults_count_and_whoever_has_none_is_a_member(shared_api: Api, roles: str, created: int, listed: int) -> None:
    caller = shared_api.as_caller("P1", roles)

    for version in ("v1", "v2"):
        new = caller.send_json("POST", "/v2/images", {}) if version == "v2" else caller.request("POST", "/v1/images")
        assert new.status == created, new.text
        assert caller.request("GET", f"/{version}/images").status == listed


def test_roles_when_defaults_are_classic_then_any_role_acts_on_the_images_of_its_project_only(make_api: MakeApi) -> None:
    api = make_api(trusted=True, policy=PolicyEngine(None, classic=True))
    mine, other = api.as_caller("P1", "x"), api.as_caller("P2", "x")
    image_id = mine.new(b"bytes", visibility="community")

    assert mine.request("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
    assert other.request("GET", f"/v2/images/{image_id}").status == 200
    path = f"/v2/images/{image_id}"
    refused = [
        other.patch(image_id, [{"op": "replace", "path": "/name", "value": "x"}]),
        other.request("DELETE", path),
        other.request("PUT", f"{path}/tags/t"),
        other.request("POST", f"{path}/actions/reactivate"),
    ]
    assert [answer.status for answer in refused] == [403, 403, 403, 403]


def test_image_of_others_when_it_is_seen_then_what_changes_it_is_forbidden(shared_api: Api) -> None:
    mine, member = shared_api.as_caller("P1"), shared_api.as_caller("P2")
    image_id = mine.new(b"bytes")
    path = f"/v2/images/{image_id}"
    assert mine.send_json("POST", f"{path}/members", {"member": "P2"}).status == 200

    assert (member.request("GET", path).status, member.request("GET", f"{path}/file").status) == (200, 200)
    refused = [
        member.patch(image_id, [{"op": "replace", "path": "/name", "value": "x"}]),
        member.request("DELETE", path),
        member.send_json("POST", f"{path}/members", {"member": "P3"}),
        member.request("DELETE", f"{path}/members/P2"),
        member.request("PUT", f"{path}/file", {"Content-Type": "application/octet-stream"}, b"x"),
        member.request("PUT", f"{path}/stage", {"Content-Type": "application/octet-stream"}, b"x"),
        member.request("PUT", f"{path}/tags/t"),
        member.request("POST", f"{path}/actions/deactivate"),
        mine.send_json("PUT", f"{path}/members/P2", {"status": "accepted"}),
    ]
    assert {answer.status for answer in refused} == {403}
    assert member.send_json("PUT", f"{path}/members/P2", {"status": "accepted"}).status == 200
    # Version 1 tells only of what everybody sees.
    assert {member.request(method, f"/v1/images/{image_id}").status for method in ("PUT", "DELETE")} == {404}


def test_image_when_the_policy_hides_it_then_version_2_answers_as_for_an_unknown_one(make_api: MakeApi, tmp_path: Path) -> None:
    api = make_api(trusted=True, policy=refusing(tmp_path, {"get_image": "role:auditor", "delete_image": "!", "upload_image": "!"}))
    mine, auditor = api.as_caller("P1"), api.as_caller("P1", "member,auditor")
    image_id, unknown = mine.new(), "0a0a0a0a-0000-4000-8000-000000000001"

    for method, path in (("GET", ""), ("DELETE", ""), ("PUT", "/tags/t"), ("PUT", "/file")):
        headers = {"Content-Type": "application/octet-stream"}
        answers = [mine.request(method, f"/v2/images/{one}{path}", headers, b"x" if path == "/file" else None) for one in (image_id, unknown)]
        assert [answer.status for answer in answers] == [404, 404]
        assert answers[0].text.replace(image_id, unknown) == answers[1].text
    assert auditor.request("DELETE", f"/v2/images/{image_id}").status == 403
    assert mine.request("HEAD", f"/v1/images/{image_id}").status == 403


#: Hides what is classified from all but auditors.
CLASSIFIED = {"get_image": "role:auditor or not 'yes':%(classified)s"}


def test_lists_when_the_policy_hides_an_image_then_leave_it_out(make_api: MakeApi, tmp_path: Path) -> None:
    api = make_api(trusted=True, policy=refusing(tmp_path, CLASSIFIED))
    mine, auditor = api.as_caller("P1"), api.as_caller("P1", "member,auditor")
    first, hidden, last = mine.new(name="first"), mine.new(name="hidden", classified="yes"), mine.new(name="last")

    assert mine.request("GET", f"/v2/images/{hidden}").status == 404
    for caller, seen in ((mine, ["last", "first"]), (auditor, ["last", "hidden", "first"])):
        for path in ("/v1/images", "/v1/images/detail", "/v2/images"):
            assert [image["name"] for image in caller.get(path)["images"]] == seen
    assert ([image["id"] for image in mine.get(f"/v1/images?marker={last}&limit=2")["images"]]) == [first]


@pytest.mark.parametrize("size", [1, 2, 3, 25])
def test_pages_when_the_policy_hides_images_then_only_the_last_is_not_full_and_none_names_them(make_api: MakeApi, tmp_path: Path, size: int) -> None:
    api = make_api(trusted=True, policy=refusing(tmp_path, CLASSIFIED)).as_caller("P1")
    classified = [False, True, True, True, True, False, False, True, False, True]
    made = [api.new(**({"classified": "yes"} if hidden else {})) for hidden in classified]
    seen = [image_id for image_id, hidden in zip(made, classified, strict=True) if not hidden][::-1]

    for path in ("/v1/images", "/v1/images/detail"):
        # As clients of version 1 do: until a page is not full, from the last image that it shows.
        found = page = [image["id"] for image in api.get(f"{path}?limit={size}")["images"]]
        while len(page) == size:
            page = [image["id"] for image in api.get(f"{path}?limit={size}&marker={page[-1]}")["images"]]
            found = [*found, *page]
        assert found == seen

    document = api.get(f"/v2/images?limit={size}")
    found = [image["id"] for image in document["images"]]
    while "next" in document:
        assert document["next"] == f"/v2/images?limit={size}&marker={found[-1]}"
        document = api.get(document["next"])
        found += [image["id"] for image in document["images"]]
    assert found == seen


class Endless:
    """A registry with a list that has no end, of images whose names are their numbers."""

    def __init__(self) -> None:
        self.images = self
        self.listed = 0

    def list(self, ctx: RequestContext, query: ImageQuery) -> Sequence[Image]:
        assert query.limit is not None
        assert query.marker == (str(self.listed) if self.listed else None)
        numbers = range(self.listed + 1, self.listed + 1 + query.limit)
        self.listed += query.limit
        return [replace(DRAFT, id=str(number), name=str(number)) for number in numbers]


@pytest.mark.parametrize(("limit", "read"), [(1, 7), (2, 14)])
def test_list_when_the_policy_hides_images_then_no_more_are_read_than_it_takes(scene: Scene, tmp_path: Path, limit: int, read: int) -> None:
    endless = Endless()
    policy = refusing(tmp_path, {"get_image": "'5':%(name)s or '9':%(name)s"})
    services = replace(scene.services, registry=endless, policy=policy)  # type: ignore[arg-type]

    assert [image.id for image in images.list_page(services, ADMIN, ImageQuery(limit=limit))] == ["5", "9"][:limit]
    assert endless.listed == read


@pytest.mark.parametrize("limit", [2, 25, 1000])
def test_list_when_the_policy_hides_images_without_end_then_is_given_up(scene: Scene, tmp_path: Path, limit: int) -> None:
    endless = Endless()
    services = replace(scene.services, registry=endless, policy=refusing(tmp_path, {"get_image": "'5':%(name)s"}))  # type: ignore[arg-type]

    with pytest.raises(errors.LimitExceeded, match="Use filters"):
        images.list_page(services, ADMIN, ImageQuery(limit=limit))
    assert images.MOST_LOOKED_AT <= endless.listed < images.MOST_LOOKED_AT + 1000


@pytest.mark.parametrize(
    ("rules", "listed", "seen"),
    [
        ({"default": "role:auditor", "get_images": ""}, 200, 0),
        ({"get_images": ""}, 200, 0),
        ({"get_images": "", "get_image": "role:x"}, 200, 1),
        ({}, 403, 0),
    ],
)
def test_list_when_it_is_open_to_more_than_images_are_then_shows_what_the_policy_lets_be_seen(
    make_api: MakeApi, tmp_path: Path, rules: dict[str, str], listed: int, seen: int
) -> None:
    path = tmp_path / "rules.json"
    path.write_text(json.dumps(rules))
    api = make_api(trusted=True, policy=PolicyEngine(path, classic="default" in rules))
    api.as_caller("P2", "admin,auditor").new(visibility="public")

    answer = api.as_caller("P1", "x").request("GET", "/v2/images")

    assert answer.status == listed
    assert len(answer.json["images"] if listed == 200 else ()) == seen


def test_list_when_no_file_decides_then_the_policy_is_not_asked_about_each_image(scene: Scene) -> None:
    policy = Asked()
    watched = replace(scene, services=replace(scene.services, policy=policy))
    watched.queued()
    policy.about.clear()

    assert len(images.list_page(watched.services, replace(ADMIN, project="owner"), ImageQuery())) == 1
    assert policy.about == {"get_images": "caller"}


def test_publishing_when_a_check_names_the_image_then_it_counts_at_its_creation_too(make_api: MakeApi, tmp_path: Path) -> None:
    open_ = "not 'secret':%(classification)s and project_id:%(owner)s"
    api = make_api(trusted=True, policy=refusing(tmp_path, {"publicize_image": open_, "communitize_image": open_})).as_caller("P1")

    for visibility in ("public", "community"):
        secret, plain = ({"visibility": visibility, "classification": one} for one in ("secret", "none"))
        assert [api.send_json("POST", "/v2/images", document).status for document in (secret, plain)] == [403, 201]
        change = [{"op": "replace", "path": "/visibility", "value": visibility}]
        assert [api.patch(api.new(classification=one), change).status for one in ("secret", "none")] == [403, 200]
    headers = {"x-image-meta-is_public": "True", "x-image-meta-property-classification": "secret"}
    assert api.request("POST", "/v1/images", headers).status == 403


def test_publishing_when_the_administrator_has_a_role_of_another_name_then_allowed(make_api: MakeApi) -> None:
    api = make_api(trusted=True, settings=ApiSettings(admin_role="boss")).as_caller("P1", "boss")

    assert api.send_json("POST", "/v2/images", {"visibility": "public"}).status == 201


SECRET = "not 'secret':%(classification)s"


def test_sharing_when_a_check_names_the_image_then_it_counts_in_version_1_too(make_api: MakeApi, tmp_path: Path) -> None:
    owner = make_api(trusted=True, policy=PolicyEngine(None)).as_caller("P1")
    ruled = make_api(trusted=True, policy=refusing(tmp_path, dict.fromkeys(("modify_member", "get_members", "delete_member"), SECRET)))
    for classification, statuses in (("secret", [403, 403, 403, 403]), ("none", [204, 204, 200, 204])):
        path = f"/v1/images/{owner.new(classification=classification)}/members"
        assert owner.request("PUT", f"{path}/P2").status == 204
        assert [
            ruled.as_caller("P1").request("PUT", f"{path}/P3").status,
            ruled.as_caller("P1").send_json("PUT", path, {"memberships": [{"member_id": "P2"}]}).status,
            ruled.as_caller("P1").request("GET", path).status,
            ruled.as_caller("P1").request("DELETE", f"{path}/P2").status,
        ] == statuses


def test_sharing_when_a_member_may_share_on_then_it_stands_in_for_the_owner(make_api: MakeApi, tmp_path: Path) -> None:
    plain = make_api(trusted=True)
    ruled = make_api(trusted=True, policy=refusing(tmp_path, dict.fromkeys(("modify_member", "delete_member"), f"owner:%(owner)s and {SECRET}")))
    for classification, by_rules in (("secret", [403, 403]), ("none", [204, 204])):
        owner = plain.as_caller("P1")
        path = f"/v1/images/{owner.new(classification=classification)}/members"
        for member, can_share in (("P2", True), ("P3", False)):
            assert owner.send_json("PUT", f"{path}/{member}", {"member": {"can_share": can_share}}).status == 204
        for api, expected in ((plain, [204, 204]), (ruled, by_rules)):
            sharing, not_sharing = api.as_caller("P2"), api.as_caller("P3")
            assert [sharing.request(method, f"{path}/P4").status for method in ("PUT", "DELETE")] == expected
            assert [not_sharing.request(method, f"{path}/P4").status for method in ("PUT", "DELETE")] == [404, 404]
            assert not_sharing.get(path) == {"members": [{"member_id": "P3", "can_share": False}]}


def test_members_when_somebody_elses_image_is_public_then_version_1_shows_none(shared_api: Api) -> None:
    image_id = shared_api.as_caller("P1", "admin").new(visibility="public")

    assert shared_api.as_caller("P2").get(f"/v1/images/{image_id}/members") == {"members": []}


def test_checks_then_may_name_what_an_image_has(make_api: MakeApi, tmp_path: Path) -> None:
    rules = {
        "delete_image": "project_id:%(project_id)s and tenant:%(tenant)s and 'a':%(name)s and 'raw':%(disk_format)s and '1':%(x)s",
        "get_member": "'P2':%(member_id)s and 'P2':%(member)s",
    }
    api = make_api(trusted=True, policy=refusing(tmp_path, rules)).as_caller("P1")
    statuses = [api.request("DELETE", f"/v2/images/{api.new(**attributes)}").status for attributes in ({"name": "a", "x": "1"}, {"name": "a"})]
    assert statuses == [204, 403]

    image_id = api.new(member_id="P3", member="P3")
    for member in ("P2", "P3"):
        assert api.send_json("POST", f"/v2/images/{image_id}/members", {"member": member}).status == 200
    assert [api.request("GET", f"/v2/images/{image_id}/members/{member}").status for member in ("P2", "P3", "P4")] == [200, 403, 404]


def test_members_when_a_property_is_called_member_id_then_it_names_no_member(make_api: MakeApi, tmp_path: Path) -> None:
    api = make_api(trusted=True, policy=refusing(tmp_path, {"get_image": "owner:%(owner)s or owner:%(member_id)s"}))
    image_id = api.as_caller("P1").new(visibility="community", member_id="P2")

    assert [api.as_caller(project).request("GET", f"/v2/images/{image_id}").status for project in ("P1", "P2")] == [200, 404]


def test_services_when_they_only_ask_where_data_are_then_need_no_other_role(tmp_path: Path, registry: Registry) -> None:
    services = make_services(tmp_path, registry, stores=several_stores(tmp_path))
    image = images.create(services, ADMIN, replace(DRAFT, visibility="public"))
    assert locations.list_locations(services, RequestContext(user="nova", project="service", roles=("service",)), image.id) == ()
