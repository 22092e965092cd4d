"""GET /v2/images: filters, order, pages, and who sees what (spec-v2 2.4)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glance.api.settings import ApiSettings
from tests.api.conftest import Api


def names(api: Api, query: str = "") -> list[str]:
    return [image["name"] for image in api.get(f"/v2/images{query}")["images"]]


def test_list_when_empty_then_the_links_of_itself(api: Api) -> None:
    assert api.get("/v2/images") == {"images": [], "first": "/v2/images", "schema": "/v2/schemas/images"}
    api.new()
    assert api.get("/v2/images?limit=0") == {"images": [], "first": "/v2/images?limit=0", "schema": "/v2/schemas/images"}


def test_list_when_paged_then_every_image_once_and_the_query_is_kept(api: Api) -> None:
    for number in range(5):
        api.new(name=f"i{number}", tags=["x", "y"])
    path, seen, pages = "/v2/images?tag=x&tag=y&limit=2&sort=name:asc", [], 0
    while path:
        page = api.get(path)
        seen += [image["name"] for image in page["images"]]
        pages += 1
        assert page["first"] == "/v2/images?tag=x&tag=y&limit=2&sort=name%3Aasc"
        path = page.get("next", "")
        assert not path or path.startswith(f"{page['first']}&marker=")
    assert (seen, pages) == ([f"i{number}" for number in range(5)], 3)


def test_list_when_the_limit_is_not_given_or_too_large_then_as_configured(make_api: Callable[..., Api]) -> None:
    api = make_api(settings=ApiSettings(default_limit=2, max_limit=3))
    for _ in range(5):
        api.new()
    assert [len(names(api, query)) for query in ("", "?limit=9", "?limit=1", f"?limit={10**30}")] == [2, 3, 1, 3]


FILTERS = {
    "name=b": ["b"],
    "name=eq:b": ["b"],
    "name=in:a,b": ["a", "b"],
    "name=in:" + ",".join(["a", "b"] * 200): ["a", "b"],
    "name=in:a,%22c,d%22": ["a", "c,d"],
    "tag=x": ["a", "b"],
    "tag=x&tag=y": ["b"],
    "foo=bar": ["a"],
    "foo=other": [],
    "nothing=x": [],
    "is_public=true": [],
    "status=queued": ["b", "c,d"],
    "status=in:queued,active": ["a", "b", "c,d"],
    "status=zz": [],
    "size_min=1": ["a"],
    "size_max=0": ["b", "c,d"],
    "size=3": ["a"],
    f"size_min={10**30}": [],
    f"size={10**30}": [],
    "min_ram_min=10": ["b"],
    "min_ram_max=9": ["a", "c,d"],
    "min_ram=10": ["b"],
    "checksum=900150983cd24fb0d6963f7d28e17f72": ["a"],
    "os_hash_algo=sha512": ["a"],
    "disk_format=qcow2": ["b"],
    "protected=true": ["c,d"],
    "protected=false": ["a", "b"],
    "created_at=lt:2100-01-01T00:00:00Z": ["a", "b", "c,d"],
    "created_at=gt:2100-01-01T00:00:00%2B02:00": [],
    "updated_at=2100-01-01T00:00:00": [],
    "updated_at=neq:2100-01-01": ["a", "b", "c,d"],
    "os_hidden=True": ["hidden"],
    "os_hidden=false": ["a", "b", "c,d"],
    "visibility=all": ["a", "b", "c,d"],
    "visibility=private": ["b"],
    "visibility=public": [],
    "owner=nobody": [],
}


def test_list_when_filtered_then_only_what_fits(api: Api) -> None:
    api.new(b"abc", name="a", tags=["x"], foo="bar")
    api.new(name="b", tags=["x", "y"], min_ram=10, disk_format="qcow2", visibility="private")
    api.new(name="c,d", protected=True)
    api.new(name="hidden", os_hidden=True)
    found = {query: names(api, f"?{query}&sort=name:asc") for query in FILTERS}
    assert found == FILTERS
    image_id = api.get("/v2/images?name=b")["images"][0]["id"]
    assert names(api, f"?id={image_id}") == names(api, f"?id=in:{image_id},x") == ["b"]


def test_list_when_sorted_then_in_that_order(api: Api) -> None:
    for name, disk_format in (("b", "raw"), ("a", "raw"), ("c", "qcow2")):
        api.new(name=name, disk_format=disk_format)
    assert names(api, "?sort=name") == names(api, "?sort_key=name") == ["c", "b", "a"]
    assert names(api, "?sort=disk_format:asc,name:asc") == ["c", "a", "b"]
    assert names(api, "?sort_key=disk_format&sort_dir=desc&sort_key=name&sort_dir=asc") == ["a", "b", "c"]
    assert names(api, "?sort_key=disk_format&sort_key=name&sort_dir=asc") == ["c", "a", "b"]
    assert names(api, "?sort_dir=asc") == ["b", "a", "c"]


BAD_QUERIES = {
    "limit=-1": "limit param must be positive",
    "limit=x": "limit param must be an integer",
    "limit=": "limit param must be an integer",
    "limit=1e3": "limit param must be an integer",
    "limit=+5": "limit param must be an integer",
    "limit=%D9%A5": "limit param must be an integer",
    "marker=zz": "",
    "marker=99999999-2222-4333-8444-555555555555": "",
    "sort_key=foo": "Invalid sort key: foo. It must be one of the following: name, status,",
    "sort=foo:asc": "Invalid sort key: foo.",
    "sort=": "Invalid sort key: .",
    "sort=name:up": "Invalid sort direction: up",
    "sort_key=name&sort_dir=up": "Invalid sort direction: up",
    "sort_key=name&sort_dir=asc&sort_dir=asc": "Number of sort dirs does not match the number of sort keys",
    "sort=name&sort_key=id": "Old and new sorting syntax cannot be combined",
    "visibility=zz": "Invalid visibility value: zz",
    "member_status=zz": "Invalid status: zz",
    "os_hidden=zz": "Invalid value 'zz' for 'os_hidden' filter. Valid values are 'true' or 'false'.",
    "protected=True": "Invalid value 'True' for 'protected' filter.",
    "created_at=gt:zz": 'Bad "created_at" query filter format. Use ISO 8601 DateTime notation.',
    "updated_at=zz:2100-01-01": "Unable to filter by unknown operator 'zz'.",
    "name=zz:a": "Unable to filter by unknown operator 'zz'.",
    "name=in:%22a": "Invalid filter value",
    "name=in:a%0Ab": "Invalid filter value",
    "name=in:" + ",".join(map(str, range(257))): "At most 256 values can be listed for 'name'",
    "size_min=a": "Unable to filter on a range with a non-numeric value.",
    "size_min=-1": "Unable to filter on a range with a non-numeric value.",
    "min_disk_max=1.5": "Unable to filter on a range with a non-numeric value.",
    "size=a": "Unable to filter by 'size'",
    "changes-since=2020-01-01": 'The "changes-since" filter is no longer available on v2.',
    "name=%ff": "not valid UTF-8",
    "name=a%00": "NUL character",
    "&".join(f"p{number}=x" for number in range(129)): "At most 128 properties or tags",
}


@pytest.mark.parametrize(("query", "text"), BAD_QUERIES.items(), ids=lambda value: value[:30])
def test_list_when_a_parameter_is_bad_then_400_that_names_it(api: Api, query: str, text: str) -> None:
    answer = api.request("GET", f"/v2/images?{query}")
    assert (answer.status, text in answer.text) == (400, True), answer.text


def test_list_when_projects_differ_then_each_sees_its_own_and_what_is_open(shared_api: Api) -> None:
    mine, other, admin = (shared_api.as_caller(project, roles) for project, roles in (("P1", "member"), ("P2", "member"), ("P0", "admin")))
    for visibility in ("private", "shared", "community"):
        mine.new(name=f"mine-{visibility}", visibility=visibility)
        other.new(name=f"other-{visibility}", visibility=visibility)
    admin.new(name="open", visibility="public")
    own = ["mine-community", "mine-private", "mine-shared"]
    seen = {
        "": [*own, "open"],
        "visibility=all": [*own, "open", "other-community"],
        "visibility=community": ["mine-community", "other-community"],
        "visibility=private": ["mine-private"],
        "visibility=shared": ["mine-shared"],
        "visibility=public": ["open"],
        "visibility=all&owner=P2": ["other-community"],
    }
    assert {query: names(mine, f"?{query}&sort=name:asc") for query in seen} == seen
    everything = [*own, "open", "other-private", "other-shared"]
    assert names(admin, "?sort=name:asc") == [name for name in everything if name != "mine-community"]
    assert names(admin, "?visibility=all&sort=name:asc") == sorted([*everything, "other-community"])
    foreign = {image["name"]: image["id"] for image in admin.get("/v2/images?visibility=all")["images"]}
    assert mine.request("GET", f"/v2/images/{foreign['other-community']}").status == 200
    assert mine.request("GET", f"/v2/images/{foreign['other-shared']}").status == 404
