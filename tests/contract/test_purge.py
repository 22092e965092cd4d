"""Purging and archiving, in every database: what goes, what stays, and ids that nobody is ever given again (S11)."""

from __future__ import annotations

import json
import threading
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, Table, event, func, insert, select, text

from glance import errors
from glance.db import migrate
from glance.db.archive import Archive
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.mapping import from_image
from glance.db.purging import purge
from glance.db.registry import SqlRegistry
from glance.db.schema import deleted_ids, images, metadata
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, Location, LocationChange
from glance.testing.registry_rules.scene import ADMIN, ALICE, Clock, create, create_active, share, start
from tests.databases import KINDS

pytestmark = pytest.mark.parametrize("database_kind", KINDS, scope="session")

FULL = {"properties": {"a": "1", "b": None}, "tags": ("t", "u")}
CHILDREN = [table for table in metadata.sorted_tables if "image_id" in table.c]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def registry(engine: Engine, clock: Clock) -> Registry:
    return SqlRegistry(engine, clock=clock)


def erase(registry: Registry) -> None:
    """As recovery does, without any data."""
    for _image_id, location in registry.locations.condemned():
        registry.locations.erased(location.id or 0)


def deleted(registry: Registry, **values: Any) -> Image:
    """An image with rows in every table, whose data are erased."""
    upload = start(registry, **values) if values else start(registry)
    registry.uploads.abandon(upload.image_id, upload.attempt, "queued", "the disk was full")
    registry.images.update(ALICE, upload.image_id, ImageChanges(properties={"a": "1", "b": None}, tags=frozenset({"t", "u"})))
    share(registry, registry.images.get(ALICE, upload.image_id), "bob")
    registry.images.activate(ALICE, upload.image_id, Location(f"file:///{upload.image_id}", "file"), 3)
    image = registry.images.delete(ALICE, upload.image_id)
    erase(registry)
    return image


def apart(engine: Engine) -> Engine:
    """Another program's connections to the same database."""
    return make_engine(DatabaseSettings(engine.url.render_as_string(hide_password=False)))


def rows_of(engine: Engine, image_id: str) -> dict[str, int]:
    """How many rows an image has, by table; tables without any left out."""
    with engine.connect() as connection:
        found = {table.name: connection.scalar(select(func.count()).where(table.c.image_id == image_id)) or 0 for table in CHILDREN}
        found[images.name] = connection.scalar(select(func.count()).where(images.c.id == image_id)) or 0
    return {name: count for name, count in found.items() if count}


def burnt(engine: Engine) -> dict[str, datetime]:
    with engine.connect() as connection:
        return {row.id: row.deleted_at for row in connection.execute(select(deleted_ids))}


def test_purge_when_an_image_was_deleted_long_ago_then_nothing_is_left_but_its_id(engine: Engine, registry: Registry, clock: Clock) -> None:
    other, image = create_active(registry, **FULL), deleted(registry)
    untouched = rows_of(engine, other.id)
    before = rows_of(engine, image.id)
    assert before == {"images": 1, "image_properties": 2, "image_tags": 2, "image_members": 1, "image_locations": 1, "image_failures": 1}
    assert not any(purge(engine, clock.now - timedelta(seconds=1), None).values())

    assert {name: count for name, count in purge(engine, clock.now, None).items() if count} == before

    assert (rows_of(engine, image.id), rows_of(engine, other.id)) == ({}, untouched)
    assert burnt(engine) == {image.id: image.deleted_at}
    with pytest.raises(errors.ImageNotFound):
        registry.images.get(ADMIN, image.id)
    for caller in (ALICE, ADMIN):
        with pytest.raises(errors.ImageExists):
            create(registry, caller, id=image.id)
    assert rows_of(engine, image.id) == {}
    assert create(registry, id=str(uuid.uuid4())).status == "queued"


