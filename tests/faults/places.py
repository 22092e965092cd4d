"""Places where the service keeps images while things go wrong: it reaches them through a proxy, tests look at them from behind."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import boto3
from swiftclient.client import Connection

from tests.swift_server import SwiftServer

MIB = 1 << 20

#: What is done to data behind the back of the service.
Change = Callable[[bytes], bytes]


class Place(Protocol):
    """``size`` is that of an image which lies there in several parts, where there are parts. ``driver`` is the operator's word for it."""

    driver: str
    size: int

    def options(self, url: str) -> dict[str, str]:
        """What the service must be told, where the place is reached by that URL."""

    def timeout(self, seconds: float) -> dict[str, str]:
        """What the service must be told to wait no longer than that for an answer."""

    def last_request(self, image_id: str) -> bytes:
        """How the request begins that makes the data of an image visible."""

    def held(self) -> list[str]:
        """Names of all that lies there, visible or not."""

    def change(self, image_id: str, change: Change) -> None:
        """Puts other data, or some other part, in the place of an image's."""

    def erase(self, image_id: str) -> None: ...

    def close(self) -> None: ...


class InFiles:
    """The directory of a file store; it has no URL."""

    driver = "file"
    size = 3 * MIB

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def options(self, url: str) -> dict[str, str]:
        return {}

    def timeout(self, seconds: float) -> dict[str, str]:
        return {}

    def last_request(self, image_id: str) -> bytes:
        raise LookupError("files are not requested")

    def held(self) -> list[str]:
        return sorted(path.name for path in self._directory.iterdir())

    def change(self, image_id: str, change: Change) -> None:
        path = self._directory / image_id
        path.write_bytes(change(path.read_bytes()))

    def erase(self, image_id: str) -> None:
        (self._directory / image_id).unlink()

    def close(self) -> None:
        """Nothing is kept."""


class InSwift:
    """A container of its own in a real Swift, images in segments of a MiB."""

    driver = "swift"
    size = 3 * MIB + 5

    def __init__(self, server: SwiftServer) -> None:
        self.container = f"faults-{uuid.uuid4().hex[:8]}"
        self._server = server
        self._client = Connection(server.auth_url, server.user, server.key, retries=1)
        self._client.put_container(self.container)

    def options(self, url: str) -> dict[str, str]:
        return {
            "swift_store_auth_address": f"{url}/auth/v1.0",
            "swift_store_user": self._server.user,
            "swift_store_key": self._server.key,
            "swift_store_container": self.container,
            "swift_store_large_object_size": "1",
            "swift_store_large_object_chunk_size": "1",
        }

    def timeout(self, seconds: float) -> dict[str, str]:
        return {"swift_store_timeout": str(seconds)}

    def last_request(self, image_id: str) -> bytes:
        return f"PUT /v1/AUTH_test/{self.container}/{image_id} HTTP".encode()

    def held(self) -> list[str]:
        return [entry["name"] for entry in self._client.get_container(self.container, full_listing=True)[1]]

    def change(self, image_id: str, change: Change) -> None:
        segments = [name for name in self.held() if name.startswith(f"{image_id}-")]
        first = min(segments, default=image_id)
        data = self._client.get_object(self.container, first)[1]
        self._client.put_object(self.container, first, change(data))

    def erase(self, image_id: str) -> None:
        for name in self.held():
            if name.startswith(image_id):
                self._client.delete_object(self.container, name)

    def close(self) -> None:
        self._client.close()


class InS3:
    """A bucket of its own behind the S3 interface of a real Swift, images in parts of 5 MiB."""

    driver = "s3"
    size = 11 * MIB + 5

    def __init__(self, server: SwiftServer) -> None:
        self.bucket = f"faults-{uuid.uuid4().hex[:8]}"
        self._server = server
        keys = {"aws_access_key_id": server.user, "aws_secret_access_key": server.key}
        self._client: Any = boto3.client("s3", endpoint_url=server.url, region_name=server.region, **keys)
        self._client.create_bucket(Bucket=self.bucket)

    def options(self, url: str) -> dict[str, str]:
        return {
            "s3_store_host": url,
            "s3_store_access_key": self._server.user,
            "s3_store_secret_key": self._server.key,
            "s3_store_bucket": self.bucket,
            "s3_store_bucket_url_format": "path",
            "s3_store_large_object_size": "5",
            "s3_store_large_object_chunk_size": "5",
        }

    def timeout(self, seconds: float) -> dict[str, str]:
        return {"s3_store_timeout": str(seconds)}

    def last_request(self, image_id: str) -> bytes:
        return f"POST /{self.bucket}/{image_id}?uploadId=".encode()

    def held(self) -> list[str]:
        objects = self._client.list_objects_v2(Bucket=self.bucket).get("Contents", ())
        uploads = self._client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", ())
        return [one["Key"] for one in (*objects, *uploads)]

    def change(self, image_id: str, change: Change) -> None:
        with contextlib.closing(self._client.get_object(Bucket=self.bucket, Key=image_id)["Body"]) as body:
            data = body.read()
        self._client.put_object(Bucket=self.bucket, Key=image_id, Body=change(data))

    def erase(self, image_id: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=image_id)

    def close(self) -> None:
        self._client.close()


def place_of(driver: str, server: SwiftServer) -> Place:
    """A new place on a server."""
    return InSwift(server) if driver == "swift" else InS3(server)
