"""${message}."""

import sqlalchemy as sa

from glance.db.migrations import repeatable as op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}
phase = "expand"


def upgrade():
    ${upgrades if upgrades else "pass"}
