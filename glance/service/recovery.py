"""What a dead process left: uploads that nobody finishes, and data of deleted images that nobody erased. Safe to run anywhere, at any time."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import replace

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.model.image import Upload
from glance.model.status import DELETED
from glance.service import Services
from glance.service.erasing import erase_condemned

LOG = logging.getLogger(__name__)


def recover(services: Services, is_dead: Callable[[str], bool]) -> int:
    """Repairs everything that can be and returns how many things that were. ``is_dead`` tells whether a worker has certainly ended."""
    repaired = 0
    for upload, expired in services.registry.uploads.leases():
        if expired or is_dead(upload.worker):
            repaired += _reclaim(services, upload)
    for image_id, location in services.registry.locations.condemned():
        repaired += erase_condemned(services, image_id, location)
    return repaired


def sweep(services: Services) -> int:
    """Erases staged data whose image is not there, and returns of how many images. ``recover`` finds what we left; this finds what only the
    directory knows of: data staged since the copy from which a database was restored, or left by another program (spec-v2 3.4)."""
    staging = services.stores.staging
    swept = 0
    try:
        for image_id in staging.held():
            if _is_gone(services, image_id):
                staging.discard(unauthenticated(), image_id)
                LOG.info("Staged data of image %s, which is not there, are erased", image_id)
                swept += 1
    except (errors.StoreUnavailable, errors.StoreWriteDenied) as error:
        LOG.warning("Staged data without image cannot be erased: %s", error.code)
    return swept


def _is_gone(services: Services, image_id: str) -> bool:
    try:
        return services.registry.images.get(unauthenticated(), image_id).status == DELETED
    except errors.ImageNotFound:
        return True


def _for_owner(services: Services, image_id: str) -> RequestContext:
    """This service, about to touch data of the image's owner."""
    try:
        return replace(unauthenticated(), project=services.registry.images.get(unauthenticated(), image_id).owner)
    except errors.ImageNotFound:
        return unauthenticated()


def _reclaim(services: Services, upload: Upload) -> bool:
    """Ends a dead upload: claims it, erases its data, and lets the image fall to the status that its API promises."""
    claim = uuid.uuid4().hex
    if not services.registry.uploads.take_over(upload.image_id, upload.attempt, claim, services.worker()):
        return False
    try:
        if upload.store:
            for store in services.stores.of_upload(upload.store):
                store.discard(_for_owner(services, upload.image_id), upload.image_id)
    except errors.GlanceError as error:
        LOG.warning("What upload %s of image %s left cannot be erased yet: %s", upload.attempt, upload.image_id, error.code)
        return False
    services.registry.uploads.abandon(upload.image_id, claim, upload.on_failure)
    LOG.info("Upload %s of image %s had died; the image is %s", upload.attempt, upload.image_id, upload.on_failure)
    return True
