"""The revisions of the schema that this program knows, and whether it can use a database that is at some revision.

Each revision belongs to a phase, so that nodes can be upgraded one after the other. What *expands* only adds, and programs of before work on; data
are *migrated* in batches while programs of both kinds run; what *contracts* takes away what only programs of before need, and shuts them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Literal, TypeAlias

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select

from glance.db.schema import schema_needs

Phase: TypeAlias = Literal["expand", "migrate", "contract"]

#: Where a migration of data is: the row that it has reached, and the last one.
Position: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Revision:
    """``module`` has a function ``upgrade()``, or where data are migrated ``batch(connection, after)``, which gives a Position, None at the end."""

    id: str
    phase: Phase
    module: ModuleType


class Revisions:
    """What the program knows, in order."""

    def __init__(self) -> None:
        location = Config()
        location.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        location.set_main_option("path_separator", "os")
        self._scripts = ScriptDirectory.from_config(location)
        self._all = [Revision(one.revision, one.module.phase, one.module) for one in reversed(list(self._scripts.walk_revisions()))]
        self._ids = [one.id for one in self._all]

    @property
    def newest(self) -> str:
        return self._ids[-1]

    def knows(self, version: str) -> bool:
        """True for "", too: no schema yet."""
        return not version or version in self._ids

    def pending(self, version: str) -> list[Revision]:
        """What a database at ``version`` lacks; nothing where it has what this program does not know."""
        if not version:
            return self._all
        return self._all[self._ids.index(version) + 1 :] if version in self._ids else []

    def fit(self, connection: Connection) -> bool:
        """Whether this program can use the database: it has all that expands it, and was not contracted past what the program knows."""
        version = version_of(connection)
        if self.knows(version):
            return all(one.phase != "expand" for one in self.pending(version))
        return inspect(connection).has_table(schema_needs.name) and connection.scalar(select(schema_needs.c.revision)) in self._ids

    def carry_out(self, connection: Connection, revision: Revision, after: int = 0) -> Position | None:
        """Brings a database to its next revision, or does the batch after a row and gives where it is then; None when the revision is complete."""
        context = MigrationContext.configure(connection)
        if not context.get_current_revision():
            context.stamp(self._scripts, "base")  # makes the table that marks a database as ours before any other
        if revision.phase == "migrate":
            position: Position | None = revision.module.batch(connection, after)
            if position is not None:
                return position
        else:
            with Operations.context(context):
                revision.module.upgrade()
        context.stamp(self._scripts, revision.id)
        return None


def version_of(connection: Connection) -> str:
    """The version of the schema, "" where there is none."""
    return MigrationContext.configure(connection).get_current_revision() or ""
