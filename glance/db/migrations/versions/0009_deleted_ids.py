"""Ids of images whose rows were purged, and which programs may still use the database."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from glance.db.migrations import repeatable as op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
phase = "expand"

OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade():
    op.create_table(
        "deleted_ids",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("deleted_at", sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb"), nullable=False),
        **OPTIONS,
    )
    op.create_table("schema_needs", sa.Column("revision", sa.String(32), primary_key=True), **OPTIONS)
    op.require("0001")
