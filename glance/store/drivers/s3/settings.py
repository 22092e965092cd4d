"""What the S3 driver is told; without boto3, which is not always installed."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20

#: Access key and secret key.
Keys = tuple[str, str]


@dataclass(frozen=True, slots=True)
class S3StoreSettings:
    """``host`` may begin with http:// or https://, which is meant otherwise. Sizes in bytes, times in seconds.

    ``addressing`` is where requests name the bucket: "path", "virtual" (in the host name), or "auto". ``threads`` parts go up at the same time, those
    of all uploads together. ``request_checksums`` and ``response_checksums`` are in boto's words, "when_required" or "when_supported". ``proxy`` is a
    URL, with user and password where it takes some.
    """

    host: str
    bucket: str
    keys: Keys = field(repr=False)
    region: str = ""
    addressing: str = "auto"
    create_bucket: bool = False
    large_object_size: int = 100 * MIB
    chunk_size: int = 10 * MIB
    threads: int = 10
    ca_file: Path | None = None
    connect_timeout: float = 5
    read_timeout: float = 60
    request_checksums: str = "when_required"
    response_checksums: str = "when_required"
    proxy: str = field(default="", repr=False)
