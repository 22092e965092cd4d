"""What a dead process left: uploads that nobody finishes, and data of deleted images that nobody erased. Safe to run anywhere, at any time."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.model import metrics
from glance.model.events import ImageActivated
from glance.model.image import Location, Upload
from glance.service import Services, reasons
from glance.service.erasing import erase_condemned

LOG = logging.getLogger(__name__)

#: Seconds. Where recovery runs, no lease is over for so long: so the service was down, or the database is an older copy. Uploads that ran when that
#: was made may have been acknowledged since: what they stored may be all that there is of an image.
_LONG_OVER = 3600.0


def recover(
    services: Services,
    is_dead: Callable[[str], bool],
    may_go_on: Callable[[], bool] = lambda: True,
    *,
    scrub_time: float | None = None,
    threads: int = 1,
) -> int:
    """Repairs everything that can be and returns how many things that were.

    ``is_dead`` tells whether a worker has certainly ended. ``may_go_on`` is asked before each step, and after a no nothing is done. Deletes that were
    delayed end after ``scrub_time`` seconds, None for never. As many ``threads`` erase data at the same time.
    """
    if not may_go_on():
        return 0
    if scrub_time is not None:
        services.registry.locations.condemn(scrub_time)
    repaired = 0
    dead = [upload for upload, expired in services.registry.uploads.leases() if expired or is_dead(upload.worker)]
    kept = {upload.attempt for upload, expired in services.registry.uploads.leases(_LONG_OVER) if expired} if dead else frozenset[str]()
    for upload in dead:
        if may_go_on():
            repaired += _reclaim(services, upload, erases=upload.attempt not in kept)

    def erase(condemned: tuple[str, Location]) -> bool:
        return may_go_on() and erase_condemned(services, *condemned)

    with ThreadPoolExecutor(threads) as pool:
        each = pool.map if threads > 1 else map
        return repaired + sum(each(erase, services.registry.locations.condemned()))


def restore(services: Services, image_id: str) -> None:
    """Makes a deleted image active again whose data are still kept. Raises Conflict, ImageNotFound, ProjectQuotaExceeded."""
    image = services.registry.images.restore(unauthenticated(), image_id)
    services.notifier.emit(unauthenticated(), ImageActivated(image))


def _for_owner(services: Services, image_id: str) -> RequestContext:
    """This service, about to touch data of the image's owner."""
    try:
        return replace(unauthenticated(), project=services.registry.images.get(unauthenticated(), image_id).owner)
    except errors.ImageNotFound:
        return unauthenticated()


def _discard(services: Services, upload: Upload) -> None:
    if upload.store:
        for store in services.stores.of_upload(upload.store):
            store.discard(_for_owner(services, upload.image_id), upload.image_id)


def _reclaim(services: Services, upload: Upload, *, erases: bool) -> bool:
    """Ends a dead upload: claims it, erases its data or leaves them to ``sweep``, and lets the image fall to the status that its API promises.

    The claim is held as long as that takes: what is erased must not be the data of a next upload.
    """
    claim = uuid.uuid4().hex
    if not services.registry.uploads.take_over(upload.image_id, upload.attempt, claim, services.worker()):
        return False
    try:
        with services.leases.held(claim):
            if erases:
                _discard(services, upload)
    except errors.GlanceError as error:
        LOG.warning("What upload %s of image %s left cannot be erased yet: %s", upload.attempt, upload.image_id, error.code)
        return False
    services.registry.uploads.abandon(upload.image_id, claim, upload.on_failure, reasons.INTERRUPTED)
    if services.tallies is not None:
        services.tallies.count(metrics.LEASES_EXPIRED.name)
    LOG.info("Upload %s of image %s had died; the image is %s", upload.attempt, upload.image_id, upload.on_failure)
    if not erases:
        LOG.warning("The upload of image %s ended long ago: nothing of it is erased. Is this an older copy of the database?", upload.image_id)
    return True
