"""What revisions do to the schema, so that it can be done again: a process may die after any statement, and MariaDB undoes none of them."""

from alembic import op
from sqlalchemy import inspect, text

execute = op.execute
get_bind = op.get_bind


def create_table(name, *parts, **options):
    """Makes a table unless it is there."""
    if not inspect(op.get_bind()).has_table(name):
        op.create_table(name, *parts, **options)


def add_column(table, column):
    """Adds a column unless it is there."""
    if column.name not in {one["name"] for one in inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_index(name, table, columns, **options):
    """Makes an index unless it is there."""
    if name not in _indexes(table):
        op.create_index(name, table, columns, **options)


def drop_index(name, table):
    """Drops an index unless it is gone."""
    if name in _indexes(table):
        op.drop_index(name, table)


def collate(table, collation, columns):
    """Gives a table of MariaDB and ``columns`` of it a collation of UTF-8, unless it has it. ``columns`` maps the name of each to its type and what
    else is said of it. It is one statement, so the collation of the table tells whether that was carried out."""
    bind = op.get_bind()
    if inspect(bind).get_table_options(table)[f"{bind.dialect.name}_collate"] != collation:
        given = f"CHARACTER SET utf8mb4 COLLATE {collation}"
        changes = (f"MODIFY {name} {kind} {given} {rest}" for name, (kind, rest) in columns.items())
        op.execute(", ".join([f"ALTER TABLE {table} DEFAULT {given}", *changes]))


def require(revision):
    """From now on only programs that know ``revision`` may use the database."""
    op.execute(text("DELETE FROM schema_needs"))
    op.execute(text("INSERT INTO schema_needs (revision) VALUES (:revision)").bindparams(revision=revision))


def _indexes(table):
    return {one["name"] for one in inspect(op.get_bind()).get_indexes(table)}
