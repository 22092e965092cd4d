"""Who may read the data of an image past this service: stores that keep access lists of their own are told (spec-v2 10.1)."""

from __future__ import annotations

import logging
from dataclasses import replace

from glance import errors
from glance.context import RequestContext
from glance.interfaces import ListsReaders, Store
from glance.model.image import Location
from glance.model.visibility import PUBLIC, SHARED
from glance.service import Services

LOG = logging.getLogger(__name__)


def tell(services: Services, ctx: RequestContext, image_id: str) -> None:
    """Brings the access lists of an image's data to what the registry says now. Raises StoreUnavailable, StoreWriteDenied: whoever takes an image
    back must learn that it can still be read (OSSN-0025)."""
    if not any(_listing(services.stores.get(name)) for name in services.stores.names):
        return
    everything = replace(ctx, is_admin=True)
    image = services.registry.images.get(everything, image_id)
    members = [one.member for one in services.registry.members.list(everything, image_id)] if image.visibility == SHARED else []
    for location in image.active_locations:
        store = _listing_of(services, location)
        if store is not None and location.owned:
            store.set_readers(ctx, location, public=image.visibility == PUBLIC, members=members)


def _listing_of(services: Services, location: Location) -> ListsReaders | None:
    """None also where the store is not configured any more: then nobody can be told."""
    try:
        return _listing(services.stores.of(location))
    except errors.StoreUnknown:
        LOG.warning("Who may read what store '%s' has of an image is not told there, since that store is not configured.", location.store)
        return None


def _listing(store: Store) -> ListsReaders | None:
    return store if isinstance(store, ListsReaders) and store.lists_readers else None
