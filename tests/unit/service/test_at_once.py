"""Changes of an image that somebody else changes between the look at it and the change."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges
from glance.service import Services, images
from glance.service.uploading import Uploading
from tests.services import make_services

ADMIN = unauthenticated()


@dataclass
class Meanwhile:
    """The images of a registry; ``act`` happens just before the first change of one."""

    inner: Any
    act: Callable[[], object]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def update(self, *arguments: Any) -> Image:
        act, self.act = self.act, lambda: None
        act()
        changed: Image = self.inner.update(*arguments)
        return changed


@dataclass
class Parts:
    """A registry whose images are others."""

    inner: Registry
    images: Any

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    return make_services(tmp_path, registry)


def begin(services: Services) -> Uploading:
    image = services.registry.images.create(ADMIN, Image(id=""))
    return Uploading.begin(services, ADMIN, image, services.stores.get("file"), "queued")


def meanwhile(services: Services, act: Callable[[], object]) -> Services:
    return replace(services, registry=Parts(services.registry, Meanwhile(services.registry.images, act)))


def test_image_when_somebody_deactivates_it_at_the_same_time_then_both_have_done_it(services: Services) -> None:
    image = begin(services).store(iter([b"abc"]), 3)
    racing = meanwhile(services, lambda: images.deactivate(services, ADMIN, image.id))
    assert images.deactivate(racing, ADMIN, image.id).status == "deactivated"


def test_image_when_it_is_deleted_while_somebody_deactivates_it_then_not_found_or_a_conflict(services: Services) -> None:
    image = begin(services).store(iter([b"abc"]), 3)
    racing = meanwhile(services, lambda: images.delete(services, ADMIN, image.id))
    with pytest.raises((errors.ImageNotFound, errors.StatusConflict)):
        images.deactivate(racing, ADMIN, image.id)


def test_image_when_its_upload_ends_while_somebody_changes_it_then_changed(services: Services) -> None:
    uploading = begin(services)
    racing = meanwhile(services, lambda: uploading.store(iter([b"abc"]), 3))
    changed = images.update(racing, ADMIN, uploading.image.id, ImageChanges({"name": "new"}))
    assert (changed.name, changed.status) == ("new", "active")


def test_image_when_its_upload_fails_while_somebody_changes_it_then_a_conflict(services: Services) -> None:
    uploading = begin(services)
    racing = meanwhile(services, lambda: services.registry.uploads.abandon(uploading.image.id, uploading.upload.attempt, "queued"))
    with pytest.raises(errors.StatusConflict):
        images.update(racing, ADMIN, uploading.image.id, ImageChanges({"name": "new"}))
