"""Which version a request speaks to, and what is answered when nothing fits (spec-v1 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from oslo_middleware import RequestId

from glance.api.app import Composition, api_v1, unauthenticated_context, version_list, version_negotiation
from glance.api.settings import ApiSettings
from tests.api.conftest import Api, wsgi_sender
from tests.copies import several_stores

VENDOR = "application/vnd.openstack.images-"


@pytest.mark.parametrize(
    "path", ["/", "/v9/images", "/v1.7/x", "/foo", "/v2.8/images", "/v2.13/images", "/v2.16/images", "//evil.example/v1", "/images2"]
)
def test_path_when_it_names_no_version_then_300_with_the_document(api: Api, path: str) -> None:
    answer = api.request("GET", path)
    assert answer.status == 300
    listed = [(one["id"], one["status"]) for one in answer.json["versions"]]
    assert [minor for minor, status in listed if status == "CURRENT"] == ["v2.17"]
    assert [minor for minor, _ in listed] == [*(f"v2.{minor}" for minor in (15, 9, 17, 7, 6, 5, 4, 3, 2, 1, 0)), "v1.1", "v1.0"]
    assert {status for _, status in listed} == {"CURRENT", "SUPPORTED"}
    assert all(one["links"][0]["href"].endswith(f"/{one['id'][:2]}/") for one in answer.json["versions"])


def test_versions_when_there_are_several_stores_then_their_minors_too(make_api: Callable[..., Api], tmp_path: Path) -> None:
    api = make_api(stores=several_stores(tmp_path))
    listed = [(one["id"], one["status"]) for one in api.request("GET", "/").json["versions"]]
    assert listed[:8] == [
        *((f"v2.{minor}", "SUPPORTED") for minor in (15, 13, 12, 11, 10, 9, 8)),
        ("v2.17", "CURRENT"),
    ]
    assert [minor for minor, _ in listed[8:]] == [*(f"v2.{minor}" for minor in range(7, -1, -1)), "v1.1", "v1.0"]
    for minor in (8, 10, 11, 12, 13):
        assert api.get(f"/v2.{minor}/images")["images"] == []
        assert api.request("GET", "/images", {"Accept": f"{VENDOR}v2.{minor}"}).status == 200
    assert api.request("GET", "/v2.14/images").status == 300


@pytest.mark.parametrize(("path", "status"), [("//v2/images", 300), ("//versions", 300), ("/v2//images", 404), ("/v2/images//", 404)])
def test_path_when_it_has_empty_segments_then_they_count(make_api: Callable[..., Api], path: str, status: int) -> None:
    assert make_api().request("GET", path).status == status


def test_versions_when_asked_for_then_200(api: Api) -> None:
    assert api.request("GET", "/versions").status == api.request("GET", "/versions/").status == 200


@pytest.mark.parametrize("version", ["/v1", "/v2"])
def test_version_when_without_slash_then_redirected(api: Api, version: str) -> None:
    answer = api.request("GET", version)
    assert (answer.status, answer.body) == (302, b"")
    assert answer.header("Location").endswith(f"{version}/")


@pytest.mark.parametrize("path", ["/v1/images", "/v1.0/images", "/v1.1/images", "/images"])
def test_path_when_it_names_a_version_then_the_list(api: Api, path: str) -> None:
    assert api.request("GET", path).json == {"images": []}


@pytest.mark.parametrize(("version", "status"), [("v1", 200), ("v1.0", 200), ("v1.1", 200), ("v9", 300), ("v2", 200), ("v2.17", 200), ("v2.8", 300)])
def test_accept_when_it_names_a_version_then_it_wins_over_the_path(api: Api, version: str, status: int) -> None:
    assert api.request("GET", "/images", {"Accept": VENDOR + version}).status == status


@pytest.mark.parametrize("version", ["v2", *(f"v2.{minor}" for minor in (0, 1, 2, 3, 4, 5, 6, 7, 9, 15, 17))])
def test_path_when_it_names_a_minor_of_v2_then_its_list(api: Api, version: str) -> None:
    assert api.request("GET", f"/{version}/images").json == {"images": [], "first": "/v2/images", "schema": "/v2/schemas/images"}


def test_accept_when_it_names_v1_then_the_answers_are_those_of_v1(api: Api) -> None:
    api.create({"x-image-meta-is_public": "1"})
    assert "uri" in api.request("GET", "/images").json["images"][0]
    assert "uri" not in api.request("GET", "/images", {"Accept": VENDOR + "v1"}).json["images"][0]


METHODS = {
    ("PATCH", "/v1/images"): (405, "GET, POST"),
    ("HEAD", "/v1/images/detail"): (405, "GET"),
    ("PATCH", "/v1/images/x"): (405, "GET, HEAD, PUT, DELETE"),
    ("POST", "/v1/images/x/members"): (405, "GET, PUT"),
    ("GET", "/v1/images/x/members/y"): (405, "PUT, DELETE"),
    ("OPTIONS", "/v1/images"): (405, "GET, POST"),
    ("PROPFIND", "/v1/images"): (405, "GET, POST"),
    ("GET", "/v1/foo"): (404, None),
    ("PROPFIND", "/v1/foo"): (501, None),
    ("GET", "/v1/cached_images"): (404, None),
}


@pytest.mark.parametrize(("request_line", "expected"), METHODS.items(), ids=lambda value: " ".join(map(str, value)))
def test_method_when_the_path_has_others_then_405_names_them(api: Api, request_line: tuple[str, str], expected: tuple[int, str | None]) -> None:
    answer = api.request(*request_line)
    assert (answer.status, answer.header("Allow")) == expected


def test_answer_when_of_the_api_then_it_has_a_request_id_and_takes_over_a_plain_one(api: Api) -> None:
    own = "req-11111111-2222-4333-8444-555555555555"
    assert api.request("GET", "/v1/images", {"X-Openstack-Request-Id": own}).header("X-Openstack-Request-Id") == own
    assert str(api.request("GET", "/v1/images/nope").header("X-Openstack-Request-Id")).startswith("req-")
    hostile = api.request("GET", "/v1/images", {"X-Openstack-Request-Id": "a b%0a\x1b[31m"}).header("X-Openstack-Request-Id")
    assert str(hostile).startswith("req-")
    assert api.request("GET", "/v1/images", {"X-Openstack-Request-Id": "r" * 65}).status == 431
    assert api.request("GET", "/versions", {"X-Openstack-Request-Id": own}).header("X-Openstack-Request-Id") == own


def test_answer_when_a_filter_of_the_operator_gives_another_request_id_then_ours_alone(make_api: Callable[..., Api]) -> None:
    api = make_api()
    send = wsgi_sender(Composition(RequestId(version_list({})), api.services, api.settings))
    answer = send("GET", "/versions", {"X-Openstack-Request-Id": "req-own"}, None)
    assert [value for name, value in answer.headers if name.lower() == "x-openstack-request-id"] == ["req-own"]


def test_path_when_it_is_not_utf8_then_400(api: Api) -> None:
    if api.send.__qualname__.startswith("wsgi_sender"):
        assert api.request("GET", "/v1/images/\xff").status == 400


def test_versionless_paths_when_switched_off_then_300(make_api: Callable[..., Api]) -> None:
    assert make_api(settings=ApiSettings(versionless_api=False)).request("GET", "/images").status == 300


def test_v1_when_switched_off_then_300(make_api: Callable[..., Api]) -> None:
    api = make_api(settings=ApiSettings(enable_v1_api=False))
    answer = api.request("GET", "/v1/images")
    assert (answer.status, {one["id"][:2] for one in answer.json["versions"]}) == (300, {"v2"})
    assert (api.request("GET", "/images").status, api.request("GET", "/v2/images").status) == (300, 200)


def test_v2_when_switched_off_then_300_and_v1_is_current(make_api: Callable[..., Api]) -> None:
    answer = make_api(settings=ApiSettings(enable_v2_api=False)).request("GET", "/v2/images")
    listed = [(one["id"], one["status"]) for one in answer.json["versions"]]
    assert (answer.status, listed) == (300, [("v1.1", "CURRENT"), ("v1.0", "SUPPORTED")])


def test_links_when_a_public_endpoint_is_configured_then_they_use_it(make_api: Callable[..., Api]) -> None:
    api = make_api(settings=ApiSettings(public_endpoint="https://images.example.org/"))
    assert api.request("GET", "/").json["versions"][0]["links"][0]["href"] == "https://images.example.org/v2/"


@pytest.mark.parametrize(("path", "status"), [("/v1/images", 200), ("/v1/v1/images", 404), ("/v1/", 200), ("/v1/v1/", 404)])
def test_version_when_the_path_has_it_twice_then_404(make_api: Callable[..., Api], path: str, status: int) -> None:
    mounted = make_api()
    application = version_negotiation({})(unauthenticated_context({})(api_v1({})))
    alone = replace(mounted, send=wsgi_sender(Composition(application, mounted.services, mounted.settings)))
    assert mounted.request("GET", path).status == alone.request("GET", path).status == status


def test_links_when_a_proxy_names_the_scheme_then_it_counts_only_if_configured(make_api: Callable[..., Api]) -> None:
    def scheme(api: Api, sent: str) -> str:
        answer = api.request("GET", "/", {"X-Forwarded-Proto": sent})
        return str(answer.json["versions"][0]["links"][0]["href"]).partition(":")[0]

    assert scheme(make_api(), "https") == "http"
    behind = make_api(settings=ApiSettings(secure_proxy_ssl_header="HTTP_X_FORWARDED_PROTO"))
    assert [scheme(behind, sent) for sent in ("https", "http", "gopher")] == ["https", "http", "http"]
