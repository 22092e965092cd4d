"""Alembic runs this for every command; ``glance.db.migrate`` hands over a connection, whose transaction is already open."""

from alembic import context

from glance.db.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
