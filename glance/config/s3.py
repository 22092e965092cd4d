"""Options of the S3 store, under the names that they have always had."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oslo_config import cfg

from glance import errors
from glance.config.sections import Section, also_in_default
from glance.store.drivers.s3.settings import S3StoreSettings

_MIB = 1 << 20

#: Without these there is no store.
_REQUIRED = ("s3_store_host", "s3_store_access_key", "s3_store_secret_key", "s3_store_bucket")


def _string(name: str, text: str, **more: Any) -> cfg.StrOpt:
    return cfg.StrOpt(name, deprecated_opts=also_in_default(name), help=text, **more)


def _number(name: str, default: int, minimum: int, text: str) -> cfg.IntOpt:
    return cfg.IntOpt(name, default=default, min=minimum, deprecated_opts=also_in_default(name), help=text)


SECTION = Section(
    "S3 store",
    (
        _string(
            "s3_store_host",
            "The S3 server, such as https://s3.eu-central-1.amazonaws.com or http://10.0.0.5:8080. Without http:// or https://, https is meant.",
        ),
        _string("s3_store_region_name", "Region that requests are signed for. Unless set, us-east-1."),
        _string("s3_store_access_key", "Access key.", secret=True),
        _string("s3_store_secret_key", "Secret key.", secret=True),
        _string("s3_store_bucket", "Bucket that images are kept in."),
        cfg.BoolOpt(
            "s3_store_create_bucket_on_put",
            default=False,
            deprecated_opts=also_in_default("s3_store_create_bucket_on_put"),
            help="Whether the bucket is made, at start, when it is missing.",
        ),
        _string(
            "s3_store_bucket_url_format",
            "Where requests name the bucket. The subdomain of older releases means virtual.",
            default="auto",
            choices=[("auto", "as the server and the name allow"), ("virtual", "in the host name"), ("path", ""), ("subdomain", "")],
        ),
        _number(
            "s3_store_large_object_size",
            100,
            1,
            "Megabytes up to which an image of known size is sent in one request, if that is no more than four parts: an upload never has more in "
            "memory. Images of unknown size are sent in parts when there is more than one.",
        ),
        _number(
            "s3_store_large_object_chunk_size",
            10,
            5,
            "Megabytes of a part. Of every upload that runs, four are in memory: up to three on their way, one being filled. An object has 10,000 at "
            "most, so those of images over 10,000 times this are larger. Swift takes 1000 (max_upload_part_num): set one or the other.",
        ),
        _number("s3_store_thread_pools", 10, 1, "Parts that are sent at the same time, those of all uploads of a process together."),
        _string("s3_store_cacert", "Certificates (PEM) that the server's is checked with. Unless set, those of the library."),
    ),
    group="glance_store",
)


def read(group: Any) -> S3StoreSettings:
    """The settings that a section holds. Raises StoreMisconfigured."""
    missing = [name for name in _REQUIRED if not group[name]]
    if missing:
        raise errors.StoreMisconfigured(reason=f"The S3 store needs {', '.join(missing)}.")
    scheme = group.s3_store_host.rpartition("://")[0].lower()
    if scheme not in ("", "http", "https") or "@" in group.s3_store_host:
        raise errors.StoreMisconfigured(reason="s3_store_host must be a host, or http:// or https:// and a host, and hold no keys.")
    if group.s3_store_cacert and not Path(group.s3_store_cacert).is_file():
        raise errors.StoreMisconfigured(reason=f"s3_store_cacert is not a file: {group.s3_store_cacert}")
    style = group.s3_store_bucket_url_format
    return S3StoreSettings(
        host=group.s3_store_host,
        bucket=group.s3_store_bucket,
        keys=(group.s3_store_access_key, group.s3_store_secret_key),
        region=group.s3_store_region_name or "",
        addressing="virtual" if style == "subdomain" else style,
        create_bucket=group.s3_store_create_bucket_on_put,
        large_object_size=group.s3_store_large_object_size * _MIB,
        chunk_size=group.s3_store_large_object_chunk_size * _MIB,
        threads=group.s3_store_thread_pools,
        ca_file=Path(group.s3_store_cacert) if group.s3_store_cacert else None,
    )
