"""R41: every released schema becomes the newest one with all its rows: whoever dies meanwhile, however many do it at once, without room on the disk.

With ``--long`` there are 100,000 images, and programs are killed at 20 moments that nobody chose.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Column, Engine, MetaData, Table, func, insert, select

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.revisions import Revisions
from glance.db.schema import image_locations, metadata
from tests import namespaces
from tests.databases import KINDS, Databases
from tests.faults.conftest import Report, Rounds
from tests.faults.namespaces import needs_namespaces

ROOT = Path(__file__).parents[2]
RELEASED = [one.id for one in Revisions().pending("") if one.phase == "expand"]
#: Made by the migrations themselves, or changed by them: looked at apart.
NOT_COMPARED = {"alembic_version", "schema_needs"}


@dataclass
class Old:
    """A database with the schema of a former release, and what was in it: for each table the number of its rows, and their digest."""

    engine: Engine
    tables: list[Table]
    rows: dict[str, tuple[int, str]]

    @property
    def url(self) -> str:
        return self.engine.url.render_as_string(hide_password=False)

    def lost(self) -> int:
        """Rows that are not there any more; where they are there, but others, the test fails."""
        now = contents(self.engine, self.tables)
        gone = sum(max(0, count - now[name][0]) for name, (count, _digest) in self.rows.items())
        assert gone or now == self.rows
        return gone

    def check_schema(self) -> None:
        """It is the newest one, and was mended."""
        with self.engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), metadata) == []
            assert MigrationContext.configure(connection).get_current_revision() == Revisions().newest
            ours = select(func.count()).where(image_locations.c.owned, image_locations.c.value.like("https://%"))
            assert connection.scalar(ours) == 0


def value(column: Column[Any], number: int) -> object:
    """What stands in a column of the row of that number."""
    if column.name in {"image_id", "id"}:
        return str(uuid.UUID(int=number))
    if column.name == "value" and column.table.name == "image_locations":
        return f"{'https' if number % 5 == 0 else 'file'}://host/{number}"
    kind = column.type.python_type
    if kind is datetime:
        return datetime(2012, 5, 6, 7, 8, 9, 10) + timedelta(seconds=number)
    if kind is str:
        return f"{column.name} é {number}"[-(getattr(column.type, "length", None) or 99) :]
    return kind(number % 2 if kind is bool else number % 100)


def contents(engine: Engine, tables: list[Table]) -> dict[str, tuple[int, str]]:
    found = {}
    with engine.connect() as connection:
        for table in tables:
            columns = [column for column in table.c if column.name != "owned"]
            rows = connection.execute(select(*columns).order_by(*table.primary_key.columns)).all()
            found[table.name] = len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()
    engine.dispose()
    return found


@contextlib.contextmanager
def old(databases: Databases, revision: str, images: int) -> Iterator[Old]:
    """A database as a release left it, with so many images and one row for each in every other table."""
    engine = make_engine(DatabaseSettings(databases.new(), answer_timeout=None))
    migrate.sync(engine, revision)
    there = MetaData()
    there.reflect(engine)
    tables = [table for table in there.sorted_tables if table.name not in NOT_COMPARED]
    with engine.begin() as connection:
        for table in tables:
            given = [one for one in table.c if not one.name.endswith("_key") and not (one.name == "id" and "image_id" in table.c)]
            connection.execute(insert(table), [{one.name: value(one, number) for one in given} for number in range(images)])
    yield Old(engine, tables, contents(engine, tables))
    engine.dispose()


def upgrade(way: str, *old_ones: Old) -> list[int]:
    """What ``tests/faults/upgrading.py`` tells."""
    command = [sys.executable, "-m", "tests.faults.upgrading", way, *(one.url for one in old_ones)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1200, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(map(int, json.loads(done.stdout)))


def sync_command(one: Old) -> list[str]:
    return [str(Path(sysconfig.get_path("scripts"), "glance-manage")), "--sql-connection", one.url, "db", "sync"]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def source(request: pytest.FixtureRequest, kind: str) -> Databases:
    databases: Databases = request.getfixturevalue(kind)
    return databases


@pytest.mark.timeout(3600)
def test_databases_of_all_releases_when_two_upgrade_at_once_then_nothing_is_lost(
    kind: str, source: Databases, report: Report, rounds: Rounds
) -> None:
    images = rounds(20, 2000)
    released = RELEASED[:: rounds(1 if kind == "sqlite" else 4, 1)]
    with contextlib.ExitStack() as stack:
        all_of_them = [stack.enter_context(old(source, revision, images)) for revision in released]
        upgrade("pair", *all_of_them)
        lost = sum(one.lost() for one in all_of_them)
        for one in all_of_them:
            one.check_schema()
            assert migrate.sync(one.engine) == []
    report(f"R41 {kind}: the schemas {', '.join(released)} with {images} images each, two programs at once, then a third: {lost} rows lost")
    assert lost == 0


@pytest.mark.timeout(3600)
def test_upgrade_when_killed_after_every_statement_then_the_next_one_goes_on(kind: str, source: Databases, report: Report, rounds: Rounds) -> None:
    images = rounds(20, 10_000)
    with old(source, RELEASED[0], images) as one:
        [killed] = upgrade("die", one)
        lost = one.lost()
        one.check_schema()
    report(f"R41 {kind}: from {RELEASED[0]} with {images} images, {killed} programs killed -9, one after each statement: {lost} rows lost")
    assert lost == 0
    assert killed > 20


@pytest.mark.timeout(3600)
def test_upgrade_of_many_images_when_killed_at_any_moment_then_nothing_is_lost(kind: str, source: Databases, report: Report, rounds: Rounds) -> None:
    images, kills = rounds(1000, 100_000), rounds(1, 20)
    with old(source, RELEASED[0], images) as measured:
        started = time.monotonic()
        migrate.sync(measured.engine)
        seconds = time.monotonic() - started
        lost = measured.lost()
        measured.check_schema()
    with old(source, RELEASED[0], images) as one:
        for _ in range(kills):
            with subprocess.Popen(sync_command(one), stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                process.stdout.readline()  # it is about to begin
                time.sleep(random.uniform(0, seconds / 2))
                process.kill()
        done = subprocess.run(sync_command(one), capture_output=True, text=True, timeout=1200, check=False)
        assert (done.returncode, done.stderr) == (0, "")
        lost += one.lost()
        one.check_schema()
    report(f"R41 {kind}: {images} images from {RELEASED[0]} in {seconds:.2f} s; killed -9 at {kills} random moments: {lost} rows lost")
    assert lost == 0


_WITHOUT_ROOM = """
import shutil
from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine

