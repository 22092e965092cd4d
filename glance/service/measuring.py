"""Reading data where they are, to learn what they are. Nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from glance import errors
from glance.context import unauthenticated
from glance.interfaces import Tap
from glance.model.image import Image, Location
from glance.service import Services
from glance.service.data_sources import contents
from glance.stream import Count, Digest, Limit, Watcher, flow

#: Seconds between two looks at whether the data of an image are still wanted.
INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What the data are: ``digests`` by algorithm, and ``refusal``, why an upload of them would have been refused."""

    size: int
    digests: Mapping[str, str]
    virtual_size: int | None
    refusal: errors.GlanceError | None


class StillWanted(Watcher):
    """A tap that stops a stream once its image has left ``statuses``; it looks every ``interval`` seconds. Raises UploadLost."""

    def __init__(self, services: Services, image_id: str, statuses: Collection[str], interval: float = INTERVAL) -> None:
        self._services = services
        self._image_id = image_id
        self._statuses = statuses
        self._interval = interval
        self._next = time.monotonic() + interval

    def update(self, chunk: bytes) -> None:  # noqa: ARG002
        if time.monotonic() < self._next:
            return
        if self._services.registry.images.get(unauthenticated(), self._image_id).status not in self._statuses:
            raise errors.UploadLost(image_id=self._image_id)
        self._next = time.monotonic() + self._interval


def measure(services: Services, image: Image, location: Location, algorithms: Iterable[str], *taps: Tap) -> Measured:
    """Reads all data at a location of ``image``, past ``taps`` too. No identity of a caller goes along. "" among the ``algorithms`` is none.

    Raises StreamTooLarge, LocationNotFound, StoreUnavailable, and what the taps raise.
    """
    count = Count()
    digests = {algorithm: Digest(algorithm) for algorithm in algorithms if algorithm}
    inspection = services.inspector.inspection(image, must_match=True)
    # The inspection comes last: the digests are complete when it refuses.
    watching: tuple[Tap, ...] = (Limit(services.limits.image_size), count, *taps, *digests.values(), inspection)
    refusal: errors.GlanceError | None = None
    try:
        for _chunk in flow(contents(services.stores.of(location), unauthenticated(), location), watching):
            pass
    except (errors.DataFormatMismatch, errors.ImageUnsafe) as error:
        refusal = error
    found = {algorithm: digest.hexdigest for algorithm, digest in digests.items()}
    return Measured(count.total, found, None if refusal else inspection.virtual_size, refusal)
