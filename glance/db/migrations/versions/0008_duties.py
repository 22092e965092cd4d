"""Who does what one process does for all of them, and until when."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from glance.db.migrations import repeatable as op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade():
    op.create_table(
        "duties",
        sa.Column("name", sa.String(255), primary_key=True),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("expires_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
    )
