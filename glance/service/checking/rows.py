"""Row by row: whether the data are there that the database names, as they should be. Every store serves for this."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from glance import errors
from glance.model.checks import Kind
from glance.model.image import Image, Location
from glance.service import Services, copies
from glance.service.checking.evidence import Evidence, Fault, Suspicion

#: Images that the registry is asked for at a time.
PAGE = 500


def walk_rows(services: Services, evidence: Evidence) -> Iterator[Suspicion]:
    """What is wrong about the data of images that are not deleted. Raises RegistryUnavailable, DatabaseUnavailable."""
    after = ""
    while page := services.registry.audits.page(after, PAGE, evidence.options.since):
        for image in page:
            evidence.figures.images += 1
            for location in image.locations:
                yield from _looked_at(services, evidence, image, location)
        after = page[-1].id


def walk_twins(services: Services, evidence: Evidence) -> Iterator[Suspicion]:
    """Locations that name data which this service wrote for another one. Web servers may serve several images the same data."""
    for _url, group in groupby(services.registry.audits.twins(), key=lambda twin: twin[1].url):
        twins = list(group)
        if not any(location.owned and evidence.is_wanted(location) for _image_id, location in twins):
            continue
        keeper, *others = sorted(twins, key=lambda twin: (not twin[1].owned, twin[1].id or 0))
        for image_id, location in others:
            store = copies.store_name(services.stores, location)
            whose = "the same image" if image_id == keeper[0] else f"image {keeper[0]}"
            yield Suspicion(Kind.DUPLICATE, store, image_id, f"Another location, of {whose}, names the same data.", location=location)


def _looked_at(services: Services, evidence: Evidence, image: Image, location: Location) -> Iterator[Suspicion]:
    if location.id in evidence.explained or not evidence.is_wanted(location):
        return
    evidence.figures.locations += 1
    store = copies.store_name(services.stores, location)
    try:
        fault = _confirmed(services, evidence, image, location)
    except (errors.StoreUnavailable, errors.StoreWriteDenied) as error:
        yield evidence.unanswered(store, image.id, error)
    except errors.SourceRefused:
        yield Suspicion(Kind.UNCHECKED, store, image.id, "The location is one that its store does not read.")
    else:
        evidence.answered(store)
        if fault is not None:
            yield Suspicion(fault.kind, store, image.id, fault.detail, image, location)


def _confirmed(services: Services, evidence: Evidence, image: Image, location: Location) -> Fault | None:
    """What is wrong about the data at a location, and still was when they were looked at again, before the record, which still names them."""
    read = evidence.options.read_data
    if evidence.fault(image, location, read=read) is None:
        return None
    fault = evidence.fault(image, location, read=read)
    standing = services.registry.locations.named([image.id]).get(image.id)
    if fault is None or standing is None or standing.uploading:
        return None
    still = any((one.id, one.url, one.status) == (location.id, location.url, location.status) for one in standing.locations)
    return fault if still else None
