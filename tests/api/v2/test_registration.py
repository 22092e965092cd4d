"""POST and GET of an image's locations (spec-v2 3.8): data registered where they are, and hashed."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

import pytest

from glance.api.settings import ApiSettings
from glance.context import RequestContext, unauthenticated
from glance.model.events import Event
from glance.service import Limits
from glance.testing.wire import Answer
from tests.api.conftest import DATA, RAW, Api
from tests.disk_images import BACKED, qcow2
from tests.services import with_archive
from tests.web import Web, web

__all__ = ["web"]

BYTES = b"bytes of an image"
MD5 = hashlib.md5(BYTES, usedforsecurity=False).hexdigest()
SHA512 = hashlib.sha512(BYTES).hexdigest()
RIGHT = {"os_hash_algo": "sha512", "os_hash_value": SHA512}
WRONG = {"os_hash_algo": "sha512", "os_hash_value": "ab" * 64}
MEASURED = {"checksum": MD5, "os_hash_algo": "sha512", "os_hash_value": SHA512, "size": len(BYTES), "virtual_size": len(BYTES)}
NOTHING: dict[str, object] = dict.fromkeys(MEASURED)


class Recorder:
    """A notifier that remembers."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def emit(self, ctx: RequestContext, event: Event) -> None:
        self.events.append(event.type)

    def close(self) -> None:
        """Nothing is held."""


@pytest.fixture
def patient(make_api: Callable[..., Api]) -> Api:
    """A service that shows locations and asks once for data."""
    return make_api(settings=ApiSettings(show_locations=True), http_retries=0)


@pytest.fixture
def projects(make_api: Callable[..., Api]) -> Api:
    return make_api(trusted=True)


def register(api: Api, image_id: str, url: str, validation: object = None) -> Answer:
    return api.send_json("POST", f"/v2/images/{image_id}/locations", {"url": url, **({} if validation is None else {"validation_data": validation})})


def found(api: Api, image_id: str) -> tuple[str, dict[str, object]]:
    """The status of an image, and what is known of its data."""
    image = api.get(f"/v2/images/{image_id}")
    return image["status"], {name: image[name] for name in MEASURED}


@pytest.mark.parametrize("validation", [None, {}])
def test_register_when_nothing_is_stated_then_active_at_once_and_hashed_later(api: Api, web: Web, validation: object) -> None:
    image_id = api.new()
    seen = []
    web.before = lambda: seen.append(found(api, image_id))
    answer = register(api, image_id, web.put("/x", BYTES), validation)
    assert (answer.status, answer.body, answer.header("Content-Length")) == (202, b"", "0")
    assert seen == [("active", {**NOTHING, "size": len(BYTES)})]
    assert found(api, image_id) == ("active", MEASURED)
    assert api.get(f"/v2/images/{image_id}/locations") == [{"url": web.url("/x"), "metadata": {"store": "http"}}]
    assert api.request("GET", f"/v2/images/{image_id}/file").body == BYTES


@pytest.mark.parametrize("algorithm", ["sha512", "sha256", "sha1", "md5"])
def test_register_when_the_hash_is_right_then_importing_until_it_is_known(api: Api, web: Web, algorithm: str) -> None:
    image_id = api.new()
    seen: list[object] = []
    web.before = lambda: seen.extend([found(api, image_id)[0], register(api, image_id, web.url("/x")).status])
    value = hashlib.new(algorithm, BYTES, usedforsecurity=False).hexdigest()
    assert register(api, image_id, web.put("/x", BYTES), {"os_hash_algo": algorithm, "os_hash_value": value.upper()}).status == 202
    assert seen == ["importing", 409]
    assert found(api, image_id) == ("active", MEASURED)
    assert api.services.registry.uploads.leases() == []


def test_register_when_the_hash_is_wrong_then_queued_again_with_nothing(patient: Api, web: Web, caplog: pytest.LogCaptureFixture) -> None:
    image_id = patient.new()
    assert register(patient, image_id, web.put("/secret-path", BYTES), WRONG).status == 202
    assert found(patient, image_id) == ("queued", NOTHING)
    assert patient.get(f"/v2/images/{image_id}")["locations"] == []
    assert patient.services.registry.uploads.leases() == []
    assert image_id in caplog.text
    assert "secret-path" not in caplog.text
    assert patient.request("PUT", f"/v2/images/{image_id}/file", DATA, b"other").status == 204


