"""The schema: what the migrations make of a database, and what other databases make of the schema."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, String, event, func, insert, inspect, select, text
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from glance import errors
from glance.db import migrate
from glance.db.figures import SqlFigures
from glance.db.registry import SqlRegistry
from glance.db.revisions import Phase
from glance.db.schema import image_locations, images, metadata
from glance.model.attributes import ATTRIBUTES, MAX_BIG_INTEGER
from glance.model.image import ImageChanges
from glance.testing.registry_rules.scene import ALICE, BOB, create

OLD_IMAGE = "11111111-2222-4333-8444-555555555555"
NEWEST = "0012"
PHASES: tuple[Phase, ...] = ("expand", "migrate", "contract")
HISTORY = {"created_at": datetime(2012, 5, 6), "updated_at": datetime(2012, 5, 6)}


def differences(engine: Engine) -> list[Any]:
    with engine.connect() as connection, warnings.catch_warnings():
        # SQLAlchemy misreads generated columns of SQLite that were added to a table; what they hold is tested below.
        warnings.filterwarnings("ignore", "Computed default on .* cannot be modified")
        return compare_metadata(MigrationContext.configure(connection, opts={"compare_server_default": True}), metadata)


def test_sync_when_the_database_is_empty_makes_exactly_the_schema(empty_engine: Engine) -> None:
    assert differences(empty_engine)
    migrate.sync(empty_engine)
    assert differences(empty_engine) == []


def test_sync_when_repeated_changes_nothing(engine: Engine) -> None:
    migrate.sync(engine)
    assert migrate.version(engine) == NEWEST
    assert differences(engine) == []


def test_sync_when_the_database_is_older_keeps_what_is_in_it(empty_engine: Engine) -> None:
    migrate.sync(empty_engine, "0001")
    with empty_engine.begin() as connection:
        for statement in (
            "INSERT INTO images (id, name, status, owner, created_at, updated_at) VALUES ('{0}', 'old', 'active', 'alice', '{1}', '{1}')",
            "INSERT INTO image_properties (image_id, name, value, created_at, updated_at) VALUES ('{0}', 'a', '1', '{1}', '{1}')",
            "INSERT INTO image_locations (image_id, value, created_at, updated_at) VALUES ('{0}', 'file:///old', '{1}', '{1}')",
            "INSERT INTO image_locations (image_id, value, created_at, updated_at) VALUES ('{0}', 'https://web/old', '{1}', '{1}')",
            "INSERT INTO image_members (image_id, member, created_at, updated_at) VALUES ('{0}', 'bob', '{1}', '{1}')",
        ):
            connection.exec_driver_sql(statement.format(OLD_IMAGE, "2012-05-06 07:08:09.000000"))
    migrate.sync(empty_engine)
    assert migrate.version(empty_engine) == NEWEST
    assert differences(empty_engine) == []
    registry = SqlRegistry(empty_engine)
    image = registry.images.get(BOB, OLD_IMAGE)
    assert (image.name, image.properties, image.locations[0].url, image.created_at) == (
        "old",
        {"a": "1"},
        "file:///old",
        datetime(2012, 5, 6, 7, 8, 9),
    )
    assert [(location.url, location.owned) for location in image.locations] == [("file:///old", True), ("https://web/old", False)]
    assert (image.os_hidden, image.os_hash_algo, image.os_hash_value, image.tags) == (False, None, None, ())
    assert registry.images.update(ALICE, OLD_IMAGE, ImageChanges({"os_hidden": True}, tag="t")).tags == ("t",)


@pytest.mark.parametrize("make", [migrate.sync, metadata.create_all])
def test_schema_keeps_what_rows_are_sorted_and_found_by(empty_engine: Engine, make: Callable[[Engine], object]) -> None:
    make(empty_engine)
    registry = SqlRegistry(empty_engine)
    create(registry, properties={"a": "é" * 300})
    create(registry, name="n", size=1, disk_format="raw", container_format="bare", properties={"a": "b"})
    with empty_engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT name_key, size_key, disk_format_key, container_format_key FROM images ORDER BY size_key").all()
        values = connection.exec_driver_sql("SELECT value_key FROM image_properties ORDER BY id").scalars().all()
    assert rows == [("", 0, "", ""), ("n", 1, "raw", "bare")]
    assert values == ["é" * 255, "b"]


def test_sync_when_several_processes_do_it_at_once_makes_the_schema_once(empty_engine: Engine) -> None:
    program = "import sys; from glance.db import migrate; from glance.db.engine import *;migrate.sync(make_engine(DatabaseSettings(sys.argv[1])))"
    command = [sys.executable, "-c", program, str(empty_engine.url)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        _output, complaint = process.communicate(timeout=60)
        assert (process.returncode, complaint) == (0, "")
    assert differences(empty_engine) == []


def test_sync_when_tables_are_somebody_elses_leaves_them_alone(empty_engine: Engine) -> None:
    with empty_engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE images (id INTEGER)")
    with pytest.raises(errors.ConfigurationError, match="did not make"):
        migrate.sync(empty_engine)
    assert inspect(empty_engine).get_table_names() == ["images"]


@pytest.mark.parametrize("left", ["DROP TABLE schema_needs", "DELETE FROM schema_needs", "UPDATE schema_needs SET revision = '9998'"])
def test_schema_when_its_version_is_unknown_then_nothing_works(engine: Engine, left: str) -> None:
    """Made by another program, or contracted past this one."""
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'pike01'")
        connection.exec_driver_sql(left)
    phases = [partial(migrate.run, phase=phase) for phase in PHASES]
    for work in (migrate.sync, migrate.check, migrate.due, *phases):
        with pytest.raises(errors.ConfigurationError, match="pike01"):
            work(engine)
    with pytest.raises(errors.SchemaOutdated):
        SqlFigures(engine).check_schema()


def test_schema_when_it_is_newer_and_this_program_is_not_shut_out_then_fits(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    migrate.check(engine)
    SqlFigures(engine).check_schema()
    assert (migrate.sync(engine), migrate.due(engine), migrate.version(engine)) == ([], [], "9999")
    assert [migrate.run(engine, phase) for phase in PHASES] == [[], [], []]


def test_phases_when_taken_one_by_one_then_this_program_fits_once_the_schema_is_expanded(empty_engine: Engine) -> None:
    migrate.sync(empty_engine, "0004")
    with pytest.raises(errors.ConfigurationError, match="glance-manage db_sync"):
        migrate.check(empty_engine)
    for early in ("migrate", "contract"):
        with pytest.raises(errors.ConfigurationError, match="first: run glance-manage db expand"):
            migrate.run(empty_engine, early)
    assert migrate.run(empty_engine, "expand") == ["0005", "0006", "0007", "0008", "0009"]
    migrate.check(empty_engine)
    SqlFigures(empty_engine).check_schema()
    with pytest.raises(errors.ConfigurationError, match="first: run glance-manage db migrate"):
        migrate.run(empty_engine, "contract")
    assert [migrate.run(empty_engine, phase) for phase in PHASES] == [[], ["0010"], ["0011", "0012"]]
    assert differences(empty_engine) == []
    assert migrate.due(empty_engine) == []


def test_sync_to_a_revision_then_goes_no_further_and_never_back(empty_engine: Engine) -> None:
    assert migrate.sync(empty_engine, "0003") == ["0001", "0002", "0003"]
    assert migrate.sync(empty_engine, "0002") == []
    assert migrate.version(empty_engine) == "0003"
    with pytest.raises(errors.ConfigurationError, match="no schema version 'pike01'"):
        migrate.sync(empty_engine, "pike01")


def test_migration_of_locations_when_there_are_more_than_a_batch_then_mends_them_and_tells(empty_engine: Engine) -> None:
    migrate.sync(empty_engine, "0009")
    rows = [{"image_id": OLD_IMAGE, "value": f"{('http', 'https', 'file')[number % 3]}://web/{number}", **HISTORY} for number in range(6000)]
    with empty_engine.begin() as connection:
        connection.execute(insert(images).values(id=OLD_IMAGE, status="active", **HISTORY))
        connection.execute(insert(image_locations), rows)
    told: list[str] = []
    assert migrate.run(empty_engine, "migrate", told.append) == ["0010"]
    with empty_engine.connect() as connection:
        owned = connection.execute(select(image_locations.c.owned, image_locations.c.value.like("file:%"), func.count()).group_by(text("1, 2"))).all()
    assert sorted(owned) == [(False, False, 4000), (True, True, 2000)]
    assert told == [
        "Revision 0010 (migrate): row 5000 of 6000.",
        "Revision 0010 (migrate): row 6000 of 6000.",
        "Revision 0010 (migrate) is done.",
    ]


class Careless:
    """An aggregate that makes objects of JSON, and escapes nothing in their names."""

    def __init__(self) -> None:
        self._members: list[str] = []

    def step(self, name: str, value: object) -> None:
        self._members.append(f'"{name}":{json.dumps(value)}')

    def finalize(self) -> str:
        return "{" + ",".join(self._members) + "}"


def test_check_when_the_server_makes_broken_json_raises(engine: Engine) -> None:
    migrate.check(engine)
    event.listen(engine, "connect", lambda connection, _record: connection.create_aggregate("json_group_object", 2, Careless))
    with pytest.raises(errors.ConfigurationError, match=r"MariaDB 10\.11\.3 or newer"):
        migrate.check(engine)


@pytest.mark.parametrize("work", [migrate.sync, migrate.version, migrate.check])
def test_migrate_when_the_file_is_no_database_says_so(empty_engine: Engine, work: Callable[[Engine], object]) -> None:
    path = Path(str(empty_engine.url.database))
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(errors.ConfigurationError, match=f"The database sqlite:///{path} cannot be used: file is not a database"):
        work(empty_engine)


def test_sync_when_the_database_may_only_be_read_says_so(empty_engine: Engine) -> None:
    event.listen(empty_engine, "connect", lambda connection, _record: connection.execute("PRAGMA query_only = ON"))
    with pytest.raises(errors.ConfigurationError, match="cannot be used: attempt to write a readonly database"):
        migrate.sync(empty_engine)


def test_sync_when_the_disk_is_full_says_so(empty_engine: Engine) -> None:
    event.listen(empty_engine, "connect", lambda connection, _record: connection.execute("PRAGMA max_page_count = 2"))
    with pytest.raises(errors.ConfigurationError, match="cannot be used: database or disk is full"):
        migrate.sync(empty_engine)


def test_check_when_the_schema_is_not_the_newest_says_what_to_do(empty_engine: Engine) -> None:
    assert migrate.version(empty_engine) == ""
    with pytest.raises(errors.ConfigurationError, match="glance-manage db_sync"):
        migrate.check(empty_engine)
    migrate.sync(empty_engine)
    migrate.check(empty_engine)


def test_migrate_when_done_leaves_no_connection_to_be_inherited(empty_engine: Engine) -> None:
    migrate.sync(empty_engine)
    migrate.check(empty_engine)
    assert empty_engine.pool.checkedin() == 0  # type: ignore[attr-defined]


def test_schema_has_a_column_for_each_attribute_of_its_size() -> None:
    for attribute in ATTRIBUTES:
        column = images.c[attribute.name]
        if attribute.kind == "text":
            assert isinstance(column.type, String)
            assert column.type.length == attribute.limit
        if attribute.kind == "integer":
            assert (attribute.limit == MAX_BIG_INTEGER) == (type(column.type).__name__ == "BigInteger")


@pytest.mark.parametrize("dialect", [mysql.dialect(), postgresql.dialect()])
def test_schema_for_every_database_can_be_written(dialect: Dialect) -> None:
    for table in metadata.sorted_tables:
        text = str(CreateTable(table).compile(dialect=dialect))
        assert ("ENGINE=InnoDB" in text and "COLLATE utf8mb4_nopad_bin" in text) == (dialect.name == "mysql")
        assert ("STORED" in text) == (dialect.name == "postgresql" and "GENERATED" in text)
