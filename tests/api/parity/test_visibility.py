"""Who sees and changes which image: every kind of image, caller and action of both versions (spec-v1 7.3, spec-v2 7.5).

What a caller may do follows from its standing towards an image. Whoever must not know of an image is answered, byte for byte, as for one that
there is not; whoever is refused has changed nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from glance.api.settings import ApiSettings
from glance.context import unauthenticated
from glance.model.image import MemberStatus
from glance.testing.wire import Answer
from tests.api.conftest import DATA, Api

UNKNOWN = "0a0a0a0a-0000-4000-8000-000000000001"
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
JSON = {"Content-Type": "application/json"}
OWNER, MEMBER = "web", "db"


@dataclass(frozen=True)
class Kind:
    """An image of OWNER; ``membership`` is what MEMBER has said of it, None: it is not shared with that."""

    visibility: str
    membership: MemberStatus | None = None

    @property
    def shared(self) -> bool:
        return self.visibility == "shared"

    @property
    def known_to_member(self) -> bool:
        return self.shared and self.membership is not None


KINDS: Mapping[str, Kind] = {
    "public": Kind("public"),
    "community": Kind("community"),
    "shared with nobody": Kind("shared"),
    "pending": Kind("shared", "pending"),
    "accepted": Kind("shared", "accepted"),
    "rejected": Kind("shared", "rejected"),
    "private": Kind("private"),
    "private again": Kind("private", "accepted"),
}

#: Project and role; a guest brings nothing, and the role of nobody is one that no rule knows.
CALLERS: Mapping[str, tuple[str, str]] = {
    "owner": (OWNER, "member"),
    "reader": (OWNER, "reader"),
    "nobody": (OWNER, "auditor"),
    "admin": ("ops", "admin"),
    "other": ("app", "member"),
    "other reader": ("app", "reader"),
    "member": (MEMBER, "member"),
    "member reader": (MEMBER, "reader"),
    "guest": ("", ""),
}
#: What a caller can be to an image: one of those above, or one that must not know of it.
STANDINGS = (*CALLERS, "unaware")


def standing(kind: Kind, caller: str) -> str:
    if caller in {"owner", "reader", "nobody", "admin"} or (caller.startswith("member") and kind.known_to_member):
        return caller
    if kind.visibility == "public" or (kind.visibility == "community" and caller != "guest"):
        return caller.replace("member", "other")
    return "unaware"


@dataclass(frozen=True)
class Action:
    """A request about an image, which is ``queued`` or has data; ``kinds`` says for which images its row of TABLE holds."""

    method: str
    path: str
    headers: Mapping[str, str] | None = None
    document: Any = None
    queued: bool = False
    kinds: Callable[[Kind], bool] = lambda _: True

    def ask(self, api: Api, image_id: str) -> Answer:
        body = self.document if self.document is None or isinstance(self.document, bytes) else json.dumps(self.document).encode()
        return api.request(self.method, self.path.format(image_id), self.headers, body)


def is_shared(kind: Kind) -> bool:
    return kind.shared


def is_not_shared(kind: Kind) -> bool:
    return not kind.shared


def has_member(kind: Kind) -> bool:
    return kind.membership is not None


def has_no_member(kind: Kind) -> bool:
    return kind.membership is None


def is_known_to_member(kind: Kind) -> bool:
    return kind.known_to_member


def is_not_public(kind: Kind) -> bool:
    return kind.visibility != "public"


def change(name: str, value: str) -> Any:
    return [{"op": "replace", "path": f"/{name}", "value": value}]


V1, V2 = "/v1/images/{}", "/v2/images/{}"
ACCEPTED = {"status": "accepted"}
AS_PUBLIC = {"x-image-meta-is_public": "True"}
#: Nothing is registered: the address is one that this service does not connect to.
SOMEWHERE = {"url": "http://127.0.0.1:1/x"}
ACTIONS: Mapping[str, Action] = {
    "v2 show": Action("GET", V2),
    "v2 download": Action("GET", V2 + "/file"),
    "v2 rename": Action("PATCH", V2, PATCH, change("name", "x")),
    "v2 publish": Action("PATCH", V2, PATCH, change("visibility", "public"), kinds=is_not_public),
    "v2 delete": Action("DELETE", V2),
    "v2 upload": Action("PUT", V2 + "/file", DATA, b"data", queued=True),
    "v2 stage": Action("PUT", V2 + "/stage", DATA, b"data", queued=True),
    "v2 tag": Action("PUT", V2 + "/tags/t"),
    "v2 untag": Action("DELETE", V2 + "/tags/kept"),
    "v2 deactivate": Action("POST", V2 + "/actions/deactivate"),
    "v2 reactivate": Action("POST", V2 + "/actions/reactivate"),
    "v2 locations": Action("GET", V2 + "/locations"),
    "v2 register": Action("POST", V2 + "/locations", JSON, SOMEWHERE, queued=True),
    "v2 members": Action("GET", V2 + "/members", kinds=is_shared),
    "v2 no members": Action("GET", V2 + "/members", kinds=is_not_shared),
    "v2 member": Action("GET", V2 + "/members/db", kinds=is_known_to_member),
    "v2 no member": Action("GET", V2 + "/members/third"),
    "v2 share": Action("POST", V2 + "/members", JSON, {"member": "third"}, kinds=is_shared),
    "v2 share closed": Action("POST", V2 + "/members", JSON, {"member": "third"}, kinds=is_not_shared),
    "v2 accept": Action("PUT", V2 + "/members/db", JSON, ACCEPTED, kinds=is_known_to_member),
    "v2 accept for": Action("PUT", V2 + "/members/third", JSON, ACCEPTED),
    "v2 unshare": Action("DELETE", V2 + "/members/db", kinds=has_member),
    "v2 unshare none": Action("DELETE", V2 + "/members/db", kinds=has_no_member),
    "v1 show": Action("HEAD", V1),
    "v1 download": Action("GET", V1),
    "v1 rename": Action("PUT", V1, {"x-image-meta-name": "x"}),
    "v1 publish": Action("PUT", V1, AS_PUBLIC, kinds=is_not_public),
    "v1 upload": Action("PUT", V1, DATA, b"data", queued=True),
    "v1 delete": Action("DELETE", V1),
    "v1 members": Action("GET", V1 + "/members"),
    "v1 share": Action("PUT", V1 + "/members/third"),
    "v1 unshare": Action("DELETE", V1 + "/members/db", kinds=has_member),
    "v1 unshare none": Action("DELETE", V1 + "/members/db", kinds=has_no_member),
}

#: The status by standing, in the order of STANDINGS: those of the owner's project, administrators, others, members, guests, those unaware.
TABLE = """
v2 show          200  200  404    200    200  200    200  200    200    404
v2 download      200  403  404    200    200  403    200  403    200    404
v2 rename        200  403  404    200    403  403    403  403    403    404
v2 publish       403  403  404    200    403  403    403  403    403    404
v2 delete        204  403  404    204    403  403    403  403    403    404
v2 upload        204  403  404    204    403  403    403  403    403    404
v2 stage         204  403  404    204    403  403    403  403    403    404
v2 tag           204  403  404    204    403  403    403  403    403    404
v2 untag         204  403  404    204    403  403    403  403    403    404
v2 deactivate    204  403  404    204    403  403    403  403    403    404
v2 reactivate    204  403  404    204    403  403    403  403    403    404
v2 locations     403  403  404    200    403  403    403  403    403    404
v2 register      400  403  404    400    403  403    403  403    403    404
v2 members       200  200  404    200    403  403    200  200    403    404
v2 no members    403  403  404    403    403  403    403  403    403    404
v2 member        200  200  404    200    404  404    200  200    404    404
v2 no member     404  404  404    404    404  404    404  404    404    404
v2 share         200  403  404    200    403  403    403  403    403    404
v2 share closed  403  403  404    403    403  403    403  403    403    404
v2 accept        403  403  404    200    403  403    200  403    403    404
v2 accept for    403  403  404    404    403  403    403  403    403    404
v2 unshare       204  403  404    204    403  403    403  403    403    404
v2 unshare none  404  403  404    404    403  403    403  403    403    404
v1 show          200  200  403    200    200  200    200  200    200    404
v1 download      200  403  403    200    200  403    200  403    200    404
v1 rename        200  403  403    200    403  403    404  404    403    404
v1 publish       403  403  403    200    403  403    404  404    403    404
v1 upload        200  403  403    200    403  403    404  404    403    404
v1 delete        200  403  403    200    403  403    404  404    403    404
v1 members       200  200  403    200    200  200    200  200    403    404
v1 share         204  403  403    204    404  404    404  404    403    404
v1 unshare       204  403  403    204    404  404    404  404    403    404
v1 unshare none  404  403  403    404    404  404    404  404    403    404
"""


def expected_statuses() -> Mapping[str, Mapping[str, int]]:
    """By action and standing."""
    rows = (line.rsplit(maxsplit=len(STANDINGS)) for line in TABLE.strip().splitlines())
    return {name: dict(zip(STANDINGS, map(int, statuses), strict=True)) for name, *statuses in rows}


STATUSES = expected_statuses()


@dataclass
class Scene:
    """A service that also lets guests read."""

    api: Api

    def caller(self, name: str) -> Api:
        return replace(self.api, headers={}) if name == "guest" else self.api.as_caller(*CALLERS[name])

    def image(self, kind: Kind, *, queued: bool = False, name: str = "one") -> tuple[str, object]:
        """The id of a new image, and its state."""
        owner = self.caller("owner")
        image_id = owner.new(None if queued else b"data", visibility="shared", tags=["kept"], name=name)
        if kind.membership is not None:
            assert owner.send_json("POST", f"/v2/images/{image_id}/members", {"member": MEMBER}).status == 200
            answered = self.caller("member").send_json("PUT", f"/v2/images/{image_id}/members/{MEMBER}", {"status": kind.membership})
            assert answered.status == 200
        assert self.caller("admin").patch(image_id, change("visibility", kind.visibility)).status == 200
        return image_id, self.state(image_id)

    def state(self, image_id: str) -> object:
        registry = self.api.services.registry
        return registry.images.get(unauthenticated(), image_id), registry.members.list(unauthenticated(), image_id)


@pytest.fixture
def on(make_api: Callable[..., Api]) -> Scene:
    return Scene(make_api(trusted=True, settings=ApiSettings(allow_anonymous_access=True)))


def without_request(answer: Answer) -> tuple[int, list[tuple[str, str]], bytes]:
    """All of an answer but what names the request."""
    return answer.status, [one for one in answer.headers if one[0].lower() != "x-openstack-request-id"], answer.body


@pytest.mark.parametrize("name", ACTIONS)
def test_action_by_every_caller_on_every_kind_of_image_then_as_the_table_says(on: Scene, name: str) -> None:
    action = ACTIONS[name]
    found, expected = {}, {}
    for title, kind in KINDS.items():
        if not action.kinds(kind):
            continue
        image_id, before = on.image(kind, queued=action.queued)
        for caller in CALLERS:
            answer = action.ask(on.caller(caller), image_id)
            found[title, caller], expected[title, caller] = answer.status, STATUSES[name][standing(kind, caller)]
            if standing(kind, caller) == "unaware" or (caller == "nobody" and answer.status == 404):
                unknown = action.ask(on.caller(caller), UNKNOWN)
                unknown = replace(unknown, body=unknown.body.replace(UNKNOWN.encode(), image_id.encode()))
                assert without_request(answer) == without_request(unknown), (title, caller)
            if answer.status < 400 and action.method not in {"GET", "HEAD"}:
                image_id, before = on.image(kind, queued=action.queued)
            else:
                assert on.state(image_id) == before, (title, caller)

    assert {cell: (status, expected[cell]) for cell, status in found.items() if status != expected[cell]} == {}


SHARED = {"shared with nobody", "pending", "accepted", "rejected"}
PRIVATE = {"private", "private again"}
OF_MEMBER = {"pending", "accepted", "rejected"}
OWN = {"public", "community", *SHARED, *PRIVATE}
OPEN = {"public", "community"}
#: Which kinds a list has, by its query: for who is of the owner's project, for administrators, others, members and guests.
LISTS: Mapping[str, tuple[set[str], set[str], set[str], set[str], set[str]]] = {
    "/v2/images": (OWN, OWN - {"community"}, {"public"}, {"public", "accepted"}, {"public"}),
    "/v2/images?visibility=all": (OWN, OWN, OPEN, {*OPEN, "accepted"}, {"public"}),
    "/v2/images?visibility=public": ({"public"}, {"public"}, {"public"}, {"public"}, {"public"}),
    "/v2/images?visibility=community": ({"community"}, {"community"}, {"community"}, {"community"}, set()),
    "/v2/images?visibility=shared": (SHARED, SHARED, set(), {"accepted"}, set()),
    "/v2/images?visibility=shared&member_status=pending": (SHARED, SHARED, set(), {"pending"}, set()),
    "/v2/images?visibility=shared&member_status=all": (SHARED, SHARED, set(), OF_MEMBER, set()),
    "/v2/images?visibility=private": (PRIVATE, PRIVATE, set(), set(), set()),
    "/v2/images?owner=web": (OWN, OWN - {"community"}, {"public"}, {"public", "accepted"}, {"public"}),
    "/v1/images": (OWN, {"public"}, {"public"}, {"public", *OF_MEMBER}, {"public"}),
    "/v1/images/detail?is_public=None": (OWN, OWN, {"public"}, {"public", *OF_MEMBER}, {"public"}),
    "/v1/images?is_public=False": (OWN, OWN - {"public"}, {"public"}, {"public", *OF_MEMBER}, {"public"}),
}


@pytest.mark.parametrize("path", LISTS)
def test_list_by_every_caller_then_has_what_the_table_says(on: Scene, path: str) -> None:
    for title, kind in KINDS.items():
        on.image(kind, name=title)
    owner, admin, other, member, guest = LISTS[path]
    expected = {"owner": owner, "reader": owner, "admin": admin, "other": other, "other reader": other, "guest": guest}

    def listed(caller: str) -> set[str]:
        return {one["name"] for one in on.caller(caller).get(path)["images"]}

    assert {caller: listed(caller) for caller in CALLERS if caller != "nobody"} == {**expected, "member": member, "member reader": member}
    assert on.caller("nobody").request("GET", path).status == 403
