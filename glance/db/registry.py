"""The registry in a database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

from sqlalchemy import Engine

from glance.db.audits import SqlAudits
from glance.db.clock import Moment, from_now
from glance.db.duties import SqlDuties
from glance.db.images import SqlImages
from glance.db.leads import FEW
from glance.db.locations import SqlLocations
from glance.db.members import SqlMembers
from glance.db.steps import utc_now
from glance.db.transactions import Database
from glance.db.uploads import SqlUploads
from glance.interfaces import AuditRecords, DutyRecords, ImageRecords, LocationRecords, MemberRecords, QuotaSource, UploadRecords
from glance.model.query import IdFormat


class SqlRegistry:
    """A Registry on ``engine``, whose database has the newest schema. Leases last ``lease_seconds`` by ``lease_clock``, None for
    the database's own; all other times are ``clock``'s; ``few`` images are as many as lists look at one by one (``glance.db.leads``); ``quotas`` are
    those of each owner, None where nothing is limited.
    """

    images: ImageRecords
    uploads: UploadRecords
    locations: LocationRecords
    members: MemberRecords
    duties: DutyRecords
    audits: AuditRecords

    def __init__(
        self,
        engine: Engine,
        *,
        image_id_format: IdFormat = "uuid",
        lease_seconds: float = 60,
        clock: Callable[[], datetime] = utc_now,
        lease_clock: Moment | None = None,
        few: int = FEW,
        quotas: QuotaSource | None = None,
    ) -> None:
        self._database = Database(engine)
        moment = lease_clock or partial(from_now, engine.dialect.name)
        self.images = SqlImages(self._database, image_id_format, clock, few, quotas)
        self.uploads = SqlUploads(self._database, lease_seconds, clock, moment, quotas)
        self.locations = SqlLocations(self._database, clock)
        self.members = SqlMembers(self._database, clock)
        self.duties = SqlDuties(self._database, lease_seconds, moment)
        self.audits = SqlAudits(self._database, clock)

    def close(self) -> None:
        self._database.close()
