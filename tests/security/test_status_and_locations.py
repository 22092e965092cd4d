"""What decides which bytes an image is: its status and its locations, S04 to S07."""

from __future__ import annotations

import http.client
import json

import pytest

from glance.testing.servers import ServerFailure, free_ports, wait_until
from tests.security.matrix import ANON, FORMATS, SENT, SIZE, Case, Picture
from tests.web import Web, web

__all__ = ["web"]

STATUSES = ("queued", "saving", "active", "killed", "deleted", "pending_delete", "deactivated", "x")
OTHER = bytes(SIZE)
SHOWN = {"DEFAULT": {"show_multiple_locations": True, "show_image_direct_url": True}}


def put_status(case: Case, who: str, picture: Picture, status: str, body: bytes | None = None) -> int:
    return case.ask(who, "PUT", picture.v1, {"x-image-meta-status": status}, body).status


def patch(case: Case, who: str, picture: Picture, operation: str, path: str, value: object = None) -> int:
    change = {"op": operation, "path": path} | ({} if operation == "remove" else {"value": value})
    return case.json(who, "PATCH", picture.v2, [change]).status


def allowing(web: Web) -> dict[str, object]:
    """Options that let the service read from a server of the test."""
    return {"allowed_source_networks": "127.0.0.1/32", "allowed_source_ports": web.port}


# S04


@pytest.mark.parametrize("real", ["active", "deactivated"])
def test_status_when_a_client_sends_one_then_only_the_real_one_is_accepted(case: Case, real: str) -> None:
    """S04, CVE-2015-5251, OSSA-2015-019: to send the status that an image has is what old clients do, and changes nothing."""
    picture = case.image("A", version="v1")
    if real == "deactivated":
        assert case.ask("ADM", "POST", f"{picture.v2}/actions/deactivate").status == 204
    for who in ("A", "ADM"):
        assert {status: put_status(case, who, picture, status) for status in STATUSES} == {one: 200 if one == real else 403 for one in STATUSES}
        assert [put_status(case, who, picture, status, OTHER) for status in STATUSES] == [409] * len(STATUSES)
        for status in STATUSES:
            for operation in case.some(("add", "replace", "remove")):
                assert patch(case, who, picture, operation, "/status", status) == 403
        assert case.ask(who, "PUT", f"{picture.v2}/file", body=OTHER).status == 409
        assert case.status(picture) == real
    if real == "deactivated":
        assert case.ask("ADM", "POST", f"{picture.v2}/actions/reactivate").status == 204
    assert case.is_intact(picture, "A")
    case.saw(
        f"{real} image, A and ADM: v1 PUT of another status 403, of its own 200, with data 409; "
        f"v2 PATCH ({case.how_many} of 3 operations) 403, PUT file 409; same bytes"
    )


def test_status_when_a_client_of_2011_sends_one_then_it_is_ignored(case: Case) -> None:
    """S04: below /images, where clients send whatever status they like with everything (spec-v1 2.7)."""
    picture = case.image("A", version="v1")
    for status in STATUSES:
        answer = case.ask("A", "PUT", f"/images/{picture.id}", {"x-image-meta-status": status})
        assert (answer.status, answer.json["image"]["status"]) == (200, "active")
        assert case.ask("A", "PUT", f"/images/{picture.id}", {"x-image-meta-status": status}, OTHER).status == 409
    assert case.is_intact(picture, "A")
    case.saw("/images/ID: any status is ignored, data are 409; same bytes")


def test_status_when_an_image_is_made_with_one_then_it_is_queued(case: Case) -> None:
    """S04: no image is active without data, and none gets data by saying so."""
    for status in STATUSES:
        created = case.ask("A", "POST", "/v1/images", {"x-image-meta-status": status})
        assert (created.status, created.json["image"]["status"]) == (201, "queued")
        assert case.json("A", "POST", "/v2/images", {**FORMATS, "status": status}).status == 403
    image_id = created.json["image"]["id"]
    assert [case.ask("A", "PUT", f"/v1/images/{image_id}", {"x-image-meta-status": status}).status for status in ("active", "queued")] == [403, 200]
    assert case.ask("A", "GET", f"/v1/images/{image_id}").status == 404
    case.saw("POST with a status: v1 queued, v2 403; PUT active on a queued image 403")


# S05


def test_locations_when_the_last_one_shall_go_then_the_image_stays_as_it_is(case: Case) -> None:
    """S05, CVE-2016-0757, OSSA-2016-006."""
    picture = case.image("A")
    case.allow(paths=True)
    with case.with_options(SHOWN):
        for who in ("A", "ADM"):
            assert patch(case, who, picture, "remove", "/locations/0") == 403
            assert patch(case, who, picture, "remove", "/locations") == 400
            assert patch(case, who, picture, "replace", "/locations", []) == 403
            assert case.ask(who, "DELETE", f"/v2/stores/file/{picture.id}").status in (403, 404)
            assert case.status(picture) == "active"
            assert case.ask(who, "PUT", f"{picture.v2}/file", body=OTHER).status == 409
            assert case.ask(who, "PUT", f"{picture.v2}/stage", body=OTHER).status == 409
            assert case.ask(who, "PUT", picture.v1, body=OTHER).status == 409
        assert case.is_intact(picture, "A")
    case.saw("show_multiple_locations: A and ADM remove the last location, replace all by none: 403; still active, PUT file, stage, v1 data: 409")


