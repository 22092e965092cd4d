"""The tables, under the names that operators know since 2012 (spec-v1 10.2).

Requests never remove rows of images, they mark them as deleted; operators purge such rows (``glance.db.purging``). Ids are burnt for ever. Operators
change rows by hand, so nothing of them is kept between two calls. ``images.visibility`` takes the place of the classic ``is_public``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler

metadata = MetaData()

#: UTC without zone, to the microsecond.
TIME = DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

#: Characters of a sentence that says why an upload failed.
REASON = 255

#: Characters of a property's value that are indexed.
VALUE_KEY = 255

# Text compares exactly, spaces at its end too, as it does in the other databases; rows lock one by one.
_OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_nopad_bin",
}


class _Padded(mysql.VARCHAR):
    """An id of an image in MariaDB, which ignores spaces at the ends of ids: foreign keys hold their columns to the collation of former releases, as
    no server changes it in all tables at once, nor compares columns of two. So what ends in a space is no id, and equals nothing."""

    def bind_processor(self, dialect: Dialect) -> Callable[[str | None], str | None]:  # noqa: ARG002 - SQLAlchemy's signature
        return lambda value: None if value is not None and value.endswith(" ") else value


#: The id of an image.
IMAGE_ID = String(36).with_variant(_Padded(36, collation="utf8mb4_bin"), "mysql", "mariadb")


class _Kept(Computed):
    """A value that the database computes of the others in the row, and that an index can hold."""


@compiles(_Kept, "postgresql")
def _stored(element: _Kept, compiler: DDLCompiler, **_options: Any) -> str:
    """PostgreSQL indexes only what it stores; the others need not."""
    return f"GENERATED ALWAYS AS ({compiler.sql_compiler.process(element.sqltext)}) STORED"


def _table(name: str, *parts: Column[Any] | UniqueConstraint | Index) -> Table:
    return Table(name, metadata, *parts, **_OPTIONS)


def _history() -> tuple[Column[Any], ...]:
    return (
        Column("created_at", TIME, nullable=False),
        Column("updated_at", TIME, nullable=False),
        Column("deleted_at", TIME),
        Column("deleted", Boolean, nullable=False, server_default=false()),
    )


def _image_id(table: str, *, primary_key: bool = False) -> Column[Any]:
    return Column("image_id", IMAGE_ID, ForeignKey("images.id", name=f"fk_{table}_image"), primary_key=primary_key, nullable=False)


images = _table(
    "images",
    Column("id", IMAGE_ID, primary_key=True),
    Column("name", String(255)),
    Column("disk_format", String(20)),
    Column("container_format", String(20)),
    Column("size", BigInteger),
    Column("virtual_size", BigInteger),
    Column("status", String(30), nullable=False),
    Column("visibility", String(30), nullable=False, server_default="shared"),
    Column("checksum", String(32)),
    Column("min_disk", Integer, nullable=False, server_default="0"),
    Column("min_ram", Integer, nullable=False, server_default="0"),
    Column("owner", String(255)),
    Column("protected", Boolean, nullable=False, server_default=false()),
    Column("os_hidden", Boolean, nullable=False, server_default=false()),
    Column("os_hash_algo", String(64)),
    Column("os_hash_value", String(128)),
    *_history(),
    # What lists are sorted by where it is not there.
    Column("name_key", String(255), _Kept("coalesce(name, '')")),
    Column("disk_format_key", String(20), _Kept("coalesce(disk_format, '')")),
    Column("container_format_key", String(20), _Kept("coalesce(container_format, '')")),
    Column("size_key", BigInteger, _Kept("coalesce(size, 0)")),
    # One for each order of lists; ``glance.db.query`` says how filters use them.
    Index("ix_images_created_at_id", "created_at", "id"),
    *(
        Index(f"ix_images_{key}", key, "created_at", "id")
        for key in ("name_key", "disk_format_key", "container_format_key", "size_key", "status", "updated_at")
    ),
    Index("ix_images_owner", "owner"),
    Index("ix_images_visibility", "visibility"),
)

image_properties = _table(
    "image_properties",
    Column("id", Integer, primary_key=True),
    _image_id("image_properties"),
    Column("name", String(255), nullable=False),
    Column("value", Text),
    *_history(),
    # As much of a long text as an index can hold.
    Column("value_key", String(VALUE_KEY), _Kept(f"substr(value, 1, {VALUE_KEY})")),
    UniqueConstraint("image_id", "name", name="uq_image_properties_image_id_name"),
    Index("ix_image_properties_name_value_key", "name", "value_key"),
)

image_tags = _table(
    "image_tags",
    Column("id", Integer, primary_key=True),
    _image_id("image_tags"),
    Column("value", String(255), nullable=False),
    *_history(),
    UniqueConstraint("image_id", "value", name="uq_image_tags_image_id_value"),
    Index("ix_image_tags_value", "value"),
)

image_locations = _table(
    "image_locations",
    Column("id", Integer, primary_key=True),
    _image_id("image_locations"),
    Column("value", Text, nullable=False),
    Column("meta_data", Text),
    Column("store", String(255)),
    Column("status", String(30), nullable=False, server_default="active"),
    Column("owned", Boolean, nullable=False, server_default=true()),
    Column("damaged", Boolean, nullable=False, server_default=false()),
    *_history(),
    Index("ix_image_locations_image_id", "image_id"),
    Index("ix_image_locations_status", "status"),
)

image_members = _table(
    "image_members",
    Column("id", Integer, primary_key=True),
    _image_id("image_members"),
    Column("member", String(255), nullable=False),
    Column("can_share", Boolean, nullable=False, server_default=false()),
    Column("status", String(20), nullable=False, server_default="pending"),
    *_history(),
    UniqueConstraint("image_id", "member", name="uq_image_members_image_id_member"),
    Index("ix_image_members_member_status", "member", "status"),
)

#: Uploads that run, or that died and were not cleaned up yet. These rows do go away.
image_uploads = _table(
    "image_uploads",
    _image_id("image_uploads", primary_key=True),
    Column("attempt", String(64), nullable=False),
    Column("store", String(255), nullable=False),
    Column("worker", String(255), nullable=False),
    Column("on_failure", String(30), nullable=False),
    Column("expires_at", TIME, nullable=False),
    Column("reserved", BigInteger, nullable=False, server_default="0"),
    Column("request_id", String(255)),
    Column("failed_reason", String(REASON)),
    UniqueConstraint("attempt", name="uq_image_uploads_attempt"),
)

#: Why the last upload of an image failed.
image_failures = _table(
    "image_failures",
    _image_id("image_failures", primary_key=True),
    Column("failed_at", TIME, nullable=False),
    Column("status", String(30), nullable=False),
    Column("reason", String(REASON), nullable=False),
    Column("request_id", String(255), nullable=False),
)

#: Who does what one process does for all of them, and until when. These rows go away, too.
duties = _table(
    "duties",
    Column("name", String(255), primary_key=True),
    Column("worker", String(255), nullable=False),
    Column("expires_at", TIME, nullable=False),
)

#: A row for each owner whose quotas were ever checked, to be held meanwhile.
quota_owners = _table("quota_owners", Column("owner", String(255), primary_key=True))

#: Ids of images whose rows were purged, so that nobody is given one again.
deleted_ids = _table("deleted_ids", Column("id", IMAGE_ID, primary_key=True), Column("deleted_at", TIME, nullable=False))

#: One row: the revision of the schema that a program must know to use this database, where it does not know the newest (``glance.db.revisions``).
schema_needs = _table("schema_needs", Column("revision", String(32), primary_key=True))
