"""Registered data whose image changes, or whose process dies, before they were read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Registry
from glance.model.image import Image
from glance.model.locations import StatedHashes, shown_url
from glance.service import Services
from glance.service.measuring import StillWanted
from glance.service.recovery import recover
from glance.service.registration import register
from tests.services import make_services
from tests.web import Web, web

__all__ = ["web"]

ADMIN = unauthenticated()
HASHES = StatedHashes("sha512", "ab" * 64)


class Never:
    """Background work of a process that dies before it begins."""

    def submit(self, task: Callable[[], object]) -> None:
        """Nothing is done."""


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    return make_services(tmp_path, registry, background=Never())


def reserve(services: Services) -> str:
    return services.registry.images.create(ADMIN, Image(id="", disk_format="raw", container_format="bare")).id


def test_recovery_when_the_process_died_while_importing_then_queued_with_nothing(services: Services, web: Web) -> None:
    image_id = reserve(services)
    register(services, ADMIN, image_id, web.put("/x", b"abc"), HASHES)
    assert services.registry.images.get(ADMIN, image_id).status == "importing"
    assert recover(services, lambda worker: False) == 0
    assert recover(services, lambda worker: worker == services.worker()) == 1
    image = services.registry.images.get(ADMIN, image_id)
    assert (image.status, image.size, image.locations) == ("queued", None, ())
    assert services.registry.uploads.leases() == []


def test_recovery_when_the_process_died_while_hashing_then_active_without_digests(services: Services, web: Web) -> None:
    image_id = reserve(services)
    register(services, ADMIN, image_id, web.put("/x", b"abc"))
    assert recover(services, lambda _worker: True) == 0
    image = services.registry.images.get(ADMIN, image_id)
    assert (image.status, image.size, image.checksum) == ("active", 3, None)


def test_stream_when_its_image_is_not_wanted_any_more_then_stopped(services: Services) -> None:
    image_id = reserve(services)
    StillWanted(services, image_id, {"queued"}, interval=0).update(b"x")
    unwanted = StillWanted(services, image_id, {"importing"}, interval=0)
    with pytest.raises(errors.UploadLost):
        unwanted.update(b"x")
    services.registry.images.delete(ADMIN, image_id)
    with pytest.raises(errors.UploadLost):
        StillWanted(services, image_id, {"queued"}, interval=0).update(b"x")
    StillWanted(services, image_id, {"queued"}).update(b"x")


@pytest.mark.parametrize("url", ["file:///images/x", "http://h/a@b", "http://h?x=a@b", "rbd://f/p/i/s", "x"])
def test_shown_url_when_it_holds_no_credentials_then_as_it_is(url: str) -> None:
    assert shown_url(url) == url