# S06


def test_locations_when_the_configuration_is_the_shipped_one_then_nobody_sees_or_adds_any(case: Case) -> None:
    """S06, CVE-2022-4134, OSSN-0065, OSSN-0090."""
    picture = case.image("A")
    value = {"url": "http://192.0.2.1/other", "metadata": {}}
    for who in ("A", "ADM"):
        shown = case.ask(who, "GET", picture.v2).json
        [listed] = [image for image in case.ask(who, "GET", f"/v2/images?id={picture.id}&limit=1000").json["images"] if image["id"] == picture.id]
        assert {"locations", "direct_url"} & {*shown, *listed} == set()
        assert patch(case, who, picture, "add", "/locations/-", value) == 403
        assert patch(case, who, picture, "replace", "/locations", [value]) == 403
        assert patch(case, who, picture, "remove", "/locations/0") == 403
        assert case.json(who, "POST", f"{picture.v2}/locations", {"url": value["url"]}).status == 409
        assert case.ask(who, "PUT", picture.v1, {"x-image-meta-location": value["url"]}).status == 400
    assert case.is_intact(picture, "A")
    case.saw("shipped options: no locations and no direct_url for A and ADM; PATCH 403, POST locations 409, v1 PUT with a location 400")


def test_second_location_when_its_bytes_differ_then_refused(case: Case, web: Web) -> None:
    """S06: where operators show locations. Bytes that this service wrote are what every other location must hold, and they stay."""
    picture = case.image("A")
    other, same = ({"url": web.put(path, data), "metadata": {}} for path, data in (("/other", OTHER), ("/same", picture.data)))
    case.allow(paths=True)
    with case.with_options({"DEFAULT": {**SHOWN["DEFAULT"], **allowing(web)}}):
        for who in ("A", "ADM"):
            refused = [patch(case, who, picture, "add", f"/locations/{position}", other) for position in ("-", "0", "1")]
            assert refused == [409] * 3
            assert patch(case, who, picture, "replace", "/locations", [other]) == 400
            for added, status in ((other, 409), (same, 403)):
                exchange = [{"op": "add", "path": "/locations/-", "value": added}, {"op": "remove", "path": "/locations/0"}]
                assert case.json(who, "PATCH", picture.v2, exchange).status == (status if who == "ADM" or case.everybody_is_admin else 403)
        assert patch(case, "A", picture, "add", "/locations/0", same) == 200
        own = next(n for n, one in enumerate(case.ask("A", "GET", picture.v2).json["locations"]) if one["url"].startswith("file"))
        assert patch(case, "ADM", picture, "remove", f"/locations/{own}") == 403
        assert case.is_intact(picture, "A")
    case.saw("shown locations: one with other bytes 409, a replaced list 400, one with the same bytes 200; ours cannot be removed after that, 403")


def read_whole(case: Case, image: str) -> bytes | None:
    """What A downloads; None where that is refused, or ends early."""
    try:
        answer = case.ask("A", "GET", f"{image}/file")
    except http.client.IncompleteRead:
        return None
    return answer.body if answer.status == 200 else None


def test_second_location_when_the_first_is_elsewhere_then_nobody_is_given_other_bytes_than_the_hash_says(case: Case, web: Web) -> None:
    """S06: data that are elsewhere can change at any time, and clients may state hashes of their own (spec-v2 2.6), so a second location is not
    compared when it is added; a download is."""
    first, other = (web.put(path, data) for path, data in (("/first", OTHER), ("/other", bytes([1]) * SIZE)))
    with case.with_options({"DEFAULT": {**SHOWN["DEFAULT"], **allowing(web)}}):
        image = f"/v2/images/{case.queued('A')}"
        assert case.json("A", "POST", f"{image}/locations", {"url": first}).status == 202
        wait_until(lambda: case.ask("A", "GET", image).json["os_hash_value"] is not None, "the hash")
        change = [{"op": "add", "path": "/locations/0", "value": {"url": other, "metadata": {}}}]
        assert case.json("A", "PATCH", image, change).status == 200
        case.allow(503)
        assert {read_whole(case, image) for _again in range(3)} <= {OTHER, None}
        del web.objects["/first"]
        assert read_whole(case, image) is None
    case.saw("shown locations, image at a URL with a hash: a second one with other bytes 200, and no download gives its bytes")


