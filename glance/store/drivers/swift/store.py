"""Image data as objects of Swift.

An image is one object named like it, or, when it is large or its size unknown, segments ``<image id>-<attempt>-<number>`` in the same container
and an object without data that names them (``X-Object-Manifest``). The object is sent last, and data become visible with it. Each attempt to
store an image has segments of its own: however late one goes on, it never mixes with the data of another.

Two who store one image at the same time: Swift itself would let the last one win. Therefore whoever is about to complete the object looks once more
whether there is one. Threads of one process take turns with that; between processes a few milliseconds remain.
"""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import logging
import re
import secrets
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from urllib.parse import quote

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.store.drivers.swift.location import SCHEMES, ForeignHost, Place, parse
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings

try:
    from swiftclient import client

    from glance.store.drivers.swift.account import Account, Session
    from glance.store.drivers.swift.transfer import Body, Source, SwiftBlob
except ImportError as error:
    raise ImportError("python-swiftclient and keystoneauth1 are not both installed (pip install 'glance[swift]')") from error

LOG = logging.getLogger(__name__)

_IMAGE_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
#: What follows the name of an image in those of its segments: ours, or those of older releases.
_SEGMENT = re.compile(r"-(?:[0-9a-f]{8}-)?[0-9]{5,}")
_MANIFEST = "x-object-manifest"
#: Tells whose an object is.
_ATTEMPT = "x-object-meta-attempt"
#: Libraries whose log lines tell URLs, and the beginnings of tokens (security S25).
_TALKATIVE = ("swiftclient", "keystoneauth", "urllib3.connection", "urllib3.connectionpool")
#: Threads that store the same image are always among those that wait for each other; others are rarely.
_TURNS = 64


