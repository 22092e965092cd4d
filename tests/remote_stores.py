"""How glance-api is told to keep images in the Swift of the tests: as Swift, and over its S3 interface."""

from __future__ import annotations

from collections.abc import Mapping

from tests.swift_server import SwiftServer


def swift_options(server: SwiftServer, container: str, segment: int = 200) -> Mapping[str, object]:
    """Options of [glance_store]; images of more than ``segment`` megabytes become segments of that size."""
    return {
        "stores": "swift,http",
        "default_store": "swift",
        "swift_store_auth_address": server.auth_url,
        "swift_store_user": server.user,
        "swift_store_key": server.key,
        "swift_store_container": container,
        "swift_store_create_container_on_put": "True",
        "swift_store_large_object_size": segment,
        "swift_store_large_object_chunk_size": segment,
    }


def s3_options(server: SwiftServer, bucket: str, part: int = 10) -> Mapping[str, object]:
    """Options of [glance_store]; what is larger than a ``part``, in megabytes, goes up in parts of that size."""
    return {
        "stores": "s3,http",
        "default_store": "s3",
        "s3_store_host": server.url,
        "s3_store_access_key": server.user,
        "s3_store_secret_key": server.key,
        "s3_store_bucket": bucket,
        "s3_store_create_bucket_on_put": "True",
        "s3_store_bucket_url_format": "path",
        "s3_store_large_object_size": part,
        "s3_store_large_object_chunk_size": part,
    }
