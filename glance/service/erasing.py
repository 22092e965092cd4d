"""Erasing data whose image is gone."""

from __future__ import annotations

import logging

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.model.image import Location
from glance.service import Services, failures

LOG = logging.getLogger(__name__)


def erase_condemned(services: Services, image_id: str, location: Location, ctx: RequestContext | None = None) -> bool:
    """Erases the data at a location that waits for it, and notes that it is gone. False where that fails: it is left for the next time. ``ctx``
    is whoever deletes, None where nobody asks."""
    try:
        if location.owned:
            _erase(services, ctx or unauthenticated(), image_id, location)
        if location.id is not None:
            services.registry.locations.erased(location.id)
    except errors.GlanceError as error:
        failures.note(services, location.store, "delete", error)
        LOG.warning("The data of deleted image %s in store %s cannot be erased yet: %s", image_id, location.store, error.code)
        return False
    return True


def _erase(services: Services, ctx: RequestContext, image_id: str, location: Location) -> None:
    try:
        services.stores.of(location).delete(ctx, location)
    except errors.LocationNotFound:
        LOG.info("The data of deleted image %s was gone already", image_id)
