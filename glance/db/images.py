"""``ImageRecords`` in SQL. Every change holds its image's row first, and names the states it starts from in the UPDATE itself."""

from __future__ import annotations

import builtins
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, Select, Table, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from glance import errors
from glance.context import RequestContext
from glance.db import query as sql
from glance.db.leads import Lists
from glance.db.locations import change_locations, restore_locations
from glance.db.mapping import IMAGE_FIELDS, from_image, to_whole_image
from glance.db.quotas import check_quotas, usage
from glance.db.schema import TIME, deleted_ids, image_locations, image_members, image_properties, image_tags, images
from glance.db.steps import add_location, change, complete, lock_if, lock_to_change
from glance.db.tags import add_tags, set_tags
from glance.db.transactions import Database, Reading
from glance.interfaces import QuotaSource
from glance.model.image import Image, ImageChanges, ImageQuery, Location
from glance.model.query import IdFormat
from glance.model.quotas import MEASURES, Quotas, Usage
from glance.model.status import ACTIVE, DELETED, PENDING_DELETE, QUEUED, STATUSES, sources_of

#: What an update may change; everything else is given by creation, or follows from other calls.
CHANGEABLE = frozenset(IMAGE_FIELDS) - {"id", "deleted", "created_at", "updated_at", "deleted_at"}

#: Digits of the longest integer id.
_LONGEST_INTEGER = 18

#: Creations that may take one integer id before another is given up.
_ID_ATTEMPTS = 100


_NOW = bindparam("now", type_=TIME)
_LIVE = image_locations.c.status.in_(("active", "staged"))
#: What ends with the image ``ended_image``.
_LOCATIONS_WAIT = (
    update(image_locations).where(image_locations.c.image_id == bindparam("ended_image"), _LIVE).values(status=PENDING_DELETE, updated_at=_NOW)
)
_BELONGINGS_END = tuple(
    update(table)
    .where(table.c.image_id == bindparam("ended_image"), table.c.deleted.is_(False))
    .values(deleted=True, deleted_at=_NOW, updated_at=_NOW)
    for table in (image_properties, image_tags, image_members)
)


