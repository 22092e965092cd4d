"""Property protections hold in both versions alike (spec-v2 3.9, security S08)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from glance import errors
from glance.config import protections
from glance.context import RequestContext
from glance.model.image import ImageChanges
from glance.policies.engine import PolicyEngine
from glance.service import images
from tests.api.conftest import Api
from tests.api.parity.clients import CLIENTS, Client, Refused

#: Who may do what: create, read, update, delete.
RULES = {
    "^billing_": ("Operator", "operator", "operator", "operator"),
    "^x_.*": ("admin", "admin,member", "admin", "admin"),
    "^once_": ("member", "@", "!", "!"),
    "^drop_": ("member", "member", "!", "member"),
    "^note_": ("member", "operator", "!", "!"),
    "^a.b#c$": ("@", "@", "!", "@"),
    "^free": ("@", "@", "@", "@"),
    # What an earlier section refuses, a later one cannot allow.
    "^(?!other)": ("!", "!", "!", "!"),
    ".*": ("admin", "member", "member", "admin"),
}

CALLER = RequestContext(user="u", project="P1", roles=("member", "reader", "trusted"))


def written(rules: dict[str, tuple[str, ...]]) -> str:
    return "".join(f"[{name}]\ncreate = {who[0]}\nread = {who[1]}\nupdate = {who[2]}\ndelete = {who[3]}\n" for name, who in rules.items())


@pytest.fixture(params=CLIENTS)
def nobody(request: pytest.FixtureRequest, make_api: Callable[..., Api]) -> Client:
    """A client of each version, without identity."""
    return CLIENTS[request.param](make_api(trusted=True, protections=protections.parse(written(RULES))))


@pytest.fixture
def member(nobody: Client) -> Client:
    return nobody.as_caller("P1")


@pytest.fixture
def operator(nobody: Client) -> Client:
    """Somebody of the same project who has more roles."""
    return nobody.as_caller("P1", "member,Operator,admin")


def properties(client: Client, **values: str) -> dict[str, str]:
    """``values`` as attributes of a new image."""
    return {f"property-{name}" if client.version == "v1" else name: value for name, value in values.items()}


def remove(client: Client, image_id: str, name: str) -> None:
    """Removes one property: in version 1 by sending all others that are seen."""
    if client.version == "v2":
        operations = f'[{{"op": "remove", "path": "/{name}"}}]'.encode()
        answer = client.api.request("PATCH", f"/v2/images/{image_id}", {"Content-Type": "application/openstack-images-v2.1-json-patch"}, operations)
    else:
        kept = {f"x-image-meta-property-{one}": value for one, value in client.show(image_id).properties.items() if one != name}
        answer = client.api.request("PUT", f"/v1/images/{image_id}", kept)
    if answer.status >= 400:
        raise Refused(answer)


def refused(work: Callable[[], object], name: str) -> None:
    with pytest.raises(Refused, match=f"Attribute .*{name}.* is reserved") as caught:
        work()
    assert caught.value.status == 403


def test_creation_when_a_property_is_protected_then_403_and_there_is_no_image(member: Client, operator: Client) -> None:
    for name in ("x_owner", "billing_code", "unknown", "other"):
        refused(lambda name=name: member.create("one", **properties(member, free="1", **{name: "x"})), name)
    assert member.names() == []

    operator.create("two", **properties(operator, x_owner="P1", billing_code="77", free="1"))
    assert member.names() == ["two"]


def test_image_when_a_property_must_not_be_read_then_it_is_not_shown_anywhere(member: Client, operator: Client, nobody: Client) -> None:
    image_id = operator.create("one", **properties(operator, x_owner="P1", billing_code="secret", free="1"))

    assert operator.show(image_id).properties == {"x_owner": "P1", "billing_code": "secret", "free": "1"}
    assert member.show(image_id).properties == {"x_owner": "P1", "free": "1"}
    member.upload(image_id, b"data")
    paths = {
        "v1": ("/v1/images/detail", f"/v1/images/{image_id}", "/v1/images/detail?property-free=1"),
        "v2": ("/v2/images", f"/v2/images/{image_id}", "/v2/images?free=1"),
    }
    for path in paths[member.version]:
        for caller, sees in ((member, False), (operator, True)):
            answer = caller.api.request("GET", path)
            said = answer.text + str(answer.headers)
            assert (answer.status, "secret" in said, image_id in said) == (200, sees, True), path


def test_answer_to_a_change_then_hides_what_must_not_be_read(member: Client, operator: Client) -> None:
    image_id = operator.create("one", **properties(operator, billing_code="secret", free="1"))

    if member.version == "v1":
        answer = member.api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "new", "x-image-meta-property-free": "1"})
    else:
        answer = member.api.patch(image_id, [{"op": "replace", "path": "/name", "value": "new"}])

    assert (answer.status, "secret" in answer.text + str(answer.headers)) == (200, False)
    assert operator.show(image_id).properties == {"billing_code": "secret", "free": "1"}


def test_list_when_it_asks_for_a_hidden_property_then_nothing_is_found(member: Client, operator: Client) -> None:
    operator.create("one", **properties(operator, billing_code="77", x_owner="P1"))
    path = {"v1": "/v1/images?property-{}", "v2": "/v2/images?{}"}[member.version]

    def found(client: Client, query: str) -> list[str]:
        return [image["name"] for image in client.api.get(path.format(query))["images"]]

    assert (found(operator, "billing_code=77"), found(member, "billing_code=77")) == (["one"], [])
    assert found(member, "x_owner=P1") == ["one"]


def test_change_when_a_property_is_protected_then_403_and_nothing_has_changed(member: Client, operator: Client) -> None:
    image_id = operator.create("one", **properties(operator, x_owner="P1", once_set="1", free="1", other="o"))

    for name in ("x_owner", "once_set"):
        refused(lambda name=name: member.set_property(image_id, name, "new"), name)
        refused(lambda name=name: remove(member, image_id, name), name)
    refused(lambda: remove(member, image_id, "other"), "other")
    assert operator.show(image_id).properties == {"x_owner": "P1", "once_set": "1", "free": "1", "other": "o"}

    member.set_property(image_id, "other", "new")
    member.set_property(image_id, "free", "2")
    remove(member, image_id, "free")
    assert operator.show(image_id).properties == {"x_owner": "P1", "once_set": "1", "other": "new"}


def test_change_when_only_creating_and_deleting_is_allowed_then_a_value_never_changes(member: Client) -> None:
    image_id = member.create("one")
    member.set_property(image_id, "drop_it", "1")

    refused(lambda: member.set_property(image_id, "drop_it", "2"), "drop_it")
    member.set_property(image_id, "drop_it", "1")  # it stays as it is
    remove(member, image_id, "drop_it")
    member.set_property(image_id, "drop_it", "2")

    assert member.show(image_id).properties == {"drop_it": "2"}


def test_change_when_a_property_is_hidden_then_it_stays_and_setting_it_is_creating_it(member: Client, operator: Client) -> None:
    image_id = operator.create("one", **properties(operator, billing_code="77", note_a="old", free="1"))

    remove(member, image_id, "free")  # in version 1 a change that drops whatever it does not name
    assert operator.show(image_id).properties == {"billing_code": "77", "note_a": "old"}
    refused(lambda: member.set_property(image_id, "billing_code", "77"), "billing_code")
    member.set_property(image_id, "note_a", "new")

    assert member.show(image_id).properties == {}
    assert operator.show(image_id).properties == {"billing_code": "77", "note_a": "new"}


def test_name_when_it_has_other_characters_then_patterns_take_it_as_it_is(make_api: Callable[..., Api]) -> None:
    api = make_api(trusted=True, protections=protections.parse(written(RULES))).as_caller("P1")
    image_id = api.new(**{"a.b#c": "1"})

    assert api.patch(image_id, [{"op": "replace", "path": "/a.b#c", "value": "2"}]).status == 403
    assert api.get(f"/v2/images/{image_id}")["a.b#c"] == "1"


def test_name_when_version_1_would_show_it_as_a_protected_one_then_it_is_protected_too(make_api: Callable[..., Api]) -> None:
    api = make_api(trusted=True, protections=protections.parse(written(RULES)))
    member, operator = api.as_caller("P1"), api.as_caller("P1", "member,operator")
    image_id = operator.new(billing_code="100")

    statuses = [member.patch(image_id, [{"op": "add", "path": f"/{name}", "value": "0"}]).status for name in ("BILLING_CODE", "Other", "FREE")]

    assert statuses == [403, 403, 200]
    told = operator.request("HEAD", f"/v1/images/{image_id}").headers
    assert [value for name, value in told if name.lower() == "x-image-meta-property-billing_code"] == ["100"]


def test_patch_when_a_property_is_hidden_then_it_is_as_if_it_were_not_there(make_api: Callable[..., Api]) -> None:
    api = make_api(trusted=True, protections=protections.parse(written(RULES)))
    member, operator = api.as_caller("P1"), api.as_caller("P1", "member,operator")
    image_id = operator.new(billing_code="77")

    for operation in ({"op": "replace", "path": "/billing_code", "value": "1"}, {"op": "remove", "path": "/billing_code"}):
        absent = {**operation, "path": "/billing_none"}
        answers = [member.patch(image_id, [one]) for one in (operation, absent)]
        assert [answer.status for answer in answers] == [409, 409]
        assert answers[0].text.replace("billing_code", "billing_none") == answers[1].text


@pytest.fixture
def ruled(make_api: Callable[..., Api], tmp_path: Path) -> Api:
    """A service whose protections name policies."""
    policy = tmp_path / "policy.yaml"
    policy.write_text('trusted: "role:trusted"\nof_owner: "project_id:%(owner)s"\n')
    rules = {"^t_": ("trusted", "@", "trusted", "!"), "^own_": ("@", "of_owner", "!", "!")}
    return make_api(trusted=True, policy=PolicyEngine(policy), protections=protections.parse(written(rules), by_policies=True))


def test_property_when_protections_name_policies_then_these_decide(ruled: Api) -> None:
    member, trusted = ruled.as_caller("P1"), ruled.as_caller("P1", "member,trusted")

    assert member.send_json("POST", "/v2/images", {"t_x": "1"}).status == 403
    image_id = trusted.new(t_x="1")
    assert member.get(f"/v2/images/{image_id}")["t_x"] == "1"
    assert [one.patch(image_id, [{"op": "replace", "path": "/t_x", "value": "2"}]).status for one in (member, trusted)] == [403, 200]
    assert trusted.patch(image_id, [{"op": "remove", "path": "/t_x"}]).status == 403


@pytest.mark.parametrize("text", ["{}", "default: ''"])
def test_property_when_the_rule_of_its_protection_goes_then_refused(ruled: Api, tmp_path: Path, text: str) -> None:
    trusted = ruled.as_caller("P1", "member,trusted")
    image_id = trusted.new(t_x="1")
    policy = tmp_path / "policy.yaml"
    policy.write_text(text)
    changed = replace(ruled.services, policy=PolicyEngine(policy))

    with pytest.raises(errors.PropertyProtected):
        images.update(changed, CALLER, image_id, ImageChanges(properties={"t_x": "2"}))
    assert images.get(changed, CALLER, image_id).properties == {"t_x": "1"}


def test_policy_of_an_image_when_it_names_a_property_that_the_caller_must_not_read_then_it_still_counts(
    make_api: Callable[..., Api], tmp_path: Path
) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("modify_image: \"not 'yes':%(billing_locked)s\"\ndownload_image: \"not 'yes':%(billing_locked)s\"\n")
    api = make_api(trusted=True, policy=PolicyEngine(policy), protections=protections.parse(written(RULES)))
    member, operator = api.as_caller("P1"), api.as_caller("P1", "member,operator")
    image_id, free = operator.new(b"data", billing_locked="yes"), operator.new(b"data", billing_locked="no")

    for wanted, status in ((image_id, 403), (free, 204)):
        assert "billing_locked" not in member.get(f"/v2/images/{wanted}")
        assert member.request("PUT", f"/v2/images/{wanted}/tags/t").status == status
    assert [member.request("GET", f"/v2/images/{wanted}/file").status for wanted in (image_id, free)] == [403, 200]


def test_property_when_its_policy_is_about_the_image_then_it_refuses(ruled: Api) -> None:
    member = ruled.as_caller("P1")
    image_id = member.new(own_x="1")

    assert "own_x" not in member.get(f"/v2/images/{image_id}")
