"""Image data in the memory of this process: for tests, and as the shortest complete driver."""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import BinaryIO

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.model.stores import Found
from glance.store import location as urls


class MemoryBlob:
    """Part of an object, in one piece."""

    file: BinaryIO | None = None

    def __init__(self, data: bytes) -> None:
        self.length = len(data)
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        if self._data:
            yield self._data

    def close(self) -> None:
        self._data = b""


@dataclass(frozen=True, slots=True)
class _Kept:
    data: bytes
    added: datetime


class MemoryStore:
    """``memory://<image id>``; lasts as long as the object, and holds as much as memory does (sentence 12 of Store is not kept)."""

    schemes: tuple[str, ...] = ("memory",)
    writable = True
    properties: Mapping[str, object] = MappingProxyType({})

    def __init__(self, name: str) -> None:
        self.name = name
        self._objects: dict[str, _Kept] = {}
        self._lock = threading.Lock()

    def check(self) -> None:
        """Memory is always ready."""

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        data = b"".join(chunks)
        with self._lock:
            if image_id in self._objects:
                raise errors.ObjectExists(image_id=image_id)
            self._objects[image_id] = _Kept(data, self.now())
        return Location(url=f"memory://{image_id}", store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        data = self._find(location)
        end = len(data) if length is None else offset + length
        return MemoryBlob(data[offset:end])

    def size(self, ctx: RequestContext, location: Location) -> int:
        return len(self._find(location))

    def delete(self, ctx: RequestContext, location: Location) -> None:
        with self._lock:
            if self._objects.pop(self._id(location), None) is None:
                raise errors.LocationNotFound(store=self.name)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        with self._lock:
            self._objects.pop(image_id, None)

    def contents(self) -> Iterator[Found]:
        with self._lock:
            return iter([_found(image_id, kept) for image_id, kept in self._objects.items()])

    def now(self) -> datetime:
        return datetime.now(UTC)

    def remove(self, found: Found) -> bool:
        with self._lock:
            kept = self._objects.get(found.name)
            same = kept is not None and _found(found.name, kept) == found
            if same:
                del self._objects[found.name]
            return same

    def recognizes(self, location: Location) -> bool:
        url = urls.parse(location.url)
        return url is not None and url.scheme in self.schemes

    def close(self) -> None:
        """Nothing is held but the data."""

    def _id(self, location: Location) -> str:
        url = urls.parse(location.url)
        return url.authority if url is not None and url.scheme in self.schemes else ""

    def _find(self, location: Location) -> bytes:
        kept = self._objects.get(self._id(location))
        if kept is None:
            raise errors.LocationNotFound(store=self.name)
        return kept.data


def _found(image_id: str, kept: _Kept) -> Found:
    return Found(image_id, "data", image_id, f"memory://{image_id}", len(kept.data), kept.added)
