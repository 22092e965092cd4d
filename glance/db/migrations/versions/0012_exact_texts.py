"""Texts that differ by spaces at their ends are different in MariaDB, too; in the collation of before they were equal, to lists as to unique indexes.

Ids of images keep that one: foreign keys hold them to it, and columns of two collations cannot be compared, which programs do while this goes on.
No program depends on the new one, so nodes are upgraded before.
"""

from glance.db.migrations import repeatable as op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
phase = "contract"

EXACT = "utf8mb4_nopad_bin"

#: Of each table the columns, with their types and what follows the collation.
TEXTS = {
    "images": {
        "name": ("VARCHAR(255)", ""),
        "disk_format": ("VARCHAR(20)", ""),
        "container_format": ("VARCHAR(20)", ""),
        "status": ("VARCHAR(30)", "NOT NULL"),
        "visibility": ("VARCHAR(30)", "NOT NULL DEFAULT 'shared'"),
        "checksum": ("VARCHAR(32)", ""),
        "owner": ("VARCHAR(255)", ""),
        "os_hash_algo": ("VARCHAR(64)", ""),
        "os_hash_value": ("VARCHAR(128)", ""),
        "name_key": ("VARCHAR(255)", "GENERATED ALWAYS AS (coalesce(name, ''))"),
        "disk_format_key": ("VARCHAR(20)", "GENERATED ALWAYS AS (coalesce(disk_format, ''))"),
        "container_format_key": ("VARCHAR(20)", "GENERATED ALWAYS AS (coalesce(container_format, ''))"),
    },
    "image_properties": {
        "name": ("VARCHAR(255)", "NOT NULL"),
        "value": ("TEXT", ""),
        "value_key": ("VARCHAR(255)", "GENERATED ALWAYS AS (substr(value, 1, 255))"),
    },
    "image_tags": {"value": ("VARCHAR(255)", "NOT NULL")},
    "image_locations": {
        "value": ("TEXT", "NOT NULL"),
        "meta_data": ("TEXT", ""),
        "store": ("VARCHAR(255)", ""),
        "status": ("VARCHAR(30)", "NOT NULL DEFAULT 'active'"),
    },
    "image_members": {"member": ("VARCHAR(255)", "NOT NULL"), "status": ("VARCHAR(20)", "NOT NULL DEFAULT 'pending'")},
    "image_uploads": {
        "attempt": ("VARCHAR(64)", "NOT NULL"),
        "store": ("VARCHAR(255)", "NOT NULL"),
        "worker": ("VARCHAR(255)", "NOT NULL"),
        "on_failure": ("VARCHAR(30)", "NOT NULL"),
        "request_id": ("VARCHAR(255)", ""),
        "failed_reason": ("VARCHAR(255)", ""),
    },
    "image_failures": {"status": ("VARCHAR(30)", "NOT NULL"), "reason": ("VARCHAR(255)", "NOT NULL"), "request_id": ("VARCHAR(255)", "NOT NULL")},
    "duties": {"name": ("VARCHAR(255)", "NOT NULL"), "worker": ("VARCHAR(255)", "NOT NULL")},
    "quota_owners": {"owner": ("VARCHAR(255)", "NOT NULL")},
    "deleted_ids": {},
    "schema_needs": {"revision": ("VARCHAR(32)", "NOT NULL")},
}


def upgrade():
    dialect = op.get_bind().dialect
    if dialect.name in {"mysql", "mariadb"} and dialect.is_mariadb:  # MySQL has no such collation
        for table, columns in TEXTS.items():
            op.collate(table, EXACT, columns)