def test_purge_when_something_of_an_image_is_still_needed_then_leaves_it_whole(engine: Engine, registry: Registry, clock: Clock) -> None:
    waiting, delayed = create_active(registry, **FULL), create_active(registry, **FULL)
    registry.images.delete(ALICE, waiting.id)
    registry.images.delete(ALICE, delayed.id, delayed=True)
    uploading = start(registry).image_id
    registry.images.delete(ALICE, uploading)
    before = [rows_of(engine, one) for one in (waiting.id, delayed.id, uploading)]

    assert not any(purge(engine, clock.now, None).values())
    assert [rows_of(engine, one) for one in (waiting.id, delayed.id, uploading)] == before
    assert registry.images.restore(ADMIN, delayed.id).properties == FULL["properties"]

    erase(registry)
    assert purge(engine, clock.now, None)["images"] == 1
    assert rows_of(engine, waiting.id) == {}


def test_purge_when_things_were_taken_from_an_image_then_only_their_rows_go(engine: Engine, registry: Registry, clock: Clock) -> None:
    image = create_active(registry, **FULL)
    share(registry, image, "bob")
    share(registry, image, "carol")
    registry.members.remove(ALICE, image.id, "bob")
    [old] = image.locations
    moved = LocationChange(before=frozenset({old.id or 0}), after=(Location("file:///new", "file"),))
    registry.images.update(ALICE, image.id, ImageChanges(properties={"a": "1"}, purge=True, tags=frozenset({"t"}), locations=moved))
    erase(registry)
    image = registry.images.get(ALICE, image.id)
    taken = {"image_properties": 1, "image_tags": 1, "image_locations": 1, "image_members": 1}

    assert {name: count for name, count in purge(engine, clock.now, None).items() if count} == taken

    assert registry.images.get(ALICE, image.id) == image
    assert rows_of(engine, image.id) == {"images": 1, **taken}
    share(registry, image, "bob")
    again = registry.images.update(ALICE, image.id, ImageChanges(properties={"b": "2"}, tag="u"))
    assert (again.properties, again.tags) == ({"a": "1", "b": "2"}, ("t", "u"))
    assert rows_of(engine, image.id) == {"images": 1, "image_properties": 2, "image_tags": 2, "image_locations": 1, "image_members": 2}


def test_purge_when_so_many_are_asked_for_then_takes_the_oldest(engine: Engine, registry: Registry, clock: Clock) -> None:
    made = []
    for _ in range(5):
        made.append(deleted(registry).id)
        clock.advance(1)

    assert [purge(engine, clock.now, most)["images"] for most in (2, 1, 0, 10)] == [2, 1, 0, 2]
    assert burnt(engine).keys() == set(made)


