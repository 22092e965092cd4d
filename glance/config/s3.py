"""Options of the S3 store, under the names that they have always had."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

from oslo_config import cfg

from glance import errors
from glance.config.driver_options import number, string, switch
from glance.config.sections import Section, also_in_default
from glance.store.drivers.s3.settings import MIB, S3StoreSettings

LOG = logging.getLogger(__name__)

#: Without these there is no store.
_REQUIRED = ("s3_store_host", "s3_store_access_key", "s3_store_secret_key", "s3_store_bucket")


def _checksums(name: str, what: str) -> cfg.StrOpt:
    choices = [("when_required", "where the protocol demands it"), ("when_supported", "always; not all servers know how")]
    return string(name, f"When {what}. Data are hashed by glance-api in any case.", default="when_required", choices=choices)


SECTION = Section(
    "S3 store",
    (
        string(
            "s3_store_host",
            "The S3 server, such as https://s3.eu-central-1.amazonaws.com or http://10.0.0.5:8080. Without http:// or https://, https is meant.",
        ),
        string("s3_store_region_name", "Region that requests are signed for. Unless set, us-east-1."),
        string("s3_store_access_key", "Access key.", secret=True),
        string("s3_store_secret_key", "Secret key.", secret=True),
        string("s3_store_bucket", "Bucket that images are kept in."),
        switch(
            "s3_store_create_bucket_on_put",
            "Whether the bucket is made when it is missing: at start, or by the first upload where the server did not answer then.",
        ),
        string(
            "s3_store_bucket_url_format",
            "Where requests name the bucket. The subdomain of older releases means virtual.",
            default="auto",
            choices=[("auto", "as the server and the name allow"), ("virtual", "in the host name"), ("path", ""), ("subdomain", "")],
        ),
        number(
            "s3_store_large_object_size",
            100,
            "Megabytes up to which an image of known size is sent in one request, if that is no more than four parts: an upload never has more in "
            "memory. Images of unknown size are sent in parts when there is more than one.",
            1,
        ),
        number(
            "s3_store_large_object_chunk_size",
            10,
            "Megabytes of a part. Of every upload that runs, four are in memory: up to three on their way, one being filled. An object has 10,000 at "
            "most, so those of images over 10,000 times this are larger. Swift takes 1000 (max_upload_part_num): set one or the other.",
            5,
        ),
        number("s3_store_thread_pools", 10, "Parts that are sent at the same time, those of all uploads of a process together.", 1),
        string("s3_store_cacert", "Certificates (PEM) that the server's is checked with. Unless set, those of the library."),
        cfg.FloatOpt(
            "s3_store_timeout", default=60, min=0.1, help="Seconds to wait for each answer. A request that fails is sent three times at most."
        ),
        switch("s3_store_enable_data_integrity_protection", "Whether the next two are when_supported, whatever they say."),
        _checksums("s3_store_request_checksum_calculation", "data are sent with a checksum that the server compares"),
        _checksums("s3_store_response_checksum_validation", "data are compared with a checksum that the server sends"),
        switch("s3_store_enable_proxy", "Whether the server is reached through the proxy that the next options name."),
        string("s3_store_proxy_host", "Host of the proxy."),
        cfg.PortOpt("s3_store_proxy_port", default=8080, deprecated_opts=also_in_default("s3_store_proxy_port"), help="Its port."),
        string("s3_store_proxy_user", "User there, where it wants one."),
        string("s3_store_proxy_password", "That user's password.", secret=True),
        string("s3_store_object_buffer_dir", "Without effect, since parts are held in memory and in no files."),
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
    if group.s3_store_object_buffer_dir:
        LOG.warning("The option s3_store_object_buffer_dir has no effect: parts of uploads are held in memory.")
    style = group.s3_store_bucket_url_format
    protected = group.s3_store_enable_data_integrity_protection
    return S3StoreSettings(
        host=group.s3_store_host,
        bucket=group.s3_store_bucket,
        keys=(group.s3_store_access_key, group.s3_store_secret_key),
        region=group.s3_store_region_name or "",
        addressing="virtual" if style == "subdomain" else style,
        create_bucket=group.s3_store_create_bucket_on_put,
        large_object_size=group.s3_store_large_object_size * MIB,
        chunk_size=group.s3_store_large_object_chunk_size * MIB,
        threads=group.s3_store_thread_pools,
        ca_file=Path(group.s3_store_cacert) if group.s3_store_cacert else None,
        read_timeout=group.s3_store_timeout,
        request_checksums="when_supported" if protected else group.s3_store_request_checksum_calculation,
        response_checksums="when_supported" if protected else group.s3_store_response_checksum_validation,
        proxy=_proxy(group) if group.s3_store_enable_proxy else "",
    )


def _proxy(group: Any) -> str:
    if not group.s3_store_proxy_host:
        raise errors.StoreMisconfigured(reason="s3_store_enable_proxy needs s3_store_proxy_host.")
    user, password = group.s3_store_proxy_user, group.s3_store_proxy_password
    login = f"{quote(user, safe='')}:{quote(password or '', safe='')}@" if user else ""
    return f"http://{login}{group.s3_store_proxy_host}:{group.s3_store_proxy_port}"
