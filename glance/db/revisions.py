"""The revisions of the schema that this program knows, and whether it can use a database that is at some revision.

Each revision belongs to a phase, so that nodes can be upgraded one after the other. What *expands* only adds, and programs of before work on; data
are *migrated* in batches while programs of both kinds run; what *contracts* takes away what only programs of before need, and shuts them out.

To see that nothing is to be done, which is all that a server does at its start, takes neither alembic nor the revisions themselves.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sqlalchemy import Connection, column, inspect, select, table

from glance.db.migrations import versions
from glance.db.schema import schema_needs

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

Phase: TypeAlias = Literal["expand", "migrate", "contract"]

#: Where a migration of data is: the row that it has reached, and the last one.
Position: TypeAlias = tuple[int, int]

#: Where alembic notes the version.
_NOTED = table("alembic_version", column("version_num"))


@dataclass(frozen=True)
class Revision:
    """One of ``migrations/versions``: ``name`` is its module, which begins with the id."""

    name: str

    @property
    def id(self) -> str:
        return self.name.partition("_")[0]

    @property
    def phase(self) -> Phase:
        phase: Phase = self.module.phase
        return phase

    @cached_property
    def module(self) -> Any:
        """It has a function ``upgrade()``, or where data are migrated ``batch(connection, after)``, which gives a Position, None at the end."""
        return import_module(f"{versions.__name__}.{self.name}")


class Revisions:
    """What the program knows, in order."""

    def __init__(self) -> None:
        self._all = sorted((Revision(one.name) for one in pkgutil.iter_modules(versions.__path__)), key=lambda one: one.id)
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
        from alembic.migration import MigrationContext
        from alembic.operations import Operations

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

    @cached_property
    def _scripts(self) -> ScriptDirectory:
        """The same revisions, as alembic knows them."""
        from alembic.config import Config
        from alembic.script import ScriptDirectory

        location = Config()
        location.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
        location.set_main_option("path_separator", "os")
        return ScriptDirectory.from_config(location)


def version_of(connection: Connection) -> str:
    """The version of the schema, "" where there is none."""
    return (connection.scalar(select(_NOTED.c.version_num)) or "") if inspect(connection).has_table(_NOTED.name) else ""
