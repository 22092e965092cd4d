"""MariaDB compares texts exactly, as the other databases do: in new databases, and in those of former releases once they are upgraded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import Engine, Table, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from glance.db import migrate
from glance.db.engine import DatabaseSettings, make_engine
from glance.db.schema import image_members, image_properties, image_tags, images, metadata, quota_owners
from tests.databases import MariadbServer

IMAGE = "11111111-2222-4333-8444-555555555555"
HISTORY = {"created_at": datetime(2012, 5, 6), "updated_at": datetime(2012, 5, 6)}
OF_IMAGE = {"image_id": IMAGE, **HISTORY}

#: Of each table a row, and which of its texts is unique.
ROWS: list[tuple[Table, str, dict[str, Any]]] = [
    (image_tags, "value", OF_IMAGE),
    (image_members, "member", OF_IMAGE),
    (image_properties, "name", {"value": "v", **OF_IMAGE}),
    (quota_owners, "owner", {}),
]

_COLLATIONS = text(
    "SELECT table_name, column_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = database() AND collation_name IS NOT NULL AND table_name <> 'alembic_version'"
)


@pytest.fixture
def empty_engine(mariadb: MariadbServer) -> Iterator[Engine]:
    engine = make_engine(DatabaseSettings(mariadb.new(), answer_timeout=None))
    yield engine
    engine.dispose()


@pytest.mark.parametrize("make", [migrate.sync, metadata.create_all])
def test_schema_when_made_compares_all_texts_exactly_but_ids_of_images(empty_engine: Engine, make: Callable[[Engine], object]) -> None:
    make(empty_engine)
    with empty_engine.connect() as connection:
        collations = {(table, column): collation for table, column, collation in connection.execute(_COLLATIONS)}
    ids = {("images", "id"), ("deleted_ids", "id"), *((table.name, "image_id") for table in metadata.sorted_tables if "image_id" in table.c)}
    assert {place for place, collation in collations.items() if collation == "utf8mb4_bin"} == ids
    assert {collation for place, collation in collations.items() if place not in ids} == {"utf8mb4_nopad_bin"}


def test_upgrade_when_spaces_were_ignored_keeps_all_rows_and_ignores_them_no_more(empty_engine: Engine) -> None:
    migrate.sync(empty_engine, "0011")
    with empty_engine.begin() as connection:
        connection.execute(insert(images).values(id=IMAGE, name="name ", status="active", **HISTORY))
        for table, column, values in ROWS:
            connection.execute(insert(table).values({column: "x", **values}))
    for table, column, values in ROWS:
        with pytest.raises(IntegrityError), empty_engine.begin() as connection:
            connection.execute(insert(table).values({column: "x ", **values}))
    assert migrate.run(empty_engine, "contract") == ["0012"]
    with empty_engine.begin() as connection:
        for table, column, values in ROWS:
            connection.execute(insert(table).values({column: "x ", **values}))
            assert connection.scalars(select(table.c[column]).order_by(func.length(table.c[column]))).all() == ["x", "x "]
            assert connection.scalars(select(table.c[column]).where(table.c[column] == "x")).all() == ["x"]
        for key in (images.c.name, images.c.name_key):
            assert [connection.scalar(select(func.count()).where(key == name)) for name in ("name", "name ")] == [0, 1]
