"""Which statements of SQL are executed, as the drivers see them: also those that go to them directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import psycopg
import pymysql.cursors
from sqlalchemy import Engine, event

_ENDS = ("BEGIN", "COMMIT", "ROLLBACK")


class Statement(NamedTuple):
    """Its text, and its parameters where they are not in the text."""

    text: str
    parameters: Any = None


@contextmanager
def counted(engine: Engine) -> Iterator[list[Statement]]:
    """The statements that are executed meanwhile, on connections that are taken meanwhile; without those that begin and end transactions."""
    statements: list[Statement] = []
    watched: list[Any] = []

    def note(text: Any, parameters: Any = None) -> None:
        if isinstance(text, str) and not text.startswith(_ENDS):
            statements.append(Statement(text, parameters))

    def watch(connection: Any, _record: Any, _proxy: Any) -> None:
        watched.append(connection)
        _watch(engine.dialect.name, connection, note)

    event.listen(engine, "checkout", watch)
    try:
        yield statements
    finally:
        event.remove(engine, "checkout", watch)
        for connection in watched:
            _watch(engine.dialect.name, connection, None)


def _watch(dialect: str, connection: Any, note: Any) -> None:
    """Makes a driver's connection tell what it executes; nobody, where ``note`` is None."""
    if dialect == "sqlite":
        connection.set_trace_callback(note)
    elif dialect == "postgresql":

        class Noting(psycopg.Cursor[Any]):
            def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
                note(query, params)
                return super().execute(query, params, **options)

        connection.cursor_factory = psycopg.Cursor if note is None else Noting
    else:

        class NotingToo(pymysql.cursors.Cursor):
            def execute(self, query: Any, args: Any = None) -> Any:
                note(query, args)
                return super().execute(query, args)

        connection.cursorclass = pymysql.cursors.Cursor if note is None else NotingToo
