"""What lies in an account of Swift, and erasing what should not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import groupby
from typing import Any
from urllib.parse import unquote

from swiftclient import client

from glance.context import unauthenticated
from glance.model.stores import GIVEN_ID, Found
from glance.store.drivers.swift.account import NO_LINKS, Session
from glance.store.drivers.swift.places import OneAccount

#: Names in one answer.
_PAGE = 1000
#: An image, or a segment of one: ours, or those of older releases.
_OURS = re.compile(rf"(?P<id>{GIVEN_ID})(?P<segment>-(?:[0-9a-f]{{8}}-)?[0-9]{{5,}})?")
#: What an answer and a list may differ by that tell the same time.
_SAME = timedelta(milliseconds=1)

Entry = Mapping[str, Any]
Headers = Mapping[str, str]


class Listing:
    """The containers of this service's own account that its images lie in. What the methods raise is swiftclient's."""

    def __init__(self, session: Session, places: OneAccount) -> None:
        self._session = session
        self._places = places

    def contents(self) -> Iterator[Found]:
        """All objects, under names with their container. An image in segments is one thing, with the size of all of them."""
        for container in self._containers():
            for image_id, entries in groupby(self._entries(client.get_container, container), key=_image_of):
                if image_id:
                    yield from self._image(container, image_id, list(entries))
                else:
                    yield from (_foreign(container, one) for one in entries)

    def now(self) -> datetime:
        """The time by the server."""
        spread = self._places.prefix is not None
        headers = self._session.call(client.head_account) if spread else self._session.call(client.head_container, self._places.container)
        try:
            return parsedate_to_datetime(headers["date"]).astimezone(UTC)
        except (KeyError, ValueError):
            raise client.ClientException("An answer without a date") from None

    def remove(self, found: Found) -> bool:
        """Erases what is still as it was found; False for anything else, and for a segment that an object names by now."""
        container, _, name = found.name.partition("/")
        there = self._head(container, name)
        if there is None or not _is_same(there, found):
            return False
        if found.kind == "data":
            self._erase(container, name)
            for entry in self._entries(client.get_container, container, prefix=f"{found.image_id}-"):
                if _image_of(entry) == found.image_id and _names(there, container, entry):
                    self._erase(container, entry["name"])
            self._places.leave(self._session, self._places.own(unauthenticated(), found.image_id))
        elif _names(self._head(container, found.image_id) or {}, container, {"name": name}):
            return False
        else:
            self._erase(container, name)
        return True

    def _containers(self) -> Iterable[str]:
        if self._places.prefix is None:
            return [self._places.container]
        return (entry["name"] for entry in self._entries(client.get_account, prefix=self._places.prefix))

    def _entries(self, list_page: Callable[..., Any], *names: str, prefix: str | None = None) -> Iterator[Entry]:
        """All that an account or a container lists, in the order of names; nothing where there is no such container."""
        marker = ""
        while True:
            try:
                page = self._session.call(list_page, *names, marker=marker, limit=_PAGE, prefix=prefix)[1]
            except client.ClientException as error:
                if error.http_status != 404:
                    raise
                return
            if not page:
                return
            yield from page
            marker = page[-1]["name"]

    def _image(self, container: str, image_id: str, entries: list[Entry]) -> Iterator[Found]:
        """An image, and what earlier attempts left of it."""
        place = self._places.own(unauthenticated(), image_id)
        if place.container != container:
            yield from (_foreign(container, one) for one in entries)
            return
        whole = [one for one in entries if one["name"] == image_id]
        segments = [one for one in entries if one["name"] != image_id]
        manifest = self._head(container, image_id) if segments else None
        named = [one for one in segments if _names(manifest or {}, container, one)]
        for one in whole:
            size = sum(part["bytes"] for part in named) or one["bytes"]
            yield Found(f"{container}/{image_id}", "data", image_id, place.url, size, _modified(one))
        left = [one for one in segments if not _names(manifest or {}, container, one)]
        times = [_modified(one) for one in left]
        newest = None if None in times else max((time for time in times if time), default=None)
        for one in left:
            yield Found(f"{container}/{one['name']}", "partial", image_id, size=one["bytes"], modified=newest)

    def _head(self, container: str, name: str) -> Headers | None:
        try:
            headers: Headers = self._session.call(client.head_object, container, name, query_string=NO_LINKS)
        except client.ClientException as error:
            if error.http_status != 404:
                raise
            return None
        return headers

    def _erase(self, container: str, name: str) -> None:
        try:
            self._session.call(client.delete_object, container, name)
        except client.ClientException as error:
            if error.http_status != 404:
                raise


def _foreign(container: str, entry: Entry) -> Found:
    return Found(f"{container}/{entry['name']}", "foreign", size=entry["bytes"], modified=_modified(entry))


def _image_of(entry: Entry) -> str:
    """The id of the image that an object belongs to; "" for none of ours."""
    ours = _OURS.fullmatch(entry["name"])
    return ours["id"] if ours else ""


def _names(headers: Headers, container: str, segment: Entry) -> bool:
    """Whether an object has a segment among its data. A static one does not tell which: then it may have any."""
    prefix = headers.get("x-object-manifest")
    return headers.get("x-static-large-object", "").lower() == "true" or (
        prefix is not None and f"{container}/{segment['name']}".startswith(unquote(prefix))
    )


def _modified(entry: Entry) -> datetime | None:
    try:
        time = datetime.fromisoformat(entry["last_modified"])
    except (KeyError, TypeError, ValueError):
        return None
    return time.replace(tzinfo=time.tzinfo or UTC)


def _is_same(headers: Headers, found: Found) -> bool:
    """Whether an object has not changed since then; the time of a segment is that of the newest one beside it."""
    try:
        modified = datetime.fromtimestamp(float(headers["x-timestamp"]), UTC)
    except (KeyError, ValueError, OverflowError):
        return False
    return found.modified is not None and modified <= found.modified + _SAME and headers.get("content-length") == str(found.size)
