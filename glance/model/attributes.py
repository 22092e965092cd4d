"""The table of core image attributes.

One row for each field of ``Image`` that a client can meet. It drives the v1 header codec, the registry wire, the sample of the API
reference and the database's allow-list of columns, so an attribute is added in one row (plus a field, a column and a migration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "integer", "boolean", "time"]
#: What a value from a client does. "free": it is applied; "admin": applied for administrators, silently ignored for others; "created": applied
#: when the image is made, afterwards it must be left alone; "measured": the expected value of what the service measures itself, fixed once there is
#: data; "fixed": the service alone sets it.
Rule = Literal["free", "admin", "created", "measured", "fixed"]

#: Largest value of a 32-bit signed column, and of a 64-bit one.
MAX_INTEGER = 2**31 - 1
MAX_BIG_INTEGER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Attribute:
    """One row. ``limit`` is the largest number of characters for text and the largest value for integers; ``in_v1``: version 1 knows it."""

    name: str
    kind: Kind
    rule: Rule
    doc: str
    limit: int | None = None
    in_brief: bool = False
    in_v1: bool = True


ATTRIBUTES: tuple[Attribute, ...] = (
    Attribute("id", "text", "created", "Identifier, unique for ever: a UUID unless the server counts in integers.", 36, in_brief=True),
    Attribute("name", "text", "free", "Name for people; need not be unique.", 255, in_brief=True),
    Attribute("disk_format", "text", "free", "Format of the disk image.", 20, in_brief=True),
    Attribute("container_format", "text", "free", "Format of what the disk image is wrapped in.", 20, in_brief=True),
    Attribute("size", "integer", "measured", "Size of the data in bytes.", MAX_BIG_INTEGER, in_brief=True),
    Attribute("virtual_size", "integer", "free", "Size in bytes of the disk that a guest sees.", MAX_BIG_INTEGER),
    Attribute("checksum", "text", "measured", "MD5 of the data, 32 hexadecimal digits.", 32, in_brief=True),
    Attribute("status", "text", "fixed", "Where the image is in its life.", 30),
    Attribute("visibility", "text", "free", "Who may see the image; v1 shows it as is_public.", 30, in_v1=False),
    Attribute("os_hidden", "boolean", "free", "True leaves the image out of lists that do not ask for hidden ones.", in_v1=False),
    Attribute("os_hash_algo", "text", "fixed", "Algorithm of os_hash_value.", 64, in_v1=False),
    Attribute("os_hash_value", "text", "fixed", "Digest of the data, hexadecimal.", 128, in_v1=False),
    Attribute("protected", "boolean", "free", "True while the image must not be deleted."),
    Attribute("min_disk", "integer", "free", "Smallest disk in GB that the image boots on.", MAX_INTEGER),
    Attribute("min_ram", "integer", "free", "Smallest memory in MB that the image boots with.", MAX_INTEGER),
    Attribute("owner", "text", "admin", "Project (or user) that the image belongs to.", 255),
    Attribute("deleted", "boolean", "fixed", "True once the image has been deleted."),
    Attribute("created_at", "time", "fixed", "When the image was made, UTC."),
    Attribute("updated_at", "time", "fixed", "When its metadata last changed, UTC."),
    Attribute("deleted_at", "time", "fixed", "When it was deleted, UTC."),
)

BY_NAME = {attribute.name: attribute for attribute in ATTRIBUTES}
