"""Locations in images and through PATCH (spec-v2 2.1, 2.6): what the site shows, and what its clients may change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from glance.api.settings import ApiSettings
from glance.context import unauthenticated
from glance.model.image import ImageChanges, Location, LocationChange
from glance.policies.engine import PolicyEngine
from glance.service import Limits
from glance.testing.wire import Answer
from tests.api.conftest import DATA, RAW, Api
from tests.services import with_archive
from tests.web import Web, web

__all__ = ["web"]

BYTES = b"bytes of an image"
MD5 = hashlib.md5(BYTES, usedforsecurity=False).hexdigest()
SHA512 = hashlib.sha512(BYTES).hexdigest()
OTHER = b"other bytes here!"
SHOWING = ApiSettings(show_direct_url=True, show_locations=True)
STATED = {"checksum": "1" * 32, "os_hash_algo": "sha512", "os_hash_value": "deadbeef" * 16}


@pytest.fixture
def open_api(make_api: Callable[..., Api]) -> Api:
    """A service that shows locations and lets them be changed."""
    return make_api(settings=SHOWING)


@pytest.fixture
def projects(make_api: Callable[..., Api]) -> Api:
    """The same behind identity headers."""
    return make_api(trusted=True, settings=SHOWING)


def at(url: str, stated: object = None, **metadata: object) -> dict[str, object]:
    return {"url": url, "metadata": metadata, **({} if stated is None else {"validation_data": stated})}


def add(api: Api, image_id: str, value: object, position: str = "-") -> Answer:
    return api.patch(image_id, [{"op": "add", "path": f"/locations/{position}", "value": value}])


def put(api: Api, image_id: str, value: object) -> Answer:
    return api.patch(image_id, [{"op": "replace", "path": "/locations", "value": value}])


def remove(api: Api, image_id: str, *positions: object) -> Answer:
    return api.patch(image_id, [{"op": "remove", "path": f"/locations/{position}"} for position in positions])


def urls(api: Api, image_id: str) -> list[str]:
    return [one["url"] for one in api.get(f"/v2/images/{image_id}")["locations"]]


def unchanged(api: Api, image_id: str, before: dict[str, Any]) -> bool:
    return bool(api.get(f"/v2/images/{image_id}") == before)


def test_image_when_nothing_is_shown_then_no_location_anywhere(shared_api: Api) -> None:
    alice, admin = shared_api.as_caller("a"), shared_api.as_caller("b", "admin")
    image_id = alice.new(BYTES)
    for caller in (alice, admin):
        assert not {"locations", "direct_url"} & set(caller.get(f"/v2/images/{image_id}"))
    assert not {"locations", "direct_url"} & set(alice.get("/v2/images")["images"][0])
    for operations in ([{"op": "add", "path": "/locations/-", "value": at("http://h/x")}], [{"op": "replace", "path": "/locations", "value": []}]):
        answer = admin.patch(image_id, operations)
        assert (answer.status, f"{operations[0]['op']} locations if locations are invisible" in answer.text) == (403, True)


def test_image_when_locations_are_shown_then_with_the_store_in_lists_too(open_api: Api) -> None:
    queued, active = open_api.new(name="q"), open_api.new(BYTES, name="a")
    assert open_api.get(f"/v2/images/{queued}")["locations"] == []
    assert "direct_url" not in open_api.get(f"/v2/images/{queued}")
    url = f"file://{open_api.images}/{active}"
    shown = open_api.get(f"/v2/images/{active}")
    assert (shown["locations"], shown["direct_url"]) == ([{"url": url, "metadata": {"store": "file"}}], url)
    assert open_api.get("/v2/images?name=a")["images"] == [shown]


@pytest.mark.parametrize(("settings", "names"), [({"show_direct_url": True}, {"direct_url"}), ({"show_locations": True}, {"locations"})])
def test_image_when_one_of_the_options_is_on_then_that_one_is_shown(make_api: Callable[..., Api], settings: Any, names: set[str]) -> None:
    api = make_api(settings=ApiSettings(**settings))
    assert set(api.get(f"/v2/images/{api.new(BYTES)}")) & {"locations", "direct_url"} == names


def test_image_when_deactivated_then_only_administrators_see_where_it_is(projects: Api) -> None:
    alice, admin = projects.as_caller("a"), projects.as_caller("b", "admin")
    image_id = alice.new(BYTES)
    assert admin.request("POST", f"/v2/images/{image_id}/actions/deactivate").status == 204
    shown = alice.get(f"/v2/images/{image_id}")
    assert (shown["locations"], "direct_url" in shown) == ([], False)
    assert len(urls(admin, image_id)) == 1
    assert add(admin, image_id, at("http://127.0.0.1/x")).status == 409


def test_image_when_the_policy_refuses_then_no_location_is_shown(make_api: Callable[..., Api], tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"get_image_location": "role:nova"}')
    api = make_api(trusted=True, settings=SHOWING, policy=PolicyEngine(path))
    image_id = api.as_caller("a").new(BYTES)
    assert "direct_url" not in api.as_caller("a").get(f"/v2/images/{image_id}")
    assert urls(api.as_caller("a"), image_id) == []
    assert len(urls(api.as_caller("a", "member,nova"), image_id)) == 1


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("swift+http://u:k@h/c/o", "swift+http://h/c/o"),
        ("s3://KEY:se/c@ret@h/b/o", "s3://h/b/o"),
        ("http://u:k@h:8/a@b?c@d", "http://h:8/a@b?c@d"),
        ("http://h/a@b", "http://h/a@b"),
    ],
)
def test_location_when_an_old_row_holds_credentials_then_they_are_not_shown(open_api: Api, url: str, shown: str) -> None:
    image_id = open_api.new()
    change = ImageChanges({"status": "active", "size": 3}, locations=LocationChange(frozenset(), (Location(url, "old"),)))
    today = "http" if url.startswith("http") else "old"  # the store that reads it, if there is one
    open_api.services.registry.images.update(unauthenticated(), image_id, change)
    image = open_api.get(f"/v2/images/{image_id}")
    assert (image["locations"], image["direct_url"]) == ([{"url": shown, "metadata": {"store": today}}], shown)
    assert open_api.get(f"/v2/images/{image_id}/locations") == image["locations"]
    answer = put(open_api, image_id, [at(shown, new="x")])
    assert (answer.status, answer.json["locations"]) == (200, [{"url": shown, "metadata": {"new": "x", "store": today}}])
    assert open_api.services.registry.images.get(unauthenticated(), image_id).locations[0].url == url


def test_add_when_queued_then_active_with_the_size_that_is_there(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    answer = add(open_api, image_id, at(web.put("/x", BYTES), rack="7"))
    assert answer.status == 200, answer.text
    image = answer.json
    assert (image["status"], image["size"], image["checksum"]) == ("active", len(BYTES), None)
    assert image["locations"] == [{"url": web.url("/x"), "metadata": {"rack": "7", "store": "http"}}]
    assert open_api.request("GET", f"/v2/images/{image_id}/file").body == BYTES


def test_add_in_v20_then_the_same(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    answer = open_api.patch(image_id, [{"add": "/locations/0", "value": at(web.put("/x", BYTES))}], "v2.0")
    assert (answer.status, answer.json["status"]) == (200, "active")


def test_add_when_external_and_active_then_another_address_of_as_many_bytes(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    for position, path in (("-", "/x"), ("0", "/y")):
        assert add(open_api, image_id, at(web.put(path, BYTES)), position).status == 200
    assert urls(open_api, image_id) == [web.url("/x"), web.url("/y")]
    before = open_api.get(f"/v2/images/{image_id}")
    assert add(open_api, image_id, at(web.put("/z", BYTES + b"!"))).status == 409
    assert unchanged(open_api, image_id, before)
    # Nothing here was stored by this service, so nothing is read.
    assert web.reads == 0


REFUSED: dict[str, tuple[Callable[[Web], object], str, int]] = {
    "the same again": (lambda web: at(web.url("/x")), "-", 400),
    "no such position": (lambda web: at(web.put("/y", BYTES)), "2", 400),
    "a huge position": (lambda web: at(web.put("/y", BYTES)), "99999999999999999999", 400),
    "a negative position": (lambda web: at(web.put("/y", BYTES)), "-1", 400),
    "a position with a zero": (lambda web: at(web.put("/y", BYTES)), "01", 400),
    "a longer pointer": (lambda web: at(web.put("/y", BYTES)), "-/x", 400),
    "nothing there": (lambda web: at(web.url("/gone")), "-", 400),
    "no bytes there": (lambda web: at(web.put("/y", b"")), "-", 400),
    "nobody there": (lambda web: at("http://127.0.0.1:1024/x"), "-", 400),
    "file": (lambda web: at("file:///etc/passwd"), "-", 400),
    "credentials": (lambda web: at(web.url("/x").replace("//", "//u:k@")), "-", 400),
    "a long URL": (lambda web: at(web.put("/" + "y" * 300, BYTES)), "-", 400),
    "another store": (lambda web: at(web.put("/y", BYTES), store="file"), "-", 400),
    "much metadata": (lambda web: at(web.put("/y", BYTES), x="y" * 20_000), "-", 400),
    "no metadata": (lambda web: {"url": web.put("/y", BYTES)}, "-", 400),
    "metadata that are a text": (lambda web: {"url": web.put("/y", BYTES), "metadata": "x"}, "-", 400),
    "no object": (lambda web: web.put("/y", BYTES), "-", 400),
    "hashes that are a text": (lambda web: at(web.put("/y", BYTES), "x"), "-", 400),
    "a hash without algorithm": (lambda web: at(web.put("/y", BYTES), {"os_hash_value": "00"}), "-", 400),
    "a short checksum": (lambda web: at(web.put("/y", BYTES), {**STATED, "checksum": "1"}), "-", 400),
    "another member": (lambda web: at(web.put("/y", BYTES), {**STATED, "size": "1"}), "-", 400),
    "hashes of an active image": (lambda web: at(web.put("/y", BYTES), STATED), "-", 409),
}


@pytest.mark.parametrize(("value", "position", "status"), REFUSED.values(), ids=REFUSED)
def test_add_when_it_cannot_be_then_refused_and_nothing_changes(
    open_api: Api, web: Web, value: Callable[[Web], object], position: str, status: int
) -> None:
    image_id = open_api.new()
    assert add(open_api, image_id, at(web.put("/x", BYTES))).status == 200
    before = open_api.get(f"/v2/images/{image_id}")
    answer = add(open_api, image_id, value(web), position)
    assert answer.status == status, answer.text
    assert unchanged(open_api, image_id, before)


@pytest.mark.parametrize("rest", ["", "/0/url"])
@pytest.mark.parametrize("op", ["add", "replace", "remove"])
def test_patch_when_the_pointer_is_not_one_of_locations_then_400(open_api: Api, op: str, rest: str) -> None:
    if (op, rest) == ("replace", ""):
        return
    image_id = open_api.new(BYTES)
    assert open_api.patch(image_id, [{"op": op, "path": f"/locations{rest}", "value": []}]).status == 400


def test_add_when_formats_are_missing_then_400(open_api: Api, web: Web) -> None:
    image_id = open_api.send_json("POST", "/v2/images", {}).json["id"]
    answer = add(open_api, image_id, at(web.put("/x", BYTES)))
    assert (answer.status, open_api.get(f"/v2/images/{image_id}")["status"]) == (400, "queued")


def test_add_when_the_quota_is_reached_then_413(make_api: Callable[..., Api], web: Web) -> None:
    api = make_api(settings=SHOWING, limits=Limits(locations=2))
    image_id = api.new()
    value = [at(web.put(path, BYTES)) for path in ("/1", "/2", "/3")]
    assert put(api, image_id, value).status == 413
    assert api.get(f"/v2/images/{image_id}")["status"] == "queued"
    assert [add(api, image_id, one).status for one in value] == [200, 200, 413]
    unlimited = make_api(settings=SHOWING, limits=Limits(locations=-1))
    assert add(unlimited, image_id, value[2]).status == 200


def test_add_when_larger_than_any_image_may_be_then_413(make_api: Callable[..., Api], web: Web) -> None:
    api = make_api(settings=SHOWING, limits=Limits(image_size=3))
    assert add(api, api.new(), at(web.put("/x", BYTES))).status == 413


def test_hashes_when_stated_for_a_queued_image_then_taken_and_never_shown(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    image = add(open_api, image_id, at(web.put("/x", BYTES), STATED)).json
    assert {name: image[name] for name in STATED} == STATED
    assert "validation_data" not in image["locations"][0]
    assert add(open_api, image_id, at(web.put("/y", BYTES), {**STATED, "os_hash_value": "DEADBEEF" * 16})).status == 200
    for other in ({"checksum": "2" * 32}, {"os_hash_value": "ab" * 64}, {"os_hash_algo": "sha256"}):
        assert add(open_api, image_id, at(web.put("/z", BYTES), {**STATED, **other})).status == 409
    assert len(urls(open_api, image_id)) == 2


@pytest.mark.parametrize(
    "other", [{"os_hash_algo": "sha256", "os_hash_value": "ab" * 32}, {"os_hash_value": "ab"}, {"os_hash_value": "x" * 128}, {"checksum": "x" * 32}]
)
def test_hashes_when_they_cannot_be_then_409_and_the_image_is_queued(open_api: Api, web: Web, other: dict[str, str]) -> None:
    image_id = open_api.new()
    before = open_api.get(f"/v2/images/{image_id}")
    assert add(open_api, image_id, at(web.put("/x", BYTES), {**STATED, **other})).status == 409
    assert unchanged(open_api, image_id, before)


def test_replace_when_queued_then_all_are_added(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    answer = put(open_api, image_id, [at(web.put("/x", BYTES), STATED), at(web.put("/y", BYTES), STATED, a="b")])
    assert (answer.status, answer.json["status"], urls(open_api, image_id)) == (200, "active", [web.url("/x"), web.url("/y")])
    assert answer.json["os_hash_value"] == STATED["os_hash_value"]


def test_replace_when_its_locations_disagree_then_409(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    other = {**STATED, "os_hash_value": "ab" * 64}
    assert put(open_api, image_id, [at(web.put("/x", BYTES), STATED), at(web.put("/y", BYTES), other)]).status == 409
    assert put(open_api, image_id, [at(web.url("/x")), at(web.put("/z", BYTES + b"!"))]).status == 409
    assert put(open_api, image_id, [at(web.url("/x")), at(web.url("/x"))]).status == 400
    assert open_api.get(f"/v2/images/{image_id}")["status"] == "queued"


def test_replace_when_there_are_some_then_only_their_metadata_change(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    x, y = web.put("/x", BYTES), web.put("/y", BYTES)
    put(open_api, image_id, [at(x), at(y)])
    answer = put(open_api, image_id, [at(y, a={"deep": [1]}), {"url": x, "metadata": {"store": "http"}}])
    shown = [{"url": x, "metadata": {"store": "http"}}, {"url": y, "metadata": {"a": {"deep": [1]}, "store": "http"}}]
    assert (answer.status, answer.json["locations"]) == (200, shown)
    for other in ([at(x)], [at(x), at(y), at(web.put("/z", BYTES))], [at(x), at(x)]):
        refused = put(open_api, image_id, other)
        assert (refused.status, "Original locations is not empty" in refused.text) == (400, True)
    assert open_api.get(f"/v2/images/{image_id}")["locations"] == shown


def test_locations_when_the_last_would_go_then_403_and_the_image_stays_active(open_api: Api) -> None:
    image_id = open_api.new(BYTES)
    assert remove(open_api, image_id, 0).status == 403
    assert put(open_api, image_id, []).status == 403
    assert (open_api.get(f"/v2/images/{image_id}")["status"], len(urls(open_api, image_id))) == ("active", 1)
    assert open_api.request("PUT", f"/v2/images/{image_id}/file", DATA, OTHER).status == 409


def test_remove_when_of_several_then_highest_first_as_the_client_sends_it(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    put(open_api, image_id, [at(web.put(path, BYTES)) for path in ("/1", "/2", "/3")])
    before = open_api.get(f"/v2/images/{image_id}")
    for positions, status in (((3,), 400), (("-",), 400), (("x",), 400), ((2, 1, 0), 403), ((0, 2), 400)):
        assert remove(open_api, image_id, *positions).status == status
        assert unchanged(open_api, image_id, before)
    assert remove(open_api, image_id, 2, 0).status == 200
    assert urls(open_api, image_id) == [web.url("/2")]


def test_remove_when_queued_then_409(open_api: Api) -> None:
    assert remove(open_api, open_api.new(), 0).status == 409


def test_patch_when_locations_and_other_attributes_then_refused_whole(open_api: Api, web: Web) -> None:
    image_id = open_api.new(name="before")
    operations = [{"op": "add", "path": "/locations/-", "value": at(web.put("/x", BYTES))}, {"op": "replace", "path": "/name", "value": "after"}]
    before = open_api.get(f"/v2/images/{image_id}")
    assert open_api.patch(image_id, operations).status == 400
    assert unchanged(open_api, image_id, before)


def test_patch_when_a_later_operation_is_bad_then_nothing_changes(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    before = open_api.get(f"/v2/images/{image_id}")
    operations = [{"op": "add", "path": "/locations/-", "value": at(web.put("/x", BYTES))}, {"op": "remove", "path": "/locations/0"}]
    assert open_api.patch(image_id, operations).status == 403
    assert unchanged(open_api, image_id, before)


def test_locations_when_of_others_then_refused(projects: Api, web: Web) -> None:
    alice, bob, admin = (projects.as_caller(*who) for who in (("a",), ("b",), ("c", "admin")))
    image_id = alice.new(visibility="community")
    value = at(web.put("/x", BYTES))
    assert [add(bob, image_id, value).status, add(alice, image_id, value).status] == [403, 200]
    assert add(alice, image_id, at(web.put("/y", BYTES))).status == 200
    assert [remove(caller, image_id, 0).status for caller in (bob, alice, admin)] == [403, 403, 200]
    assert add(bob, alice.new(), value).status == 404


def test_add_when_this_service_stored_the_data_then_they_are_read_and_must_be_the_same(open_api: Api, web: Web) -> None:
    image_id = open_api.new(BYTES)
    before = open_api.get(f"/v2/images/{image_id}")
    assert len(OTHER) == len(BYTES)
    answer = add(open_api, image_id, at(web.put("/other", OTHER)))
    assert (answer.status, "not those of image" in answer.text) == (409, True)
    assert unchanged(open_api, image_id, before)
    assert add(open_api, image_id, at(web.put("/same", BYTES), {"os_hash_algo": "sha512", "os_hash_value": SHA512, "checksum": MD5})).status == 200
    assert web.reads == 2
    assert urls(open_api, image_id)[1:] == [web.url("/same")]


def test_remove_when_only_data_of_others_would_remain_then_403(open_api: Api, web: Web) -> None:
    """What is elsewhere can change at any time, under digests that this service vouched for (CVE-2022-4134)."""
    image_id = open_api.new(BYTES)
    assert add(open_api, image_id, at(web.put("/same", BYTES))).status == 200
    before = open_api.get(f"/v2/images/{image_id}")
    answer = remove(open_api, image_id, 0)
    assert (answer.status, "the only data that this service wrote" in answer.text, unchanged(open_api, image_id, before)) == (403, True, True)
    assert remove(open_api, image_id, 1).status == 200
    assert open_api.request("GET", f"/v2/images/{image_id}/file").body == BYTES


def test_data_when_the_first_location_fails_then_read_from_the_next(open_api: Api, web: Web) -> None:
    image_id = open_api.new(BYTES)
    assert add(open_api, image_id, at(web.put("/x", BYTES))).status == 200
    (open_api.images / image_id).unlink()
    assert open_api.request("GET", f"/v2/images/{image_id}/file").body == BYTES
    assert open_api.request("GET", f"/v1/images/{image_id}").body == BYTES
    web.objects.clear()
    assert open_api.request("GET", f"/v2/images/{image_id}/file").status == 404


def test_add_when_the_stored_one_goes_in_the_same_request_then_the_bytes_are_compared_too(open_api: Api, web: Web) -> None:
    image_id = open_api.new(BYTES)
    operations = [{"op": "add", "path": "/locations/-", "value": at(web.put("/other", OTHER))}, {"op": "remove", "path": "/locations/0"}]
    assert open_api.patch(image_id, operations).status == 409
    assert open_api.request("GET", f"/v2/images/{image_id}/file").body == BYTES


def test_add_when_the_data_change_while_they_are_read_then_refused(open_api: Api, web: Web) -> None:
    image_id = open_api.new(BYTES)
    url = web.put("/x", BYTES)
    web.before = lambda: web.put("/x", BYTES + b"more")
    assert add(open_api, image_id, at(url)).status == 409
    web.before = web.objects.clear
    web.put("/x", BYTES)
    assert add(open_api, image_id, at(url)).status == 400


def test_location_of_another_image_then_refused_and_never_erased(make_api: Callable[..., Api]) -> None:
    api = make_api(trusted=True, settings=SHOWING)
    alice, bob = api.as_caller("a"), api.as_caller("b")
    opened = make_api(trusted=True, settings=SHOWING, stores=with_archive(api.services.stores, api.images)).as_caller("a")
    stolen = bob.new(BYTES)
    image_id = alice.new()
    url = f"file://{api.images}/{stolen}"
    assert add(opened, image_id, at(url)).status == 403
    assert opened.request("POST", "/v1/images", {**RAW, "x-image-meta-location": url}).status == 403
    # The operator's own file beside them, which the service did not write; it could erase it.
    (api.images / "golden").write_bytes(BYTES)
    assert add(opened, image_id, at(f"file://{api.images}/golden")).status == 200
    assert alice.request("GET", f"/v2/images/{image_id}/file").body == BYTES
    assert alice.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert (api.images / "golden").read_bytes() == BYTES
    assert bob.request("GET", f"/v2/images/{stolen}/file").body == BYTES


def test_location_when_removed_or_deleted_then_the_web_server_keeps_its_data(open_api: Api, web: Web) -> None:
    image_id = open_api.new()
    put(open_api, image_id, [at(web.put("/x", BYTES)), at(web.put("/y", BYTES))])
    assert remove(open_api, image_id, 0).status == 200
    assert open_api.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert {environ["REQUEST_METHOD"] for environ in web.requests} <= {"HEAD", "GET"}
    assert open_api.services.registry.locations.condemned() == []


def test_location_when_read_then_no_credentials_of_the_caller_go_along(projects: Api, web: Web) -> None:
    alice = projects.as_caller("a")
    alice = replace(alice, headers={**alice.headers, "X-Auth-Token": "s3cret", "Authorization": "s3cret", "Cookie": "c=s3cret"})
    image_id = alice.new(BYTES)
    assert add(alice, image_id, at(web.put("/x", BYTES))).status == 200
    registered = alice.new()
    assert alice.send_json("POST", f"/v2/images/{registered}/locations", {"url": web.url("/x")}).status == 202
    assert alice.request("GET", f"/v2/images/{registered}/file").body == BYTES
    assert web.reads == 3
    assert "s3cret" not in str(web.requests)


def test_location_that_v1_registered_then_shown_by_v2(open_api: Api, web: Web) -> None:
    image_id = open_api.create({"x-image-meta-location": web.put("/x", BYTES)})
    assert open_api.get(f"/v2/images/{image_id}")["locations"] == [{"url": web.url("/x"), "metadata": {"store": "http"}}]
    assert "location" not in open_api.request("GET", f"/v1/images/{image_id}").headers


def test_schema_then_describes_locations(open_api: Api) -> None:
    known = open_api.get("/v2/schemas/image")["properties"]
    item = known["locations"]["items"]
    assert (known["locations"]["type"], item["required"], item["properties"]["url"]["maxLength"]) == ("array", ["url", "metadata"], 255)
    validation = item["properties"]["validation_data"]
    assert (validation["writeOnly"], validation["additionalProperties"], validation["required"]) == (True, False, ["os_hash_algo", "os_hash_value"])
    assert known["direct_url"]["readOnly"] is True


def test_create_when_it_names_locations_then_403(open_api: Api) -> None:
    for name in ("locations", "direct_url", "stores"):
        assert open_api.send_json("POST", "/v2/images", {name: []}).status == 403
