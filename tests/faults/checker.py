"""Compares what clients were told with what is there: rows of the database, read past the service, and all that the store holds.

Each violation is named after the invariant that it breaks (docs/reliability.md). The service must be at rest: ``settled``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import ColumnElement, Engine, ScalarSelect, Table, func, select

from glance.db.schema import image_locations, image_uploads, images
from glance.model.status import COMPLETE, DELETED, HELD
from tests.faults.history import Call, History, Past, digest_of
from tests.faults.places import Place

Wrong = Literal["lost", "torn", "false active", "orphan", "stuck", "changed", "doubled", "resurrected"]

INVARIANTS: dict[Wrong, str] = {
    "lost": "I1",  # acknowledged, and not there
    "torn": "I2",  # a download that looks complete, with other bytes
    "false active": "I3",  # data that are not what the row says, or not there
    "orphan": "I4",  # something in the store that no row names
    "stuck": "I4",  # an attempt, or an erasure, that nobody ends
    "changed": "I5",  # other data than were uploaded, with a row that agrees
    "doubled": "I11",  # a second copy, or a second upload that was acknowledged
    "resurrected": "I12",  # deleted, and there
}


@dataclass(frozen=True, slots=True)
class Violation:
    wrong: Wrong
    image_id: str
    detail: str

    @property
    def invariant(self) -> str:
        return INVARIANTS[self.wrong]

    def __str__(self) -> str:
        return f"{self.invariant} {self.wrong}: {self.image_id}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Row:
    """What the database says of an image: how many locations have its data, how many wait to be erased, and attempts on record."""

    status: str
    name: str | None
    size: int | None
    digest: str | None
    locations: int
    waiting: int
    attempts: int

    @property
    def settled(self) -> bool:
        return self.status not in HELD and not self.attempts and not self.waiting


def read_rows(engine: Engine) -> dict[str, Row]:
    """All images that ever were, by id."""

    def count(table: Table, *conditions: ColumnElement[bool]) -> ScalarSelect[int]:
        return select(func.count()).select_from(table).where(table.c.image_id == images.c.id, *conditions).scalar_subquery()

    columns = (images.c.id, images.c.status, images.c.name, images.c.size, images.c.os_hash_value)
    locations = (count(image_locations, image_locations.c.status == status) for status in ("active", "pending_delete"))
    query = select(*columns, *locations, count(image_uploads))
    with engine.connect() as connection:
        return {row[0]: Row(*row[1:]) for row in connection.execute(query)}


def settled(engine: Engine) -> bool:
    """Whether nothing is being done, or waits to be repaired."""
    return all(row.settled for row in read_rows(engine).values())


def check(history: History, engine: Engine, place: Place) -> list[Violation]:
    """All that is wrong; every byte in the place is read. What downloads have shown counts for images that are found in order."""
    pasts, rows, held = history.pasts(), read_rows(engine), Counter(place.held())
    found: list[Violation] = []
    for image_id in sorted({*pasts, *rows, *held}):
        past, row = pasts.get(image_id, Past()), rows.get(image_id)
        wrong = _check_row(image_id, past, row) or [*_check_data(image_id, past, row, place, held[image_id])]
        found += wrong or _check_downloads(image_id, past)
    return found


def report_of(violations: Sequence[Violation]) -> str:
    """How many there are, in the words of the headline."""
    counts = Counter(one.wrong for one in violations)
    wrong = sum(counts.values()) - counts["lost"] - counts["orphan"] - counts["stuck"]
    return f"{counts['lost']} lost, {wrong} wrong, {counts['orphan'] + counts['stuck']} orphans"


def _check_downloads(image_id: str, past: Past) -> Iterator[Violation]:
    sent = {call.digest for call in past.possible("upload")}
    for call in past.acknowledged("download"):
        if _before(past.acknowledged("delete"), call):
            yield Violation("resurrected", image_id, "downloaded after its delete was acknowledged")
        elif call.whole and call.digest not in sent:
            yield Violation("torn", image_id, "a complete download has bytes that nobody has sent")
    for call in past.refusals("download"):
        if _before(past.acknowledged("upload"), call) and not past.possible("delete"):
            yield Violation("lost", image_id, f"a download was answered {call.status}")


def _before(calls: Sequence[Call], other: Call) -> bool:
    """Whether one of ``calls`` was over when ``other`` began."""
    return any(call.ended < other.begun for call in calls)


def _check_row(image_id: str, past: Past, row: Row | None) -> list[Violation]:
    """What the row alone shows; where that is wrong, the data tell nothing more."""
    status = None if row is None else row.status
    if past.acknowledged("delete") and status not in {None, DELETED}:
        return [Violation("resurrected", image_id, f"its delete was acknowledged, the row says {status}")]
    if past.must_be_there and status not in COMPLETE:
        return [Violation("lost", image_id, f"its upload was acknowledged, the row says {status}")]
    if row is None:
        return []
    if not row.settled:
        return [Violation("stuck", image_id, f"{row.status}, {row.attempts} attempts on record, {row.waiting} locations to erase")]
    if row.locations > 1 or len(past.acknowledged("upload")) > 1:
        return [Violation("doubled", image_id, f"{row.locations} locations, {len(past.acknowledged('upload'))} acknowledged uploads")]
    if status != DELETED and past.names and row.name not in past.names:
        return [Violation("lost", image_id, f"its name is {row.name}, and should be one of {past.names}")]
    return []


def _check_data(image_id: str, past: Past, row: Row | None, place: Place, held: int) -> Iterator[Violation]:
    """Compares the data with the row; ``held`` is how often the place has the image's name."""
    complete = row is not None and row.status in COMPLETE
    if held > complete:
        yield Violation("orphan", image_id, f"the store has {held} of that name, the row says {row.status if row else 'nothing'}")
    if row is None or not complete:
        return
    data = place.read(image_id)
    if data is None:
        yield Violation("lost" if past.must_be_there else "false active", image_id, "the row says active, and there are no data")
    elif (len(data), digest_of(data)) != (row.size, row.digest):
        yield Violation("false active", image_id, f"the store has {len(data)} bytes, the row says {row.size}, or of other content")
    elif digest_of(data) not in past.contents:
        yield Violation("changed", image_id, "row and data agree, and are not what was uploaded")
