"""PUT of data that are imported later (spec-v2 3.3), and what both versions do with an image whose data are staged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from glance.service import Limits
from tests.api.conftest import DATA, RAW, Api
from tests.api.v2.test_data import BYTES, SIZE, UPLOADS

STORE = "os_glance_staging_store"


def staging(api: Api) -> Path:
    """The directory of staged data."""
    return api.images.parent / "staging"


def staged_files(api: Api) -> list[str]:
    return sorted(path.name for path in staging(api).iterdir()) if staging(api).exists() else []


def stage(api: Api, image_id: str, body: bytes = BYTES, headers: Mapping[str, str] | None = None) -> int:
    return api.request("PUT", f"/v2/images/{image_id}/stage", {**DATA, **(headers or {})}, body).status


def bare(api: Api, **attributes: object) -> str:
    """The id of a new image that has no formats yet."""
    return str(api.send_json("POST", "/v2/images", attributes).json["id"])


def test_stage_when_queued_then_uploading_with_its_size_and_nothing_else(api: Api) -> None:
    image_id = bare(api)
    answer = api.request("PUT", f"/v2/images/{image_id}/stage", DATA, BYTES)
    assert (answer.status, answer.body) == (204, b"")
    image = api.get(f"/v2/images/{image_id}")
    measured = ("status", "size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")
    assert [image[name] for name in measured] == ["uploading", len(BYTES), None, None, None, None]
    assert (staging(api) / image_id).read_bytes() == BYTES
    assert not list(api.images.glob(f"*{image_id}*"))
    assert [one["id"] for one in api.get("/v2/images?status=uploading")["images"]] == [image_id]


def test_stage_then_its_directory_and_file_are_private(api: Api) -> None:
    image_id = bare(api)
    assert not staging(api).exists()
    assert stage(api, image_id) == 204
    assert (staging(api).stat().st_mode & 0o777, (staging(api) / image_id).stat().st_mode & 0o777) == (0o750, 0o640)


def test_staged_image_when_sent_data_again_then_409_and_the_data_stay(api: Api) -> None:
    image_id = api.new()
    assert stage(api, image_id) == 204
    assert stage(api, image_id, b"other") == 409
    assert api.request("PUT", f"/v2/images/{image_id}/file", DATA, b"other").status == 409
    assert (api.get(f"/v2/images/{image_id}")["status"], (staging(api) / image_id).read_bytes()) == ("uploading", BYTES)


def test_stage_when_active_deleted_or_unknown_then_refused(api: Api) -> None:
    active, deleted = api.new(BYTES), api.new()
    assert api.request("DELETE", f"/v2/images/{deleted}").status == 204
    assert [stage(api, image_id) for image_id in (active, deleted, "nope")] == [409, 404, 404]
    assert (api.get(f"/v2/images/{active}")["status"], staged_files(api)) == ("active", [])


@pytest.mark.parametrize(("headers", "body", "status"), UPLOADS.values(), ids=UPLOADS)
def test_stage_when_refused_then_the_image_is_queued_and_takes_data_later(
    make_api: Callable[..., Api], headers: Mapping[str, str], body: bytes, status: int
) -> None:
    api = make_api(limits=Limits(image_size=100))
    image_id = api.new()
    assert stage(api, image_id, body, headers) == status
    image = api.get(f"/v2/images/{image_id}")
    if status == 204:
        assert (image["status"], image["size"], (staging(api) / image_id).read_bytes()) == ("uploading", len(body), body)
    else:
        assert (image["status"], image["size"], staged_files(api)) == ("queued", None, [])
        assert stage(api, image_id) == 204


@pytest.mark.parametrize("framing", [{}, {"Transfer-Encoding": "chunked"}], ids=["length", "chunks"])
def test_stage_when_as_large_as_an_image_may_be_then_taken(make_api: Callable[..., Api], framing: Mapping[str, str]) -> None:
    api = make_api(limits=Limits(image_size=100))
    assert stage(api, bare(api), bytes(100), framing) == 204
    assert stage(api, bare(api), bytes(101), framing) == 413


def test_stage_when_sizes_differ_then_told_both(api: Api) -> None:
    answer = api.request("PUT", f"/v2/images/{bare(api)}/stage", {**DATA, SIZE: "99"}, b"abc")
    assert (answer.status, "Size mismatch: expected 99 bytes, got 3 bytes" in answer.text) == (400, True)


def test_stage_when_v1_stated_size_and_checksum_then_the_size_must_hold_and_the_checksum_waits(api: Api) -> None:
    checksum = "0" * 32
    image_id = api.create({"x-image-meta-size": "10", "x-image-meta-checksum": checksum})
    assert (stage(api, image_id, BYTES * 2), staged_files(api)) == (400, [])
    image_id = api.create({"x-image-meta-size": "10", "x-image-meta-checksum": checksum})
    assert stage(api, image_id) == 204
    assert api.get(f"/v2/images/{image_id}")["checksum"] == checksum


def test_staged_image_when_deleted_then_its_file_is_gone(api: Api) -> None:
    image_id = bare(api)
    assert stage(api, image_id) == 204
    assert api.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert staged_files(api) == []
    assert api.services.registry.locations.condemned() == []
    assert api.request("GET", f"/v2/images/{image_id}").status == 404


def test_stage_when_switched_off_then_404_and_deletes_still_erase(make_api: Callable[..., Api]) -> None:
    api = make_api()
    staged, queued = bare(api), bare(api)
    assert stage(api, staged) == 204
    off = make_api(import_methods=("web-download",))
    answer = off.request("PUT", f"/v2/images/{queued}/stage", DATA, BYTES)
    assert (answer.status, "'glance-direct' method is not available at this site." in answer.text) == (404, True)
    assert off.get(f"/v2/images/{queued}")["status"] == "queued"
    assert off.request("DELETE", f"/v2/images/{staged}").status == 204
    assert staged_files(off) == []


def test_stage_when_others_see_the_image_then_only_who_may_change_it_stages(shared_api: Api) -> None:
    owner, member, stranger, admin = (shared_api.as_caller(*who) for who in (("P1",), ("P2",), ("P3",), ("P0", "admin")))
    shared, public, private = bare(owner), bare(admin, visibility="public"), bare(owner, visibility="private")
    assert owner.send_json("POST", f"/v2/images/{shared}/members", {"member": "P2"}).status == 200
    assert [stage(member, shared), stage(member, public), stage(member, private), stage(stranger, shared)] == [403, 403, 404, 404]
    assert staged_files(shared_api) == []
    assert [stage(owner, shared), stage(admin, private)] == [204, 204]


def test_stage_when_the_directory_cannot_be_used_then_503_queued_and_later_fine(api: Api) -> None:
    image_id = bare(api)
    staging(api).mkdir(0o777)
    staging(api).chmod(0o777)
    answer = api.request("PUT", f"/v2/images/{image_id}/stage", DATA, BYTES)
    assert (answer.status, str(api.images.parent) in answer.text) == (503, False)
    assert (api.get(f"/v2/images/{image_id}")["status"], staged_files(api)) == ("queued", [])
    staging(api).chmod(0o750)
    assert stage(api, image_id) == 204


@pytest.mark.parametrize("body", [BYTES, None], ids=["data", "no data"])
def test_staging_store_when_a_client_names_it_then_it_is_unknown(api: Api, body: bytes | None) -> None:
    answer = api.request("POST", "/v1/images", {**RAW, **DATA, "x-image-meta-store": STORE}, body)
    assert (answer.status, f"Required store {STORE} is invalid; enabled stores: file, http." in answer.text) == (400, True)
    assert api.names() == []


def test_staged_image_when_looked_at_by_v1_then_it_is_there_without_data(api: Api) -> None:
    image_id = api.new(name="staged")
    assert stage(api, image_id) == 204
    shown = api.show(image_id)
    assert (shown["x-image-meta-status"], shown["x-image-meta-size"]) == ("uploading", str(len(BYTES)))
    assert [(one["id"], one["status"]) for one in api.get("/v1/images/detail?is_public=None")["images"]] == [(image_id, "uploading")]
    path = f"/v1/images/{image_id}"
    assert api.request("GET", path).status == 404
    assert api.request("PUT", path, DATA, BYTES).status == 409
    assert api.request("PUT", path, {"x-image-meta-size": "3"}).status == 403
    assert api.request("PUT", path, {"x-image-meta-name": "renamed", "x-image-meta-size": str(len(BYTES))}).status == 200
    image = api.get(f"/v2/images/{image_id}")
    assert (image["name"], image["size"], image["status"]) == ("renamed", len(BYTES), "uploading")
    assert api.request("DELETE", path).status == 200
    assert staged_files(api) == []


def test_staged_image_when_its_data_are_asked_for_then_204(api: Api) -> None:
    image_id = bare(api)
    assert stage(api, image_id) == 204
    answer = api.request("GET", f"/v2/images/{image_id}/file")
    assert (answer.status, answer.body) == (204, b"")
