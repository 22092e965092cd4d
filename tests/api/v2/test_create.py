"""POST /v2/images: what it takes and what it refuses (spec-v2 2.3)."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from glance.service import Limits
from tests.api.conftest import Api

ID = "0a0a0a0a-0000-4000-8000-000000000001"


def test_post_when_complete_then_queued_with_all_fields(api: Api) -> None:
    sent = {"name": "a", "disk_format": "raw", "container_format": "bare", "foo": "bar", "tags": ["x", "y", "x"], "min_ram": 512}
    answer = api.send_json("POST", "/v2/images", sent)
    image = answer.json
    path = f"/v2/images/{image['id']}"
    assert (answer.status, answer.header("Content-Type")) == (201, "application/json")
    assert str(answer.header("Location")).startswith("http://")
    assert str(answer.header("Location")).endswith(path)
    assert {name: image.pop(name) for name in (*sent, "status", "visibility")} == {
        **sent,
        "tags": ["x", "y"],
        "status": "queued",
        "visibility": "shared",
    }
    assert (image.pop("self"), image.pop("file"), image.pop("schema")) == (path, f"{path}/file", "/v2/schemas/image")
    assert image.pop("created_at") == image.pop("updated_at")
    assert image.pop("id")
    absent = dict.fromkeys(("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value", "owner"))
    assert image == {**absent, "protected": False, "os_hidden": False, "min_disk": 0}


def test_post_when_nothing_is_said_then_an_image_of_no_name(api: Api) -> None:
    image = api.send_json("POST", "/v2/images", {}).json
    assert (image["name"], image["disk_format"], image["tags"]) == (None, None, [])
    assert image["created_at"][-1] == "Z"
    assert len(image["created_at"]) == len("2026-11-20T11:34:40Z")


def test_post_when_the_id_is_taken_then_409(api: Api) -> None:
    assert [api.send_json("POST", "/v2/images", {"id": ID}).status for _ in range(2)] == [201, 409]
    assert api.request("DELETE", f"/v2/images/{ID}").status == 204
    assert api.send_json("POST", "/v2/images", {"id": ID}).status == 409


REFUSED = {
    "id": ({"id": "zzz"}, 400, "'id'"),
    "size": ({"size": 5}, 403, "Attribute 'size' is read-only."),
    "hash": ({"os_hash_value": "x"}, 403, "Attribute 'os_hash_value' is read-only."),
    "self": ({"self": "/x"}, 403, "Attribute 'self' is read-only."),
    "stores": ({"stores": "a"}, 403, "Attribute 'stores' is read-only."),
    "os_glance": ({"os_glance_x": "x"}, 403, "Attribute 'os_glance_x' is reserved."),
    "locations": ({"locations": []}, 403, "Attribute 'locations' is reserved."),
    "deleted": ({"deleted": True}, 403, "Attribute 'deleted' is reserved."),
    "number for a property": ({"foo": 5}, 400, "Invalid value '5' for parameter 'foo': It must be of type string."),
    "null for a property": ({"foo": None}, 400, "Invalid value 'null' for parameter 'foo': It must be of type string."),
    "object for a property": ({"foo": {}}, 400, "Invalid value 'object' for parameter 'foo': It must be of type string."),
    "empty property name": ({"": "x"}, 400, "1 to 255 characters"),
    "long property name": ({"n" * 256: "x"}, 400, "1 to 255 characters"),
    "control character": ({"name": "a\x00b"}, 400, "Control characters are not allowed."),
    "control character in a property": ({"foo": "a\x00b"}, 400, "Control characters are not allowed."),
    "name": ({"name": 5}, 400, "It must be of type null or string."),
    "long name": ({"name": "n" * 256}, 400, "It has 256 characters and can't exceed 255 characters."),
    "disk format": ({"disk_format": "floppy"}, 400, "Choose one of null, "),
    "visibility": ({"visibility": "zz"}, 400, "Choose one of community, private, public, shared."),
    "no visibility": ({"visibility": None}, 400, "It must be of type string."),
    "text for a boolean": ({"protected": "true"}, 400, "It must be of type boolean."),
    "negative": ({"min_disk": -1}, 400, "Invalid value '-1' for parameter 'min_disk': Cannot be a negative value"),
    "32 bits": ({"min_disk": 2**31}, 400, "'min_disk' value out of range, must not exceed 2147483647."),
    "64 bits": ({"min_ram": 2**63}, 400, "must not exceed 2147483647."),
    "100 bits": ({"min_ram": 10**30}, 400, "must not exceed 2147483647."),
    "fraction": ({"min_ram": 1.5}, 400, "Invalid value '1.5' for parameter 'min_ram': It must be of type integer."),
    "boolean for a number": ({"min_ram": True}, 400, "Invalid value 'true' for parameter 'min_ram': It must be of type integer."),
    "tags": ({"tags": "x"}, 400, "It must be of type array."),
    "tag": ({"tags": [1]}, 400, "It must be of type string."),
    "long tag": ({"tags": ["t" * 256]}, 400, "can't exceed 255 characters."),
    "empty tag": ({"tags": [""]}, 400, "tag"),
}


@pytest.mark.parametrize(("document", "status", "text"), REFUSED.values(), ids=REFUSED)
def test_post_when_a_value_is_bad_then_refused_by_name_and_nothing_is_made(api: Api, document: object, status: int, text: str) -> None:
    answer = api.send_json("POST", "/v2/images", document)
    assert (answer.status, text in answer.text) == (status, True), answer.text
    assert api.get("/v2/images?visibility=all")["images"] == []


BODIES = {
    "nothing": (b"", "Body expected in request."),
    "no JSON": (b"{bad", "Malformed JSON in request body."),
    "a number": (b"3", "Unexpected body type."),
    "null": (b"null", "Unexpected body type."),
    "a list": (b"[]", "Unexpected body type."),
    "a text": (b'"x"', "Unexpected body type."),
    "a key twice": (b'{"name": "a", "name": "b"}', "Malformed"),
    "NaN": (b'{"min_ram": NaN}', "Malformed"),
    "infinity": (b'{"min_ram": 1e999}', "Malformed"),
    "a lone surrogate": (b'{"name": "\\ud800"}', "Malformed"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "Malformed"),
    "UTF-16": ("{}".encode("utf-16"), "Malformed"),
    "Latin-1": ('{"name": "ü"}'.encode("latin-1"), "Malformed"),
    "more after the end": (b"{} x", "Malformed"),
    "depth": (b"[" * 100_000, "Malformed"),
    "depth that closes": (b'{"a":' * 990 + b"1" + b"}" * 990, "400"),
    "a long number": (b'{"min_ram": ' + b"1" * 5000 + b"}", "Malformed"),
}


@pytest.mark.parametrize(("body", "text"), BODIES.values(), ids=BODIES)
def test_post_when_the_body_is_no_object_then_400(api: Api, body: bytes, text: str) -> None:
    answer = api.request("POST", "/v2/images", {"Content-Type": "application/x-www-form-urlencoded"}, body)
    assert (answer.status, text in answer.text) == (400, True), answer.text


def test_post_when_the_body_is_over_a_mebibyte_then_413(make_api: Callable[..., Api]) -> None:
    api = make_api()
    body = json.dumps({"name": "n" * 2**20}).encode()
    assert api.request("POST", "/v2/images", {}, body).status == 413
    assert api.request("POST", "/v2/images", {"Transfer-Encoding": "chunked"}, body).status == 413


TEXTS = [
    "\N{GRINNING FACE}",
    "\N{RIGHT-TO-LEFT OVERRIDE}x",
    "e" + "\N{COMBINING ACUTE ACCENT}" * 200,
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    "' OR 1=1--",
]


@pytest.mark.parametrize("text", TEXTS)
def test_post_when_text_is_of_any_script_then_it_comes_back_and_is_found(api: Api, text: str) -> None:
    image_id = api.new(name=text, tags=[text], **{text: text})
    image = api.get(f"/v2/images/{image_id}")
    assert (image["name"], image["tags"], image[text]) == (text, [text], text)
    quoted = "".join(f"%{byte:02x}" for byte in text.encode())
    for query in (f"name=eq:{quoted}", f"tag={quoted}", f"{quoted}={quoted}"):
        assert [one["id"] for one in api.get(f"/v2/images?{query}")["images"]] == [image_id]


def test_post_when_over_a_quota_then_413(make_api: Callable[..., Api]) -> None:
    api = make_api(limits=Limits(properties=1, tags=1))
    assert api.send_json("POST", "/v2/images", {"a": "1", "b": "2"}).status == 413
    assert api.send_json("POST", "/v2/images", {"tags": ["a", "b"]}).status == 413
    assert api.send_json("POST", "/v2/images", {"a": "1", "tags": ["a"]}).status == 201


def test_post_when_the_caller_may_not_then_403(shared_api: Api) -> None:
    member, admin = shared_api.as_caller("P1"), shared_api.as_caller("P0", roles="admin")
    refused = member.send_json("POST", "/v2/images", {"visibility": "public"})
    assert (refused.status, "publicize_image" in refused.text) == (403, True)
    assert member.send_json("POST", "/v2/images", {"owner": "other"}).status == 403
    assert member.send_json("POST", "/v2/images", {"visibility": "community"}).status == 201
    assert member.send_json("POST", "/v2/images", {"owner": "P1"}).json["owner"] == "P1"
    assert admin.send_json("POST", "/v2/images", {"visibility": "public", "owner": "other"}).json["owner"] == "other"


def test_error_when_json_is_accepted_then_json_and_html_for_everything(api: Api) -> None:
    path = "/v2/images/nope"
    flat = api.request("GET", path, {"Accept": "application/json"}).json
    assert (flat["code"], flat["title"]) == ("404 Not Found", "Not Found")
    for accept in ("*/*", "text/html"):
        answer = api.request("GET", path, {"Accept": accept})
        assert (answer.header("Content-Type"), "nope" in answer.text) == ("text/html; charset=UTF-8", True)
    assert str(api.request("GET", path, {"Accept": "text/plain"}).header("Content-Type")).startswith("text/plain")
