"""Images, their properties, locations and members, and the uploads that run."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

from glance.db.migrations import repeatable as op

revision = "0001"
down_revision = None
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


def history():
    return (
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("updated_at", TIME, nullable=False),
        sa.Column("deleted_at", TIME),
        sa.Column("deleted", sa.Boolean, nullable=False, server_default=sa.false()),
    )


def image_id(table):
    return sa.Column("image_id", sa.String(36), sa.ForeignKey("images.id", name=f"fk_{table}_image"), nullable=False)


def upgrade():
    create_images()
    create_properties()
    create_locations()
    create_members()
    create_uploads()


def create_images():
    op.create_table(
        "images",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(255)),
        sa.Column("disk_format", sa.String(20)),
        sa.Column("container_format", sa.String(20)),
        sa.Column("size", sa.BigInteger),
        sa.Column("virtual_size", sa.BigInteger),
        sa.Column("status", sa.String(30), nullable=False),
        sa.Column("visibility", sa.String(30), nullable=False, server_default="shared"),
        sa.Column("checksum", sa.String(32)),
        sa.Column("min_disk", sa.Integer, nullable=False, server_default="0"),
        sa.Column("min_ram", sa.Integer, nullable=False, server_default="0"),
        sa.Column("owner", sa.String(255)),
        sa.Column("protected", sa.Boolean, nullable=False, server_default=sa.false()),
        *history(),
        **OPTIONS,
    )
    op.create_index("ix_images_created_at_id", "images", ["created_at", "id"])
    op.create_index("ix_images_updated_at_id", "images", ["updated_at", "id"])
    op.create_index("ix_images_name_created_at_id", "images", ["name", "created_at", "id"])
    op.create_index("ix_images_size_id", "images", ["size", "id"])
    op.create_index("ix_images_owner", "images", ["owner"])


def create_properties():
    op.create_table(
        "image_properties",
        sa.Column("id", sa.Integer, primary_key=True),
        image_id("image_properties"),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("value", sa.Text),
        *history(),
        sa.UniqueConstraint("image_id", "name", name="uq_image_properties_image_id_name"),
        **OPTIONS,
    )
    op.create_index("ix_image_properties_value", "image_properties", ["value"], mysql_length=255, mariadb_length=255, postgresql_using="hash")


def create_locations():
    op.create_table(
        "image_locations",
        sa.Column("id", sa.Integer, primary_key=True),
        image_id("image_locations"),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("meta_data", sa.Text),
        sa.Column("store", sa.String(255)),
        sa.Column("status", sa.String(30), nullable=False, server_default="active"),
        *history(),
        **OPTIONS,
    )
    op.create_index("ix_image_locations_image_id", "image_locations", ["image_id"])
    op.create_index("ix_image_locations_status", "image_locations", ["status"])


def create_members():
    op.create_table(
        "image_members",
        sa.Column("id", sa.Integer, primary_key=True),
        image_id("image_members"),
        sa.Column("member", sa.String(255), nullable=False),
        sa.Column("can_share", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("status", sa.String(20), nullable=False, server_default="pending"),
        *history(),
        sa.UniqueConstraint("image_id", "member", name="uq_image_members_image_id_member"),
        **OPTIONS,
    )
    op.create_index("ix_image_members_member_status", "image_members", ["member", "status"])


def create_uploads():
    op.create_table(
        "image_uploads",
        sa.Column("image_id", sa.String(36), sa.ForeignKey("images.id", name="fk_image_uploads_image"), primary_key=True),
        sa.Column("attempt", sa.String(64), nullable=False),
        sa.Column("store", sa.String(255), nullable=False),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("on_failure", sa.String(30), nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.UniqueConstraint("attempt", name="uq_image_uploads_attempt"),
        **OPTIONS,
    )
