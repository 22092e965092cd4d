"""R16: bodies that are not what their client said, and checksums that are not theirs: 400, and nothing is kept."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer, parse_all, request_bytes
from tests.faults.clients import BYTES, V1, create, new_image, records, status, upload
from tests.faults.conftest import Report, Scene


def cut_short(glance: Glance, line: str, data: bytes, length: int, *headers: str) -> Answer:
    """A body that ends before its announced length, by a client that then listens."""
    request = request_bytes(f"{line} HTTP/1.1", BYTES, f"Content-Length: {length}", *headers, body=data)
    [answer] = glance.raw_answers(request, half_close=True)
    return answer


#: What goes wrong, in version 2: (service, image, data) to the answer.
V2_LIES: dict[str, Callable[[Glance, str, bytes], Answer]] = {
    "fewer than Content-Length": lambda glance, image, data: cut_short(glance, f"PUT /v2/images/{image}/file", data, len(data) + 1),
    "fewer than x-openstack-image-size": lambda glance, image, data: upload(glance, image, [data], None, f"x-openstack-image-size: {len(data) + 1}"),
    "more than x-openstack-image-size": lambda glance, image, data: upload(glance, image, [data], None, f"x-openstack-image-size: {len(data) - 1}"),
    "two sizes": lambda glance, image, data: upload(glance, image, [data], len(data), f"x-openstack-image-size: {len(data) - 1}"),
}
#: The same in version 1, which makes the image.
V1_LIES: dict[str, Callable[[Glance, str, bytes], Answer]] = {
    "fewer than Content-Length": lambda glance, image, data: cut_short(
        glance, "POST /v1/images", data, len(data) + 1, *V1, f"x-image-meta-id: {image}"
    ),
    "fewer than x-image-meta-size": lambda glance, image, data: create(glance, image, [data], None, f"x-image-meta-size: {len(data) + 1}"),
    "more than x-image-meta-size": lambda glance, image, data: create(glance, image, [data], None, f"x-image-meta-size: {len(data) - 1}"),
    "two sizes": lambda glance, image, data: create(glance, image, [data], len(data), f"x-image-meta-size: {len(data) - 1}"),
    "wrong checksum": lambda glance, image, data: create(glance, image, [data], len(data), f"x-image-meta-checksum: {'0' * 32}"),
    "wrong checksum, chunked": lambda glance, image, data: create(glance, image, [data], None, f"x-image-meta-checksum: {'0' * 32}"),
}


@pytest.mark.parametrize("parts", [False, True], ids=["small", "parts"])
def test_upload_when_it_is_not_what_was_said_then_400_and_nothing_is_kept(scene: Scene, report: Report, parts: bool) -> None:
    glance, data = scene.glance, os.urandom(scene.place.size if parts else 1000)
    before = scene.place.held()
    for name, lie in V2_LIES.items():
        image_id = new_image(glance)
        answer = lie(glance, image_id, data)
        assert answer.status == 400, (name, answer.text)
        assert (status(glance, image_id), records(glance, image_id)) == ("queued", (0, 0, None)), name
        assert scene.place.held() == before, name
    for name, lie in V1_LIES.items():
        image_id = str(uuid.uuid4())
        answer = lie(glance, image_id, data)
        assert answer.status == 400, (name, answer.text)
        found = glance.request("GET", f"/v2/images/{image_id}")
        assert found.status == 404 or found.json["status"] == "killed", name
        assert found.status == 404 or records(glance, image_id)[:2] == (0, 0), name
        assert scene.place.held() == before, name
    lies = len(V2_LIES) + len(V1_LIES)
    report(f"R16 {scene.place.driver}, {len(data)} bytes: {lies} of {lies} wrong sizes and checksums refused with 400, kept 0")


def test_upload_when_more_is_sent_than_announced_then_the_rest_is_another_request(scene: Scene) -> None:
    """Bytes after an announced length are no part of the image."""
    image_id = new_image(scene.glance)
    head = request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", BYTES, "Content-Length: 4", close=False)
    with scene.glance.connect() as connection:
        connection.sendall(head + b"data" + b"more than was announced\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        received = b""
        while part := connection.recv(65536):
            received += part
    assert [answer.status for answer in parse_all(received)] == [204, 400]
    assert scene.glance.request("GET", f"/v2/images/{image_id}").json["size"] == 4
    assert scene.glance.request("DELETE", f"/v2/images/{image_id}").status == 204
