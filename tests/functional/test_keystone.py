"""The flavor keystone, with a real keystone: whom each token stands for, and what a client cannot pretend."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer
from tests.keystone_server import KeystoneServer, User

RAW = {"disk_format": "raw", "container_format": "bare"}
DATA = b"0123456789" * 1000


@dataclass(frozen=True)
class Caller:
    """Whoever sends ``headers`` with every request."""

    glance: Glance
    headers: dict[str, str]

    def ask(self, method: str, path: str, document: object = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if document is not None:
            named.setdefault("Content-Type", "application/json")
        return self.glance.request(method, path, {**self.headers, **named}, None if document is None else json.dumps(document).encode())

    def create(self, **attributes: object) -> str:
        answer = self.ask("POST", "/v2/images", {**RAW, **attributes})
        assert answer.status == 201, answer.text
        return str(answer.json["id"])

    def status(self, image_id: str) -> str:
        return str(self.ask("GET", f"/v2/images/{image_id}").json["status"])


@pytest.fixture(scope="module")
def user(keystone_server: KeystoneServer) -> User:
    return keystone_server.user("member")


@pytest.fixture(scope="module")
def token(keystone_server: KeystoneServer, user: User) -> str:
    return keystone_server.token(user)


@pytest.fixture(scope="module")
def caller(keystone_glance: Glance, token: str) -> Caller:
    return Caller(keystone_glance, {"X-Auth-Token": token})


@pytest.fixture(scope="module")
def service_token(keystone_server: KeystoneServer) -> str:
    return keystone_server.token(keystone_server.user("service"))


@pytest.mark.parametrize("path", ["/v1/images", "/images", "/v2/images", "/v2/schemas/image", "/v2/info/import", "/v2/nothing"])
def test_request_when_it_has_no_token_then_is_told_where_to_get_one(keystone_glance: Glance, keystone_server: KeystoneServer, path: str) -> None:
    answer = keystone_glance.request("GET", path)

    assert (answer.status, answer.header("WWW-Authenticate")) == (401, f'Keystone uri="{keystone_server.url}"')
    assert str(answer.header("X-Openstack-Request-Id")).startswith("req-")


@pytest.mark.parametrize(("path", "status"), [("/", 300), ("/versions", 200), ("/healthcheck", 200)])
def test_documents_for_everybody_then_need_no_token(keystone_glance: Glance, path: str, status: int) -> None:
    assert keystone_glance.request("GET", path).status == status


@pytest.mark.parametrize("value", ["none", "\u00e9", "a b", "gAAAAA", "x" * 2048, "x" * 2049, "x" * 8000, "../users", "{0}", "%0d%0a", "", " "])
def test_token_when_keystone_knows_none_like_it_then_401(caller: Caller, value: str) -> None:
    assert caller.glance.request("GET", "/v2/images", {"X-Auth-Token": value}).status == 401
    assert caller.ask("GET", "/v2/images", X_Service_Token=value).status == (401 if value.strip() else 200)


def test_token_then_its_project_owns_what_is_made(caller: Caller, user: User) -> None:
    first = caller.create()
    second = caller.ask("POST", "/v1/images").json["image"]

    assert caller.ask("GET", f"/v2/images/{first}").json["owner"] == user.project
    assert second["owner"] == user.project
    assert caller.glance.request("HEAD", f"/v1/images/{second['id']}", {"X-Storage-Token": caller.headers["X-Auth-Token"]}).status == 200


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("manager", 404), ("member", 404), ("reader", 404), ("service", 404)])
def test_roles_then_only_an_administrator_sees_the_image_of_another_project(
    caller: Caller, keystone_server: KeystoneServer, role: str, status: int
) -> None:
    image_id = caller.create()
    other = {"X-Auth-Token": keystone_server.token(keystone_server.user(role))}

    assert caller.glance.request("GET", f"/v2/images/{image_id}", other).status == status
    assert caller.glance.request("HEAD", f"/v1/images/{image_id}", other).status == status


def test_roles_when_all_are_of_the_images_project_then_each_may_what_the_policy_gives_it(
    caller: Caller, keystone_server: KeystoneServer, user: User
) -> None:
    published = [{"op": "replace", "path": "/visibility", "value": "public"}]
    renamed = [{"op": "replace", "path": "/name", "value": "renamed"}]
    patch = "application/openstack-images-v2.1-json-patch"
    image_id = caller.create()
    upload = {"X-Auth-Token": caller.headers["X-Auth-Token"], "Content-Type": "application/octet-stream"}
    assert caller.glance.request("PUT", f"/v2/images/{image_id}/file", upload, DATA).status == 204

    def statuses(role: str) -> list[int]:
        colleague = keystone_server.user(role, project=(user.project, user.project_name))
        theirs = Caller(caller.glance, {"X-Auth-Token": keystone_server.token(colleague)})
        image = f"/v2/images/{image_id}"
        return [
            theirs.ask("GET", "/v1/images").status,
            theirs.ask("GET", "/v2/images").status,
            theirs.ask("GET", image).status,
            theirs.ask("GET", f"{image}/file").status,
            theirs.ask("GET", f"/v1/images/{image_id}").status,
            theirs.ask("POST", "/v1/images").status,
            theirs.ask("POST", "/v2/images", RAW).status,
            theirs.ask("PATCH", image, renamed, Content_Type=patch).status,
            theirs.ask("GET", f"{image}/locations").status,
            theirs.ask("PATCH", f"/v2/images/{caller.create()}", published, Content_Type=patch).status,
        ]

    assert {role: statuses(role) for role in ("admin", "manager", "member", "reader", "service")} == {
        "admin": [200, 200, 200, 200, 200, 201, 201, 200, 200, 200],
        "manager": [200, 200, 200, 200, 200, 201, 201, 200, 403, 403],
        "member": [200, 200, 200, 200, 200, 201, 201, 200, 403, 403],
        "reader": [200, 200, 200, 403, 403, 403, 403, 403, 403, 403],
        # Other services see where data are, and nothing else: to version 2 the image is not there.
        "service": [403, 403, 404, 404, 403, 403, 403, 404, 200, 404],
    }


def test_project_then_its_members_see_each_others_images(caller: Caller, keystone_server: KeystoneServer, user: User) -> None:
    colleague = keystone_server.user("member", project=(user.project, user.project_name))

    assert caller.glance.request("GET", f"/v2/images/{caller.create()}", {"X-Auth-Token": keystone_server.token(colleague)}).status == 200


# What a client cannot pretend

ADMINISTRATOR = {
    "X-Identity-Status": "Confirmed",
    "X-Service-Identity-Status": "Confirmed",
    "X-User-Id": "somebody",
    "X-User-Name": "somebody",
    "X-Roles": "admin",
    "X-Role": "admin",
    "X-Service-Roles": "service",
    "X-Is-Admin-Project": "True",
    "X-Glance-Admin": "True",
    "OpenStack-System-Scope": "all",
}


@pytest.mark.parametrize("separator", ["-", "_"])
def test_identity_headers_of_a_client_then_count_for_nothing(caller: Caller, keystone_server: KeystoneServer, user: User, separator: str) -> None:
    owner = keystone_server.user("member")
    theirs = Caller(caller.glance, {"X-Auth-Token": keystone_server.token(owner)}).create()
    projects = dict.fromkeys(("X-Tenant-Id", "X-Project-Id", "X-Tenant", "X-Tenant-Name", "X-Project-Name"), owner.project)
    claims = {name.replace("-", separator): value for name, value in {**ADMINISTRATOR, **projects}.items()}

    assert caller.glance.request("GET", "/v2/images", claims).status == 401
    assert caller.glance.request("GET", "/v2/images", {**claims, "X-Auth-Token": "none"}).status == 401
    assert caller.glance.request("GET", f"/v2/images/{theirs}", {**caller.headers, **claims}).status == 404
    mine = caller.glance.request("POST", "/v1/images", {**caller.headers, **claims}).json["image"]
    assert mine["owner"] == user.project
    change = [{"op": "replace", "path": "/visibility", "value": "community"}]
    media_type = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
    answer = caller.glance.request("PATCH", f"/v2/images/{mine['id']}", {**caller.headers, **claims, **media_type}, json.dumps(change).encode())
    assert answer.status == 403


@pytest.mark.parametrize("flavor", ["glance", "trusted_glance", "keystone_glance"])
@pytest.mark.parametrize("catalogue", ["{", "[]", "null", "\u00e9", '[{"type": "image"}]'])
def test_service_catalogue_of_a_client_then_is_never_read(request: pytest.FixtureRequest, token: str, flavor: str, catalogue: str) -> None:
    identity = {"X-Identity-Status": "Confirmed", "X-Tenant-Id": "p1", "X-Roles": "member"} if flavor == "trusted_glance" else {}
    headers = {"X-Auth-Token": token, **identity, "X-Service-Catalog": catalogue}

    assert [request.getfixturevalue(flavor).request("GET", f"/{one}/images", headers).status for one in ("v1", "v2")] == [200, 200]


# Kinds of tokens


def test_application_credential_then_its_token_is_the_users(caller: Caller, keystone_server: KeystoneServer, user: User) -> None:
    token = keystone_server.token_of_credential(keystone_server.application_credential(user))

    assert caller.glance.request("GET", f"/v2/images/{caller.create()}", {"X-Auth-Token": token}).status == 200


def test_application_credential_when_it_has_access_rules_then_only_those_calls(caller: Caller, keystone_server: KeystoneServer, user: User) -> None:
    rules = [{"service": "image", "method": "GET", "path": "/v2/images"}]
    restricted = keystone_server.token_of_credential(keystone_server.application_credential(user, access_rules=rules))
    headers = {"X-Auth-Token": restricted}

    assert caller.glance.request("GET", "/v2/images", headers).status == 200
    assert caller.glance.request("GET", f"/v2/images/{caller.create()}", headers).status == 401
    assert caller.glance.request("POST", "/v2/images", {**headers, "Content-Type": "application/json"}, b"{}").status == 401


@pytest.mark.parametrize("scope", ["none", "domain", "system"])
def test_token_when_it_is_not_of_a_project_then_403(keystone_glance: Glance, keystone_server: KeystoneServer, user: User, scope: str) -> None:
    if scope == "domain":
        keystone_server.grant(f"/domains/default/users/{user.id}", "admin")
        token = keystone_server.token(user, domain_id="default")
    elif scope == "system":
        keystone_server.grant(f"/system/users/{user.id}", "admin")
        token = keystone_server.token(user, system_scope="all")
    else:
        token = keystone_server.unscoped_token(user)

    answer = keystone_glance.request("GET", "/v2/images", {"X-Auth-Token": token})

    assert (answer.status, "The token is not scoped to a project." in answer.text) == (403, True)


def test_token_when_revoked_then_401(keystone_glance: Glance, keystone_server: KeystoneServer, user: User) -> None:
    brief = Caller(keystone_glance, {"X-Auth-Token": keystone_server.token(user)})
    assert brief.ask("GET", "/v2/images").status == 200

    keystone_server.revoke(brief.headers["X-Auth-Token"])

    assert brief.ask("GET", "/v2/images").status == 401


def test_token_when_expired_then_counts_only_beside_that_of_a_service(
    caller: Caller, keystone_server: KeystoneServer, user: User, service_token: str
) -> None:
    image = f"/v2/images/{caller.create()}"
    expired = keystone_server.expired_token(user)
    member = keystone_server.token(user)

    def status(headers: dict[str, str]) -> int:
        return caller.glance.request("GET", image, {"X-Auth-Token": expired, **headers}).status

    assert status({}) == 401
    assert status({"X-Service-Token": member}) == 401
    assert status({"X-Service-Token": expired}) == 401
    assert status({"X-Service-Token": service_token}) == 200


def test_service_token_then_its_roles_count_where_a_rule_asks_for_them(caller: Caller, service_token: str) -> None:
    assert caller.ask("POST", "/v2/images", {**RAW, "visibility": "community"}).status == 403
    assert caller.ask("POST", "/v2/images", {**RAW, "visibility": "community"}, X_Service_Token=service_token).status == 201
    assert caller.ask("GET", "/v2/images", X_Service_Token=caller.headers["X-Auth-Token"]).status == 401  # that of a member is none
