"""Why the last upload of an image failed."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from glance.db.migrations import repeatable as op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
phase = "expand"


def upgrade():
    op.add_column("image_uploads", sa.Column("request_id", sa.String(255)))
    op.add_column("image_uploads", sa.Column("failed_reason", sa.String(255)))
    op.create_table(
        "image_failures",
        sa.Column("image_id", sa.String(36), sa.ForeignKey("images.id", name="fk_image_failures_image"), primary_key=True),
        sa.Column("failed_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        sa.Column("status", sa.String(30), nullable=False),
        sa.Column("reason", sa.String(255), nullable=False),
        sa.Column("request_id", sa.String(255), nullable=False),
        mysql_engine="InnoDB",
        mysql_charset="utf8mb4",
        mysql_collate="utf8mb4_bin",
        mariadb_engine="InnoDB",
        mariadb_charset="utf8mb4",
        mariadb_collate="utf8mb4_bin",
    )
