"""Schemas, what the service says about itself, and methods and paths that there are not (spec-v2 0.1, 2.2, 4.3, 4.4)."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from glance.api.settings import ApiSettings
from tests.api.conftest import Api


def test_schema_of_images_then_describes_every_field_that_is_sent(api: Api) -> None:
    schema = api.get("/v2/schemas/image")
    assert (schema["name"], schema["additionalProperties"]) == ("image", {"type": "string"})
    assert [link["rel"] for link in schema["links"]] == ["self", "enclosure", "describedby"]
    properties = schema["properties"]
    assert properties["disk_format"]["enum"][:2] == properties["container_format"]["enum"][:2] == [None, "ami"]
    assert all(one["description"] for one in properties.values())
    read_only = {name for name, one in properties.items() if one.get("readOnly")}
    assert read_only == {
        *("status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value"),
        *("created_at", "updated_at", "self", "file", "schema", "direct_url", "stores"),
    }
    for image_id in (api.new(b"abc", name="n", tags=["x"]), api.send_json("POST", "/v2/images", {}).json["id"]):
        image = api.get(f"/v2/images/{image_id}")
        assert set(image) == set(properties) - {"locations", "direct_url", "stores"}
        for name, value in image.items():
            assert fits(value, properties[name]), name
    listed = api.get("/v2/schemas/images")
    assert listed["properties"]["images"]["items"] == schema
    assert [link["rel"] for link in listed["links"]] == ["first", "next", "describedby"]


def test_schemas_when_ids_are_integers_then_fit_them_and_those_from_before(make_api: Callable[..., Api]) -> None:
    older = make_api().new()
    counting = make_api(settings=ApiSettings(integer_ids=True))
    for schema in (counting.get("/v2/schemas/image")["properties"]["id"], counting.get("/v2/schemas/member")["properties"]["image_id"]):
        assert [value for value in ("1", "20", older, "0", "07", "x", "1-2", f"1{older}") if fits(value, schema)] == ["1", "20", older]


def fits(value: object, schema: dict[str, object]) -> bool:
    """What warlock, the library by which clients look at images, asks of a value."""
    kinds = {str: "string", int: "integer", bool: "boolean", list: "array", type(None): "null"}
    accepted = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    of_kind = kinds[type(value)] in accepted
    matches = not isinstance(value, str) or re.search(str(schema.get("pattern", "")), value) is not None
    short = not isinstance(value, str) or len(value) <= int(str(schema.get("maxLength", 10**6)))
    return of_kind and matches and short and ("enum" not in schema or value in list(schema["enum"]))


def test_schema_of_members_then_has_their_fields(api: Api) -> None:
    schema = api.get("/v2/schemas/member")
    assert set(schema) == {"name", "properties"}
    assert schema["properties"]["status"]["enum"] == ["pending", "accepted", "rejected"]
    assert set(schema["properties"]) == {"member_id", "image_id", "created_at", "updated_at", "status", "schema"}
    assert api.get("/v2/schemas/members")["properties"]["members"]["items"] == schema


def test_info_then_says_what_there_is(api: Api) -> None:
    methods = api.get("/v2/info/import")["import-methods"]
    assert (methods["type"], methods["value"]) == ("array", [])
    assert api.get("/v2/info/usage") == {"usage": {}}


METHODS = {
    ("HEAD", "/v2/images/x"): (405, "GET, PATCH, DELETE"),
    ("DELETE", "/v2/images"): (405, "GET, POST"),
    ("HEAD", "/v2/images"): (405, "GET, POST"),
    ("POST", "/v2/images/x/file"): (405, "GET, PUT"),
    ("GET", "/v2/images/x/actions/deactivate"): (405, "POST"),
    ("DELETE", "/v2/images/x/members"): (405, "GET, POST"),
    ("POST", "/v2/images/x/members/y"): (405, "GET, PUT, DELETE"),
    ("POST", "/v2/schemas/image"): (405, "GET"),
    ("GET", "/v2/"): (404, None),
    ("GET", "/v2/zzz"): (404, None),
    ("GET", "/v2/images/"): (404, None),
    ("DELETE", "/v2/images/"): (404, None),
    ("GET", "/v2/images/nope"): (404, None),
    ("GET", "/v2/schemas/bogus"): (404, None),
    ("GET", "/v2/info/stores"): (404, None),
    ("GET", "/v2/info/stores/detail"): (404, None),
    ("GET", "/v2/images/x/stage"): (405, "PUT"),
    ("POST", "/v2/images/x/import"): (404, None),
    ("GET", "/v2/images/x/tasks"): (404, None),
    ("GET", "/v2/images/x/locations"): (404, None),
    ("DELETE", "/v2/images/x/locations"): (405, "GET, POST"),
    ("GET", "/v2/tasks"): (404, None),
    ("GET", "/v2/cache"): (404, None),
    ("GET", "/v2/v2/images"): (404, None),
    ("GET", "/v2/v1/images"): (404, None),
}


@pytest.mark.parametrize(("request_line", "expected"), METHODS.items(), ids=lambda value: " ".join(map(str, value)))
def test_path_when_it_has_no_such_method_or_is_not_there_then_405_or_404(
    api: Api, request_line: tuple[str, str], expected: tuple[int, str | None]
) -> None:
    answer = api.request(*request_line)
    assert (answer.status, answer.header("Allow")) == expected


def test_answer_then_echoes_the_request_id(api: Api) -> None:
    assert api.request("GET", "/v2/images", {"X-OpenStack-Request-ID": "req-abc"}).header("x-openstack-request-id") == "req-abc"


def test_anonymous_when_not_allowed_then_401_except_for_versions(shared_api: Api) -> None:
    assert (shared_api.request("GET", "/versions").status, shared_api.request("GET", "/v2/schemas/image").status) == (200, 401)
    flat = shared_api.request("GET", "/v2/images", {"Accept": "application/json"})
    assert (flat.status, flat.json["code"], flat.json["title"]) == (401, "401 Unauthorized", "Unauthorized")
