"""Image data as objects in a bucket, over the S3 protocol: AWS, and servers that speak as it does. An object is named like its image.

What is larger than one part goes up as a multipart upload, which shows nothing before it is completed. Each attempt marks its object with a token of
its own: where the answer to the last request is lost, the object itself tells whose it is.
"""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, BinaryIO
from urllib.parse import unquote

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.model.stores import Found
from glance.store import location as urls
from glance.store.drivers.s3.endpoint import BROKEN, FAILURES, Endpoint, Refusal, Silence, code_of, status_of
from glance.store.drivers.s3.listing import Bucket
from glance.store.drivers.s3.parts import Multipart, cut, part_sizes
from glance.store.drivers.s3.settings import MIB, Keys, S3StoreSettings
from glance.store.turns import Turns
from glance.stream import CHUNK

#: Metadata of every object: which attempt stored it.
_MARK = "glance-attempt"


@dataclass(frozen=True, slots=True)
class _Object:
    """One object at the endpoint, and the keys to reach it."""

    bucket: str
    key: str
    keys: Keys = field(repr=False)

    @property
    def name(self) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.key}


class S3Blob:
    """Part of an object. Raises StoreUnavailable when not all of it comes."""

    file: BinaryIO | None = None

    def __init__(self, endpoint: Endpoint, body: Any, length: int) -> None:
        self.length = length
        self._endpoint = endpoint
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        while left:
            try:
                chunk: bytes = self._body.read(min(left, CHUNK))
            except BROKEN as error:
                raise self._endpoint.unavailable(type(error).__name__) from None
            if not chunk:
                raise self._endpoint.unavailable("less data than announced")
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        """Ends the connection, unless all was read: then it is kept for the next request."""
        if self._body is not None:
            self._body.close()