class SqlImages:
    """``id_format`` says what ids look like; ``clock`` gives the time, UTC without zone; ``few`` is explained in ``glance.db.leads``."""

    def __init__(self, database: Database, id_format: IdFormat, clock: Callable[[], datetime], few: int, quotas: QuotaSource | None) -> None:
        self._database = database
        self._id_format = id_format
        self._clock = clock
        self._lists = Lists(few, database.dialect)
        self._quotas = quotas

    def create(self, ctx: RequestContext, image: Image) -> Image:
        attempts, fresh = 1, False
        if image.id:
            self._check_id(image.id)
        elif self._id_format == "uuid":
            image, fresh = replace(image, id=str(uuid.uuid4())), True
        else:
            attempts = _ID_ATTEMPTS
        for _ in range(attempts):
            try:
                now = self._clock()
                named = image if image.id else replace(image, id=self._database.read(self._next_id))
                return self._database.write.once(_created(named.id, now), self._create, ctx, named, now, fresh=fresh)
            except IntegrityError:
                if not self._database.read(_is_taken, named.id):
                    raise  # something else than the id is there already
        raise errors.ImageExists(image_id=image.id)

    def get(self, ctx: RequestContext, image_id: str) -> Image:
        values = {"image_id": image_id, "owner": ctx.owner}
        rows = self._database.look(Reading.rows, values, sql.whole_image, ctx.kind, prepared=True)
        if not rows:
            raise errors.ImageNotFound(image_id=image_id)
        return to_whole_image(rows[0])

    def list(self, ctx: RequestContext, query: ImageQuery) -> builtins.list[Image]:
        return self._database.look(self._lists.page, ctx, query)

    def update(self, ctx: RequestContext, image_id: str, changes: ImageChanges, from_status: frozenset[str] | None = None) -> Image:
        now, expected = self._clock(), STATUSES if from_status is None else from_status
        return self._database.write.once(_changed(image_id, now), self._update, ctx, image_id, changes, expected, now)

    def activate(self, ctx: RequestContext, image_id: str, location: Location | None, size: int) -> Image:
        now = self._clock()
        return self._database.write.once(_changed(image_id, now), self._activate, ctx, image_id, location, size, now)

    def delete(self, ctx: RequestContext, image_id: str, *, delayed: bool = False) -> Image:
        now = self._clock()
        return self._database.write.once(_changed(image_id, now), self._delete, ctx, image_id, now, delayed=delayed)

    def restore(self, ctx: RequestContext, image_id: str) -> Image:
        now = self._clock()
        return self._database.write.once(_changed(image_id, now), self._restore, ctx, image_id, now)

    def usage(self, ctx: RequestContext) -> tuple[Usage, Quotas | None]:
        return self._database.read(usage, ctx.owner), self._quotas.of(ctx.owner) if self._quotas else None

    def _check_id(self, image_id: str) -> None:
        """One way to write each id, so that no other spelling of a deleted image's id can be claimed."""
        if self._id_format == "integer":
            usual = image_id.isascii() and image_id.isdecimal() and not image_id.startswith("0") and len(image_id) <= _LONGEST_INTEGER
        else:
            usual = _is_canonical_uuid(image_id)
        if not usual:
            raise errors.InvalidImageId(value=image_id[:64])

    def _next_id(self, connection: Connection) -> str:
        """The integer after the largest."""
        newest = max(int(connection.scalar(_largest(table)) or 0) for table in (images, deleted_ids))
        return str(newest + 1)

    def _create(self, connection: Connection, ctx: RequestContext, image: Image, now: datetime, *, fresh: bool) -> Image:
        image = replace(
            image,
            owner=image.owner if ctx.is_admin else ctx.owner,
            deleted=False,
            created_at=now,
            updated_at=now,
            deleted_at=None,
            tags=tuple(sorted(set(image.tags))),
        )
        connection.execute(insert(images), from_image(image))
        if not fresh:
            _refuse_burnt(connection, image.id)
        _add_properties(connection, image.id, image.properties, now)
        add_tags(connection, image.id, image.tags, now)
        locations = tuple(add_location(connection, image.id, location, now) for location in image.locations)
        if self._quotas:
            check_quotas(connection, self._quotas, image.owner, "images", *(("stored",) if locations else ()))
        return replace(image, locations=locations)

    def _update(
        self, connection: Connection, ctx: RequestContext, image_id: str, changes: ImageChanges, from_status: frozenset[str], now: datetime
    ) -> Image:
        for name in changes.values.keys() - CHANGEABLE:
            raise errors.AttributeForbidden(attribute=name[:64])
        values = dict(changes.values)
        if not ctx.is_admin:
            values.pop("owner", None)
        if "status" in values:
            from_status &= sources_of(str(values["status"]))
        image = found = lock_to_change(connection, ctx, image_id, "update")
        image = change(connection, image, from_status, {**values, "updated_at": now})
        _set_properties(connection, image_id, changes, now)
        set_tags(connection, image_id, changes, now)
        if changes.locations is not None:
            change_locations(connection, image_id, changes.locations, now)
        if self._quotas and image.owner != found.owner:
            check_quotas(connection, self._quotas, image.owner, *MEASURES)
        elif self._quotas and changes.locations is not None and any(one.id is None for one in changes.locations.after):
            check_quotas(connection, self._quotas, image.owner, "stored")
        return complete(connection, image)

    def _activate(self, connection: Connection, ctx: RequestContext, image_id: str, location: Location | None, size: int, now: datetime) -> Image:
        image = lock_to_change(connection, ctx, image_id, "update")
        image = change(connection, image, {QUEUED}, {"status": ACTIVE, "size": size, "updated_at": now})
        if location is not None:
            add_location(connection, image_id, location, now)
            if self._quotas and size:
                check_quotas(connection, self._quotas, image.owner, "stored")
        return complete(connection, image)

    def _delete(self, connection: Connection, ctx: RequestContext, image_id: str, now: datetime, *, delayed: bool) -> Image:
        image = lock_to_change(connection, ctx, image_id, "delete")
        if image.status == PENDING_DELETE:
            raise errors.Forbidden(reason=f"Forbidden to delete a {PENDING_DELETE} image.")
        if image.deleted:
            raise errors.ImageGone(image_id=image_id)
        if image.protected:
            raise errors.ImageProtected
        ended = {"ended_image": image_id, "now": now}
        waiting = connection.execute(_LOCATIONS_WAIT, ended).rowcount
        for statement in _BELONGINGS_END:
            connection.execute(statement, ended)
        status = PENDING_DELETE if delayed and waiting and image.status in sources_of(PENDING_DELETE) else DELETED
        image = change(connection, image, {image.status}, {"status": status, "deleted": True, "deleted_at": now, "updated_at": now})
        return complete(connection, image)

    def _restore(self, connection: Connection, ctx: RequestContext, image_id: str, now: datetime) -> Image:
        image = lock_to_change(connection, ctx, image_id, "restore")
        if image.status != PENDING_DELETE or image.deleted_at is None:
            raise errors.Conflict(reason=f"Image {image_id} is {image.status}: only an image that is {PENDING_DELETE} can be restored.")
        restore_locations(connection, image_id, image.deleted_at, now)
        for table in (image_properties, image_tags, image_members):
            ended_with_it = (table.c.image_id == image_id) & table.c.deleted.is_(True) & (table.c.deleted_at == image.deleted_at)
            connection.execute(update(table).where(ended_with_it).values(deleted=False, deleted_at=None, updated_at=now))
        values = {"status": ACTIVE, "deleted": False, "deleted_at": None, "updated_at": now}
        connection.execute(update(images).where(images.c.id == image_id).values(values))
        if self._quotas:
            check_quotas(connection, self._quotas, image.owner, "images", "stored")
        return complete(connection, image.changed(values))