@pytest.mark.parametrize("validation", [None, RIGHT])
def test_register_when_deleted_while_the_data_are_read_then_gone(api: Api, web: Web, validation: object) -> None:
    image_id = api.new()
    web.before = lambda: api.request("DELETE", f"/v2/images/{image_id}")
    assert register(api, image_id, web.put("/x", BYTES), validation).status == 202
    assert api.request("GET", f"/v2/images/{image_id}").status == 404
    gone = api.services.registry.images.get(unauthenticated(), image_id)
    assert (gone.status, gone.checksum, api.services.registry.uploads.leases()) == ("deleted", None, [])
    assert api.services.registry.locations.condemned() == []


@pytest.mark.parametrize(("validation", "status"), [(None, "active"), (RIGHT, "queued")])
@pytest.mark.parametrize("trouble", ["gone", "longer"])
def test_register_when_the_data_cannot_be_read_then_without_digests(patient: Api, web: Web, trouble: str, validation: object, status: str) -> None:
    image_id = patient.new()
    url = web.put("/x", BYTES)
    web.before = web.objects.clear if trouble == "gone" else lambda: web.put("/x", BYTES * 2)
    assert register(patient, image_id, url, validation).status == 202
    assert found(patient, image_id) == (status, {**NOTHING, "size": len(BYTES) if validation is None else None})


@pytest.mark.parametrize("validation", [None, RIGHT])
def test_register_when_the_server_fails_for_a_moment_then_asked_again(make_api: Callable[..., Api], web: Web, validation: object) -> None:
    api = make_api(http_retries=1)
    image_id = api.new()
    url = web.put("/x", BYTES)
    web.before = lambda: web.objects.clear() if web.reads == 1 else web.put("/x", BYTES)
    assert register(api, image_id, url, validation).status == 202
    assert (web.reads, found(api, image_id)) == (2, ("active", MEASURED))