def test_purge_when_there_are_more_than_a_batch_then_takes_all(engine: Engine, registry: Registry, clock: Clock) -> None:
    rows = [from_image(Image(id=str(uuid.UUID(int=one)), owner="alice", status="deleted", deleted=True)) for one in range(450)]
    dates = {"created_at": clock.now, "updated_at": clock.now, "deleted_at": clock.now}
    with engine.begin() as connection:
        connection.execute(insert(images), [{**row, **dates} for row in rows])

    engines = [apart(engine) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        removed = list(pool.map(lambda one: purge(one, clock.now, None)["images"], engines))

    assert sum(removed) == len(burnt(engine)) == 450


def test_create_when_it_waits_for_the_purge_of_its_id_then_is_refused(engine: Engine, registry: Registry, clock: Clock) -> None:
    """The purge has removed the row, and its transaction has not ended, when the id is asked for."""
    image, outcome = deleted(registry), list[object]()
    other = apart(engine)

    def claim() -> None:
        with pytest.raises(errors.ImageExists):
            create(registry, id=image.id)
        outcome.append("refused")

    claims: list[threading.Thread] = []

    def hold(connection: Any) -> None:
        gone = connection.scalar(select(func.count()).where(images.c.id == image.id)) == 0
        if gone and not claims:
            claims.append(threading.Thread(target=claim))
            claims[0].start()
            claims[0].join(0.5)  # it waits; where it had not begun yet, it is refused as well
            assert outcome == []

    event.listen(other, "commit", hold)
    try:
        assert purge(other, clock.now, None)["images"] == 1
    finally:
        for one in claims:
            one.join(60)
        other.dispose()
    assert outcome == ["refused"]


def test_update_when_rows_that_come_back_are_about_to_be_purged_then_they_stay(engine: Engine, registry: Registry, clock: Clock) -> None:
    """The update has seen the rows, and not yet written them, when the purge would remove them."""
    image = create_active(registry, **FULL)
    registry.images.update(ALICE, image.id, ImageChanges(properties={}, purge=True, tags=frozenset()))
    other, purges = apart(engine), list[threading.Thread]()

    def purge_meanwhile(*call: Any) -> None:
        if not purges and call[2].startswith("UPDATE image_properties"):
            purges.append(threading.Thread(target=purge, args=(other, clock.now, None)))
            purges[0].start()
            purges[0].join(0.5)  # it waits; where it has not begun yet, it finds nothing any more

    event.listen(engine, "before_cursor_execute", purge_meanwhile)
    try:
        registry.images.update(ALICE, image.id, ImageChanges(properties=FULL["properties"], tags=frozenset(FULL["tags"])))
    finally:
        event.remove(engine, "before_cursor_execute", purge_meanwhile)
        for one in purges:
            one.join(60)
        other.dispose()
    kept = registry.images.get(ALICE, image.id)
    assert (len(purges), kept.properties, kept.tags) == (1, FULL["properties"], FULL["tags"])


def test_create_when_the_largest_integer_id_was_purged_then_counts_on(engine: Engine, clock: Clock) -> None:
    registry = SqlRegistry(engine, clock=clock, image_id_format="integer")
    assert [create(registry).id for _ in range(2)] == ["1", "2"]
    registry.images.delete(ALICE, "2")
    assert purge(engine, clock.now, None)["images"] == 1

    assert create(registry).id == "3"
    with pytest.raises(errors.ImageExists):
        create(registry, id="2")


def test_purge_when_older_programs_may_still_run_then_refuses(engine: Engine, registry: Registry, clock: Clock) -> None:
    image = deleted(registry)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0010'"))
    try:
        with pytest.raises(errors.ConfigurationError, match="db_sync first"):
            purge(engine, clock.now, None)
        assert rows_of(engine, image.id)["images"] == 1
    finally:
        migrate.sync(engine)
    assert purge(engine, clock.now, None)["images"] == 1


def test_archive_then_its_lines_make_the_rows_again(engine: Engine, registry: Registry, clock: Clock, tmp_path: Path) -> None:
    living, image = create_active(registry, **FULL), deleted(registry)
    share(registry, living, "bob")
    registry.members.remove(ALICE, living.id, "bob")
    tables = [images, *CHILDREN]
    before = {table.name: everything(engine, table) for table in tables}

    with Archive(tmp_path / "archive") as archive:
        removed = purge(engine, clock.now, None, archive)

    lines = [json.loads(line) for line in (tmp_path / "archive").read_text().splitlines()]
    assert Counter(line["table"] for line in lines) == {name: count for name, count in removed.items() if count}
    assert rows_of(engine, image.id) == {}
    with engine.begin() as connection:
        for line in lines:
            table = metadata.tables[line["table"]]
            dates = {name: datetime.fromisoformat(value) for name, value in line["row"].items() if name.endswith("_at") and value}
            connection.execute(insert(table), {**line["row"], **dates})
    assert {table.name: everything(engine, table) for table in tables} == before
    assert purge(engine, clock.now, None)["images"] == 1  # the id is burnt already, which is no obstacle


def test_archive_when_the_rows_cannot_be_kept_then_they_stay(engine: Engine, registry: Registry, clock: Clock) -> None:
    image = deleted(registry)
    before = rows_of(engine, image.id)

    def refuse(table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        raise OSError(f"no room for {len(rows)} rows of {table}")

    with pytest.raises(OSError, match="no room for 1 rows of images"):
        purge(engine, clock.now, None, refuse)
    assert rows_of(engine, image.id) == before
    assert burnt(engine) == {}


def everything(engine: Engine, table: Table) -> list[dict[str, Any]]:
    key = table.c.id if "id" in table.c else table.c.image_id
    with engine.connect() as connection:
        return [row._asdict() for row in connection.execute(select(table).order_by(key))]