class S3Store:
    """``s3+https://<host>/<bucket>/<image id>``; also reads locations of old registries, which hold keys: ``s3://<access>:<secret>@<host>/...``.

    Whatever a location says, requests go to the configured endpoint only, and one that names another host is refused.
    """

    schemes: tuple[str, ...] = ("s3", "s3+http", "s3+https")
    writable = True

    def __init__(self, name: str, settings: S3StoreSettings) -> None:
        self.name = name
        self._settings = settings
        self._endpoint = Endpoint(name, settings)
        self._url = f"s3+{self._endpoint.scheme}://{self._endpoint.host}/{settings.bucket}/"
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._turns = Turns()

    @property
    def properties(self) -> Mapping[str, object]:
        return {
            "s3_store_large_object_size": self._settings.large_object_size // MIB,
            "s3_store_large_object_chunk_size": self._settings.chunk_size // MIB,
            "s3_store_thread_pools": self._settings.threads,
        }

    def check(self) -> None:
        """Looks whether the bucket is there, and makes it where the settings say so. Raises ConfigurationError where the endpoint refuses us, and
        StoreUnavailable where it does not answer: the bucket is then made by the first ``add`` that reaches it."""
        self._endpoint.check()

    def probe(self) -> None:
        """Asks for the bucket only: an object written again and again costs money, and versions of it would stay."""
        self._endpoint.check()

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        target = self._own(image_id)
        self._endpoint.make_bucket()
        self._refuse_existing(target)
        self._store(target, cut(chunks, part_sizes(size, self._settings.chunk_size, self._settings.large_object_size)))
        return Location(url=self._url + target.key, store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        target = self._object(location)
        if length == 0:
            self._required(target)
            return S3Blob(self._endpoint, None, 0)
        wanted = _range(offset, length)
        with self._endpoint.translated():
            try:
                answer = self._endpoint.client(target.keys).get_object(**target.name, **wanted)
            except Refusal as error:
                if status_of(error) == 416:
                    return S3Blob(self._endpoint, None, 0)
                raise
        size: int | None = answer.get("ContentLength")
        if size is None or (wanted and size and not answer.get("ContentRange", "").startswith(f"bytes {offset}-")):
            answer["Body"].close()
            raise self._endpoint.unavailable("another part than was asked for")
        return S3Blob(self._endpoint, answer["Body"], size if length is None else min(size, length))

    def size(self, ctx: RequestContext, location: Location) -> int:
        size: int = self._required(self._object(location))["ContentLength"]
        return size

    def delete(self, ctx: RequestContext, location: Location) -> None:
        """Also erases what is not seen yet; then raises LocationNotFound nevertheless."""
        target = self._object(location)
        found = self._head(target)
        with self._endpoint.translated():
            self._endpoint.client(target.keys).delete_object(**target.name)
        if found is None:
            raise errors.LocationNotFound(store=self.name)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        target = self._own(image_id)
        client = self._endpoint.client(target.keys)
        with self._endpoint.translated():
            # Parts first, so that none of them becomes an object afterwards.
            for page in client.get_paginator("list_multipart_uploads").paginate(Bucket=target.bucket, Prefix=target.key):
                for upload in page.get("Uploads", ()):
                    if upload["Key"] == target.key:
                        with suppress(client.exceptions.NoSuchUpload):
                            client.abort_multipart_upload(**target.name, UploadId=upload["UploadId"])
            client.delete_object(**target.name)

    def contents(self) -> Iterator[Found]:
        with self._endpoint.translated():
            bucket = self._bucket()
            yield from bucket.objects()
            yield from bucket.uploads()

    def now(self) -> datetime:
        with self._endpoint.translated():
            return self._bucket().now()

    def remove(self, found: Found) -> bool:
        with self._endpoint.translated():
            return self._bucket().remove(found)

    def recognizes(self, location: Location) -> bool:
        host, target = self._named(location)
        return target is not None and target.bucket == self._settings.bucket and self._endpoint.is_at(host)

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown()
        self._endpoint.close()

    def _store(self, target: _Object, parts: Iterable[tuple[bytearray, bool]]) -> None:
        """Sends and publishes what ``cut`` gives: at once if it is one part. Leaves nothing behind where that fails."""
        token = secrets.token_hex(16)
        upload: Multipart | None = None
        try:
            for part, last in parts:
                if last and upload is None:
                    self._publish(target, token, partial(self._put, target, token, part))
                    return
                upload = upload or self._begin(target, token)
                with self._endpoint.translated():
                    upload.send(part)
            if upload is not None:
                with self._endpoint.translated():
                    upload.await_parts()
                self._publish(target, token, upload.complete)
        except BaseException as error:
            if upload is not None:
                self._abort(upload, error)
            raise

    def _begin(self, target: _Object, token: str) -> Multipart:
        """Raises UploadLeftBehind where the server has begun it perhaps, but does not say so."""
        try:
            with self._endpoint.translated():
                return Multipart(self._endpoint.client(target.keys), self._senders(), target.name, {_MARK: token})
        except errors.StoreUnavailable:
            raise errors.UploadLeftBehind(store=self.name) from None

    def _abort(self, upload: Multipart, reason: BaseException) -> None:
        """Raises UploadLeftBehind where that fails, unless the object there is another attempt's, which must stay."""
        try:
            with self._endpoint.translated():
                upload.abort()
        except errors.GlanceError:
            if not isinstance(reason, errors.ObjectExists):
                raise errors.UploadLeftBehind(store=self.name) from None

    def _put(self, target: _Object, token: str, data: bytearray, **conditions: str) -> None:
        self._endpoint.client(target.keys).put_object(**target.name, Body=data, Metadata={_MARK: token}, **conditions)

    def _publish(self, target: _Object, token: str, publish: Callable[..., None]) -> None:
        """Makes the object visible, unless there is one. Raises ObjectExists, and UploadLeftBehind where it may become visible later.

        The server sees to that (``If-None-Match``), but not every server, and some (Swift) look only when the request begins. So attempts of this
        process take turns and look just before. Where the server does not see to it, attempts of two processes that end at the same moment both
        succeed, and the later one's data stay; the registry's lease lets no two run.
        """
        with self._turns.of(target.key), self._endpoint.translated():
            self._refuse_existing(target)
            try:
                _on_condition(publish)
            except FAILURES as error:
                if self._is_of(target, token):
                    return  # only the answer was lost
                if isinstance(error, Silence):
                    raise errors.UploadLeftBehind(store=self.name) from None  # the server may still be at it
                if isinstance(error, Refusal) and status_of(error) == 412:
                    raise errors.ObjectExists(image_id=target.key) from None
                raise

    def _refuse_existing(self, target: _Object) -> None:
        if self._head(target) is not None:
            raise errors.ObjectExists(image_id=target.key)

    def _is_of(self, target: _Object, token: str) -> bool:
        """Raises UploadLeftBehind where the server does not say it."""
        try:
            found = self._head(target)
        except errors.GlanceError:
            raise errors.UploadLeftBehind(store=self.name) from None
        return found is not None and found.get("Metadata", {}).get(_MARK) == token

    def _required(self, target: _Object) -> Mapping[str, Any]:
        """What the server tells of an object. Raises LocationNotFound; StoreUnavailable where the whole bucket is gone."""
        found = self._head(target)
        if found is None:
            with self._endpoint.translated():
                self._endpoint.client(target.keys).head_bucket(Bucket=target.bucket)
            raise errors.LocationNotFound(store=self.name)
        return found

    def _head(self, target: _Object) -> Mapping[str, Any] | None:
        """As ``_required``, but None where there is nothing."""
        with self._endpoint.translated():
            try:
                found: Mapping[str, Any] = self._endpoint.client(target.keys).head_object(**target.name)
            except Refusal as error:
                if status_of(error) != 404:
                    raise
                return None
        if not {"ETag", "ContentLength"} <= found.keys():
            raise self._endpoint.unavailable("an answer that tells of no object")
        return found

    def _own(self, image_id: str) -> _Object:
        """Where an image lies, or is to lie. Raises InvalidImageId."""
        if not urls.IMAGE_ID.fullmatch(image_id):
            raise errors.InvalidImageId(value=image_id)
        return _Object(self._settings.bucket, image_id, self._settings.keys)

    def _bucket(self) -> Bucket:
        return Bucket(self._endpoint.client(self._settings.keys), self._settings.bucket, self._url)

    def _object(self, location: Location) -> _Object:
        """What a location means. Raises LocationNotFound for other forms; StoreUnavailable for another host, whose objects we cannot know."""
        host, target = self._named(location)
        if target is None:
            raise errors.LocationNotFound(store=self.name)
        if not self._endpoint.is_at(host):
            raise self._endpoint.unavailable("a location names another host than s3_store_host")
        return target

    def _named(self, location: Location) -> tuple[str, _Object | None]:
        """The host that a location names, and the object there; None where it names no image."""
        url = urls.parse(location.url)
        text = url.authority + url.path if url is not None and url.scheme in self.schemes else ""
        keys, _, place = text.rpartition("@")  # a secret key may hold slashes
        host, *rest = place.rsplit("/", 2)
        if len(rest) != 2 or not rest[0] or not urls.IMAGE_ID.fullmatch(rest[1]):
            return host, None
        access, _, secret = keys.rpartition(":")
        return host, _Object(rest[0], rest[1], (unquote(access), unquote(secret)) if keys else self._settings.keys)

    def _senders(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(self._settings.threads, "s3-part")
            return self._pool


def _on_condition(publish: Callable[..., None]) -> None:
    """Asks the server to refuse where there is an object; without that condition where it does not know it."""
    try:
        publish(IfNoneMatch="*")
    except Refusal as error:
        if code_of(error) != "NotImplemented":
            raise
        publish()


def _range(offset: int, length: int | None) -> dict[str, str]:
    if length is not None:
        return {"Range": f"bytes={offset}-{offset + length - 1}"}
    return {"Range": f"bytes={offset}-"} if offset else {}
