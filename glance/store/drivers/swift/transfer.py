"""Bytes on their way into objects of Swift, and out of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

from swiftclient import client

from glance import errors
from glance.store.drivers.swift.account import FAILURES, NO_LINKS, Session
from glance.store.drivers.swift.places import Place
from glance.stream import CHUNK, Digest

LOG = logging.getLogger(__name__)


class Source:
    """The chunks of an upload, taken part by part. ``error`` is what they raised, since libraries on the way may wrap it."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.error: BaseException | None = None
        self._chunks = iter(chunks)
        self._held = b""

    def more(self) -> bool:
        """Whether any byte is left."""
        try:
            while not self._held:
                self._held = next(self._chunks)
        except StopIteration:
            return False
        except BaseException as error:
            self.error = error
            raise
        return True

    def take(self, limit: int) -> bytes:
        """The next bytes, at most ``limit``; b"" at the end."""
        if not limit or not self.more():
            return b""
        taken, self._held = self._held[:limit], self._held[limit:]
        return taken


class Body:
    """At most ``limit`` bytes of ``source``, to be sent once; exactly those when they are ``announced``.

    The last of them is held back until ``before_end`` has returned, which is called when the source has nothing more to say where the limit is
    all that there is. ``digest`` is the MD5 of what was sent, the ETag of an object.
    """

    def __init__(self, source: Source, limit: int, *, announced: bool = False) -> None:
        self.before_end: Callable[[], object] | None = None
        self._source = source
        self._limit = limit
        self._announced = announced
        self._digest = Digest("md5")

    @property
    def digest(self) -> str:
        return self._digest.hexdigest

    @property
    def sized(self) -> Iterable[bytes]:
        """What an HTTP client sends: with a length, or chunked."""
        return _Announced(self, self._limit) if self._announced and self._limit else iter(self)

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._pieces()
        finally:
            self._digest.close()

    def _pieces(self) -> Iterator[bytes]:
        left, held = self._limit, b""
        while taken := self._source.take(left):
            left -= len(taken)
            if held:
                yield held
            self._digest.update(taken)
            held = taken
        if self._announced and left:
            raise errors.ClientDisconnected
        if self.before_end is not None:
            if self._source.more():
                raise errors.ClientDisconnected
            self.before_end()
        self._digest.finish()
        if held:
            yield held


class _Announced:
    """A body whose length is known before it is read."""

    def __init__(self, body: Body, length: int) -> None:
        self._body = body
        self._length = length

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._body)


class SwiftBlob:
    """Part of an object, from ``offset`` on, at most ``length`` bytes. Raises LocationNotFound, StoreUnavailable.

    A transfer that breaks is taken up again where it broke, as often as the settings allow; then, and when the object has changed meanwhile, it
    raises StoreUnavailable.
    """

    file: BinaryIO | None = None

    def __init__(self, place: Place, offset: int, length: int | None) -> None:
        self._account = place.account
        self._place = place
        self._offset = offset
        self._etag = ""
        self._body: Any = None
        self._session = Session(self._account)
        try:
            with self._account.translated():
                self.length = self._ask(length)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        left, retries = self.length, self._account.settings.retries
        while left:
            if chunk := self._read(min(left, CHUNK)):
                left -= len(chunk)
                self._offset += len(chunk)
                yield chunk
            elif retries:
                retries -= 1
                self._resume(left)
            else:
                raise self._broken()

    def close(self) -> None:
        self._session.close()

    def _ask(self, length: int | None) -> int:
        """Asks for bytes, and returns how many come; none where the object ends before them."""
        if length == 0:
            self._session.call(client.head_object, self._place.container, self._place.name, query_string=NO_LINKS)
            return 0
        last = "" if length is None else self._offset + length - 1
        headers = {"Range": f"bytes={self._offset}-{last}"} if self._offset or length is not None else {}
        answer: dict[str, Any] = {}
        try:
            found, self._body = self._session.call(
                client.get_object,
                self._place.container,
                self._place.name,
                resp_chunk_size=CHUNK,
                query_string=NO_LINKS,
                headers=headers,
                response_dict=answer,
            )
        except client.ClientException as error:
            if error.http_status != 416:
                raise
            return 0
        size, etag = found.get("content-length", ""), found.get("etag", "")
        right = found.get("content-range", "").startswith(f"bytes {self._offset}-") if answer["status"] == 206 else not headers or size == "0"
        if not right or not size.isdecimal() or (length is not None and int(size) > length) or etag != (self._etag or etag):
            raise client.ClientException("Not what was asked for")
        self._etag = etag
        return int(size)

    def _read(self, size: int) -> bytes:
        """b"" also when the transfer breaks."""
        try:
            data: bytes = self._body.read(size)
        except FAILURES:
            return b""
        return data

    def _resume(self, left: int) -> None:
        self._session.close()
        self._session = Session(self._account)
        try:
            with self._account.translated():
                if self._ask(left) != left:
                    raise self._broken()
        except errors.LocationNotFound:
            raise self._broken() from None

    def _broken(self) -> errors.StoreUnavailable:
        LOG.warning("The store '%s' sent less data than it had announced.", self._account.store)
        return errors.StoreUnavailable(store=self._account.store)
