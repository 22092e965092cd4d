"""Quotas in SQL: counted anew from the rows themselves, so nothing can drift, and checked within the transaction that makes them grow.

Whoever checks holds a row of the owner until the end of its transaction. So of two that grow at once the second sees what the first has written, and
together they never exceed what one after the other could not.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, ScalarSelect, func, insert, select
from sqlalchemy.exc import IntegrityError

from glance.db.schema import image_locations, image_uploads, images, quota_owners
from glance.db.transactions import Unprepared
from glance.interfaces import QuotaSource
from glance.model.quotas import Measure, Usage
from glance.model.status import HELD, UPLOADING


def check_quotas(connection: Connection, source: QuotaSource, owner: str | None, *grown: Measure) -> None:
    """The last step of a transaction that has made measures grow. Raises ProjectQuotaExceeded, and Unprepared where the owner's quotas are not known
    yet."""
    quotas = source.known(owner)
    if quotas is None:
        raise Unprepared(partial(source.of, owner))
    _hold(connection, owner or "")
    quotas.check(usage(connection, owner), *grown)


def usage(connection: Connection, owner: str | None) -> Usage:
    """What an owner's images take; those of nobody count together."""
    mine = images.c.owner == owner  # IS NULL where that is None
    here = mine & images.c.deleted.is_(False)
    copies = func.sum(images.c.size)
    reserved = func.sum(image_uploads.c.reserved)
    # What is reserved for an image that was deleted meanwhile may lie in a store until its upload is undone.
    staging = images.c.status == UPLOADING
    row = connection.execute(
        select(
            select(func.count()).select_from(images).where(here).scalar_subquery(),
            select(func.count()).select_from(images).where(here, images.c.status.in_(sorted(HELD))).scalar_subquery(),
            _located(copies, here, "active"),
            _located(copies, here, "staged"),
            select(reserved).join(images, images.c.id == image_uploads.c.image_id).where(mine, ~staging).scalar_subquery(),
            select(reserved).join(images, images.c.id == image_uploads.c.image_id).where(mine, staging).scalar_subquery(),
        )
    ).one()
    count, uploading, active, staged, reserved_to_store, reserved_to_stage = (int(value or 0) for value in row)  # sums may be decimals
    return Usage(count, uploading, active + reserved_to_store, staged + reserved_to_stage)


def _located(what: ColumnElement[Any], which: ColumnElement[bool], status: str) -> ScalarSelect[Any]:
    return (
        select(what)
        .join(image_locations, image_locations.c.image_id == images.c.id)
        .where(which, image_locations.c.status == status)
        .scalar_subquery()
    )


def _hold(connection: Connection, owner: str) -> None:
    held = select(quota_owners.c.owner).where(quota_owners.c.owner == owner).with_for_update()
    if connection.execute(held).first() is not None:
        return
    try:
        with connection.begin_nested():
            connection.execute(insert(quota_owners).values(owner=owner))
    except IntegrityError:  # somebody else has made the row at the same time
        connection.execute(held)
