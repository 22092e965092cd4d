"""Which copies are damaged: others are read before them."""

import sqlalchemy as sa

from glance.db.migrations import repeatable as op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade():
    op.add_column("image_locations", sa.Column("damaged", sa.Boolean, nullable=False, server_default=sa.false()))
