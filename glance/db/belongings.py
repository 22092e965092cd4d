"""What belongs to images, each kind as one column: a JSON object that the database makes, since a statement of its own would take longer."""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, Label, String, Table, Text, literal, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import GenericFunction

from glance import errors
from glance.db.schema import image_locations, image_properties, image_tags

#: What JSON escapes.
_ODD = '"\\\n'


class _Object(GenericFunction[str]):
    """An object of a key and a value from each row; null or {} where there is none."""

    type = Text()
    inherit_cache = True


class _Array(GenericFunction[str]):
    """An array of the values of one row."""

    type = Text()
    inherit_cache = True


@compiles(_Object, "sqlite")
def _sqlite_object(element: _Object, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_group_object({compiler.process(element.clauses, **options)})"


@compiles(_Object, "postgresql")
def _postgresql_object(element: _Object, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(json_object_agg({compiler.process(element.clauses, **options)}) AS text)"  # or drivers would read it


@compiles(_Object, "mysql", "mariadb")
def _mysql_object(element: _Object, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_objectagg({compiler.process(element.clauses, **options)})"


@compiles(_Array)
def _array(element: _Array, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_array({compiler.process(element.clauses, **options)})"


@compiles(_Array, "postgresql")
def _postgresql_array(element: _Array, compiler: SQLCompiler, **options: Any) -> str:
    return f"json_build_array({compiler.process(element.clauses, **options)})"


def belongings(image_id: ColumnElement[Any]) -> tuple[Label[Any], ...]:
    """The columns that ``glance.db.mapping.to_whole_image`` reads: properties by their names, tags, and locations by their ids."""
    location = image_locations.c
    return (
        _column(image_properties, image_id, image_properties.c.name, image_properties.c.value),
        _column(image_tags, image_id, image_tags.c.value, image_tags.c.id),
        _column(
            image_locations,
            image_id,
            location.id,
            _Array(location.value, location.store, location.meta_data, location.status, location.owned, location.damaged),
        ),
    )


def check_json(connection: Connection) -> None:
    """Raises ConfigurationError for a database that does not escape the names in its objects, so that one image with such a name would spoil every
    list that it is in."""
    made = connection.scalar(select(_Object(literal(_ODD, String()), literal(_ODD, String()))))
    try:
        if orjson.loads(made or "") == {_ODD: _ODD}:
            return
    except orjson.JSONDecodeError:
        pass
    raise errors.ConfigurationError(reason="The database server makes broken JSON of names with quotes: MariaDB 10.11.3 or newer is needed.")


def _column(table: Table, image_id: ColumnElement[Any], key: ColumnElement[Any], value: ColumnElement[Any]) -> Label[Any]:
    found = select(_Object(key, value)).where(table.c.image_id == image_id, table.c.deleted.is_(False))
    return found.scalar_subquery().label(table.name)
