"""One attempt to store an image's data: steps K2 to K11 of docs/architecture.md, and what undoes them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Store
from glance.model.image import Image, Location, OnFailure, StoredData, Upload
from glance.model.status import KILLED
from glance.service import Services
from glance.stream import Count, Digest, Limit, flow

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Uploading:
    """An image in status saving, held by this process under a lease until ``store`` has ended, one way or the other."""

    services: Services
    ctx: RequestContext
    image: Image
    target: Store
    upload: Upload

    @classmethod
    def begin(cls, services: Services, ctx: RequestContext, image: Image, target: Store, on_failure: OnFailure) -> Uploading:
        """queued -> saving. Raises NotQueued."""
        upload = Upload(image.id, uuid.uuid4().hex, target.name, services.worker(), on_failure)
        services.registry.uploads.start(ctx, upload)
        services.leases.hold(upload.attempt)
        return cls(services, ctx, image, target, upload)

    def store(self, chunks: Iterator[bytes], length: int | None) -> Image:
        """Stores ``chunks`` and activates the image, or leaves nothing behind: no bytes, and the image killed or queued.

        ``image.size`` and ``image.checksum`` are what the data must turn out to be. Raises SizeMismatch, ChecksumMismatch, StreamTooLarge,
        UploadLost, ClientDisconnected, and what the store raises.
        """
        count = Count(self.image.size, self.upload.on_failure)
        checksum = Digest("md5", self.image.checksum, self.upload.on_failure)
        digest = Digest(self.services.hashing_algorithm)
        limit = Limit(self.services.limits.image_size)
        try:
            location = self._add(flow(chunks, (limit, count, checksum, digest)), length)
            data = StoredData(
                location,
                count.total,
                checksum.hexdigest,
                os_hash_algo=self.services.hashing_algorithm,
                os_hash_value=digest.hexdigest,
            )
            return self._activate(data)
        finally:
            self.services.leases.release(self.upload.attempt)

    def _add(self, chunks: Iterator[bytes], length: int | None) -> Location:
        try:
            return self.target.add(self.ctx, self.image.id, chunks, length)
        except BaseException:
            self._abandon(self.upload.attempt)
            raise

    def _activate(self, data: StoredData) -> Image:
        try:
            return self.services.registry.uploads.finish(self.ctx, self.image.id, self.upload.attempt, data)
        except errors.GlanceError:
            activated = self._undo(data.location)
            if activated is None:
                raise
            return activated

    def _undo(self, location: Location) -> Image | None:
        """Erases stored data, unless the registry did activate the image and only its answer was lost: then returns it.

        A fresh attempt goes on record first. From then on the old one can never be finished, however late its request arrives, and a crash
        leaves to recovery what is not undone yet. Where the attempt is not on record, recovery took it for dead and may have looked for its
        data before they were stored.
        """
        records = self.services.registry
        fence = uuid.uuid4().hex
        try:
            if not records.uploads.take_over(self.image.id, self.upload.attempt, fence, self.upload.worker):
                stored = records.images.get(replace(self.ctx, is_admin=True), self.image.id)
                if any(one.url == location.url for one in stored.locations):
                    return stored
                if self.upload.on_failure == KILLED:
                    # A killed image is never stored again, so what lies there is ours; one that is queued again may have the data of another upload.
                    self.target.discard(self.ctx, self.image.id)
                return None
            self.target.delete(self.ctx, location)
        except errors.GlanceError as error:
            LOG.warning("The data of the failed upload %s of image %s is left to recovery: %s", self.upload.attempt, self.image.id, error.code)
            return None
        self._abandon(fence)
        return None

    def _abandon(self, attempt: str) -> None:
        try:
            self.services.registry.uploads.abandon(self.image.id, attempt, self.upload.on_failure)
        except errors.GlanceError as error:
            LOG.warning("Image %s stays in status saving until recovery finds it: %s", self.image.id, error.code)
