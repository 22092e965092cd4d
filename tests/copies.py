"""Several stores, and images that have copies in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from glance.context import unauthenticated
from glance.model.image import Image, ImageChanges, LocationChange
from glance.model.stores import StoreTraits
from glance.service import Services
from glance.service.data_sources import contents
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.drivers.http import HttpStore
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet
from tests.services import local_egress

#: What the operator says of the stores.
TRAITS = {"cheap": StoreTraits("file", "Slow disks"), "costly": StoreTraits("file"), "web": StoreTraits("http")}


def several_stores(directory: Path, traits: Mapping[str, StoreTraits] = TRAITS) -> StoreSet:
    """The default ``cheap`` and ``costly`` keep files in the directories images and costly, ``web`` reads what web servers of the tests have."""
    files = [FileStore(name, FileStoreSettings(datadir=directory / place)) for name, place in (("cheap", "images"), ("costly", "costly"))]
    for store in files:
        store.check()
    staging = StagingStore(FileStoreSettings(datadir=directory / "staging"))
    return StoreSet([*files, HttpStore("web", local_egress())], "cheap", staging, traits=traits, several=True)


def add_copy(services: Services, image_id: str, store: str) -> Image:
    """Gives an active image one more copy of its data, as the service itself writes one: the last of its locations."""
    ctx = unauthenticated()
    image = services.registry.images.get(ctx, image_id)
    first = image.active_locations[0]
    copy = services.stores.get(store).add(ctx, image_id, contents(services.stores.of(first), ctx, first), image.size)
    before = frozenset(one.id for one in image.active_locations if one.id is not None)
    return services.registry.images.update(ctx, image_id, ImageChanges(locations=LocationChange(before, (*image.active_locations, copy))))
