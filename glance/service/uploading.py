"""One attempt to store an image's data: steps K2 to K11 of docs/architecture.md, and what undoes them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace

from glance import errors
from glance.context import RequestContext
from glance.interfaces import ListsReaders, Store, Tap
from glance.model.events import ImageActivated, ImagePrepared, ImageUploaded, ImageUploadFailed
from glance.model.image import Held, Image, Location, OnFailure, StoredData, Upload
from glance.model.status import HELD
from glance.service import Services, failures, readers, reasons
from glance.service.reserving import Reservation
from glance.stream import Count, Digest, Limit, flow

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Uploading:
    """An image held by this process under a lease until ``store`` or ``stage`` has ended, one way or the other. ``room`` are taps that reserve some
    for the data, where there are quotas."""

    services: Services
    ctx: RequestContext
    image: Image
    target: Store
    upload: Upload
    room: tuple[Tap, ...] = ()

    @classmethod
    def begin(
        cls,
        services: Services,
        ctx: RequestContext,
        image: Image,
        target: Store,
        on_failure: OnFailure,
        status: Held = "saving",
        length: int | None = None,
    ) -> Uploading:
        """queued -> ``status``, and room for ``length`` bytes, or as many as the image is said to have, is reserved. Raises NotQueued,
        ProjectQuotaExceeded, LimitsUnavailable."""
        reserved = (image.size or 0) if length is None else length
        upload = Upload(image.id, uuid.uuid4().hex, target.name, services.worker(), on_failure, reserved)
        started = services.registry.uploads.start(ctx, upload, status)
        services.leases.hold(upload.attempt)
        room = (Reservation(services.registry, upload),) if started.limited else ()
        return cls(services, ctx, replace(image, status=started.image.status), target, upload, room)

    def store(self, chunks: Iterator[bytes], length: int | None, *, match_format: bool = True) -> Image:
        """Stores ``chunks`` and activates the image, or leaves nothing behind: no bytes, and the image killed or queued.

        ``image.size`` and ``image.checksum`` are what the data must turn out to be; so is the format, with ``match_format``. Raises SizeMismatch,
        ChecksumMismatch, DataFormatMismatch, ImageUnsafe, StreamTooLarge, UploadLost, ClientDisconnected, and what the store raises.
        """
        count = Count(self.image.size, self.upload.on_failure)
        algorithm = self.services.hashing_algorithm
        expected = {algorithm: None, "md5": self.image.checksum}
        digests = {name: Digest(name, value, self.upload.on_failure) for name, value in expected.items() if name}
        inspection = self.services.inspector.inspection(self.image, must_match=match_format)
        limit = Limit(self.services.limits.image_size)
        notifier = self.services.notifier
        notifier.emit(self.ctx, ImagePrepared(self.image, self.target.name))
        try:
            location = self._add(flow(chunks, (limit, *self.room, count, *digests.values(), inspection)), length)
            data = StoredData(
                location,
                count.total,
                digests["md5"].hexdigest,
                virtual_size=inspection.virtual_size,
                os_hash_algo=algorithm or None,
                os_hash_value=digests[algorithm].hexdigest if algorithm else None,
            )
            image = self._finish(data)
        except Exception as error:
            notifier.emit(self.ctx, ImageUploadFailed(self.image.id, reasons.sentence(error)))
            raise
        finally:
            self.services.leases.release(self.upload.attempt)
        notifier.emit(self.ctx, ImageUploaded(image))
        notifier.emit(self.ctx, ImageActivated(image))
        if isinstance(self.target, ListsReaders):
            self._tell_readers()
        return image

    def stage(self, chunks: Iterator[bytes], length: int | None) -> Image:
        """Keeps ``chunks`` until they are imported, or leaves nothing behind: no bytes, and the image queued. Only their size is measured: what the
        image is said to be otherwise is checked when they are imported. Raises as ``store`` does.
        """
        count = Count(self.image.size, self.upload.on_failure)
        limit = Limit(self.services.limits.image_size)
        try:
            location = self._add(flow(chunks, (limit, *self.room, count)), length)
            return self._finish(StoredData(replace(location, status="staged"), count.total, self.image.checksum))
        finally:
            self.services.leases.release(self.upload.attempt)

    def _add(self, chunks: Iterator[bytes], length: int | None) -> Location:
        try:
            return self.target.add(replace(self.ctx, project=self.image.owner), self.image.id, chunks, length)
        except BaseException as error:
            failures.note(self.services, self.target.name, "write", error)
            if isinstance(error, errors.UploadLeftBehind):
                self._leave(error)
            elif not self._abandon(self.upload.attempt, error) and isinstance(error, errors.GlanceError):
                raise errors.UploadLost(image_id=self.image.id) from error  # whoever took over has erased what the store misses
            raise

    def _tell_readers(self) -> None:
        try:
            readers.tell(self.services, self.ctx, self.image.id)
        except errors.GlanceError as error:
            LOG.warning(
                "Image %s can be read through this service only: its readers are not told to store %s: %s",
                self.image.id,
                self.target.name,
                error.code,
            )

    def _finish(self, data: StoredData) -> Image:
        try:
            return self.services.registry.uploads.finish(self.ctx, self.image.id, self.upload.attempt, data)
        except errors.GlanceError as error:
            finished = self._undo(data, error)
            if finished is None:
                raise
            return finished

    def _undo(self, data: StoredData, failure: errors.GlanceError) -> Image | None:
        """Erases stored data, unless the registry did record them and only its answer was lost: then returns the image.

        A fresh attempt goes on record first, and is held. From then on the old one can never be finished, however late its request arrives, and a
        crash leaves to recovery what is not undone yet. Where the attempt is not on record, recovery took it for dead and may have looked for its
        data before they were stored; then they are erased unless another attempt has stored its own in their place, or is about to.
        """
        records = self.services.registry
        fence = uuid.uuid4().hex
        try:
            with self.services.leases.held(fence):
                taken_over = records.uploads.take_over(self.image.id, self.upload.attempt, fence, self.upload.worker)
                if not taken_over:
                    stored = records.images.get(replace(self.ctx, is_admin=True), self.image.id)
                    if any(one.url == data.location.url for one in stored.locations):
                        return stored if _learned(stored) == _learned(data) else None
                    if stored.status in HELD:
                        return None  # by another attempt: what lies there may be its data already
                self.target.delete(self.ctx, data.location)
        except errors.GlanceError as error:
            LOG.warning("The data of the failed upload %s of image %s is left to recovery: %s", self.upload.attempt, self.image.id, error.code)
            return None
        if taken_over:
            self._abandon(fence, failure)
        return None

    def _leave(self, failure: BaseException) -> None:
        """The attempt stays on record, so that recovery finds what is left of it, and why."""
        try:
            self.services.registry.uploads.fail(self.image.id, self.upload.attempt, reasons.sentence(failure))
        except errors.GlanceError as error:
            LOG.warning("Why the upload of image %s failed is not on record: %s", self.image.id, error.code)

    def _abandon(self, attempt: str, failure: BaseException) -> bool:
        """False where the attempt was not on record any more."""
        try:
            return self.services.registry.uploads.abandon(self.image.id, attempt, self.upload.on_failure, reasons.sentence(failure))
        except errors.GlanceError as error:
            LOG.warning("Image %s waits for recovery to end its upload: %s", self.image.id, error.code)
            return True


def _learned(data: Image | StoredData) -> tuple[object, ...]:
    """What tells the data of two attempts apart."""
    return data.size, data.checksum, data.os_hash_value
