"""An index for every order of lists, and for every filter that few images meet."""

import sqlalchemy as sa

from glance.db.migrations import repeatable as op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
phase = "expand"

SORTED = {
    "name": (sa.String(255), "''"),
    "disk_format": (sa.String(20), "''"),
    "container_format": (sa.String(20), "''"),
    "size": (sa.BigInteger, "0"),
}


def upgrade():
    # PostgreSQL indexes only what it stores; SQLite adds only what it does not.
    stored = True if op.get_bind().dialect.name == "postgresql" else None
    for name, (kind, missing) in SORTED.items():
        op.add_column("images", sa.Column(f"{name}_key", kind, sa.Computed(f"coalesce({name}, {missing})", persisted=stored)))
    op.add_column("image_properties", sa.Column("value_key", sa.String(255), sa.Computed("substr(value, 1, 255)", persisted=stored)))
    for name in ("updated_at_id", "name_created_at_id", "size_id"):
        op.drop_index(f"ix_images_{name}", "images")
    for key in (*(f"{name}_key" for name in SORTED), "status", "updated_at"):
        op.create_index(f"ix_images_{key}", "images", [key, "created_at", "id"])
    op.create_index("ix_images_visibility", "images", ["visibility"])
    op.drop_index("ix_image_properties_value", "image_properties")
    op.create_index("ix_image_properties_name_value_key", "image_properties", ["name", "value_key"])
    op.create_index("ix_image_tags_value", "image_tags", ["value"])
