"""Places where the service keeps images while things go wrong: it reaches them through a proxy, tests look at them from behind."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterator
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

    def read(self, image_id: str) -> bytes | None:
        """The whole data of an image; None where there are none."""

    def change(self, image_id: str, change: Change) -> None:
        """Puts other data, or some other part, in the place of an image's."""

    def erase(self, image_id: str) -> None: ...

    def litter(self, image_id: str) -> int:
        """Puts data there, and parts of an upload, under the id of an image; returns how many things that are."""

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

    def read(self, image_id: str) -> bytes | None:
        path = self._directory / image_id
        return path.read_bytes() if path.exists() else None

    def change(self, image_id: str, change: Change) -> None:
        path = self._directory / image_id
        path.write_bytes(change(path.read_bytes()))

    def erase(self, image_id: str) -> None:
        (self._directory / image_id).unlink()

    def litter(self, image_id: str) -> int:
        for name in (image_id, f".{image_id}.0123456789abcdef"):
            (self._directory / name).write_bytes(b"left")
        return 2

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

    def read(self, image_id: str) -> bytes | None:
        if image_id not in self.held():
            return None
        data: bytes = self._client.get_object(self.container, image_id)[1]
        return data

    def change(self, image_id: str, change: Change) -> None:
        segments = [name for name in self.held() if name.startswith(f"{image_id}-")]
        first = min(segments, default=image_id)
        data = self._client.get_object(self.container, first)[1]
        self._client.put_object(self.container, first, change(data))

    def erase(self, image_id: str) -> None:
        for name in self.held():
            if name.startswith(image_id):
                self._client.delete_object(self.container, name)

    def litter(self, image_id: str) -> int:
        for name in (image_id, f"{image_id}-0123abcd-00001", f"{image_id}-0123abcd-00002"):
            self._client.put_object(self.container, name, b"left")
        return 3

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
        objects = self._listed("list_objects_v2", "Contents")
        return [one["Key"] for one in (*objects, *self._listed("list_multipart_uploads", "Uploads"))]

    def read(self, image_id: str) -> bytes | None:
        try:
            with contextlib.closing(self._client.get_object(Bucket=self.bucket, Key=image_id)["Body"]) as body:
                data: bytes = body.read()
        except self._client.exceptions.NoSuchKey:
            return None
        return data

    def change(self, image_id: str, change: Change) -> None:
        self._client.put_object(Bucket=self.bucket, Key=image_id, Body=change(self.read(image_id) or b""))

    def erase(self, image_id: str) -> None:
        self._client.delete_object(Bucket=self.bucket, Key=image_id)

    def litter(self, image_id: str) -> int:
        name = {"Bucket": self.bucket, "Key": image_id}
        self._client.put_object(**name, Body=b"left")
        upload_id = self._client.create_multipart_upload(**name)["UploadId"]
        self._client.upload_part(**name, UploadId=upload_id, PartNumber=1, Body=b"left")
        return 2

    def close(self) -> None:
        self._client.close()

    def _listed(self, operation: str, what: str) -> Iterator[dict[str, str]]:
        for page in self._client.get_paginator(operation).paginate(Bucket=self.bucket):
            yield from page.get(what, ())


def place_of(driver: str, server: SwiftServer) -> Place:
    """A new place on a server."""
    return InSwift(server) if driver == "swift" else InS3(server)
