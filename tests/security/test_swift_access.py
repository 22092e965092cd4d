"""Public here is not public in Swift: S14. Images lie in the accounts of their owners, and Swift is told who reads them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import urllib3
from swiftclient.client import Connection, get_auth

from glance.testing.servers import Glance
from glance.testing.wire import Answer
from tests.security.conftest import SAW
from tests.security.matrix import DATA_TYPE, FORMATS, JSON_TYPE, PATCH_TYPE
from tests.swift_server import SwiftServer

DATA = b"the data of an image"
WHERE = "trusted-auth/embedded with Swift of several tenants"


@dataclass(frozen=True)
class Site:
    """A service behind a proxy that says who asks; ``test`` owns an image with data, ``other`` is another project."""

    glance: Glance
    swift: SwiftServer
    account: Connection
    container: str

    def ask(self, who: str, method: str, path: str, document: object = None, media_type: dict[str, str] = JSON_TYPE) -> Answer:
        user, key, roles = {
            "test": (self.swift.user, self.swift.key, "member"),
            "other": (self.swift.other, self.swift.other_key, "member"),
            "operators": (self.swift.reseller, self.swift.service_key, "admin"),
        }[who]
        token = get_auth(self.swift.auth_url, user, key)[1]
        identity = {"X-Identity-Status": "Confirmed", "X-User-Id": user, "X-Tenant-Id": who, "X-Roles": roles, "X-Auth-Token": token}
        body = document if isinstance(document, bytes) else None if document is None else json.dumps(document).encode()
        return self.glance.request(method, path, {**identity, **({} if body is None else media_type)}, body)

    def readers(self, image_id: str) -> str:
        """The access list of the image's container."""
        return str(self.account.head_container(f"{self.container}_{image_id}").get("x-container-read", ""))

    def status_in_swift(self, image_id: str, user: str | None = None, key: str = "") -> int:
        """What Swift itself answers to somebody, or to nobody at all, who asks for the data by their URL."""
        headers = {"X-Auth-Token": get_auth(self.swift.auth_url, user, key)[1]} if user else {}
        answer = urllib3.request("GET", f"{self.swift.url}/v1/AUTH_test/{self.container}_{image_id}/{image_id}", headers=headers)
        assert (answer.data == DATA) == (answer.status == 200)
        return answer.status


@pytest.fixture
def site(swift_server: SwiftServer, fresh_glance: Callable[..., Glance]) -> Iterator[Site]:
    container = f"security-{uuid.uuid4().hex}"
    store = {
        "stores": "swift",
        "default_store": "swift",
        "swift_store_auth_address": swift_server.auth_url,
        "swift_store_user": swift_server.reseller,
        "swift_store_key": swift_server.service_key,
        "swift_store_container": container,
        "swift_store_create_container_on_put": True,
        "swift_store_multi_tenant": True,
    }
    options = {"DEFAULT": {"workers": 0, "registry_mode": "embedded"}, "glance_store": store}
    glance = fresh_glance(flavor="trusted-auth", api_options=options, services=("api",))
    account = Connection(swift_server.auth_url, swift_server.user, swift_server.key, retries=1)
    yield Site(glance, swift_server, account, container)
    account.close()


@pytest.fixture
def image_id(site: Site) -> str:
    """A private image of the project ``test``."""
    made = str(site.ask("test", "POST", "/v2/images", {**FORMATS, "visibility": "private"}).json["id"])
    assert site.ask("test", "PUT", f"/v2/images/{made}/file", DATA, DATA_TYPE).status == 204
    return made


def becomes(site: Site, image_id: str, visibility: str) -> None:
    change = [{"op": "replace", "path": "/visibility", "value": visibility}]
    assert site.ask("operators", "PATCH", f"/v2/images/{image_id}", change, PATCH_TYPE).status == 200


def test_image_when_published_then_swift_shows_it_to_nobody_without_a_token(
    site: Site, image_id: str, record_property: Callable[[str, object], None]
) -> None:
    """S14, OSSN-0025: by default; ``swift_store_public_acl`` is the operator's own decision."""
    path = f"/v2/images/{image_id}"
    for visibility in ("public", "community", "public"):
        becomes(site, image_id, visibility)
        assert site.ask("other", "GET", f"{path}/file").body == DATA
        assert (site.readers(image_id), site.status_in_swift(image_id)) == ("", 401)
        becomes(site, image_id, "private")
        assert (site.ask("other", "GET", f"{path}/file").status, site.readers(image_id)) == (404, "")
    v1 = f"/v1/images/{image_id}"
    public = {"Content-Type": "text/plain", "x-image-meta-is_public": "True", "x-glance-registry-purge-props": "false"}
    assert site.ask("operators", "PUT", v1, b"", public).status == 200
    assert site.ask("other", "GET", v1).body == DATA
    assert (site.readers(image_id), site.status_in_swift(image_id)) == ("", 401)
    record_property(SAW, ("S14", "public and community, by v1 and v2: no .r:* in the container's list; a GET without token from Swift is 401", WHERE))


def test_member_when_removed_then_swift_has_forgotten_it_before_the_answer(
    site: Site, image_id: str, record_property: Callable[[str, object], None]
) -> None:
    """S14: a member reads in Swift itself, exactly as long as it is a member of a shared image."""
    other = site.swift.other, site.swift.other_key
    becomes(site, image_id, "shared")
    for version, verb, add, document in (
        ("v2", "POST", "members", {"member": "other"}),
        ("v1", "PUT", "members/other", None),
        ("v1", "PUT", "members", {"memberships": [{"member_id": "other"}]}),
    ):
        path = f"/{version}/images/{image_id}/members"
        assert site.ask("test", verb, f"/{version}/images/{image_id}/{add}", document).status in {200, 204}
        assert (site.readers(image_id), site.status_in_swift(image_id, *other)) == ("other", 200)
        assert site.ask("test", "DELETE", f"{path}/other").status == 204
        assert (site.readers(image_id), site.status_in_swift(image_id, *other)) == ("", 403)
    record_property(SAW, ("S14", "a member added by v2, v1 and v1's list reads in Swift (200); after the 204 of its removal 403", WHERE))


def test_shared_image_when_made_something_else_then_swift_has_forgotten_its_members_before_the_answer(
    site: Site, image_id: str, record_property: Callable[[str, object], None]
) -> None:
    """S14: un-publishing and un-sharing."""
    other = site.swift.other, site.swift.other_key
    becomes(site, image_id, "shared")
    assert site.ask("test", "POST", f"/v2/images/{image_id}/members", {"member": "other"}).status == 200
    assert site.status_in_swift(image_id, *other) == 200
    for visibility, status in (("public", 403), ("shared", 200), ("private", 403), ("shared", 200), ("community", 403)):
        becomes(site, image_id, visibility)
        assert site.status_in_swift(image_id, *other) == status, visibility
    record_property(
        SAW, ("S14", "a shared image made public, private, community: its member's entry is gone before the 200; shared again: back", WHERE)
    )
