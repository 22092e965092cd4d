"""What version 2 of the Image API adds: tags, hidden images, a digest of the operator's choice."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from glance.db.migrations import repeatable as op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
phase = "expand"

TIME = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
OPTIONS = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade():
    op.add_column("images", sa.Column("os_hidden", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("images", sa.Column("os_hash_algo", sa.String(64)))
    op.add_column("images", sa.Column("os_hash_value", sa.String(128)))
    op.create_table(
        "image_tags",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("image_id", sa.String(36), sa.ForeignKey("images.id", name="fk_image_tags_image"), nullable=False),
        sa.Column("value", sa.String(255), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.UniqueConstraint("image_id", "value", name="uq_image_tags_image_id_value"),
        **OPTIONS,
    )
