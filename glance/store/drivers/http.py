"""Images that live on a web server: read where they are, never written. RFC 9110 for methods, ranges and lengths."""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import BinaryIO

from glance import errors
from glance.context import RequestContext
from glance.egress import Egress, Response
from glance.interfaces import Blob
from glance.model.image import Location
from glance.store import location as urls
from glance.stream import CHUNK

LOG = logging.getLogger(__name__)

_CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})")
_DIGITS = re.compile(r"\d{1,18}")


class HttpBlob:
    """Part of a body: ``length`` bytes after ``skip`` others. Raises StoreUnavailable when they do not all come."""

    file: BinaryIO | None = None

    def __init__(self, store: str, response: Response | None, length: int, skip: int = 0) -> None:
        self.length = length
        self._store = store
        self._response = response
        self._skip = skip

    def __iter__(self) -> Iterator[bytes]:
        for _skipped in self._read(self._skip):
            pass
        yield from self._read(self.length)

    def close(self) -> None:
        if self._response is not None:
            self._response.close()

    def _read(self, left: int) -> Iterator[bytes]:
        while left and self._response is not None:
            try:
                chunk = self._response.read(min(left, CHUNK))
            except errors.SourceUnreadable:
                chunk = b""
            if not chunk:
                LOG.warning("The store '%s' got less data than its server had announced.", self._store)
                raise errors.StoreUnavailable(store=self._store)
            left -= len(chunk)
            yield chunk


class HttpStore:
    """``http://`` and ``https://`` URLs, through the egress guard.

    What the guard refuses raises SourceRefused from ``size``, which is asked when a client registers a URL; from ``open`` it raises
    StoreUnavailable, since whoever reads the image later has no part in it.
    """

    schemes: tuple[str, ...] = ("http", "https")
    writable = False
    properties: Mapping[str, object] = MappingProxyType({})

    def __init__(self, name: str, egress: Egress) -> None:
        self.name = name
        self._egress = egress

    def check(self) -> None:
        """There is no place of our own to make ready."""

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        raise errors.StoreReadOnly(store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        try:
            if length == 0:
                self.size(ctx, location)
                return HttpBlob(self.name, None, 0)
            response = self._request("GET", location, _range(offset, length))
        except errors.SourceRefused:
            LOG.warning("The store '%s' may not connect to where data are: see allowed_source_networks and allowed_source_ports.", self.name)
            raise errors.StoreUnavailable(store=self.name) from None
        try:
            return self._blob(response, offset, length)
        except BaseException:
            response.close()
            raise

    def size(self, ctx: RequestContext, location: Location) -> int:
        """Bytes, by HEAD; by the headers of GET where that says nothing or 0, as an image service of v1 does (spec-v1 2.6)."""
        for method in ("HEAD", "GET"):
            response = self._request(method, location)
            response.close()
            size = _announced(response) if response.status == 200 else None
            if size or (size is not None and method == "GET"):
                return size
            if response.status in (404, 410) and method == "GET":
                raise errors.LocationNotFound(store=self.name)
        raise self._unusable(response)

    def delete(self, ctx: RequestContext, location: Location) -> None:
        """The data is not ours."""

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        """Nothing was ever added."""

    def recognizes(self, location: Location) -> bool:
        """Any web server is as good as another."""
        url = urls.parse(location.url)
        return url is not None and url.scheme in self.schemes

    def close(self) -> None:
        """No connection is kept between calls."""

    def _request(self, method: str, location: Location, headers: Mapping[str, str] | None = None) -> Response:
        try:
            return self._egress.open(location.url, method=method, headers=headers or {})
        except errors.SourceUnreadable:
            LOG.warning("The store '%s' got no answer.", self.name)
            raise errors.StoreUnavailable(store=self.name) from None

    def _blob(self, response: Response, offset: int, length: int | None) -> HttpBlob:
        if response.status in (404, 410):
            raise errors.LocationNotFound(store=self.name)
        if response.status == 416 and (offset or length):
            response.close()
            return HttpBlob(self.name, None, 0)
        if response.status == 206:
            return HttpBlob(self.name, response, self._part(response, offset, length))
        total = _announced(response)
        if response.status != 200 or total is None:
            raise self._unusable(response)
        return HttpBlob(self.name, response, _cut(max(0, total - offset), length), skip=min(offset, total))

    def _part(self, response: Response, offset: int, length: int | None) -> int:
        """The number of bytes wanted from an answer with status 206; a server may send less than it was asked for, which is of no use."""
        found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if found is None or response.headers.get("Content-Encoding", "identity") != "identity":
            raise self._unusable(response)
        first, last, total = (int(text) for text in found.groups())
        wanted = _cut(total - offset, length)
        if first != offset or last - first + 1 < wanted:
            raise self._unusable(response)
        return wanted

    def _unusable(self, response: Response) -> errors.StoreUnavailable:
        LOG.warning("The store '%s' got an answer that it cannot use (status %d).", self.name, response.status)
        return errors.StoreUnavailable(store=self.name)


def _announced(response: Response) -> int | None:
    """The size of the whole body; None where the server does not tell, or sends something else than the bytes themselves."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    if response.content_length is not None:
        return response.content_length
    size = response.headers.get("x-image-meta-size", "")
    return int(size) if _DIGITS.fullmatch(size) else None


def _range(offset: int, length: int | None) -> dict[str, str]:
    if length is not None:
        return {"Range": f"bytes={offset}-{offset + length - 1}"}
    return {"Range": f"bytes={offset}-"} if offset else {}


def _cut(available: int, length: int | None) -> int:
    return available if length is None else min(available, length)
