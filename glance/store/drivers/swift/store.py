"""Image data as objects of Swift.

An image is one object named like it, or, when it is large or its size unknown, segments ``<image id>-<attempt>-<number>`` in the same container
and an object without data that names them (``X-Object-Manifest``). The object is sent last, and data become visible with it. Each attempt to
store an image has segments of its own: however late one goes on, it never mixes with the data of another.

Two who store one image at the same time: Swift itself would let the last one win. Therefore whoever is about to complete the object looks once more
whether there is one. Threads of one process take turns with that; between processes a few milliseconds remain.
"""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from types import MappingProxyType
from urllib.parse import quote

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.model.stores import Found
from glance.store.drivers.swift.location import SCHEMES, ForeignHost
from glance.store.drivers.swift.settings import MIB, SwiftStoreSettings
from glance.store.turns import Turns

try:
    from swiftclient import client

    from glance.store.drivers.swift.account import NO_LINKS, Session
    from glance.store.drivers.swift.listing import Listing
    from glance.store.drivers.swift.places import OneAccount, OwnersAccounts, Place
    from glance.store.drivers.swift.transfer import Body, Source, SwiftBlob
except ImportError as error:
    raise ImportError("python-swiftclient and keystoneauth1 are not both installed (pip install 'glance[swift]')") from error

LOG = logging.getLogger(__name__)

#: What follows the name of an image in those of its segments: ours, or those of older releases.
_SEGMENT = re.compile(r"-(?:[0-9a-f]{8}-)?[0-9]{5,}")
_MANIFEST = "x-object-manifest"
#: Tells whose an object is.
_ATTEMPT = "x-object-meta-attempt"
#: Libraries whose log lines tell URLs, and the beginnings of tokens (security S25).
_TALKATIVE = ("swiftclient", "keystoneauth", "urllib3.connection", "urllib3.connectionpool")


