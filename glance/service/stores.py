"""The stores that clients choose from, where the operator offers several (spec-v2 4.4, 4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Store
from glance.model.locations import RemoveFromStore
from glance.model.stores import StoreTraits
from glance.service import Services, images, locations
from glance.service.authorize import authorize


@dataclass(frozen=True, slots=True)
class Offer:
    """A store that clients may choose."""

    store: Store
    traits: StoreTraits
    is_default: bool


def offered(services: Services) -> tuple[Offer, ...]:
    """The stores in the operator's order. Raises NotFound where clients choose none."""
    stores = services.stores
    if not stores.several:
        raise errors.NotFound(reason="Clients of this site do not choose between stores.")
    return tuple(Offer(stores.get(name), stores.traits(name), name == stores.default) for name in stores.names)


def offered_in_detail(services: Services, ctx: RequestContext) -> tuple[Offer, ...]:
    """``offered`` for those who may know how the stores are set up. Raises PolicyForbids, too."""
    offers = offered(services)
    authorize(services, ctx, "stores_info_detail")
    return offers


def chosen(services: Services, name: str) -> str:
    """``name``, which must be that of a store. Raises StoreUnknown; unlike ``Stores.choose`` also for a scheme, which several stores may have."""
    if name not in services.stores.names:
        raise errors.StoreUnknown(store=name[:64], enabled=", ".join(services.stores.names))
    return name


def delete_from(services: Services, ctx: RequestContext, name: str, image_id: str) -> None:
    """Takes the data of an active image out of one of the stores that hold them: off the record first, then what this service wrote is erased.

    Raises NotFound where clients choose no store, and for an image that is not in this one; Conflict for an unknown store, and for an image
    that is not active; Forbidden where no data, or none that this service wrote, would be left; LocationsChanged, ImageNotFound, PolicyForbids.
    """
    if name not in {one.store.name for one in offered(services)}:
        raise errors.Conflict(reason=f"The selected store {name[:64]} is not available on this node.")
    image = images.find(services, ctx, image_id, strict=True)
    authorize(services, ctx, "get_image_location", image)
    locations.change(services, ctx, image_id, [RemoveFromStore(name)])
