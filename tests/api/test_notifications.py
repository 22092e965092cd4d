"""What requests to either version tell the world (spec-v2 11): the sequence of events, and what is in them."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
import webob

from glance.testing.servers import wait_until
from tests.api.conftest import DATA, RAW, Api, http_sender, pipeline, served
from tests.services import Recorder

BYTES = b"0123456789" * 1000
UPLOADED = ["image.prepare", "image.upload", "image.activate"]


@pytest.fixture
def told() -> Recorder:
    return Recorder()


@pytest.fixture(params=["wsgi", "threads"])
def api(request: pytest.FixtureRequest, make_api: Callable[..., Api], told: Recorder) -> Iterator[Api]:
    """A service that remembers what it told, straight and through a server, which sends files by means of its own."""
    straight = make_api(notifier=told)
    if request.param == "wsgi":
        yield straight
        return
    with served(pipeline(straight.services, straight.settings, trusted=False)) as port:
        yield dataclasses.replace(straight, send=http_sender(port))


def test_life_of_an_image_of_v1_then_told_step_by_step(api: Api, told: Recorder) -> None:
    image_id = api.create(body=BYTES)
    path = f"/v1/images/{image_id}"
    assert api.request("PUT", path, {"x-image-meta-name": "new"}).status == 200
    assert api.request("GET", path).body == BYTES
    wait_until(lambda: "image.send" in told.types, "the end of the download")
    assert api.request("PUT", f"{path}/members/P2").status == 204
    assert api.request("DELETE", f"{path}/members/P2").status == 204
    assert api.request("DELETE", path).status == 200
    members = ["image.member.create", "image.member.delete"]
    assert told.types == ["image.create", *UPLOADED, "image.update", "image.send", *members, "image.delete"]


def test_life_of_an_image_of_v2_then_told_step_by_step(api: Api, told: Recorder) -> None:
    image_id = api.new(BYTES)
    path = f"/v2/images/{image_id}"
    assert api.patch(image_id, [{"op": "replace", "path": "/name", "value": "new"}]).status == 200
    assert api.request("PUT", f"{path}/tags/t").status == 204
    assert api.request("DELETE", f"{path}/tags/t").status == 204
    assert api.request("POST", f"{path}/actions/deactivate").status == 204
    assert api.request("POST", f"{path}/actions/reactivate").status == 204
    assert api.request("GET", f"{path}/file").body == BYTES
    wait_until(lambda: "image.send" in told.types, "the end of the download")
    assert api.send_json("POST", f"{path}/members", {"member": "P2"}).status == 200
    assert api.send_json("PUT", f"{path}/members/P2", {"status": "accepted"}).status == 200
    assert api.request("DELETE", f"{path}/members/P2").status == 204
    assert api.request("DELETE", path).status == 204
    members = ["image.member.create", "image.member.update", "image.member.delete"]
    assert told.types == ["image.create", *UPLOADED, *["image.update"] * 5, "image.send", *members, "image.delete"]


@pytest.mark.parametrize(
    ("headers", "sent"), [({}, len(BYTES)), ({"Range": "bytes=100-299"}, 200), ({"Range": "bytes=9000-9999"}, 1000)], ids=["all", "part", "end"]
)
@pytest.mark.parametrize("path", ["/v1/images/{}", "/v2/images/{}/file"])
def test_download_then_the_bytes_that_were_sent_are_told(api: Api, told: Recorder, path: str, headers: dict[str, str], sent: int) -> None:
    image_id = api.new(BYTES)
    assert len(api.request("GET", path.format(image_id), headers).body) == sent
    wait_until(lambda: "image.send" in told.types, "the end of the download")
    event = told.events[-1]
    assert event.priority == "INFO"
    expected = {"bytes_sent": sent, "image_id": image_id, "owner_id": None, "receiver_tenant_id": None, "receiver_user_id": None}
    assert event.payload() == expected


def test_download_when_another_server_sends_the_file_by_itself_then_the_bytes_that_it_sent_are_told(
    make_api: Callable[..., Api], told: Recorder
) -> None:
    api = make_api(notifier=told)
    data = BYTES * 7  # a server is offered a file for what is long
    environ = webob.Request.blank(f"/v2/images/{api.new(data)}/file").environ | {"wsgi.file_wrapper": lambda file, _size: closing(file)}
    sending: closing[Any] = pipeline(api.services, api.settings, trusted=False)(environ, lambda *_head: None)
    ours, theirs = socket.socketpair()
    with theirs, ThreadPoolExecutor(1) as thread, theirs.makefile("rb") as received:
        got = thread.submit(received.read)
        with ours, sending as file:
            assert ours.sendfile(file, count=len(data)) == len(data)
        assert got.result() == data
    assert told.events[-1].payload()["bytes_sent"] == len(data)


def test_refusals_of_either_version_then_not_told(api: Api, told: Recorder) -> None:
    image_id = api.new(protected=True)
    told.events.clear()
    statuses = [
        api.request("POST", "/v1/images", {**RAW, "x-image-meta-size": "many"}).status,
        api.request("DELETE", f"/v1/images/{image_id}").status,
        api.request("GET", f"/v1/images/{image_id}").status,
        api.request("PUT", f"/v1/images/{image_id}/members", {}, b"{").status,
        api.send_json("POST", "/v2/images", {"disk_format": "paper"}).status,
        api.patch(image_id, [{"op": "replace", "path": "/id", "value": "x"}]).status,
        api.request("DELETE", f"/v2/images/{image_id}").status,
        api.request("DELETE", f"/v2/images/{image_id}/tags/none").status,
        api.request("DELETE", f"/v2/images/{image_id}/members/nobody").status,
        api.request("PUT", "/v2/images/11111111-2222-4333-8444-555555555555/file", DATA, BYTES).status,
    ]
    assert min(statuses) >= 400
    assert told.events == []


def test_upload_of_either_version_when_it_fails_then_told_as_an_error(api: Api, told: Recorder) -> None:
    assert api.request("POST", "/v1/images", {**RAW, **DATA, "x-image-meta-checksum": "0" * 32}, BYTES).status == 400
    assert api.request("PUT", f"/v2/images/{api.new(disk_format='qcow2')}/file", DATA, BYTES).status >= 400
    failed = [event for event in told.events if event.priority == "ERROR"]
    assert [event.type for event in failed] == ["image.upload", "image.upload"]
    assert "did not match" in str(failed[0].payload())
    assert UPLOADED[-1] not in told.types
