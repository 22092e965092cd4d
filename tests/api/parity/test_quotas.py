"""Quotas of projects over both versions of the API (spec-v2 4.4, 4.7): exact, for data of known and of unknown size, also when uploads race."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import Engine

from glance import errors
from glance.api.settings import ApiSettings
from glance.context import RequestContext
from glance.db.registry import SqlRegistry
from glance.model.image import Image
from glance.model.quotas import EqualQuotas, Quotas, Usage
from glance.service import Services, images, staging
from glance.service.data_sources import Body
from glance.service.recovery import recover
from glance.service.uploading import Uploading
from glance.testing.registry_rules.scene import at_once, kinds
from tests.api.conftest import DATA, Api, pipeline, wsgi_sender
from tests.api.parity.clients import CLIENTS, Client, Refused
from tests.services import make_services

MIB = 1024 * 1024
P1 = RequestContext(user="u", project="P1", roles=("member", "reader"))
CHUNKED = {**DATA, "Transfer-Encoding": "chunked"}


@pytest.fixture
def serve(tmp_path: Path, engine: Engine) -> Callable[..., Services]:
    """Makes a service with quotas; all of one test have the same database and the same stores."""

    def make(**limits: int) -> Services:
        return make_services(tmp_path, SqlRegistry(engine, quotas=EqualQuotas(Quotas(**limits)) if limits else None))

    return make


@pytest.fixture
def reach(tmp_path: Path) -> Callable[[Services], Api]:
    """A service as the project P1 reaches it."""

    def api(services: Services) -> Api:
        sender = wsgi_sender(pipeline(services, ApiSettings(), trusted=True))
        return Api(services, ApiSettings(), tmp_path / "images", sender, {}).as_caller("P1")

    return api


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, serve: Callable[..., Services], reach: Callable[[Services], Api]) -> Client:
    """A client of each version where a project may store 10 bytes of at most three images."""
    return CLIENTS[request.param](reach(serve(stored=10, images=3)))


def new(services: Services) -> str:
    return images.create(services, P1, Image("", owner="P1", disk_format="raw", container_format="bare")).id


def used(services: Services) -> Usage:
    return services.registry.images.usage(P1)[0]


def files(services: Services, tmp_path: Path) -> list[Path]:
    return [path for directory in ("images", "staging") for path in (tmp_path / directory).glob("**/*") if path.is_file()]


@pytest.mark.parametrize("headers", [DATA, CHUNKED], ids=["length", "chunks"])
def test_upload_when_it_does_not_fit_then_413_and_nothing_is_kept(client: Client, headers: dict[str, str]) -> None:
    first, second = client.create("one"), client.create("two")
    client.upload(first, b"123456")

    with pytest.raises(Refused, match=r"Image exceeds the storage quota of the project: 11, and 10 is the most\.") as caught:
        client.upload(second, b"12345", headers)

    assert caught.value.status == 413
    services = client.api.services
    assert used(services) == Usage(images=2, stored=6)
    assert services.registry.uploads.leases() == []
    assert [path.name for path in client.api.images.glob("**/*") if path.is_file()] == [first]
    client.as_caller("P2").upload(client.as_caller("P2").create("theirs"), b"1234567890", headers)


@pytest.mark.parametrize("headers", [DATA, CHUNKED], ids=["length", "chunks"])
def test_upload_when_it_just_fits_then_stored_and_room_comes_back_when_it_is_deleted(client: Client, headers: dict[str, str]) -> None:
    for _ in range(3):
        image_id = client.create("one")
        client.upload(image_id, b"1234567890", headers)
        client.delete(image_id)


def test_image_when_the_project_has_as_many_as_it_may_then_413(client: Client) -> None:
    for name in ("one", "two", "three"):
        client.create(name)

    with pytest.raises(Refused, match="Image exceeds the image quota of the project: 4, and 3 is the most") as caught:
        client.create("four")
    assert caught.value.status == 413
    client.as_caller("P2").create("theirs")


def test_upload_when_its_size_is_known_then_refused_before_a_byte_is_read(serve: Callable[..., Services]) -> None:
    services = serve(stored=10)
    source = io.BytesIO(bytes(11))

    with pytest.raises(errors.ProjectQuotaExceeded):
        images.attach(services, P1, new(services), Body(source, 11))
    assert source.tell() == 0


class Endless:
    """A source of data that never ends."""

    given = 0

    def read(self, size: int, /) -> bytes:
        self.given += size
        return bytes(size)


def test_upload_when_its_size_is_unknown_then_stopped_as_soon_as_there_is_no_room(serve: Callable[..., Services], tmp_path: Path) -> None:
    services = serve(stored=10 * MIB)
    source = Endless()

    with pytest.raises(errors.ProjectQuotaExceeded):
        images.attach(services, P1, new(services), Body(source, None, on_failure="queued"))

    assert source.given == 11 * MIB  # pieces of a MiB
    assert used(services) == Usage(images=1)
    assert files(services, tmp_path) == []


def test_stage_when_it_does_not_fit_then_413_and_it_does_not_count_as_stored(
    serve: Callable[..., Services], reach: Callable[[Services], Api]
) -> None:
    services = serve(stored=1, staged=10)
    api = reach(services)
    first, second = api.new(), api.new()

    assert api.request("PUT", f"/v2/images/{first}/stage", DATA, b"123456").status == 204
    answer = api.request("PUT", f"/v2/images/{second}/stage", CHUNKED, b"12345")

    assert (answer.status, "the staging quota of the project: 11, and 10 is the most" in answer.text) == (413, True)
    assert used(services) == Usage(images=2, uploading=1, staged=6)


def test_usage_then_says_what_a_project_takes_and_may_take(serve: Callable[..., Services], reach: Callable[[Services], Api]) -> None:
    api = reach(serve(stored=10 * MIB, images=7))
    api.new(b"12345")
    staged = api.new()
    api.request("PUT", f"/v2/images/{staged}/stage", DATA, bytes(MIB + 1))

    assert api.get("/v2/info/usage") == {
        "usage": {
            "image_size_total": {"usage": 1, "limit": 10},
            "image_stage_total": {"usage": 2, "limit": -1},
            "image_count_total": {"usage": 2, "limit": 7},
            "image_count_uploading": {"usage": 1, "limit": -1},
        }
    }
    assert api.as_caller("P2").get("/v2/info/usage")["usage"]["image_count_total"] == {"usage": 0, "limit": 7}


def test_reservation_when_the_process_dies_then_ends_with_its_recovery(serve: Callable[..., Services]) -> None:
    services = serve(stored=10)
    image = services.registry.images.get(P1, new(services))
    Uploading.begin(services, P1, image, services.stores.get("file"), "queued", length=10)
    other = new(services)
    with pytest.raises(errors.ProjectQuotaExceeded):
        images.attach(services, P1, other, Body(io.BytesIO(b"1"), 1))

    assert recover(services, lambda worker: True) == 1

    assert used(services) == Usage(images=2)
    images.attach(services, P1, other, Body(io.BytesIO(bytes(10)), 10))


def test_room_when_an_upload_is_shorter_than_what_was_reserved_ahead_then_comes_back(serve: Callable[..., Services]) -> None:
    services = serve(stored=100 * MIB)
    images.attach(services, P1, new(services), Body(io.BytesIO(b"12345"), None))

    assert used(services) == Usage(images=1, stored=5)


@pytest.mark.parametrize("length", [10, None], ids=["known", "unknown"])
def test_quota_when_fifty_uploads_race_then_never_exceeded_and_nothing_stays_reserved(
    serve: Callable[..., Services], tmp_path: Path, length: int | None
) -> None:
    services = serve(stored=75)
    queued = [new(services) for _ in range(50)]

    def upload(image_id: str) -> str:
        images.attach(services, P1, image_id, Body(io.BytesIO(bytes(10)), length, on_failure="queued"))
        return image_id

    found = at_once(*(partial(upload, image_id) for image_id in queued))

    stored = [one for one in found if isinstance(one, str)]
    assert kinds(found) == ["ProjectQuotaExceeded"] * 43 + ["str"] * 7
    assert used(services) == Usage(images=50, stored=70)
    assert services.registry.uploads.leases() == []
    assert sorted(path.name for path in files(services, tmp_path)) == sorted(stored)


def test_quota_when_fifty_stages_race_then_never_exceeded(serve: Callable[..., Services], tmp_path: Path) -> None:
    services = serve(staged=75)
    queued = [new(services) for _ in range(50)]

    found = at_once(*(partial(staging.stage, services, P1, image_id, io.BytesIO(bytes(10)), 10) for image_id in queued))

    assert kinds(found) == ["NoneType"] * 7 + ["ProjectQuotaExceeded"] * 43
    assert used(services) == Usage(images=50, uploading=7, staged=70)
    assert services.registry.uploads.leases() == []


def test_service_without_quotas_then_never_asks_for_room(serve: Callable[..., Services]) -> None:
    services = serve()
    image = services.registry.images.get(P1, new(services))

    assert Uploading.begin(services, P1, image, services.stores.get("file"), "queued").room == ()
