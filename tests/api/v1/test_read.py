"""HEAD and GET of images, ranges, and lists."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glance.api.settings import ApiSettings
from tests.api.conftest import Api, served

BYTES = bytes(range(256)) * 40


def test_head_when_active_then_all_metadata_and_no_length(api: Api) -> None:
    headers = api.show(api.create({"x-image-meta-name": "n", "x-image-meta-property-Distro-Name": "Über"}, b"abc"))
    assert headers["content-length"] == "0"
    assert headers["x-image-meta-property-distro_name"] == "Über"
    named = ("size", "is_public", "deleted", "protected", "min_disk", "min_ram", "disk_format")
    assert {name: headers[f"x-image-meta-{name}"] for name in named} == {
        "size": "3",
        "is_public": "False",
        "deleted": "False",
        "protected": "False",
        "min_disk": "0",
        "min_ram": "0",
        "disk_format": "raw",
    }
    assert not {"x-image-meta-owner", "x-image-meta-deleted_at", "x-image-meta-location", "x-image-meta-visibility"} & set(headers)


def test_head_when_versionless_then_absent_values_are_empty_and_the_fields_of_2010_are_there(api: Api) -> None:
    image_id = api.create({"x-image-meta-type": "raw"}, b"abc", "/images")
    answer = api.request("HEAD", f"/images/{image_id}")
    assert answer.header("x-image-meta-deleted_at") == answer.header("x-image-meta-owner") == ""
    assert answer.header("x-image-meta-uri").endswith(f"/images/{image_id}")
    assert (answer.header("x-image-meta-store"), answer.header("x-image-meta-type")) == ("file", "raw")
    queued = api.request("HEAD", f"/images/{api.create(path='/images')}")
    assert queued.header("x-image-meta-checksum") is None
    assert queued.header("x-image-meta-size") == "0"


def test_get_when_active_then_the_bytes_with_their_length_and_metadata(api: Api) -> None:
    answer = api.request("GET", f"/v1/images/{api.create(body=BYTES)}")
    assert (answer.status, answer.body, answer.header("Content-Length")) == (200, BYTES, str(len(BYTES)))
    assert answer.header("Content-Type") == "application/octet-stream"
    assert answer.header("ETag") == answer.header("x-image-meta-checksum")


RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=5-": (5, len(BYTES)),
    "bytes=-7": (len(BYTES) - 7, len(BYTES)),
    "bytes=100-199": (100, 200),
    "bytes=10000-99999999": (10000, len(BYTES)),
    "bytes=-99999999": (0, len(BYTES)),
}


@pytest.mark.parametrize(("asked", "part"), RANGES.items(), ids=RANGES)
def test_get_when_a_range_is_asked_for_then_206_with_exactly_that(api: Api, asked: str, part: tuple[int, int]) -> None:
    answer = api.request("GET", f"/v1/images/{api.create(body=BYTES)}", {"Range": asked})
    start, stop = part
    assert (answer.status, answer.body) == (206, BYTES[start:stop])
    assert answer.header("Content-Range") == f"bytes {start}-{stop - 1}/{len(BYTES)}"
    assert answer.header("Content-Length") == str(stop - start)


@pytest.mark.parametrize("asked", [f"bytes={len(BYTES)}-", "bytes=99999999999999999999999999-", "bytes=-0"])
def test_get_when_the_range_lies_outside_then_416_with_the_size(api: Api, asked: str) -> None:
    answer = api.request("GET", f"/v1/images/{api.create(body=BYTES)}", {"Range": asked})
    assert (answer.status, answer.header("Content-Range")) == (416, f"bytes */{len(BYTES)}")


@pytest.mark.parametrize("asked", ["bytes=5-4", "lines=1-2", "bytes=x-y", "bytes=0-1,5-6", "bytes=" + "0-," * 5000])
def test_get_when_the_range_is_none_that_is_served_then_the_whole(api: Api, asked: str) -> None:
    answer = api.request("GET", f"/v1/images/{api.create(body=BYTES)}", {"Range": asked})
    assert (answer.status, answer.body) == (200, BYTES)


def test_get_when_if_range_names_other_data_then_the_whole(api: Api) -> None:
    image_id = api.create(body=BYTES)
    assert api.request("GET", f"/v1/images/{image_id}", {"Range": "bytes=0-0", "If-Range": "other"}).status == 200
    checksum = api.show(image_id)["etag"]
    assert api.request("GET", f"/v1/images/{image_id}", {"Range": "bytes=0-0", "If-Range": checksum}).status == 206


def test_get_when_queued_then_404_that_says_so(api: Api) -> None:
    image_id = api.create()
    answer = api.request("GET", f"/v1/images/{image_id}")
    assert (answer.status, f"Image {image_id} is not active" in answer.text) == (404, True)


def test_get_when_the_file_is_gone_or_cut_then_404_and_never_a_short_answer(api: Api) -> None:
    image_id = api.create(body=BYTES)
    (api.images / image_id).chmod(0o640)
    (api.images / image_id).write_bytes(BYTES[:-1])
    cut = api.request("GET", f"/v1/images/{image_id}")
    assert (cut.status, "damaged" in cut.text) == (404, True)
    (api.images / image_id).unlink()
    gone = api.request("GET", f"/v1/images/{image_id}")
    assert (gone.status, "cannot be found in its store" in gone.text) == (404, True)
    assert str(api.images) not in cut.text + gone.text


def test_get_when_external_data_shrank_then_the_whole_is_passed_on_and_a_range_beyond_is_refused(api: Api) -> None:
    held = [b"0123456789"]

    def source(environ: dict[str, str], start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [("Content-Length", str(len(held[0])))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else held

    with served(source) as port:
        image = f"/v1/images/{api.create({'x-image-meta-location': f'http://127.0.0.1:{port}/'})}"
        held[0] = b"01234"
        assert api.request("GET", image).body == b"01234"
        part = api.request("GET", image, {"Range": "bytes=2-3"})
        assert (part.status, part.header("Content-Range"), part.body) == (206, "bytes 2-3/10", b"23")
        assert api.request("GET", image, {"Range": "bytes=2-7"}).status == 404


def test_list_when_filtered_then_only_what_fits(api: Api) -> None:
    for number in range(4):
        api.create({"x-image-meta-name": f"i{number}", "x-image-meta-is_public": "1", "x-image-meta-property-kind": f"k{number % 2}"}, b"x" * number)
    assert api.names("?size_min=2&sort_key=size&sort_dir=asc") == ["i2", "i3"]
    assert api.names("?size_max=1&sort_key=name&sort_dir=asc") == ["i0", "i1"]
    assert api.names("?property-kind=k1&sort_key=name&sort_dir=asc") == ["i1", "i3"]
    assert api.names("?property-kind=k1&name=i3") == ["i3"]
    assert api.names("?name=in:i1,i2") == []
    assert api.names("?name=i1'%20OR%201=1--") == []
    assert api.names("?size_min=999999999999999999999999999999") == []
    assert api.names("?unknown=1&deleted=True&sort_key=name&sort_dir=asc&limit=2") == ["i0", "i1"]


def test_list_when_paged_then_every_image_once(api: Api) -> None:
    for number in range(7):
        api.create({"x-image-meta-name": f"i{number % 3}", "x-image-meta-is_public": "1"})
    seen: list[str] = []
    marker = ""
    while page := api.request("GET", f"/v1/images?limit=2&sort_key=name{marker}").json["images"]:
        seen += [image["id"] for image in page]
        marker = f"&marker={seen[-1]}"
    assert len(seen) == len(set(seen)) == 7


def test_list_when_versionless_and_no_limit_then_not_paged(api: Api) -> None:
    for _ in range(27):
        api.create({"x-image-meta-is_public": "1"})
    assert len(api.request("GET", "/v1/images").json["images"]) == 25
    documents = api.request("GET", "/images/detail").json["images"]
    assert len(documents) == 27
    assert {"uri", "store", "is_public", "properties"} <= set(documents[0])
    assert "location" not in documents[0]


BAD_QUERIES = {
    "limit=-1": "limit param must be positive",
    "limit=x": "limit param must be an integer",
    "limit=1e3": "limit param must be an integer",
    "marker=zz": "Invalid marker format",
    "marker=99999999-2222-4333-8444-555555555555": "Invalid marker. Image could not be found.",
    "changes-since=garbage": "Unrecognized changes-since value",
    "is_public=maybe": "Bad value passed to filter is_public got maybe",
    "protected=maybe": "Bad value passed to filter protected got maybe",
    "size_min=foo": "Bad value passed to filter size_min got foo",
    "size_max=-1": "Bad value passed to filter size_max got -1",
    "sort_key=color": "Unsupported sort_key. Acceptable values: name, status, container_format, disk_format, size, id, created_at, updated_at",
    "sort_dir=up": "Unsupported sort_dir. Acceptable values: asc, desc",
    "name=%ff": "not valid UTF-8",
}


@pytest.mark.parametrize(("query", "text"), BAD_QUERIES.items(), ids=BAD_QUERIES)
def test_list_when_a_parameter_is_bad_then_400_that_names_it(api: Api, query: str, text: str) -> None:
    answer = api.request("GET", f"/v1/images?{query}")
    assert (answer.status, text in answer.text) == (400, True)


def test_list_when_changes_since_then_deleted_images_too(api: Api) -> None:
    before = "1999-01-01T00:00:00"
    api.request("DELETE", f"/v1/images/{api.create({'x-image-meta-name': 'gone', 'x-image-meta-is_public': '1'})}")
    assert api.names() == []
    assert api.names(f"?changes-since={before}") == ["gone"]
    assert api.names("?changes-since=2199-01-01T00:00:00Z") == []


def test_collection_when_asked_with_a_slash_then_the_list(api: Api) -> None:
    for path in ("/v1/images/", "/images/", "/v1/"):
        assert api.request("GET", path).json == {"images": []}
    assert api.request("DELETE", "/images/").status == 404
    assert api.request("GET", "/v1/images//detail").status == 404


def test_get_when_the_limit_of_a_page_is_configured_then_clamped(make_api: Callable[..., Api]) -> None:
    from glance.api.settings import ApiSettings

    api = make_api(settings=ApiSettings(default_limit=2, max_limit=3))
    for _ in range(5):
        api.create({"x-image-meta-is_public": "1"})
    assert [len(api.names(query)) for query in ("", "?limit=9", "?limit=1", "?limit=0")] == [2, 3, 1, 0]


def test_list_when_ids_became_integers_then_older_ids_stay_text(make_api: Callable[..., Api]) -> None:
    image_id = make_api().create({"x-image-meta-is_public": "1"})
    counting = make_api(settings=ApiSettings(integer_ids=True))
    assert [image["id"] for image in counting.request("GET", "/images").json["images"]] == [image_id]
