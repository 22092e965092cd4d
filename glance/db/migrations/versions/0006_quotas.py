"""Bytes that running uploads have reserved, and rows to hold while the quotas of an owner are checked."""

import sqlalchemy as sa

from glance.db.migrations import repeatable as op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade():
    op.add_column("image_uploads", sa.Column("reserved", sa.BigInteger, nullable=False, server_default="0"))
    op.create_table(
        "quota_owners",
        sa.Column("owner", sa.String(255), primary_key=True),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
    )
