"""Which data this service wrote: only those are erased with their image."""

import sqlalchemy as sa

from glance.db.migrations import repeatable as op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade():
    op.add_column("image_locations", sa.Column("owned", sa.Boolean, nullable=False, server_default=sa.true()))
    locations = sa.table("image_locations", sa.column("value", sa.Text), sa.column("owned", sa.Boolean))
    elsewhere = sa.or_(locations.c.value.like("http://%"), locations.c.value.like("https://%"))
    op.execute(sa.update(locations).where(elsewhere).values(owned=False))