def _changed(image_id: str, now: datetime) -> Callable[[Connection], Image | None]:
    """Finds out whether the last change of the image is the one made at ``now``."""
    return partial(lock_if, image_id=image_id, column="updated_at", now=now)


def _created(image_id: str, now: datetime) -> Callable[[Connection], Image | None]:
    """Finds out whether the image was made at ``now``."""
    return partial(lock_if, image_id=image_id, column="created_at", now=now)


def _largest(table: Table) -> Select[tuple[str]]:
    length = func.length(table.c.id)
    return select(table.c.id).where(length <= _LONGEST_INTEGER).order_by(length.desc(), table.c.id.desc()).limit(1)


def _is_taken(connection: Connection, image_id: str) -> bool:
    return any(connection.scalar(select(table.c.id).where(table.c.id == image_id)) for table in (images, deleted_ids))


def _refuse_burnt(connection: Connection, image_id: str) -> None:
    """Raises ImageExists for the id of an image whose rows were purged. To be called after its row was written, which waits for a purge that runs."""
    if connection.scalar(select(deleted_ids.c.id).where(deleted_ids.c.id == image_id)) is not None:
        raise errors.ImageExists(image_id=image_id)


def _is_canonical_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _add_properties(connection: Connection, image_id: str, properties: Mapping[str, str | None], now: datetime) -> None:
    rows = [{"image_id": image_id, "name": name, "value": value, "created_at": now, "updated_at": now} for name, value in properties.items()]
    if rows:
        connection.execute(insert(image_properties), rows)


def _set_properties(connection: Connection, image_id: str, changes: ImageChanges, now: datetime) -> None:
    """Writes only what differs from what is there; a property that was dropped before comes back in its old row."""
    there = {row.name: row for row in connection.execute(select(image_properties).where(image_properties.c.image_id == image_id))}
    for name, value in changes.properties.items():
        if name in there and (there[name].deleted or there[name].value != value):
            revived = {"value": value, "deleted": False, "deleted_at": None, "updated_at": now}
            connection.execute(update(image_properties).where(image_properties.c.id == there[name].id).values(revived))
    _add_properties(connection, image_id, {name: value for name, value in changes.properties.items() if name not in there}, now)
    dropped = [
        row.id for name, row in there.items() if not row.deleted and name not in changes.properties and (changes.purge or name in changes.dropped)
    ]
    if dropped:
        gone = {"deleted": True, "deleted_at": now, "updated_at": now}
        connection.execute(update(image_properties).where(image_properties.c.id.in_(dropped)).values(gone))