class SwiftStore:
    """``swift+config://<reference>/<container>/<image id>``, or the URL of the object where images lie in accounts of their owners; also reads the
    classic locations, see ``location``."""

    schemes: tuple[str, ...] = SCHEMES
    writable = True

    def __init__(self, name: str, settings: SwiftStoreSettings) -> None:
        for logger in _TALKATIVE:
            logging.getLogger(logger).setLevel(logging.CRITICAL)
        self.name = name
        self._settings = settings
        self.lists_readers = settings.multi_tenant
        self._places = OwnersAccounts(name, settings) if settings.multi_tenant else OneAccount(name, settings)
        self._turns = Turns()

    @property
    def properties(self) -> Mapping[str, object]:
        return {
            "container": self._settings.container,
            "large_object_size": self._settings.large_object_size // MIB,
            "large_object_chunk_size": self._settings.chunk_size // MIB,
        }

    def check(self) -> None:
        """Asks for a token, and for the container where it must be there. Raises ConfigurationError, StoreUnavailable."""
        self._places.check()

    def probe(self) -> None:
        """Asks for the container, or the account, with the token that there is: uploads need no other. Objects that are written and deleted would
        leave work to Swift."""
        self._places.probe()

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        place = self._places.own(ctx, image_id)
        source = Source(chunks)
        try:
            with self._writing(place) as session:
                self._store(session, place, source, size)
        except BaseException as error:
            if self._settings.multi_tenant and not isinstance(error, errors.ObjectExists):
                self._leave_container(place)
            if source.error is not None and not isinstance(error, errors.UploadLeftBehind):
                raise source.error from None
            raise
        return Location(url=place.url, store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        return SwiftBlob(self._find(ctx, location), offset, length)

    def size(self, ctx: RequestContext, location: Location) -> int:
        place = self._find(ctx, location, errors.SourceRefused(source=location.url.partition(":")[0]))
        with Session(place.account) as session, place.account.translated():
            size = session.call(client.head_object, place.container, place.name, query_string=NO_LINKS).get("content-length", "")
            if not size.isdecimal():
                raise client.ClientException("Not an object with a size")
            return int(size)

    def delete(self, ctx: RequestContext, location: Location) -> None:
        """Also finds the segments of an image whose object an interrupted ``delete`` has erased, or is not seen yet."""
        place = self._find(ctx, location)
        with self._writing(place) as session:
            found = self._head(session, place)
            self._erase(session, place.container, place.name)
            erased = self._erase_segments(session, place) if found is None or _MANIFEST in found else 0
            self._places.leave(session, place)
            if found is None and not erased:
                raise errors.LocationNotFound(store=self.name)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        place = self._places.own(ctx, image_id)
        with self._writing(place) as session:
            self._erase(session, place.container, place.name)
            self._erase_segments(session, place)
            self._places.leave(session, place)

    def contents(self) -> Iterator[Found]:
        """Of this service's own account only: where images lie in the accounts of their owners, nothing tells which accounts there are."""
        with self._listing() as listing:
            yield from listing.contents()

    def now(self) -> datetime:
        with self._listing() as listing:
            return listing.now()

    def remove(self, found: Found) -> bool:
        with self._listing(writing=True) as listing:
            return listing.remove(found)

    def set_readers(self, ctx: RequestContext, location: Location, *, public: bool, members: Sequence[str]) -> None:
        self._places.set_readers(self._find(ctx, location), public=public, members=members)

    def recognizes(self, location: Location) -> bool:
        return self._places.recognizes(location)

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
        self._places.prepare(session, place)
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
                try:
                    self._put(session, place.container, made[-1], Body(source, limit, announced=left is not None), {})
                except client.ClientException as error:
                    if _is_refusal(error):
                        made.pop()
                    raise
                left = None if left is None else left - limit
            if left:
                raise errors.ClientDisconnected
            self._publish(session, place, attempt, Body(source, 0), {_MANIFEST: f"{quote(place.container)}/{quote(prefix)}"})
        except BaseException as error:
            if made:
                with self._giving_up(place, error) as other:
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
        with self._turns.of(place.name):
            with self._writing(place) as other:
                if self._head(other, place) is not None:
                    raise errors.ObjectExists(image_id=place.name)
            try:
                yield
            except errors.ObjectExists:
                raise
            except BaseException as error:
                if _is_refusal(error):
                    raise
                with self._giving_up(place, error) as other:
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
    def _giving_up(self, place: Place, reason: BaseException) -> Iterator[Session]:
        """Requests that erase what may have been stored. Raises UploadLeftBehind where they fail, unless the object there is another attempt's,
        which must stay."""
        try:
            with self._writing(place) as session:
                yield session
        except errors.GlanceError as error:
            LOG.warning("Parts of a failed upload stay in the store '%s': %s", self.name, error.code)
            if not isinstance(reason, errors.ObjectExists):
                raise errors.UploadLeftBehind(store=self.name) from None

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

    def _leave_container(self, place: Place) -> None:
        """After an upload that failed, unless another one has stored its data meanwhile."""
        try:
            with self._writing(place) as other:
                if self._head(other, place) is None:
                    self._places.leave(other, place)
        except errors.GlanceError as error:
            LOG.warning("An empty container of a failed upload stays in the store '%s': %s", self.name, error.code)

    # Places

    def _find(self, ctx: RequestContext, location: Location, refusal: errors.GlanceError | None = None) -> Place:
        """Raises LocationNotFound; ``refusal``, StoreUnavailable unless it is given, for a location of another authentication."""
        try:
            return self._places.find(ctx, location)
        except ForeignHost:
            LOG.warning("A location of store '%s' names another host than the options; nothing is sent there.", self.name)
            raise refusal or errors.StoreUnavailable(store=self.name) from None

    @contextmanager
    def _writing(self, place: Place) -> Iterator[Session]:
        with Session(place.account) as session, place.account.translated(writing=True):
            yield session

    @contextmanager
    def _listing(self, *, writing: bool = False) -> Iterator[Listing]:
        account = self._places.service
        with Session(account) as session, account.translated(writing=writing):
            yield Listing(session, self._places)

    def _head(self, session: Session, place: Place) -> dict[str, str] | None:
        """The headers of an object; None where there is none."""
        try:
            found: dict[str, str] = session.call(client.head_object, place.container, place.name, query_string=NO_LINKS)
        except client.ClientException as error:
            if error.http_status != 404:
                raise
            return None
        if "etag" not in found:
            raise client.ClientException("An answer that tells of no object")
        return found


def _is_refusal(error: BaseException) -> bool:
    """Whether an answer says that nothing was stored."""
    return isinstance(error, client.ClientException) and error.http_status in range(400, 500)
