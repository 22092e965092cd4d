"""Data that a client sends now and imports later (spec-v2 3.3)."""

from __future__ import annotations

from glance import errors
from glance.context import RequestContext
from glance.interfaces import ByteSource
from glance.model.events import ImageUpdated
from glance.model.importing import GLANCE_DIRECT
from glance.model.status import QUEUED
from glance.service import Services, images
from glance.service.authorize import authorize_change, check_may_change
from glance.service.uploading import Uploading
from glance.stream import read_chunks, refuse_longer


def stage(services: Services, ctx: RequestContext, image_id: str, data: ByteSource, length: int | None) -> None:
    """Keeps ``data`` of a queued image, which may still lack its formats, in the staging store; ``length`` is None where the client does not say.

    Raises MethodUnavailable, ImageNotFound, PolicyForbids, ImageForbidden, NotQueued, ImageTooLarge, and as ``Uploading.stage`` does.
    """
    if GLANCE_DIRECT not in services.import_methods:
        raise errors.MethodUnavailable(method=GLANCE_DIRECT)
    image = images.find(services, ctx, image_id, strict=True)
    authorize_change(services, ctx, "modify_image", image)
    check_may_change(ctx, image, "update")
    if image.status != QUEUED:
        raise errors.NotQueued
    refuse_longer(length, services.limits.image_size)
    uploading = Uploading.begin(services, ctx, image, services.stores.staging, "queued", "uploading", length)
    services.notifier.emit(ctx, ImageUpdated(uploading.stage(read_chunks(data, length), length)))
