"""What only the service says of an image: no client says it in its place, by whatever name and whichever version (security S15, S18)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import RAW, Api

BYTES = b"0123456789"
#: Names that the service gives a meaning to in v2, or that it writes itself.
INTERNAL = ("stores", "locations", "location", "os_glance_import_task", "os_glance_stage_host", "direct_url", "self", "file", "schema", "deleted")
FIELDS = ("id", "owner", "status", "checksum", "size", "virtual_size", "visibility", "os_hash_value", "os_hidden", "tags", "created_at")


@pytest.fixture
def mine(shared_api: Api) -> Api:
    return shared_api.as_caller("P1")


def show(api: Api, image_id: str) -> Any:
    """An image of v2 without what differs between any two."""
    document = api.get(f"/v2/images/{image_id}")
    return {name: value.replace(image_id, "ID") if isinstance(value, str) else value for name, value in document.items() if not name.endswith("_at")}


@pytest.mark.parametrize("name", [*INTERNAL, "status", "checksum", "owner"])
def test_reserved_name_when_v2_sends_it_then_403_and_nothing_is_made_or_changed(mine: Api, name: str) -> None:
    image_id = mine.new(name="one")
    before = mine.get(f"/v2/images/{image_id}")
    answer = mine.send_json("POST", "/v2/images", {"name": "two", name: "x"})
    assert (answer.status, name in answer.text or name == "owner") == (403, True)
    assert mine.patch(image_id, [{"op": "add", "path": f"/{name}", "value": "x"}]).status == 403
    assert mine.patch(image_id, [{"op": "replace", "path": "/name", "value": "y"}, {"op": "remove", "path": f"/{name}"}]).status == 403
    assert mine.get(f"/v2/images/{image_id}") == before
    assert mine.names() == ["one"]


@pytest.mark.parametrize("name", [*INTERNAL, *FIELDS])
def test_reserved_name_when_v1_gives_it_to_a_property_then_v2_never_shows_it(mine: Api, name: str) -> None:
    plain, named = mine.create(body=BYTES), mine.create({f"x-image-meta-property-{name}": "forged"}, BYTES)
    assert mine.show(named)[f"x-image-meta-property-{name}"] == "forged"
    assert show(mine, named) == show(mine, plain)
    listed = {image["id"]: image for image in mine.get("/v2/images")["images"]}
    assert "forged" not in listed[named].values()


@pytest.mark.parametrize("name", INTERNAL)
def test_reserved_name_of_v1_when_v2_changes_the_image_then_stays_inert(mine: Api, name: str) -> None:
    image_id = mine.create({f"x-image-meta-property-{name}": "forged"})
    assert mine.patch(image_id, [{"op": "add", "path": "/p", "value": "new"}]).status == 200
    assert mine.patch(image_id, [{"op": "replace", "path": f"/{name}", "value": "x"}]).status == 403
    shown = mine.show(image_id)
    assert (shown[f"x-image-meta-property-{name}"], shown["x-image-meta-property-p"]) == ("forged", "new")


#: Fields of an active image as a client of v1 would change them, and the answer: refused, or ignored.
FIXED = {
    "id": ("11111111-2222-4333-8444-555555555555", 403),
    "checksum": ("0" * 32, 403),
    "size": ("1", 403),
    "status": ("queued", 403),
    "owner": ("P2", 200),
    "created_at": ("2001-01-01T00:00:00", 200),
    "updated_at": ("2001-01-01T00:00:00", 200),
    "deleted_at": ("2001-01-01T00:00:00", 200),
    "deleted": ("True", 200),
    "store": ("file", 200),
    "location": ("http://127.0.0.1:1024/x", 400),
}


@pytest.mark.parametrize(("name", "value", "status"), [(name, *row) for name, row in FIXED.items()], ids=FIXED)
def test_field_of_an_active_image_when_v1_states_another_value_then_stays(mine: Api, name: str, value: str, status: int) -> None:
    image_id = mine.create(body=BYTES)
    before = mine.show(image_id)
    answer = mine.request("PUT", f"/v1/images/{image_id}", {**RAW, f"x-image-meta-{name}": value, "x-glance-registry-purge-props": "false"})
    assert answer.status == status, answer.text
    after = mine.show(image_id)
    changing = {"x-image-meta-updated_at", "date", "x-openstack-request-id"}
    assert {key: text for key, text in after.items() if key not in changing} == {key: text for key, text in before.items() if key not in changing}
    assert mine.request("GET", f"/v1/images/{image_id}").body == BYTES
