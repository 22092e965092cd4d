"""PUT and DELETE of images."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glance.context import unauthenticated
from glance.model.image import Upload
from tests.api.conftest import DATA, RAW, Api


def test_put_when_it_renames_then_properties_that_are_not_sent_are_dropped(api: Api) -> None:
    image_id = api.create({"x-image-meta-property-a": "1", "x-image-meta-property-b": "2", "x-image-meta-min_ram": "5"})
    image = api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "new", "x-image-meta-property-b": "3"}).json["image"]
    assert (image["name"], image["min_ram"], image["properties"]) == ("new", 5, {"b": "3"})


@pytest.mark.parametrize("word", ["false", "False", "0", "no"])
def test_put_when_purging_is_off_then_properties_are_kept(api: Api, word: str) -> None:
    image_id = api.create({"x-image-meta-property-a": "1", "x-image-meta-property-b": "2"})
    headers = {"x-image-meta-property-b": "3", "x-glance-registry-purge-props": word}
    assert api.request("PUT", f"/v1/images/{image_id}", headers).json["image"]["properties"] == {"a": "1", "b": "3"}


def test_put_when_it_brings_data_then_active_and_nothing_is_purged(api: Api) -> None:
    image_id = api.create({"x-image-meta-property-a": "1"})
    answer = api.request("PUT", f"/v1/images/{image_id}", {**DATA, "x-image-meta-status": "active"}, b"abc")
    assert (answer.status, answer.json["image"]["status"], answer.json["image"]["properties"]) == (200, "active", {"a": "1"})
    assert answer.header("ETag") == "900150983cd24fb0d6963f7d28e17f72"


def test_put_when_the_image_has_data_then_409_and_the_first_data_stay(api: Api) -> None:
    image_id = api.create(body=b"first")
    answer = api.request("PUT", f"/v1/images/{image_id}", DATA, b"second")
    assert (answer.status, "Cannot upload to an unqueued image" in answer.text) == (409, True)
    assert api.request("GET", f"/v1/images/{image_id}").body == b"first"


@pytest.mark.parametrize("header", ["x-image-meta-location", "x-glance-api-copy-from"])
def test_put_when_a_source_is_named_for_an_image_with_data_then_400(api: Api, header: str) -> None:
    answer = api.request("PUT", f"/v1/images/{api.create(body=b'x')}", {header: "http://example.org/x"})
    assert (answer.status, "not in queued status" in answer.text) == (400, True)


@pytest.mark.parametrize("status", ["queued", "saving", "killed", "deleted", "pending_delete", "deactivated", "x"])
def test_put_when_another_status_is_stated_then_403_and_ignored_on_versionless_paths(api: Api, status: str) -> None:
    image_id = api.create(body=b"abc")
    answer = api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-status": status})
    assert (answer.status, "Forbidden to modify 'status' of image." in answer.text) == (403, True)
    assert api.request("PUT", f"/images/{image_id}", {"x-image-meta-status": status}).json["image"]["status"] == "active"


def test_put_when_status_and_id_are_the_stored_ones_then_200(api: Api) -> None:
    image_id = api.create(body=b"abc")
    headers = {"x-image-meta-status": "active", "x-image-meta-id": image_id, "x-image-meta-size": "3", "x-image-meta-checksum": ""}
    assert api.request("PUT", f"/v1/images/{image_id}", headers).status == 200


@pytest.mark.parametrize(
    ("name", "value"), [("id", "99999999-2222-4333-8444-555555555555"), ("size", "4"), ("checksum", "0" * 32)], ids=["id", "size", "checksum"]
)
def test_put_when_a_fixed_value_differs_then_403_and_nothing_changes(api: Api, name: str, value: str) -> None:
    image_id = api.create({"x-image-meta-name": "old"}, b"abc")
    before = api.show(image_id)
    answer = api.request("PUT", f"/v1/images/{image_id}", {f"x-image-meta-{name}": value, "x-image-meta-name": "new"})
    assert (answer.status, f"Forbidden to modify '{name}'" in answer.text) == (403, True)
    after = api.show(image_id)
    assert {key: after[key] for key in after if key.startswith("x-image")} == {key: before[key] for key in before if key.startswith("x-image")}


def test_put_when_versionless_then_metadata_in_headers_and_json(api: Api) -> None:
    answer = api.request("PUT", f"/images/{api.create()}", {"x-image-meta-name": "V"})
    assert answer.header("x-image-meta-name") == answer.json["image"]["name"] == "V"


def test_put_when_a_value_is_empty_then_text_is_cleared_and_numbers_stay(api: Api) -> None:
    image_id = api.create({"x-image-meta-name": "n", "x-image-meta-min_ram": "5", "x-image-meta-protected": "True"})
    headers = dict.fromkeys(("x-image-meta-name", "x-image-meta-min_ram", "x-image-meta-protected", "x-image-meta-location"), "")
    image = api.request("PUT", f"/v1/images/{image_id}", headers).json["image"]
    assert (image["name"], image["min_ram"], image["protected"]) == (None, 5, True)


def test_put_when_one_amazon_format_is_set_then_the_pair_must_match(api: Api) -> None:
    image_id = api.create()
    assert "Invalid mix" in api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-disk_format": "aki"}).text
    empty = api.request("POST", "/v1/images", {}).json["image"]["id"]
    image = api.request("PUT", f"/v1/images/{empty}", {"x-image-meta-disk_format": "aki"}).json["image"]
    assert (image["disk_format"], image["container_format"]) == ("aki", "aki")


def test_put_when_unknown_or_deleted_then_404_or_403(api: Api) -> None:
    assert api.request("PUT", "/v1/images/nope", {"x-image-meta-name": "n"}).status == 404
    image_id = api.create()
    api.request("DELETE", f"/v1/images/{image_id}")
    answer = api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "n"})
    assert (answer.status, "Forbidden to update deleted image." in answer.text) == (403, True)


def test_delete_when_active_then_the_data_are_erased_and_administrators_still_see_the_row(api: Api) -> None:
    image_id = api.create({"x-image-meta-property-a": "1"}, b"abc")
    answer = api.request("DELETE", f"/v1/images/{image_id}")
    assert (answer.status, answer.header("Content-Length"), answer.body) == (200, "0", b"")
    assert not list(api.images.iterdir())
    headers = api.show(image_id)
    assert (headers["x-image-meta-status"], headers["x-image-meta-deleted"]) == ("deleted", "True")
    assert "x-image-meta-deleted_at" in headers
    for headers in ({}, {"Range": "bytes=9-"}):
        assert "is not active" in api.request("GET", f"/v1/images/{image_id}", headers).text
    again = api.request("DELETE", f"/v1/images/{image_id}")
    assert (again.status, f"Image {image_id} not found." in again.text) == (404, True)


def test_delete_when_protected_then_403_until_it_is_not(api: Api) -> None:
    image_id = api.create({"x-image-meta-protected": "True"})
    answer = api.request("DELETE", f"/v1/images/{image_id}")
    assert (answer.status, "Image is protected" in answer.text) == (403, True)
    api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-protected": "False"})
    assert api.request("DELETE", f"/v1/images/{image_id}").status == 200


def test_delete_when_delayed_then_pending_and_the_data_stay(make_api: Callable[..., Api]) -> None:
    api = make_api(delayed_delete=True)
    image_id = api.create(body=b"abc")
    assert api.request("DELETE", f"/v1/images/{image_id}").status == 200
    assert api.show(image_id)["x-image-meta-status"] == "pending_delete"
    assert [path.name for path in api.images.iterdir()] == [image_id]
    assert api.request("DELETE", f"/v1/images/{image_id}").status == 403
    assert api.request("GET", f"/v1/images/{image_id}").status == 404


def test_put_when_an_error_is_answered_then_html_json_or_text_by_accept(api: Api) -> None:
    def content_type(accept: str) -> str:
        return str(api.request("GET", "/v1/images/nope", {"Accept": accept}).header("Content-Type")).partition(";")[0]

    assert [content_type(accept) for accept in ("application/json", "text/html", "*/*", "text/plain")] == [
        "application/json",
        "text/html",
        "text/html",
        "text/plain",
    ]
    assert api.request("GET", "/v1/images/nope", {"Accept": "application/json"}).json == {
        "message": "The resource could not be found.<br /><br />\nImage with identifier nope not found\n\n",
        "code": "404 Not Found",
        "title": "Not Found",
    }


def test_error_when_it_quotes_the_client_then_html_is_escaped(api: Api) -> None:
    answer = api.request("POST", "/v1/images", {**RAW, "x-image-meta-disk_format": "<script>", "Accept": "text/html"})
    assert b"<script>" not in answer.body
    assert b"&lt;script&gt;" in answer.body


def test_size_when_data_are_being_stored_then_fixed(api: Api) -> None:
    image_id = api.create()
    api.services.registry.uploads.start(unauthenticated(), Upload(image_id, "attempt", "file", "host/boot/1/2"))
    for header, value in (("x-image-meta-size", "7"), ("x-image-meta-checksum", "ab" * 16)):
        assert api.request("PUT", f"/v1/images/{image_id}", {header: value}).status == 403
    assert api.request("PUT", f"/v1/images/{image_id}", {"x-image-meta-name": "new"}).status == 200
