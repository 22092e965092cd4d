"""Custom properties that the operator describes (spec-v2 2.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from glance.api.settings import ApiSettings
from glance.config import custom_properties
from tests.api.conftest import Api

UUID = "0a0a0a0a-0000-4000-8000-000000000001"
DOCUMENT = {
    "properties": {
        "kernel_id": {"type": ["null", "string"], "pattern": "^[0-9a-f-]{36}$", "description": "Kernel."},
        "colour": {"type": "string", "enum": ["red", "blue"], "maxLength": 4},
        "code": {"type": "string", "minLength": 2},
    },
    "required": ["colour"],
}


@pytest.fixture
def described(make_api: Callable[..., Api]) -> Api:
    """A service whose operator describes three properties and requires one."""
    return make_api(settings=ApiSettings(custom_properties=custom_properties.parse(DOCUMENT)))


def test_schema_when_the_operator_describes_properties_then_they_are_not_base(described: Api) -> None:
    schema = described.get("/v2/schemas/image")
    assert schema["properties"]["kernel_id"] == {"type": ["null", "string"], "pattern": "^[0-9a-f-]{36}$", "description": "Kernel.", "is_base": False}
    assert {name for name, one in schema["properties"].items() if one.get("is_base") is False} == {"kernel_id", "colour", "code"}
    assert schema["required"] == ["colour"]
    assert described.get("/v2/schemas/images")["properties"]["images"]["items"] == schema


def test_schema_when_the_operator_describes_nothing_then_nothing_is_required(api: Api) -> None:
    schema = api.get("/v2/schemas/image")
    assert "required" not in schema
    assert not any("is_base" in one for one in schema["properties"].values())


def test_property_when_described_then_it_is_kept_as_a_custom_one(described: Api) -> None:
    image_id = described.new(colour="red", kernel_id=UUID, code="a\tb", other="x")
    image = described.get(f"/v2/images/{image_id}")
    assert (image["colour"], image["kernel_id"], image["code"], image["other"]) == ("red", UUID, "a\tb", "x")
    assert described.show(image_id)["x-image-meta-property-colour"] == "red"
    assert [one["id"] for one in described.get("/v2/images?colour=red")["images"]] == [image_id]
    changed = described.patch(image_id, [{"op": "replace", "path": "/colour", "value": "blue"}, {"op": "remove", "path": "/code"}])
    assert (changed.status, changed.json["colour"], "code" in changed.json) == (200, "blue", False)


def test_property_when_its_schema_accepts_null_then_null_is_kept(described: Api) -> None:
    image_id = described.new(colour="red", kernel_id=None)
    assert described.get(f"/v2/images/{image_id}")["kernel_id"] is None
    given = described.patch(image_id, [{"op": "replace", "path": "/kernel_id", "value": UUID}])
    assert given.json["kernel_id"] == UUID
    taken = described.patch(image_id, [{"op": "replace", "path": "/kernel_id", "value": None}])
    assert taken.json["kernel_id"] is None


def test_property_when_v1_left_it_empty_then_it_is_null_only_where_the_schema_has_that(described: Api) -> None:
    image_id = described.create({"x-image-meta-property-kernel_id": "", "x-image-meta-property-code": ""})
    image = described.get(f"/v2/images/{image_id}")
    assert (image["kernel_id"], image["code"]) == (None, "")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "type": ({"colour": 5}, "Invalid value '5' for parameter 'colour': It must be of type string."),
    "null": ({"colour": None}, "It must be of type string."),
    "enum": ({"colour": "pink"}, "Choose one of red, blue."),
    "pattern": ({"kernel_id": "vmlinuz"}, "Invalid value 'vmlinuz' for parameter 'kernel_id': It does not match ^[0-9a-f-]{36}$"),
    "another keyword": ({"code": "a"}, "Invalid value 'a' for parameter 'code': It does not fulfil minLength: 2."),
    "control character": ({"code": "a\x00b"}, "Control characters are not allowed."),
}


@pytest.mark.parametrize(("sent", "text"), REFUSED.values(), ids=REFUSED)
def test_property_when_not_as_described_then_400(described: Api, sent: dict[str, Any], text: str) -> None:
    created = described.send_json("POST", "/v2/images", {"colour": "red", **sent})
    [(name, value)] = sent.items()
    changed = described.patch(described.new(colour="red"), [{"op": "add", "path": f"/{name}", "value": value}])
    assert (created.status, changed.status) == (400, 400)
    assert text in created.text
    assert text in changed.text


def test_required_property_when_missing_then_400_and_when_removed_then_403(described: Api) -> None:
    missing = described.send_json("POST", "/v2/images", {"name": "x"})
    assert (missing.status, "'colour'" in missing.text) == (400, True)
    removed = described.patch(described.new(colour="red"), [{"op": "remove", "path": "/colour"}])
    assert (removed.status, "Property colour may not be removed." in removed.text) == (403, True)


def test_shipped_properties_then_every_image_fits_the_schema(make_api: Callable[..., Api]) -> None:
    shipped = custom_properties.read([Path(__file__).parents[3] / "etc"])
    api = make_api(settings=ApiSettings(custom_properties=shipped))
    values = {"kernel_id": UUID, "ramdisk_id": None, "architecture": "x86_64", "cinder_encryption_key_deletion_policy": "do_not_delete"}
    image = api.get(f"/v2/images/{api.new(**values)}")
    assert {name: image[name] for name in values} == values
    assert "instance_uuid" not in image
