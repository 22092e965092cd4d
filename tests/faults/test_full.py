"""R08: a store that fills up in the middle of an upload."""

from __future__ import annotations

import os
import uuid

import pytest

from glance.testing.servers import Glance
from tests.faults.clients import create, new_image, records, status, upload
from tests.faults.conftest import Report, Scene
from tests.faults.namespaces import seen_by
from tests.faults.proxy import answering

MIB = 1 << 20
BLOCK = os.urandom(MIB)


@pytest.mark.parametrize("length", [100 * MIB, None], ids=["announced", "chunked"])
def test_upload_when_the_disk_gets_full_then_413_and_the_room_is_there_again(small: Glance, report: Report, length: int | None) -> None:
    images = seen_by(small, small.images)
    first, second = new_image(small), str(uuid.uuid4())

    answers = [upload(small, first, [BLOCK] * 100, length), create(small, second, [BLOCK] * 100, length)]

    for answer in answers:
        assert (answer.status, "no room left" in answer.text) == (413, True), answer.text
    assert (status(small, first), status(small, second)) == ("queued", "killed")
    assert (records(small, first), records(small, second)[:2]) == ((0, 0, None), (0, 0))
    assert list(images.iterdir()) == []
    third = new_image(small)
    assert upload(small, third, [BLOCK] * 10, 10 * MIB).status == 204
    assert [(path.name, path.stat().st_size) for path in images.iterdir()] == [(third, 10 * MIB)]
    assert small.request("DELETE", f"/v2/images/{third}").status == 204
    report(
        f"R08 file, {'announced' if length else 'chunked'}: 100 MiB into 64: {[one.status for one in answers]}, leftover bytes 0, next 10 MiB stored"
    )


_S3_ERROR = b"<Error><Code>%b</Code><Message>full</Message></Error>"

#: What servers say when they are full, to requests of which part of an upload; None is the last one.
FULL = {
    "swift": [
        (answering("413", "413 Request Entity Too Large", times=1), b"-00002 HTTP"),
        (answering("507", "507 Insufficient Storage", times=1), b"-00003 HTTP"),
        (answering("413", "413 Request Entity Too Large", times=1), None),
    ],
    "s3": [
        (answering("413", "413 Request Entity Too Large", body=_S3_ERROR % b"EntityTooLarge", times=1), b"partNumber=2"),
        (answering("507", "507 Insufficient Storage", body=_S3_ERROR % b"XMinioStorageFull", times=1), b"partNumber=3"),
        (answering("403", "403 Forbidden", body=_S3_ERROR % b"QuotaExceeded", times=1), None),
    ],
}


@pytest.mark.parametrize("shared", ["swift", "s3"], indirect=True)
def test_upload_when_the_server_says_that_it_is_full_then_413_and_nothing_stays(scene: Scene, report: Report) -> None:
    glance, place = scene.glance, scene.place
    data = os.urandom(place.size)
    for fault, pattern in FULL[place.driver]:
        for length in (len(data), None):
            image_id = new_image(glance)
            scene.proxy.arm(fault, pattern or place.last_request(image_id))

            answer = upload(glance, image_id, [data], length)

            assert (answer.status, "no room left" in answer.text) == (413, True), (fault.name, answer.text)
            assert scene.proxy.fault is fault
            assert (status(glance, image_id), records(glance, image_id), place.held()) == ("queued", (0, 0, None), [])
            assert upload(glance, image_id, [b"small"], 5).status == 204
            assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    tried = 2 * len(FULL[place.driver])
    report(f"R08 {place.driver}: full at the second, third and last request of an upload: {tried} of {tried} times 413, leftovers 0")
