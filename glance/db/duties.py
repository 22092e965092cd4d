"""``DutyRecords`` in SQL: a row for each duty that somebody has now. One whose time is over is as good as none."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from glance.db.clock import Moment
from glance.db.schema import duties
from glance.db.transactions import Database


class SqlDuties:
    """``lease_seconds`` is how long a duty is somebody's, by the clock of ``moment``."""

    def __init__(self, database: Database, lease_seconds: float, moment: Moment) -> None:
        self._database = database
        self._now, self._end = moment(0), moment(lease_seconds)

    def take(self, name: str, worker: str, instead_of: str = "") -> str:
        holder = self._database.read(self._holder, name)
        if holder not in {None, worker, instead_of}:
            return holder or ""
        try:
            return self._database.write(self._take, name, worker, instead_of)
        except IntegrityError:  # somebody else was faster
            return self._database.read(self._holder, name) or ""

    def _holder(self, connection: Connection, name: str) -> str | None:
        return connection.scalar(select(duties.c.worker).where(duties.c.name == name, duties.c.expires_at > self._now))

    def _take(self, connection: Connection, name: str, worker: str, instead_of: str) -> str:
        connection.execute(delete(duties).where(duties.c.expires_at <= self._now))
        lease = {"worker": worker, "expires_at": self._end}
        holder: str | None = connection.scalar(select(duties.c.worker).where(duties.c.name == name).with_for_update())
        if holder is None:
            connection.execute(insert(duties).values(name=name, **lease))
        elif holder in {worker, instead_of}:
            connection.execute(update(duties).where(duties.c.name == name).values(lease))
        else:
            return holder
        return worker
