"""Deletes that are delayed, in both versions: the image is gone for its owner, and its data are kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from glance.service.recovery import recover, restore
from tests.api.conftest import Api
from tests.api.parity.clients import Refused, V1Client, V2Client

Maker = Callable[[Api], V1Client | V2Client]


@pytest.fixture
def api(make_api: Callable[..., Api]) -> Api:
    return make_api(trusted=True, delayed_delete=True)


@pytest.fixture(params=[V1Client, V2Client])
def alice(request: pytest.FixtureRequest, api: Api) -> V1Client | V2Client:
    client: V1Client | V2Client = request.param(api)
    return client.as_caller("alice")


@pytest.fixture
def image_id(alice: V1Client | V2Client) -> str:
    image_id = alice.create("x")
    alice.upload(image_id, b"data")
    return image_id


def kept(api: Api) -> list[str]:
    return [path.name for path in api.images.iterdir()]


def test_delete_when_delayed_then_its_owner_has_no_image_any_more(alice: V1Client | V2Client, api: Api, image_id: str) -> None:
    alice.delete(image_id)
    for call in (alice.show, alice.download, alice.delete):
        with pytest.raises(Refused) as refused:
            call(image_id)
        assert refused.value.status == 404
    assert alice.names() == []
    assert kept(api) == [image_id]


def test_delete_when_delayed_then_administrators_see_it_in_version_1_only(alice: V1Client | V2Client, api: Api, image_id: str) -> None:
    alice.delete(image_id)
    ops = api.as_caller("ops", "admin")
    shown = ops.show(image_id)
    assert (shown["x-image-meta-status"], shown["x-image-meta-deleted"]) == ("pending_delete", "True")
    [listed] = ops.get("/v1/images/detail?is_public=none&deleted=true&status=pending_delete")["images"]
    assert (listed["id"], listed["status"], listed["deleted"]) == (image_id, "pending_delete", True)
    assert ops.request("DELETE", f"/v1/images/{image_id}").status == 403
    assert ops.request("GET", f"/v1/images/{image_id}").status == 404
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/file")):
        assert ops.request(method, f"/v2/images/{image_id}{path}").status == 404
    assert ops.get("/v2/images")["images"] == []


def test_id_when_the_delete_is_delayed_then_stays_taken(alice: V1Client | V2Client, image_id: str) -> None:
    alice.delete(image_id)
    with pytest.raises(Refused) as refused:
        alice.create("y", id=image_id)
    assert refused.value.status == 409


def test_delete_when_delayed_without_data_then_at_once(alice: V1Client | V2Client, api: Api) -> None:
    image_id = alice.create("x")
    alice.delete(image_id)
    assert api.as_caller("ops", "admin").show(image_id)["x-image-meta-status"] == "deleted"


def test_data_when_the_delay_is_over_then_erased(alice: V1Client | V2Client, api: Api, image_id: str) -> None:
    alice.delete(image_id)
    assert recover(api.services, lambda _worker: False, scrub_time=3600) == 0
    assert kept(api) == [image_id]
    assert recover(api.services, lambda _worker: False, scrub_time=0) == 1
    assert kept(api) == []
    assert api.as_caller("ops", "admin").show(image_id)["x-image-meta-status"] == "deleted"


def test_image_when_restored_then_as_before(alice: V1Client | V2Client, api: Api, image_id: str) -> None:
    alice.set_property(image_id, "os", "x")
    before = alice.show(image_id)
    alice.delete(image_id)
    restore(api.services, image_id)
    assert alice.show(image_id) == before
    assert alice.download(image_id) == b"data"
    alice.delete(image_id)
    assert kept(api) == [image_id]
