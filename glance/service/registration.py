"""Registering data where they are (spec-v2 3.8, version 2.17): other services, and owners whose data a web server has, give a queued image its data.

Data are hashed however they came: before the image is active where the caller says what they must be, else afterwards.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.model.events import ImageActivated
from glance.model.image import Image, ImageChanges, Location, LocationChange, StoredData, Upload
from glance.model.locations import StatedHashes
from glance.model.status import ACTIVE, COMPLETE, IMPORTING, QUEUED
from glance.service import Services, images, reasons
from glance.service.authorize import authorize_change, check_may_change
from glance.service.data_sources import check_formats
from glance.service.locations import point_to
from glance.service.measuring import Measured, StillWanted, measure

LOG = logging.getLogger(__name__)

#: Seconds before data that could not be read are asked for again.
PAUSE = 1.0


def register(services: Services, ctx: RequestContext, image_id: str, url: str, hashes: StatedHashes | None = None) -> None:
    """Makes the data at ``url`` those of a queued image.

    It is active at once, and its digests are computed afterwards. Where the caller says what they must be, the image is importing until the data
    were read, and queued again if they are others. With ``do_secure_hash`` off nothing is read, and what the caller says is taken as it is.
    Raises Conflict unless the image is queued, Forbidden for an address that is for other services only, ImageNotFound, PolicyForbids,
    FormatMissing, Invalid, and what ``locations.point_to`` raises.
    """
    image = images.find(services, ctx, image_id, strict=True)
    with_service = replace(ctx, roles=(*ctx.roles, *ctx.service_roles))
    authorize_change(services, with_service, "add_image_location", image)
    check_may_change(ctx, image, "update")
    if image.status != QUEUED:
        raise errors.Conflict(reason=f"It's not allowed to add locations if image status is {image.status}.")
    _check_address(services, ctx, url)
    if hashes is not None and (fault := hashes.fault()):
        raise errors.Invalid(reason=fault)
    check_formats(image, required=True)
    location, size = point_to(services, ctx, image, url)
    if services.secure_hash and (hashes is not None or image.checksum is not None):
        _Takeover.begin(services, ctx, image.changed({"size": size}), location, hashes)
        return
    stated = {} if hashes is None else {"os_hash_algo": hashes.os_hash_algo, "os_hash_value": hashes.os_hash_value.lower()}
    changes = ImageChanges({"status": ACTIVE, "size": size, **stated}, locations=LocationChange(frozenset(), (location,)))
    active = services.registry.images.update(ctx, image_id, changes, frozenset({QUEUED}))
    services.notifier.emit(ctx, ImageActivated(active))
    if services.secure_hash:
        services.background.submit(lambda: _learn(services, active, location))


@dataclass(frozen=True, slots=True)
class _Takeover:
    """An image in status importing, held by this process under a lease until its data were read."""

    services: Services
    ctx: RequestContext
    image: Image
    location: Location
    hashes: StatedHashes | None
    attempt: str

    @classmethod
    def begin(cls, services: Services, ctx: RequestContext, image: Image, location: Location, hashes: StatedHashes | None) -> None:
        """queued -> importing, and the data are read in the background. Raises NotQueued."""
        upload = Upload(image.id, uuid.uuid4().hex, "", services.worker(), QUEUED, image.size or 0)
        services.registry.uploads.start(ctx, upload, IMPORTING)
        services.leases.hold(upload.attempt)
        services.background.submit(cls(services, ctx, image, location, hashes, upload.attempt).run)

    def run(self) -> None:
        """importing -> active, or back to queued with nothing of the location kept."""
        try:
            active = self.services.registry.uploads.finish(self.ctx, self.image.id, self.attempt, self._read())
            self.services.notifier.emit(self.ctx, ImageActivated(active))
        except errors.GlanceError as error:
            LOG.warning("Image %s does not get the data at its location: %s", self.image.id, error)
            self._abandon(error)
        except BaseException as error:
            self._abandon(error)
            raise
        finally:
            self.services.leases.release(self.attempt)

    def _read(self) -> StoredData:
        algorithm = self.services.hashing_algorithm
        expected = [("md5", self.image.checksum)]
        if self.hashes is not None:
            expected.append((self.hashes.os_hash_algo, self.hashes.os_hash_value.lower()))
        measured = _measure(self.services, self.image, self.location, {algorithm, *dict(expected)}, {IMPORTING})
        if any(digest not in {None, measured.digests[name]} for name, digest in expected):
            raise errors.LocationMismatch(image_id=self.image.id)
        if measured.refusal is not None:
            raise measured.refusal
        digests = measured.digests
        return StoredData(self.location, measured.size, digests["md5"], measured.virtual_size, algorithm or None, digests.get(algorithm))

    def _abandon(self, failure: BaseException) -> None:
        try:
            self.services.registry.uploads.abandon(self.image.id, self.attempt, QUEUED, reasons.sentence(failure))
        except errors.GlanceError as error:
            LOG.warning("Image %s stays importing until recovery finds it: %s", self.image.id, error.code)


def _learn(services: Services, image: Image, location: Location) -> None:
    """Records the digests of an image that is active already; where its data cannot be read, or it is deleted meanwhile, it has none."""
    algorithm = services.hashing_algorithm
    try:
        measured = _measure(services, image, location, {"md5", algorithm}, COMPLETE)
        values: dict[str, object] = {"checksum": measured.digests["md5"]}
        if algorithm:
            values |= {"os_hash_algo": algorithm, "os_hash_value": measured.digests[algorithm]}
        if measured.virtual_size is not None:
            values["virtual_size"] = measured.virtual_size
        services.registry.images.update(unauthenticated(), image.id, ImageChanges(values), COMPLETE)
    except errors.GlanceError as error:
        LOG.warning("Image %s stays without digests: %s", image.id, error)
        return
    if measured.refusal is not None:
        LOG.warning("The data at the location of image %s, which is active, would be refused as an upload: %s", image.id, measured.refusal)


def _measure(services: Services, image: Image, location: Location, algorithms: Collection[str], statuses: Collection[str]) -> Measured:
    """Reads the data while the image is in one of ``statuses``; tries again where its store does not answer. Raises SizeMismatch for other data than
    were announced."""
    for _again in range(services.http_retries):
        try:
            return _measure_once(services, image, location, algorithms, statuses)
        except (errors.StoreUnavailable, errors.LocationNotFound):
            time.sleep(PAUSE)
    return _measure_once(services, image, location, algorithms, statuses)


def _measure_once(services: Services, image: Image, location: Location, algorithms: Collection[str], statuses: Collection[str]) -> Measured:
    measured = measure(services, image, location, algorithms, StillWanted(services, image.id, statuses))
    if measured.size != image.size:
        raise errors.SourceSizeMismatch(expected=image.size or 0, actual=measured.size)
    return measured


def _check_address(services: Services, ctx: RequestContext, url: str) -> None:
    """Other services may name what every store reads; everybody else what a web server has."""
    if "service" in {*ctx.roles, *ctx.service_roles}:
        return
    try:
        schemes = services.stores.for_external(url).schemes
    except errors.SourceRefused:
        schemes = ()
    if "http" not in schemes:
        raise errors.Forbidden(reason="http store must be enabled to use location API by normal user.")
