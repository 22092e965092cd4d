"""A server that two stores reach under two names: what one of them stored is not erased through the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from glance.context import RequestContext, unauthenticated
from glance.interfaces import Registry
from glance.model.checks import Figures
from glance.model.image import Image, Location
from glance.model.stores import Found
from glance.service import Services
from glance.service.checking import Options, check
from glance.service.sweeping import Sweeping, sweep
from glance.service.uploading import Uploading
from glance.store.drivers.memory import MemoryStore
from glance.store.location import parse
from glance.store.stores import StoreSet
from tests.services import make_services

ALICE = RequestContext(project="alice", roles=("member",))
DATA = b"data of an image"


class Server(MemoryStore):
    """``memory://<name of the server>/images/<image id>``; ``again`` is the same server under another name."""

    def __init__(self, name: str, again: Server | None = None) -> None:
        super().__init__(name)
        if again is not None:
            self._objects = again._objects

    def add(self, ctx, image_id, chunks, size):
        return replace(super().add(ctx, image_id, chunks, size), url=self._url(image_id))

    def contents(self) -> Iterator[Found]:
        return iter([replace(found, location_url=self._url(found.image_id)) for found in super().contents()])

    def remove(self, found: Found) -> bool:
        self.discard(unauthenticated(), found.image_id)
        return True

    def recognizes(self, location: Location) -> bool:
        url = parse(location.url)
        return url is not None and url.authority == self.name

    def _url(self, image_id: str) -> str:
        return f"memory://{self.name}/images/{image_id}"

    def _id(self, location: Location) -> str:
        return location.url.rpartition("/")[2]


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    usual = make_services(tmp_path, registry)
    first = Server("first")
    return replace(usual, stores=StoreSet([first, Server("second", first)], "first", usual.stores.staging))


@pytest.fixture(autouse=True)
def image(services: Services) -> Image:
    """An image in the first store, older than another one."""
    image = services.registry.images.create(ALICE, Image(id="", owner="alice"))
    uploading = Uploading.begin(services, ALICE, image, services.stores.get("first"), "queued")
    stored = uploading.store(iter([DATA]), len(DATA))
    services.registry.images.create(ALICE, Image(id="", owner="alice"))
    return stored


def test_sweep_when_a_server_has_two_names_then_the_data_stay(services: Services) -> None:
    assert sweep(services, Sweeping(grace=0, data=True)) == 0


def test_repair_when_a_server_has_two_names_then_the_data_stay(services: Services) -> None:
    assert list(check(services, Options(repair=True, grace=timedelta()), Figures())) == []
