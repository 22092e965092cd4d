"""``DutyRecords`` in SQL: a row for each duty that somebody has now. One whose time is over is as good as none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from glance.db.schema import duties
from glance.db.transactions import Database


class SqlDuties:
    """``lease_seconds`` is how long a duty is somebody's; ``clock`` gives the time, UTC without zone."""

    def __init__(self, database: Database, lease_seconds: float, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_seconds)
        self._clock = clock

    def take(self, name: str, worker: str, instead_of: str = "") -> str:
        holder = self._database.read(self._holder, name)
        if holder not in {None, worker, instead_of}:
            return holder or ""
        try:
            return self._database.write(self._take, name, worker, instead_of)
        except IntegrityError:  # somebody else was faster
            return self._database.read(self._holder, name) or ""

    def _holder(self, connection: Connection, name: str) -> str | None:
        return connection.scalar(select(duties.c.worker).where(duties.c.name == name, duties.c.expires_at > self._clock()))

    def _take(self, connection: Connection, name: str, worker: str, instead_of: str) -> str:
        now = self._clock()
        connection.execute(delete(duties).where(duties.c.expires_at <= now))
        holder: str | None = connection.scalar(select(duties.c.worker).where(duties.c.name == name).with_for_update())
        if holder is None:
            connection.execute(insert(duties).values(name=name, worker=worker, expires_at=now + self._lease))
        elif holder in {worker, instead_of}:
            connection.execute(update(duties).where(duties.c.name == name).values(worker=worker, expires_at=now + self._lease))
        else:
            return holder
        return worker
