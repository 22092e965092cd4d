"""The time by the clock of the database, which is the same for all processes, on whatever machines they run: what leases are measured by."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, text

from glance.db.schema import TIME

#: The moment that comes so many seconds from now, as an expression of SQL; UTC without zone.
Moment = Callable[[float], ColumnElement[datetime]]


def from_now(dialect: str, seconds: float) -> ColumnElement[datetime]:
    """The ``Moment`` of a database's own clock. ``dialect`` is SQLAlchemy's word."""
    if dialect == "postgresql":
        return func.timezone("utc", func.clock_timestamp(), type_=TIME) + timedelta(seconds=seconds)
    if dialect == "sqlite":  # to the millisecond, in the form in which times are kept
        return func.strftime("%Y-%m-%d %H:%M:%f000", "now", f"{seconds:f} seconds", type_=TIME)
    return func.timestampadd(text("MICROSECOND"), round(seconds * 1e6), func.utc_timestamp(text("6")), type_=TIME)