def test_register_when_the_data_are_unsafe_then_not_active_where_they_are_read_before(
    patient: Api, web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    data = qcow2(*BACKED)
    url = web.put("/x", data)
    checked, trusted = patient.new(disk_format="qcow2"), patient.new(disk_format="qcow2")
    stated = {"os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(data).hexdigest()}
    assert register(patient, checked, url, stated).status == 202
    assert found(patient, checked) == ("queued", NOTHING)
    with caplog.at_level(logging.WARNING):
        assert register(patient, trusted, url).status == 202
    image = patient.get(f"/v2/images/{trusted}")
    assert (image["status"], image["os_hash_value"]) == ("active", hashlib.sha512(data).hexdigest())
    assert f"image {trusted}, which is active, would be refused as an upload" in caplog.text


def test_register_when_hashing_is_off_then_taken_as_it_is_stated(make_api: Callable[..., Api], web: Web) -> None:
    api = make_api(secure_hash=False)
    stated, silent = api.new(), api.new()
    assert register(api, stated, web.put("/x", BYTES), {"os_hash_algo": "md5", "os_hash_value": "AB" * 16}).status == 202
    assert register(api, silent, web.url("/x")).status == 202
    unread = {**NOTHING, "size": len(BYTES)}
    assert found(api, stated) == ("active", {**unread, "os_hash_algo": "md5", "os_hash_value": "ab" * 16})
    assert (found(api, silent), web.reads) == (("active", unread), 0)


@pytest.mark.parametrize("validation", [None, RIGHT])
def test_register_when_md5_is_enough_then_the_checksum_alone_is_kept(make_api: Callable[..., Api], web: Web, validation: object) -> None:
    api = make_api(hashing_algorithm="")
    image_id = api.new()
    assert register(api, image_id, web.put("/x", BYTES), validation).status == 202
    assert found(api, image_id) == ("active", {**MEASURED, "os_hash_algo": None, "os_hash_value": None})


@pytest.mark.parametrize(("checksum", "status"), [(MD5, "active"), ("ab" * 16, "queued")])
def test_register_when_v1_said_what_the_data_must_be_then_they_are_read_before(patient: Api, web: Web, checksum: str, status: str) -> None:
    image_id = patient.create({"x-image-meta-checksum": checksum})
    assert register(patient, image_id, web.put("/x", BYTES)).status == 202
    assert patient.get(f"/v2/images/{image_id}")["status"] == status


def test_register_when_v1_said_another_size_then_409(api: Api, web: Web) -> None:
    image_id = api.create({"x-image-meta-size": "5"})
    assert register(api, image_id, web.put("/x", BYTES)).status == 409
    assert api.get(f"/v2/images/{image_id}")["status"] == "queued"


BODIES: dict[str, object] = {
    "nothing": {},
    "a list": [],
    "no URL": {"validation_data": RIGHT},
    "URL is a number": {"url": 5},
    "another member": {"url": "{url}", "metadata": {}},
    "algorithm alone": {"url": "{url}", "validation_data": {"os_hash_algo": "sha512"}},
    "value alone": {"url": "{url}", "validation_data": {"os_hash_value": SHA512}},
    "another algorithm": {"url": "{url}", "validation_data": {**RIGHT, "os_hash_algo": "crc32"}},
    "another member of the hashes": {"url": "{url}", "validation_data": {**RIGHT, "checksum": MD5}},
    "hashes are null": {"url": "{url}", "validation_data": None},
    "hashes are a text": {"url": "{url}", "validation_data": "x"},
    "a short value": {"url": "{url}", "validation_data": {**RIGHT, "os_hash_value": "00"}},
    "no hexadecimal value": {"url": "{url}", "validation_data": {**RIGHT, "os_hash_value": "xy" * 64}},
    "blanks in the value": {"url": "{url}", "validation_data": {"os_hash_algo": "md5", "os_hash_value": " " * 32 + MD5}},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_register_when_the_body_is_wrong_then_400_and_nothing_changes(api: Api, web: Web, body: Any) -> None:
    image_id = api.new()
    if isinstance(body, dict) and body.get("url") == "{url}":
        body = {**body, "url": web.put("/x", BYTES)}
    answer = api.send_json("POST", f"/v2/images/{image_id}/locations", body)
    assert answer.status == 400, answer.text
    assert found(api, image_id) == ("queued", NOTHING)


TEXTS: dict[str, tuple[dict[str, object], str]] = {
    "no URL": ({}, "Invalid value 'object' for parameter 'location': It needs url."),
    "another member": ({"url": "http://host/x", "metadata": {}}, "It may have only url, validation_data."),
    "algorithm alone": (
        {"url": "http://host/x", "validation_data": {"os_hash_algo": "sha512"}},
        "It needs all or none of os_hash_algo, os_hash_value.",
    ),
    "hashes are a list": (
        {"url": "http://host/x", "validation_data": []},
        "Invalid value 'array' for parameter 'location': It must be of type object.",
    ),
}


@pytest.mark.parametrize(("body", "text"), TEXTS.values(), ids=TEXTS)
def test_register_when_the_body_is_wrong_then_the_answer_says_so_in_terms_of_json(api: Api, body: dict[str, object], text: str) -> None:
    assert text in api.send_json("POST", f"/v2/images/{api.new()}/locations", body).text


def test_register_when_the_value_is_too_short_then_the_answer_says_how_long_it_is(api: Api, web: Web) -> None:
    answer = register(api, api.new(), web.put("/x", BYTES), {**RIGHT, "os_hash_value": "00"})
    assert "os_hash_value: (00) is not the correct size for (sha512) (should be (64) bytes)" in answer.text


def test_register_when_not_queued_then_409_with_the_status(api: Api, web: Web) -> None:
    answer = register(api, api.new(BYTES), web.put("/x", BYTES))
    assert (answer.status, "It's not allowed to add locations if image status is active." in answer.text) == (409, True)


def test_register_when_formats_are_missing_then_400(api: Api, web: Web) -> None:
    image_id = api.send_json("POST", "/v2/images", {"disk_format": "raw"}).json["id"]
    assert register(api, image_id, web.put("/x", BYTES)).status == 400


@pytest.mark.parametrize("path", ["/gone", "/empty"])
def test_register_when_there_are_no_data_then_400(api: Api, web: Web, path: str) -> None:
    web.put("/empty", b"")
    assert register(api, image_id := api.new(), web.url(path)).status == 400
    assert found(api, image_id) == ("queued", NOTHING)


def test_register_when_larger_than_any_image_may_be_then_413(make_api: Callable[..., Api], web: Web) -> None:
    api = make_api(limits=Limits(image_size=3))
    assert register(api, api.new(), web.put("/x", BYTES)).status == 413


@pytest.mark.parametrize("url", ["file:///etc/passwd", "FILE:///etc/passwd", "swift+config://x/y", "rbd://a/b/c/d", " http://x", "x", "%66ile:///x"])
def test_register_when_no_web_address_then_403_unless_a_service_asks(projects: Api, url: str) -> None:
    owner, service = projects.as_caller("a"), projects.as_caller("a", "member,service")
    image_id = owner.new()
    answer = register(owner, image_id, url)
    assert (answer.status, "http store must be enabled to use location API by normal user." in answer.text) == (403, True)
    assert [register(projects.as_caller("b", "admin"), image_id, url).status, register(service, image_id, url).status] == [403, 400]
    assert found(owner, image_id) == ("queued", NOTHING)


def test_register_when_a_service_passes_it_on_then_any_store_that_the_operator_opens(make_api: Callable[..., Api]) -> None:
    usual = make_api(trusted=True)
    api = make_api(trusted=True, stores=with_archive(usual.services.stores, usual.images))
    owner = api.as_caller("a")
    (api.images / "golden").write_bytes(BYTES)
    url = f"file://{api.images}/golden"
    image_id = owner.new()
    assert register(owner, image_id, url).status == 403
    answer = api.request(
        "POST",
        f"/v2/images/{image_id}/locations",
        {**owner.headers, "X-Service-Roles": "Service", "Content-Type": "application/json"},
        f'{{"url": "{url}"}}'.encode(),
    )
    assert (answer.status, found(owner, image_id)) == (202, ("active", MEASURED))
    assert usual.as_caller("a").request("DELETE", f"/v2/images/{image_id}").status == 204
    assert (api.images / "golden").read_bytes() == BYTES


def test_locations_when_asked_for_then_only_services_and_administrators_see_them(projects: Api, web: Web) -> None:
    alice, bob = projects.as_caller("a"), projects.as_caller("b")
    image_id = alice.new()
    assert register(bob, image_id, web.put("/x", BYTES)).status == 404
    assert register(alice, image_id, web.url("/x")).status == 202
    path = f"/v2/images/{image_id}/locations"
    shown = [{"url": web.url("/x"), "metadata": {"store": "http"}}]
    assert (alice.request("GET", path).status, bob.request("GET", path).status) == (403, 404)
    assert projects.as_caller("b", "service").request("GET", path).status == 404
    assert projects.as_caller("a", "service").get(path) == shown
    assert projects.as_caller("b", "admin").get(path) == shown
    queued = alice.new(visibility="community")
    assert register(bob, queued, web.url("/x")).status == 403
    assert projects.as_caller("b", "service").get(f"/v2/images/{queued}/locations") == []


def test_locations_when_another_method_then_405(api: Api) -> None:
    answer = api.request("DELETE", f"/v2/images/{api.new()}/locations")
    assert (answer.status, answer.header("Allow")) == (405, "GET, POST")


def test_events_when_locations_make_an_image_active_then_told_once(make_api: Callable[..., Api], web: Web) -> None:
    told = Recorder()
    api = make_api(settings=ApiSettings(show_locations=True), notifier=told)
    url, other = web.put("/x", BYTES), web.put("/y", BYTES)
    for validation in (None, RIGHT):
        image_id = api.new()
        told.events.clear()
        register(api, image_id, url, validation)
        assert told.events == ["image.activate"]
    image_id = api.new()
    told.events.clear()
    for one in (url, other):
        assert api.patch(image_id, [{"op": "add", "path": "/locations/-", "value": {"url": one, "metadata": {}}}]).status == 200
    assert told.events == ["image.activate", "image.update", "image.update"]
    told.events.clear()
    assert register(api, api.create(RAW), url, WRONG).status == 202
    assert "image.activate" not in told.events