class SwiftStore:
    """``swift+config://<reference>/<container>/<image id>``; also reads the classic locations, see ``location``."""

    schemes: tuple[str, ...] = SCHEMES
    writable = True

    def __init__(self, name: str, settings: SwiftStoreSettings) -> None:
        for logger in _TALKATIVE:
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self.name = name
        self._settings = settings
        self._accounts = {reference: Account(name, account, settings) for reference, account in settings.references.items()}
        self._turns = [threading.Lock() for _turn in range(_TURNS)]

    def check(self) -> None:
        """Asks for a token, and for the container where it must be there. Raises ConfigurationError, StoreUnavailable."""
        account = self._accounts[self._settings.default_reference]
        account.check()
        if not self._settings.create_container and not self._settings.containers_seed:
            with Session(account) as session, account.translated():
                self._find_container(session, self._settings.container)

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        place = self._own_place(image_id)
        source = Source(chunks)
        try:
            with self._session(place) as session, self._account(place).translated(writing=True):
                self._store(session, place, source, size)
        except BaseException:
            if source.error is not None:
                raise source.error from None
            raise
        return Location(url=place.url, store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        place = self._place(location)
        return SwiftBlob(self._account(place), place, offset, length)

    def size(self, ctx: RequestContext, location: Location) -> int:
        place = self._place(location, errors.SourceRefused(source=location.url.partition(":")[0]))
        with self._session(place) as session, self._account(place).translated():
            size = session.call(client.head_object, place.container, place.name).get("content-length", "")
            if not size.isdecimal():
                raise client.ClientException("Not an object with a size")
            return int(size)

    def delete(self, ctx: RequestContext, location: Location) -> None:
        """Also finds the segments of an image whose object an interrupted ``delete`` has erased."""
        place = self._place(location)
        with self._session(place) as session, self._account(place).translated(writing=True):
            found = self._head(session, place)
            if found is not None:
                self._erase(session, place.container, place.name)
            if found is None or _MANIFEST in found:
                segments = self._erase_segments(session, place)
                if found is None and not segments:
                    raise errors.LocationNotFound(store=self.name)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        place = self._own_place(image_id)
        with self._session(place) as session, self._account(place).translated(writing=True):
            self._erase(session, place.container, place.name)
            self._erase_segments(session, place)

    def close(self) -> None:
        """Tokens are all that is kept between calls."""

    # Storing

    def _find_container(self, session: Session, container: str) -> None:
        try:
            session.call(client.head_container, container)
        except client.ClientException as error:
            if error.http_status != 404:
                raise
            LOG.error("The store '%s' has no container; make it, or set swift_store_create_container_on_put.", self.name)
            raise errors.StoreUnavailable(store=self.name) from None

    def _store(self, session: Session, place: Place, source: Source, size: int | None) -> None:
        attempt = secrets.token_hex(4)
        if self._head(session, place) is not None:
            raise errors.ObjectExists(image_id=place.name)
        if self._settings.create_container:
            session.call(client.put_container, place.container)
        if not source.more() or (size is not None and size < self._settings.large_object_size):
            self._publish(session, place, attempt, Body(source, size or 0, announced=True))
        else:
            self._store_segments(session, place, attempt, source, size)

    def _store_segments(self, session: Session, place: Place, attempt: str, source: Source, size: int | None) -> None:
        prefix = f"{place.name}-{attempt}-"
        made: list[str] = []
        left = size
        try:
            while left != 0 and source.more():
                limit = self._settings.chunk_size if left is None else min(self._settings.chunk_size, left)
                made.append(f"{prefix}{len(made) + 1:05}")
                self._put(session, place.container, made[-1], Body(source, limit, announced=left is not None), {})
                left = None if left is None else left - limit
            if left:
                raise errors.ClientDisconnected
            self._publish(session, place, attempt, Body(source, 0), {_MANIFEST: f"{quote(place.container)}/{quote(prefix)}"})
        except BaseException:
            with self._giving_up(place) as other:
                for name in made:
                    self._erase(other, place.container, name)
            raise

    def _publish(self, session: Session, place: Place, attempt: str, body: Body, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        """Sends the object that makes the data visible, unless another one is there when it is complete."""
        with ExitStack() as turn:
            body.before_end = lambda: turn.enter_context(self._turn(place, attempt))
            self._put(session, place.container, place.name, body, {"If-None-Match": "*", _ATTEMPT: attempt, **headers})

    @contextmanager
    def _turn(self, place: Place, attempt: str) -> Iterator[None]:
        """Raises ObjectExists. What fails inside may have been stored nevertheless: it is erased, unless it is another attempt's."""
        with self._turns[hash(place.name) % _TURNS]:
            with self._session(place) as other, self._account(place).translated(writing=True):
                if self._head(other, place) is not None:
                    raise errors.ObjectExists(image_id=place.name)
            try:
                yield
            except errors.ObjectExists:
                raise
            except BaseException:
                with self._giving_up(place) as other:
                    found = self._head(other, place)
                    if found is None or found.get(_ATTEMPT) == attempt:
                        # Also when it is not there: a request that is still on its way then comes too late.
                        self._erase(other, place.container, place.name)
                raise

    def _put(self, session: Session, container: str, name: str, body: Body, headers: dict[str, str]) -> None:
        """Sends what can be sent only once. Before, a question that can be repeated makes sure of the token, and of the container."""
        self._find_container(session, container)
        try:
            etag = session.put(container, name, body.sized, headers)
        except client.ClientException as error:
            if error.http_status == 412:
                raise errors.ObjectExists(image_id=name) from None
            raise
        if etag != body.digest:
            LOG.error("The store '%s' has received other bytes than were sent.", self.name)
            raise errors.StoreUnavailable(store=self.name)

    @contextmanager
    def _giving_up(self, place: Place) -> Iterator[Session]:
        """Requests that erase what may have been stored; what they cannot erase is left to ``discard``."""
        try:
            with self._session(place) as session, self._account(place).translated(writing=True):
                yield session
        except errors.GlanceError as error:
            LOG.warning("Parts of a failed upload stay in the store '%s': %s", self.name, error.code)

    # Erasing

    def _erase(self, session: Session, container: str, name: str) -> None:
        try:
            session.call(client.delete_object, container, name)
        except client.ClientException as error:
            if error.http_status != 404:
                raise

    def _erase_segments(self, session: Session, place: Place) -> int:
        """Erases the segments of all attempts; returns how many there were."""
        try:
            listed = session.call(client.get_container, place.container, prefix=f"{place.name}-", full_listing=True)[1]
        except client.ClientException as error:
            if error.http_status != 404:
                raise
            return 0
        names = [entry["name"] for entry in listed if _SEGMENT.fullmatch(entry["name"], len(place.name))]
        for name in names:
            self._erase(session, place.container, name)
        return len(names)

    # Places

    def _own_place(self, image_id: str) -> Place:
        """Where an image of this store lies."""
        if not _IMAGE_ID.fullmatch(image_id):
            raise errors.InvalidImageId(value=image_id)
        return Place(self._settings.default_reference, self._container(image_id), image_id)

    def _container(self, image_id: str) -> str:
        """With a seed the name ends with that many characters of the id, dashes not counted (spec-v2 10.5)."""
        seed = self._settings.containers_seed
        if not seed:
            return self._settings.container
        part = re.match(rf"(?:-*[^-]){{0,{seed}}}", image_id)
        return f"{self._settings.container}_{part[0] if part else ''}"

    def _place(self, location: Location, refusal: errors.GlanceError | None = None) -> Place:
        """Raises LocationNotFound; ``refusal``, StoreUnavailable unless it is given, for a location of another authentication."""
        try:
            place = parse(location.url, self._settings.references)
        except ForeignHost:
            LOG.warning("A location of store '%s' names another authentication than the options; nothing is sent there.", self.name)
            raise refusal or errors.StoreUnavailable(store=self.name) from None
        if place is None:
            raise errors.LocationNotFound(store=self.name)
        return place

    def _account(self, place: Place) -> Account:
        if isinstance(place.reference, SwiftReference):
            return Account(self.name, place.reference, self._settings)
        return self._accounts[place.reference]

    def _session(self, place: Place) -> Session:
        return Session(self._account(place))

    def _head(self, session: Session, place: Place) -> dict[str, str] | None:
        """The headers of an object; None where there is none."""
        try:
            found: dict[str, str] = session.call(client.head_object, place.container, place.name)
        except client.ClientException as error:
            if error.http_status != 404:
                raise
            return None
        return found
