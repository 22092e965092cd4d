"""From here on rows may be purged: programs that do not know ``deleted_ids`` would give the ids of purged images again, and are shut out."""

from glance.db.migrations import repeatable as op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
phase = "contract"


def upgrade():
    op.require("0009")