def test_locations_when_they_are_listed_then_for_services_only(case: Case) -> None:
    """S06: ``GET /v2/images/{id}/locations``; also a service must see the image (spec-v2 3.8)."""
    seen, hidden = case.image("A", "community"), case.image("A")
    case.allow(paths=True)

    answers = {who: [case.ask(who, "GET", f"{one.v2}/locations").status for one in (seen, hidden)] for who in ("A", "R", "B", ANON, "SVC", "ADM")}

    by_role = {"A": [403, 403], "R": [403, 403], "B": [403, 404], ANON: [401, 401], "SVC": [200, 404], "ADM": [200, 200]}
    assert answers == ({who: [200, 200] for who in answers} if case.everybody_is_admin else by_role)
    case.saw(f"GET locations of a community and of a private image: {json.dumps(answers)}")


# S07

ALL_STORES = {
    "stores": "file,http,swift,s3",
    "swift_store_user": f"{SENT}:glance",
    "s3_store_access_key": SENT,
    "s3_store_bucket": "glance",
}


def test_location_when_it_is_where_others_keep_their_data_then_refused(case: Case) -> None:
    """S07, LP 1546507: the data of another image, as each driver would name them, registered by whoever may."""
    theirs = case.image("B")
    nobody = f"127.0.0.1:{free_ports(1)[0]}"
    stores = {**ALL_STORES, "swift_store_auth_address": f"http://{nobody}/auth/v1.0", "s3_store_host": f"http://{nobody}"}
    urls = [
        f"file://{case.glance.images}/{theirs.id}",
        f"filesystem://{case.glance.images}/{theirs.id}",
        f"swift+http://{nobody}/auth/v1.0/glance/{theirs.id}",
        f"swift+config://ref1/glance/{theirs.id}",
        f"s3+http://{nobody}/glance/{theirs.id}",
        f"s3://{nobody}/glance/{theirs.id}",
        f"file://{case.place.leak}",
    ]
    case.allow(paths=True)
    with case.with_options({**SHOWN, "glance_store": stores}):
        for url in urls:
            for who in ("A", "ADM", "SVC"):
                check_cannot_register(case, who, url)
    assert case.is_intact(theirs, "B")
    case.saw("file, filesystem, swift, swift+config, s3 URLs of B's data by A, ADM, SVC: v1 location and copy-from, v2 PATCH and POST: 400 or 403")


def check_cannot_register(case: Case, who: str, url: str) -> None:
    """In no way."""
    metadata = {f"x-image-meta-{name}": value for name, value in FORMATS.items()}
    for header in ("x-image-meta-location", "x-glance-api-copy-from"):
        assert case.ask(who, "POST", "/v1/images", {**metadata, header: url}).status in (400, 403)
    if case.flavor != "none" and who == "SVC":
        return  # it may make no image to register the data for
    image_id = case.queued(who)
    location = {"url": url, "metadata": {}}
    assert case.json(who, "PATCH", f"/v2/images/{image_id}", [{"op": "add", "path": "/locations/-", "value": location}]).status in (400, 403)
    assert case.json(who, "POST", f"/v2/images/{image_id}/locations", {"url": url}).status in (400, 403)
    assert case.ask(who, "GET", f"/v2/images/{image_id}").json["status"] == "queued"


def test_source_schemes_when_an_operator_adds_one_that_is_written_to_then_the_service_refuses(case: Case) -> None:
    """S07: no option lets clients name what this service has written for others."""
    theirs = case.image("B")
    for scheme in case.some(("file", "swift+http", "s3")):
        with pytest.raises(ServerFailure), case.with_options({"DEFAULT": {"source_schemes": f"http,https,{scheme}"}}):
            pass
    assert case.is_intact(theirs, "B")
    case.saw(f"source_schemes = http,https and {case.how_many} of file, swift+http, s3: the configuration is refused")


@pytest.mark.parametrize("who", ["A", "ADM"])
def test_location_that_two_images_have_when_one_is_deleted_then_the_data_stay(case: Case, web: Web, who: str) -> None:
    """S07: data that stay where they are belong to nobody here, and deleting an image erases none of them."""
    url = web.put("/shared", OTHER)
    metadata = {**{f"x-image-meta-{name}": value for name, value in FORMATS.items()}, "x-image-meta-location": url}
    with case.with_options({"DEFAULT": allowing(web)}):
        theirs, mine = (case.ask(one, "POST", "/v1/images", metadata).json["image"]["id"] for one in ("B", who))
        assert case.ask(who, "GET", f"/v2/images/{mine}/file").body == OTHER
        assert case.ask(who, "DELETE", f"/v2/images/{mine}").status == 204
        assert case.ask("B", "GET", f"/v2/images/{theirs}/file").body == OTHER
    assert {environ["REQUEST_METHOD"] for environ in web.requests} <= {"GET", "HEAD"}
    case.saw(f"{who} deletes an image at a URL that B has registered too: the web server is only asked to GET and HEAD, B still reads")
