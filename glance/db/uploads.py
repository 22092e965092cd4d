"""``UploadRecords`` in SQL: one row for each attempt on record. Whoever changes both holds the image's row before the attempt's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from glance import errors
from glance.context import RequestContext
from glance.db.clock import Moment
from glance.db.mapping import from_failure, to_failure, to_image, to_upload
from glance.db.query import IMAGES
from glance.db.quotas import check_quotas
from glance.db.schema import REASON, image_failures, image_locations, image_uploads, images
from glance.db.steps import add_location, change, complete, lock_to_change
from glance.db.transactions import Database
from glance.interfaces import QuotaSource
from glance.model.image import Failure, Held, Image, Location, Started, StoredData, Upload
from glance.model.quotas import Measure
from glance.model.status import ACTIVE, HELD, QUEUED, UPLOADING, sources_of

#: What an image says about its data; none of it holds for the data of the next attempt.
_LEARNED = ("size", "virtual_size", "checksum", "os_hash_algo", "os_hash_value")

#: The states in which data that were staged, or stored, find the image, and the one that they leave it in.
_STAGED = (frozenset({UPLOADING}), UPLOADING)
_STORED = (HELD & sources_of(ACTIVE), ACTIVE)


class SqlUploads:
    """``lease_seconds`` is how long a lease lasts without renewal, by the clock of ``moment``. ``clock`` gives the time, UTC without zone."""

    def __init__(self, database: Database, lease_seconds: float, clock: Callable[[], datetime], moment: Moment, quotas: QuotaSource | None) -> None:
        self._database = database
        self._moment, self._end = moment, moment(lease_seconds)
        self._clock = clock
        self._quotas = quotas

    def start(self, ctx: RequestContext, upload: Upload, status: Held = "saving") -> Started:
        try:
            image = self._database.write.once(partial(_started, upload), self._start, ctx, upload, status)
        except IntegrityError as error:
            # An earlier attempt is on record and was not cleaned up yet.
            raise errors.NotQueued from error
        return Started(image, limited=self._quotas is not None)

    def renew(self, attempts: Sequence[str]) -> None:
        if attempts:
            self._database.write(self._renew, attempts)

    def reserve(self, image_id: str, attempt: str, size: int) -> None:
        self._database.write(self._reserve, image_id, attempt, size)

    def finish(self, ctx: RequestContext, image_id: str, attempt: str, data: StoredData) -> Image:  # noqa: ARG002 - the attempt is the right to finish
        now = self._clock()
        return self._database.write.once(partial(_finished, image_id, data.location, now), self._finish, image_id, attempt, data, now)

    def fail(self, image_id: str, attempt: str, reason: str) -> None:
        self._database.write(self._fail, image_id, attempt, reason)

    def abandon(self, image_id: str, attempt: str, status: str, reason: str = "") -> bool:
        now = self._clock()
        return self._database.write.once(partial(_abandoned, image_id, attempt, now), _abandon, image_id, attempt, status, reason, now)

    def last_failure(self, image_id: str) -> Failure | None:
        return self._database.read(self._last_failure, image_id)

    def leases(self, seconds: float = 0.0) -> list[tuple[Upload, bool]]:
        return self._database.read(self._leases, seconds)

    def take_over(self, image_id: str, attempt: str, new_attempt: str, worker: str) -> bool:
        return self._database.write.once(partial(_on_record, image_id, new_attempt), self._take_over, image_id, attempt, new_attempt, worker)

    def _start(self, connection: Connection, ctx: RequestContext, upload: Upload, status: Held) -> Image:
        image = lock_to_change(connection, ctx, upload.image_id, "update")
        try:
            image = change(connection, image, {QUEUED}, {"status": status, "updated_at": self._clock()})
        except errors.StatusConflict as error:
            raise errors.NotQueued from error
        row = {
            "image_id": upload.image_id,
            "attempt": upload.attempt,
            "store": upload.store,
            "worker": upload.worker,
            "on_failure": upload.on_failure,
            "expires_at": self._end,
            "reserved": upload.reserved,
            "request_id": ctx.request_id,
        }
        connection.execute(insert(image_uploads).values(row))
        if self._quotas:
            check_quotas(connection, self._quotas, image.owner, "uploading", *(_growing(image) if upload.reserved else ()))
        return complete(connection, image)

    def _renew(self, connection: Connection, attempts: Sequence[str]) -> None:
        renewed = update(image_uploads).where(image_uploads.c.attempt.in_(attempts))
        connection.execute(renewed.values(expires_at=self._end))

    def _reserve(self, connection: Connection, image_id: str, attempt: str, size: int) -> None:
        row = connection.execute(_LOCKED, {"image_id": image_id}).mappings().one_or_none()
        held = {"held_image": image_id, "held_attempt": attempt}
        reserved = connection.execute(update(image_uploads).where(_HELD).values(reserved=size), held).rowcount
        if row is None or not reserved:
            raise errors.UploadLost(image_id=image_id)
        if self._quotas:
            image = to_image(row)
            check_quotas(connection, self._quotas, image.owner, *_growing(image))

    def _finish(self, connection: Connection, image_id: str, attempt: str, data: StoredData, now: datetime) -> Image:
        changes: dict[str, Any] = {
            "size": data.size,
            "checksum": data.checksum,
            "os_hash_algo": data.os_hash_algo,
            "os_hash_value": data.os_hash_value,
            "updated_at": now,
        }
        held, status = _STAGED if data.location.status == "staged" else _STORED
        if data.virtual_size is not None:
            changes["virtual_size"] = data.virtual_size
        if self._quotas and data.size > _reserved(connection, image_id, attempt):
            self._reserve(connection, image_id, attempt, data.size)
        image = _take_off(connection, image_id, attempt)
        if image is None:
            raise errors.UploadLost(image_id=image_id)
        try:
            image = change(connection, image, held, {**changes, "status": status})
        except errors.StatusConflict as error:
            raise errors.UploadLost(image_id=image_id) from error
        add_location(connection, image_id, data.location, now)
        return complete(connection, image)

    def _fail(self, connection: Connection, image_id: str, attempt: str, reason: str) -> None:
        held = {"held_image": image_id, "held_attempt": attempt}
        connection.execute(update(image_uploads).where(_HELD).values(failed_reason=reason[:REASON]), held)

    def _last_failure(self, connection: Connection, image_id: str) -> Failure | None:
        row = connection.execute(select(image_failures).where(image_failures.c.image_id == image_id)).mappings().one_or_none()
        return None if row is None else to_failure(row)

    def _leases(self, connection: Connection, seconds: float) -> list[tuple[Upload, bool]]:
        expired = (image_uploads.c.expires_at <= self._moment(-seconds)).label("expired")
        rows = connection.execute(select(image_uploads, expired).order_by(image_uploads.c.image_id)).mappings()
        return [(to_upload(row), bool(row["expired"])) for row in rows]

    def _take_over(self, connection: Connection, image_id: str, attempt: str, new_attempt: str, worker: str) -> bool:
        values = {"attempt": new_attempt, "worker": worker, "expires_at": self._end}
        held = {"held_image": image_id, "held_attempt": attempt}
        return connection.execute(update(image_uploads).where(_HELD).values(values), held).rowcount == 1


def _abandon(connection: Connection, image_id: str, attempt: str, status: str, reason: str, now: datetime) -> bool:
    noted = connection.execute(_NOTED, {"held_image": image_id, "held_attempt": attempt}).one_or_none()
    image = _take_off(connection, image_id, attempt)
    if image is None:
        return False
    if image.status in HELD:
        forgotten = dict.fromkeys(_LEARNED) if status == QUEUED else {}
        change(connection, image, HELD, {"status": status, "updated_at": now, **forgotten})
        if noted is not None:
            failure = Failure(now, image.status, noted.failed_reason or reason[:REASON], noted.request_id or "")
            connection.execute(delete(image_failures).where(image_failures.c.image_id == image_id))
            connection.execute(insert(image_failures).values(from_failure(image_id, failure)))
    return True


def _growing(image: Image) -> tuple[Measure, ...]:
    """What the data of an upload to ``image`` count as."""
    return ("staged",) if image.status == UPLOADING else ("stored",)


_HELD = (image_uploads.c.image_id == bindparam("held_image")) & (image_uploads.c.attempt == bindparam("held_attempt"))
_TAKEN_OFF = delete(image_uploads).where(_HELD)
_NOTED = select(image_uploads.c.request_id, image_uploads.c.failed_reason).where(_HELD)
_LOCKED = IMAGES.where(images.c.id == bindparam("image_id")).with_for_update()


def _on_record(image_id: str, attempt: str, connection: Connection) -> bool | None:
    """True where the attempt is on record; its image is held."""
    connection.execute(_LOCKED, {"image_id": image_id})
    there = select(image_uploads.c.attempt).where(_HELD)
    return True if connection.scalar(there, {"held_image": image_id, "held_attempt": attempt}) else None


def _started(upload: Upload, connection: Connection) -> Image | None:
    """The image whose data the attempt on record will bring."""
    if not _on_record(upload.image_id, upload.attempt, connection):
        return None
    row = connection.execute(_LOCKED, {"image_id": upload.image_id}).mappings().one()
    return complete(connection, to_image(row))


def _finished(image_id: str, location: Location, now: datetime, connection: Connection) -> Image | None:
    """The image that was given its data at ``now``, whatever has happened to it since."""
    row = connection.execute(_LOCKED, {"image_id": image_id}).mappings().one_or_none()
    given = (image_locations.c.image_id == image_id) & (image_locations.c.value == location.url) & (image_locations.c.created_at == now)
    if row is None or connection.scalar(select(image_locations.c.id).where(given).limit(1)) is None:
        return None
    return complete(connection, to_image(row))


def _abandoned(image_id: str, attempt: str, now: datetime, connection: Connection) -> bool | None:
    """True where the image, which is held, fell at ``now``; or was deleted before, and the attempt is not on record: nothing tells since when."""
    if _on_record(image_id, attempt, connection):
        return None
    at = connection.execute(select(images.c.updated_at, images.c.deleted).where(images.c.id == image_id)).one_or_none()
    return True if at is not None and (at.updated_at == now or at.deleted) else None


def _reserved(connection: Connection, image_id: str, attempt: str) -> int:
    """The bytes that the attempt may store without asking once more: nothing that becomes of quotas later takes that back."""
    reserved = select(image_uploads.c.reserved).where(_HELD)
    return connection.scalar(reserved, {"held_image": image_id, "held_attempt": attempt}) or 0


def _take_off(connection: Connection, image_id: str, attempt: str) -> Image | None:
    """Takes the attempt off the record; None where it is not on it. Its row is the fence: only one transaction can remove it.

    Gives the bare image, held until the transaction ends, whoever may see it: the right to act on it is the attempt.
    """
    row = connection.execute(_LOCKED, {"image_id": image_id}).mappings().one_or_none()
    removed = connection.execute(_TAKEN_OFF, {"held_image": image_id, "held_attempt": attempt}).rowcount
    return to_image(row) if row is not None and removed else None