source, directory = sys.argv[1:3]
mount(directory, "size=64m")
path = shutil.copy(source, directory)
filler = Path(directory, "filler")
engine = make_engine(DatabaseSettings(f"sqlite:///{path}"))
failures = []
with filler.open("wb", buffering=0) as file:
    try:
        while True:
            file.write(bytes(4096))
    except OSError:
        pass
while (failure := outcome(migrate.sync, engine)) != "done":
    failures.append(failure)
    os.truncate(filler, max(0, filler.stat().st_size - (48 << 10)))
filler.unlink()
with engine.connect() as connection:
    whole = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
engine.dispose()
shutil.copy(path, source)
tell(whole, *failures)
"""


@pytest.mark.timeout(3600)
def test_upgrade_when_the_disk_is_full_then_goes_on_once_there_is_room(sqlite: Databases, tmp_path: Path, report: Report, rounds: Rounds) -> None:
    needs_namespaces()
    images = rounds(1000, 50_000)
    with old(sqlite, RELEASED[0], images) as one:
        (tmp_path / "full").mkdir()
        whole, *failures = namespaces.run(_WITHOUT_ROOM, str(one.engine.url.database), tmp_path / "full")
        lost = one.lost()
        one.check_schema()
    report(f"R41 sqlite: {images} images, {len(failures)} upgrades ended by a full disk, the next one with 48 KiB more: {lost} rows lost")
    assert (lost, whole) == (0, "ok")
    assert failures
    assert all("cannot be used: " in failure for failure in failures)
