"""Several stores: what images say of them, choosing one, and taking an image's data out of one (spec-v2 2.1, 3.1, 4.4, 4.5)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from glance.api.settings import ApiSettings
from glance.context import unauthenticated
from glance.model.image import ImageChanges, Location, LocationChange
from glance.model.stores import StoreTraits
from glance.policies.engine import PolicyEngine
from glance.service.recovery import recover
from glance.testing.wire import Answer
from tests.api.conftest import DATA, RAW, Api
from tests.api.provocations import Scene
from tests.copies import TRAITS, add_copy, several_stores
from tests.web import Web, web

__all__ = ["web"]

BYTES = b"bytes of an image"
SHOWING = ApiSettings(show_direct_url=True, show_locations=True)


@pytest.fixture
def several(make_api: Callable[..., Api], tmp_path: Path) -> Api:
    """A service of several stores that shows locations, behind identity headers."""
    return make_api(trusted=True, settings=SHOWING, stores=several_stores(tmp_path))


@pytest.fixture
def alice(several: Api) -> Api:
    return several.as_caller("a")


@pytest.fixture
def admin(several: Api) -> Api:
    return several.as_caller("b", "admin")


@pytest.fixture
def copied(alice: Api) -> str:
    """The id of an image that is in both stores of files."""
    image_id = alice.new(BYTES)
    add_copy(alice.services, image_id, "costly")
    return image_id


def upload(api: Api, image_id: str, store: str) -> Answer:
    return api.request("PUT", f"/v2/images/{image_id}/file", {**DATA, "x-image-meta-store": store}, BYTES)


def delete(api: Api, store: str, image_id: str) -> Answer:
    return api.request("DELETE", f"/v2/stores/{store}/{image_id}")


def add_location(api: Api, image_id: str, url: str) -> Answer:
    return api.patch(image_id, [{"op": "add", "path": "/locations/-", "value": {"url": url, "metadata": {}}}])


def files(api: Api, image_id: str) -> set[str]:
    """The directories that have a file of that image."""
    return {path.parent.name for path in api.images.parent.glob(f"*/{image_id}")}


# What images say


def test_image_when_it_has_no_data_then_no_stores(alice: Api) -> None:
    created = alice.send_json("POST", "/v2/images", {})
    assert "stores" not in created.json
    assert "stores" not in alice.get(f"/v2/images/{created.json['id']}")


def test_image_when_it_has_data_then_stores_in_every_answer(alice: Api, copied: str) -> None:
    shown = alice.get(f"/v2/images/{copied}")
    assert shown["stores"] == "cheap,costly"
    assert [one["metadata"] for one in shown["locations"]] == [{"store": "cheap"}, {"store": "costly"}]
    assert alice.get("/v2/images")["images"] == [shown]
    assert alice.patch(copied, [{"op": "add", "path": "/name", "value": "x"}]).json["stores"] == "cheap,costly"


def test_image_when_a_store_has_the_greater_weight_then_it_comes_first_everywhere(make_api: Callable[..., Api], tmp_path: Path) -> None:
    api = make_api(settings=SHOWING, stores=several_stores(tmp_path, {**TRAITS, "costly": StoreTraits("file", weight=5)}))
    image_id = api.new(BYTES)
    add_copy(api.services, image_id, "costly")

    shown = api.get(f"/v2/images/{image_id}")

    assert shown["stores"] == "costly,cheap"
    assert [one["metadata"]["store"] for one in shown["locations"]] == ["costly", "cheap"]
    assert shown["direct_url"] == shown["locations"][0]["url"]
    assert api.patch(image_id, [{"op": "remove", "path": "/locations/0"}]).json["stores"] == "cheap"
    assert files(api, image_id) == {"images"}


def test_image_when_weights_are_equal_then_stores_by_name(alice: Api) -> None:
    image_id = alice.new()
    assert upload(alice, image_id, "costly").status == 204
    add_copy(alice.services, image_id, "cheap")
    shown = alice.get(f"/v2/images/{image_id}")
    assert (shown["stores"], [one["metadata"]["store"] for one in shown["locations"]]) == ("cheap,costly", ["costly", "cheap"])


def test_image_when_a_store_has_two_of_its_locations_then_named_once(alice: Api, web: Web) -> None:
    image_id = alice.new()
    for path in ("/x", "/y"):
        assert add_location(alice, image_id, web.put(path, BYTES)).status == 200
    shown = alice.get(f"/v2/images/{image_id}")
    assert (shown["stores"], [one["metadata"] for one in shown["locations"]]) == ("web", [{"store": "web"}] * 2)


@pytest.mark.parametrize(("recorded", "shown"), [("file", "cheap"), ("gone", "cheap"), ("", "cheap")])
def test_image_when_its_row_names_a_store_of_former_days_then_that_of_today(alice: Api, recorded: str, shown: str) -> None:
    image_id = alice.new()
    path = alice.images / image_id
    path.write_bytes(BYTES)
    change = LocationChange(frozenset(), (Location(path.as_uri(), recorded),))
    alice.services.registry.images.update(unauthenticated(), image_id, ImageChanges({"status": "active", "size": len(BYTES)}, locations=change))
    assert alice.get(f"/v2/images/{image_id}")["stores"] == shown
    assert alice.request("GET", f"/v2/images/{image_id}/file").body == BYTES


def test_image_when_no_store_of_today_has_its_data_then_the_name_in_the_row(alice: Api) -> None:
    image_id = alice.new()
    change = LocationChange(frozenset(), (Location("s3://bucket/x", "attic"), Location("s3://bucket/y", "")))
    alice.services.registry.images.update(unauthenticated(), image_id, ImageChanges({"status": "active", "size": 1}, locations=change))
    assert alice.get(f"/v2/images/{image_id}")["stores"] == "attic"


def test_stores_when_a_client_sends_them_then_read_only(alice: Api) -> None:
    created = alice.send_json("POST", "/v2/images", {"stores": "cheap"})
    changed = alice.patch(alice.new(), [{"op": "add", "path": "/stores", "value": "cheap"}])
    for answer in (created, changed):
        assert (answer.status, "Attribute 'stores' is read-only." in answer.text) == (403, True)
    assert alice.get("/v2/schemas/image")["properties"]["stores"]["readOnly"] is True


# Choosing one


def test_creation_then_names_all_stores_to_choose_from(alice: Api) -> None:
    assert alice.send_json("POST", "/v2/images", {}).header("OpenStack-image-store-ids") == "cheap,costly,web"


@pytest.mark.parametrize(("store", "place"), [("costly", "costly"), ("c%6Fstly", "costly"), ("cheap", "images"), ("", "images")])
def test_upload_when_a_store_is_named_then_there_else_in_the_default(alice: Api, store: str, place: str) -> None:
    image_id = alice.new()
    assert upload(alice, image_id, store).status == 204
    assert files(alice, image_id) == {place}


@pytest.mark.parametrize("store", ["zz", "file", "os_glance_staging_store", "ü"])
def test_upload_when_no_store_has_that_name_then_told_those_that_there_are(alice: Api, store: str) -> None:
    image_id = alice.new()
    answer = upload(alice, image_id, store)
    assert (answer.status, "is invalid; enabled stores: cheap, costly, web." in answer.text) == (400, True)
    assert (alice.get(f"/v2/images/{image_id}")["status"], files(alice, image_id)) == ("queued", set())


def test_upload_when_the_store_only_reads_then_410_and_the_image_is_queued(alice: Api) -> None:
    image_id = alice.new()
    answer = upload(alice, image_id, "web")
    assert (answer.status, "The store 'web' only reads" in answer.text) == (410, True)
    assert alice.get(f"/v2/images/{image_id}")["status"] == "queued"


def test_stage_when_a_store_is_named_then_it_does_not_matter(alice: Api) -> None:
    image_id = alice.new()
    assert alice.request("PUT", f"/v2/images/{image_id}/stage", {**DATA, "x-image-meta-store": "zz"}, BYTES).status == 204
    assert (files(alice, image_id), "stores" in alice.get(f"/v2/images/{image_id}")) == ({"staging"}, False)


# The list of them


PLAIN = [{"id": "cheap", "description": "Slow disks", "default": "true"}, {"id": "costly"}, {"id": "web", "read-only": "true"}]


def test_stores_when_listed_then_ids_and_flags_as_texts(alice: Api) -> None:
    assert alice.get("/v2/info/stores") == {"stores": PLAIN}


@pytest.mark.parametrize("role", ["admin", "service"])
def test_stores_when_listed_in_detail_then_with_how_they_are_set_up(several: Api, role: str) -> None:
    shown = several.as_caller("s", role).get("/v2/info/stores/detail")["stores"]
    assert [{name: one[name] for name in one if name not in {"type", "weight", "properties"}} for one in shown] == PLAIN
    assert [(one["type"], one["weight"]) for one in shown] == [("file", 0), ("file", 0), ("http", 0)]
    assert [one["properties"].get("data_dir") for one in shown] == [str(several.images), str(several.images.parent / "costly"), None]


def test_stores_when_others_ask_for_the_detail_then_403(alice: Api) -> None:
    assert alice.request("GET", "/v2/info/stores/detail").status == 403


def test_service_when_it_has_one_store_then_it_offers_no_choice(shared_api: Api) -> None:
    alice, admin = shared_api.as_caller("a"), shared_api.as_caller("b", "admin")
    created = alice.send_json("POST", "/v2/images", {"disk_format": "raw", "container_format": "bare"})
    image_id = str(created.json["id"])
    assert created.header("OpenStack-image-store-ids") is None
    assert upload(alice, image_id, "zz").status == 204
    assert "stores" not in alice.get(f"/v2/images/{image_id}")
    assert [alice.request("GET", path).status for path in ("/v2/info/stores", "/v2/info/stores/detail")] == [404, 404]
    assert delete(admin, "file", image_id).status == 404
    assert files(alice, image_id) == {"images"}


# Taking data out of one


def test_copy_when_deleted_then_record_and_data_are_gone_and_the_other_stays(alice: Api, admin: Api, copied: str) -> None:
    assert delete(admin, "costly", copied).status == 204
    assert alice.get(f"/v2/images/{copied}")["stores"] == "cheap"
    assert files(alice, copied) == {"images"}
    assert alice.request("GET", f"/v2/images/{copied}/file").body == BYTES


def test_copy_when_it_is_the_first_one_then_the_other_is_read(alice: Api, admin: Api, copied: str) -> None:
    assert delete(admin, "cheap", copied).status == 204
    assert (alice.get(f"/v2/images/{copied}")["stores"], files(alice, copied)) == ("costly", {"costly"})
    assert alice.request("GET", f"/v2/images/{copied}/file").body == BYTES


@pytest.mark.parametrize(
    ("store", "status", "words"),
    [
        ("cheap", 403, "Cannot delete image data from the only store containing it."),
        ("costly", 404, "is not stored in store costly."),
        ("web", 404, "is not stored in store web."),
        ("zz", 409, "The selected store zz is not available on this node."),
        ("file", 409, "The selected store file is not available on this node."),
        ("os_glance_staging_store", 409, "is not available on this node."),
    ],
)
def test_deletion_when_it_cannot_be_then_says_why(alice: Api, admin: Api, store: str, status: int, words: str) -> None:
    image_id = alice.new(BYTES)
    answer = delete(admin, store, image_id)
    assert (answer.status, words in answer.text) == (status, True), answer.text
    assert (alice.get(f"/v2/images/{image_id}")["stores"], files(alice, image_id)) == ("cheap", {"images"})


def test_deletion_when_there_is_no_such_image_then_404(alice: Api, admin: Api) -> None:
    gone = alice.new(BYTES)
    assert alice.request("DELETE", f"/v2/images/{gone}").status == 204
    for image_id in ("nope", gone):
        assert delete(admin, "cheap", image_id).status == 404


def test_deletion_when_the_image_is_not_active_then_409(alice: Api, admin: Api, copied: str) -> None:
    assert admin.request("POST", f"/v2/images/{copied}/actions/deactivate").status == 204
    assert delete(admin, "costly", copied).status == 409
    assert files(alice, copied) == {"images", "costly"}


def test_deletion_when_the_caller_may_not_then_nothing_happens(several: Api, alice: Api, copied: str) -> None:
    assert (delete(alice, "costly", copied).status, delete(several.as_caller("c"), "costly", copied).status) == (403, 404)
    assert files(alice, copied) == {"images", "costly"}


def test_deletion_when_the_policy_hides_locations_then_403(make_api: Callable[..., Api], tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"get_image_location": "role:nova", "delete_image_location": ""}')
    api = make_api(trusted=True, stores=several_stores(tmp_path), policy=PolicyEngine(path))
    image_id = api.as_caller("a").new(BYTES)
    add_copy(api.services, image_id, "costly")
    assert [delete(api.as_caller("a", roles), "costly", image_id).status for roles in ("admin", "member,nova")] == [403, 204]


def test_deletion_when_the_policy_allows_everybody_then_still_not_an_image_of_others(make_api: Callable[..., Api], tmp_path: Path) -> None:
    path = tmp_path / "policy.json"
    path.write_text('{"delete_image_location": ""}')
    api = make_api(trusted=True, stores=several_stores(tmp_path), policy=PolicyEngine(path))
    image_id = api.as_caller("a").new(BYTES, visibility="community")
    add_copy(api.services, image_id, "costly")
    assert delete(api.as_caller("c"), "costly", image_id).status == 403
    assert delete(api.as_caller("a"), "costly", image_id).status == 204


def test_deletion_when_both_copies_are_deleted_at_once_then_one_stays(alice: Api, web: Web, engine: Engine, copied: str) -> None:
    """The second deletion begins after the first one has looked at the image."""
    scene = Scene(alice, "v2", web, engine)
    racing = scene.meanwhile("delete_image_location", lambda: delete(alice.as_caller("b", "admin"), "cheap", copied))
    answer = delete(racing.caller("ADMIN"), "costly", copied)
    assert (answer.status, "The locations of image" in answer.text) == (409, True)
    assert (alice.get(f"/v2/images/{copied}")["stores"], files(alice, copied)) == ("costly", {"costly"})


def test_deletion_when_others_wrote_the_data_then_they_stay(alice: Api, admin: Api) -> None:
    image_id = alice.new(BYTES)
    theirs = alice.images.parent / "costly" / "theirs"
    theirs.write_bytes(BYTES)
    image = alice.services.registry.images.get(unauthenticated(), image_id)
    [first] = image.active_locations
    change = LocationChange(frozenset({first.id or 0}), (first, Location(theirs.as_uri(), "costly", owned=False)))
    alice.services.registry.images.update(unauthenticated(), image_id, ImageChanges(locations=change))
    assert alice.get(f"/v2/images/{image_id}")["stores"] == "cheap,costly"

    assert delete(admin, "costly", image_id).status == 204

    assert (alice.get(f"/v2/images/{image_id}")["stores"], theirs.read_bytes()) == ("cheap", BYTES)


def test_deletion_when_only_data_of_others_would_be_left_then_403(alice: Api, admin: Api, web: Web) -> None:
    image_id = alice.new(BYTES)
    assert add_location(alice, image_id, web.put("/x", BYTES)).status == 200
    answer = delete(admin, "cheap", image_id)
    assert (answer.status, "only data that this service wrote" in answer.text) == (403, True)
    assert delete(admin, "web", image_id).status == 204
    assert alice.get(f"/v2/images/{image_id}")["stores"] == "cheap"


def test_deletion_when_the_store_is_down_then_recovery_erases_the_data_later(alice: Api, admin: Api, copied: str) -> None:
    place, aside = alice.images.parent / "costly", alice.images.parent / "aside"
    shutil.move(place, aside)
    assert delete(admin, "costly", copied).status == 204
    assert alice.get(f"/v2/images/{copied}")["stores"] == "cheap"
    shutil.move(aside, place)
    assert files(alice, copied) == {"images", "costly"}
    assert recover(alice.services, lambda worker: False) == 1
    assert files(alice, copied) == {"images"}


# Version 1


@pytest.mark.parametrize(("store", "place"), [("costly", "costly"), ("file", "images"), ("filesystem", "images")])
def test_v1_when_a_store_or_a_scheme_is_named_then_there(alice: Api, store: str, place: str) -> None:
    image_id = alice.create({"x-image-meta-store": store}, BYTES)
    assert files(alice, image_id) == {place}
    assert alice.request("GET", f"/images/{image_id}").header("x-image-meta-store") == "file"
    assert alice.request("GET", f"/v1/images/{image_id}").header("x-image-meta-store") is None


@pytest.mark.parametrize(
    ("store", "words"),
    [
        ("zz", "Required store zz is invalid; enabled stores: cheap, costly, web."),
        ("os_glance_staging_store", "is invalid; enabled stores: cheap, costly, web."),
        ("web", "The store 'web' only reads"),
    ],
)
def test_v1_when_the_store_cannot_take_the_data_then_400_says_why(alice: Api, store: str, words: str) -> None:
    answer = alice.request("POST", "/v1/images", {**RAW, **DATA, "x-image-meta-store": store}, BYTES)
    assert (answer.status, words in answer.text) == (400, True), answer.text
    assert alice.names() == []
