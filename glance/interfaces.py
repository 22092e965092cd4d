"""What the rooms promise each other: a Protocol wherever there is more than one implementation.

``glance.testing.store_contract`` and ``glance.testing.registry_contract`` check every sentence that stands here, for every implementation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from glance.context import RequestContext
from glance.model.events import Event
from glance.model.image import (
    Failure,
    Held,
    Image,
    ImageChanges,
    ImageQuery,
    Location,
    Member,
    Membership,
    MemberStatus,
    Standing,
    Started,
    StoredData,
    Upload,
)
from glance.model.quotas import Quotas, Usage
from glance.model.stores import Found, StoreTraits


class ByteSource(Protocol):
    """Where the bytes of an upload come from: ``wsgi.input``, or a connection to another server."""

    def read(self, size: int, /) -> bytes:
        """Up to ``size`` bytes, b"" at the end. Raises ClientDisconnected when the data ends too early."""


class OpenFile(Protocol):
    """A file of the operating system, open for reading."""

    def read(self, size: int = -1, /) -> bytes: ...

    def fileno(self) -> int: ...

    def tell(self) -> int: ...

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def close(self) -> None: ...


class Blob(Protocol):
    """Data that a store has opened for reading: ``length`` bytes, to be iterated once, then closed.

    ``file`` is a real file positioned at the first byte, where there is one: a server may then send ``length`` bytes of it with ``sendfile`` instead
    of iterating, and leaves it where it stopped.
    """

    length: int

    @property
    def file(self) -> OpenFile | None: ...

    def __iter__(self) -> Iterator[bytes]: ...

    def close(self) -> None: ...


class Store(Protocol):
    """A configured place for image data. A driver never hashes, counts or verifies: the caller does.

    1. What was added is read back byte by byte: empty, one byte, larger than any internal part, of known and of unknown size.
    2. If ``chunks`` raises, ``add`` raises the same error and leaves nothing behind. Where it cannot be sure of that it raises UploadLeftBehind:
       ``discard`` is called later.
    3. Data becomes visible whole or not at all, and is on stable storage when ``add`` returns.
    4. Adding to an id that has data raises ObjectExists and does not harm what is there.
    5. ``open`` with an offset and a length gives exactly those bytes; a length beyond the end is cut; an offset at or beyond the end gives none.
    6. An unknown location raises LocationNotFound from ``open``, ``size`` and ``delete``.
    7. A location's URL is never in an error or a log.
    8. StorageFull, StoreWriteDenied and StoreUnavailable say what is wrong, in bounded time.
    9. Adds and reads at the same time do not mix, for one id or for several.
    10. ``close`` of a Blob releases its connection or file, also before the end.
    11. A store that cannot be written raises StoreReadOnly from ``add``; its ``delete`` does nothing.
    12. Memory stays bounded however much passes through.
    13. ``recognizes`` is true for what ``add`` returned, also in another process, and false for locations in another place.

    ``properties`` are what administrators are shown of the configuration: never a secret.
    """

    name: str
    schemes: tuple[str, ...]
    writable: bool

    @property
    def properties(self) -> Mapping[str, object]: ...

    def check(self) -> None:
        """Makes the place ready; raises ConfigurationError or StoreUnavailable where it cannot be used. Called once at start."""

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        """Stores all of ``chunks`` (``size`` bytes, None when unknown) as the data of an image, which belongs to ``ctx.project``."""

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob: ...

    def size(self, ctx: RequestContext, location: Location) -> int: ...

    def delete(self, ctx: RequestContext, location: Location) -> None: ...

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        """Erases whatever an interrupted ``add`` of that id, for ``ctx.project``, left, published or not; nothing there is fine."""

    def recognizes(self, location: Location) -> bool:
        """Whether a location lies in this very place, as far as its URL tells; nobody is asked. A row may name a store by a name of former days."""

    def close(self) -> None:
        """Releases what is kept between calls."""


@runtime_checkable
class ListsReaders(Protocol):
    """A store whose place has access lists, for those who read data past this service; they are kept where ``lists_readers`` says so."""

    lists_readers: bool

    def set_readers(self, ctx: RequestContext, location: Location, *, public: bool, members: Sequence[str]) -> None:
        """From now on these projects, and nobody else, may read what the owner of the data may. ``public``: the image is everybody's. Raises
        StoreUnavailable, StoreWriteDenied."""


@runtime_checkable
class Probed(Protocol):
    """A store that can find out whether data could be stored at this moment."""

    def probe(self) -> None:
        """Tries it, as cheaply as that is honest, and leaves nothing behind. Raises ConfigurationError, and what ``add`` raises."""


@runtime_checkable
class Listed(Protocol):
    """A store that can tell all that lies in its place."""

    def contents(self) -> Iterator[Found]:
        """Everything in the place, in bounded memory: data under the URL that ``add`` returned, each image's once. What comes or goes meanwhile may
        be missed. Raises StoreUnavailable, StoreWriteDenied."""

    def now(self) -> datetime:
        """The time by the clock of the place, UTC. Raises as ``add`` does."""

    def remove(self, found: Found) -> bool:
        """Erases that very thing, data or partial. False where it has changed since it was found, and so is left, or is gone. Raises
        StoreUnavailable, StoreWriteDenied."""


class Staging(Store, Listed, Protocol):
    """The store where data wait to be imported. A place that was never needed holds nothing."""


class Stores(Protocol):
    """The stores of this service: those that clients may choose, which ``names`` lists, and ``staging``, where data wait to be imported.

    ``several``: the operator offers clients a choice, and they are told where data lie.
    """

    default: str
    several: bool
    staging: Staging

    @property
    def names(self) -> tuple[str, ...]: ...

    def get(self, name: str) -> Store:
        """The store that a record names, ``staging`` included. Raises StoreUnknown."""

    def traits(self, name: str) -> StoreTraits:
        """What the operator says of a store. Raises StoreUnknown."""

    def choose(self, name: str) -> Store:
        """The store that a client or an operator means, by its name or one of its schemes; never ``staging``. Raises StoreUnknown."""

    def of(self, location: Location) -> Store:
        """The store that a recorded location lies in: the one that it names, or by the URL where that is another place today, or no
        longer there. Raises StoreUnknown."""

    def of_upload(self, name: str) -> Sequence[Store]:
        """Where an upload may have left data whose record names a store: there, or, for a name of former days, in any that is written. Raises
        StoreUnknown for a store that cannot be used now."""

    def for_external(self, url: str) -> Store:
        """The store that reads a URL which a client supplied, and is never written. Raises SourceRefused unless its scheme is one that clients may
        use."""


class ImageRecords(Protocol):
    """Images in the registry. Every call sees only what ``ctx`` may see; what it may not see raises ImageNotFound.

    Calls that make the usage of an image's owner grow, also those of uploads, raise ProjectQuotaExceeded and change nothing
    where it would pass a quota, whatever else goes on at the same time, and LimitsUnavailable where its quotas cannot be learned.
    """

    def create(self, ctx: RequestContext, image: Image) -> Image:
        """Stores a new image; the id is chosen by the registry when it is "". Raises ImageExists, also for the id of a deleted image."""

    def get(self, ctx: RequestContext, image_id: str) -> Image:
        """One image; administrators also get deleted ones."""

    def list(self, ctx: RequestContext, query: ImageQuery) -> Sequence[Image]:
        """A page of images in a constant number of queries. Raises InvalidParameter for a marker that the caller cannot see."""

    def update(self, ctx: RequestContext, image_id: str, changes: ImageChanges, from_status: frozenset[str] | None = None) -> Image:
        """Applies ``changes`` in one transaction. Raises StatusConflict unless the image is in one of ``from_status`` (None: any but deleted),
        LocationsChanged unless its active locations are those that the change names and some are left, LocationTaken for data that this service
        keeps for another image, TagNotFound for an ``untag`` that is not there, ImageForbidden or ImageNotFound where the caller may not change
        it."""

    def activate(self, ctx: RequestContext, image_id: str, location: Location | None, size: int) -> Image:
        """queued -> active without an upload: registers external data, or an image of no bytes. Raises StatusConflict, LocationTaken."""

    def delete(self, ctx: RequestContext, image_id: str, *, delayed: bool = False) -> Image:
        """Marks as deleted: image, properties and members; the locations wait, as ``pending_delete``, until their data is erased. With ``delayed``
        an image that is complete becomes ``pending_delete``. A running upload can no longer finish, but its attempt stays on record until whoever
        holds it has cleaned up. Raises ImageProtected, and as ``update`` does. Returns the image with its waiting locations."""

    def restore(self, ctx: RequestContext, image_id: str) -> Image:
        """Takes back a delayed delete: an active image, with the properties, tags and members that it had. Raises Conflict unless it is
        ``pending_delete`` and all its data wait, ProjectQuotaExceeded, LimitsUnavailable, and as ``update`` does."""

    def usage(self, ctx: RequestContext) -> tuple[Usage, Quotas | None]:
        """What the caller's own images take, and may take; None where the registry keeps no quotas. Raises LimitsUnavailable."""


class UploadRecords(Protocol):
    """Attempts to store data, each with a lease. Fencing: only the attempt on record can finish or abandon an upload."""

    def start(self, ctx: RequestContext, upload: Upload, status: Held = "saving") -> Started:
        """queued -> ``status``, and the lease begins. Raises NotQueued."""

    def renew(self, attempts: Sequence[str]) -> None:
        """Prolongs the leases of those attempts."""

    def reserve(self, image_id: str, attempt: str, size: int) -> None:
        """From now on the attempt counts as ``size`` bytes. Raises UploadLost where it is not on record."""

    def finish(self, ctx: RequestContext, image_id: str, attempt: str, data: StoredData) -> Image:
        """Records location, size and checksum, and makes the image active, in one transaction; where the location is only staged, the image stays
        as it is. Raises UploadLost unless the attempt still holds the image. Bytes that are reserved have room whatever the quotas are by now."""

    def fail(self, image_id: str, attempt: str, reason: str) -> None:
        """Notes why an attempt failed that stays on record until what it left is erased; nothing where it is not on record."""

    def abandon(self, image_id: str, attempt: str, status: str, reason: str = "") -> bool:
        """Takes a failed attempt off the record, and lets the image fall to ``status`` (killed or queued) unless it was deleted meanwhile. The
        sentence that ``fail`` noted, or else ``reason``, is its last failure from now on. False where the attempt is not on record (any more)."""

    def last_failure(self, image_id: str) -> Failure | None:
        """Why the last attempt failed that was abandoned, whatever has become of the image since."""

    def leases(self, seconds: float = 0.0) -> Sequence[tuple[Upload, bool]]:
        """All attempts on record, each with whether its lease ran out so many seconds ago, or earlier."""

    def take_over(self, image_id: str, attempt: str, new_attempt: str, worker: str) -> bool:
        """Replaces an attempt by a new one with a fresh lease, so that the old one can never finish; False where it is not on record: it did
        finish, or somebody else was faster. Works whatever became of the image."""


class LocationRecords(Protocol):
    """What becomes of data that outlived its image, or was damaged."""

    def condemn(self, seconds: float) -> None:
        """Ends the delay of all deletes that are at least so old: their images cannot be restored from now on, and their data are condemned."""

    def condemned(self) -> Sequence[tuple[str, Location]]:
        """(image id, location) for all data that waits to be erased at once (delayed deletes excepted)."""

    def erased(self, location_id: int) -> None:
        """Notes that the data at a condemned location is gone. With the last of them an image that is ``pending_delete`` is deleted."""

    def named(self, image_ids: Sequence[str]) -> Mapping[str, Standing]:
        """What is on record for up to 1,000 ids of images; ids of which nothing is are left out. An upload that ends meanwhile is seen before its
        end or after it: its data are never without a record."""

    def claimed(self, urls: Sequence[str]) -> frozenset[str]:
        """Which of up to 1,000 URLs a location records whose data are not erased, of whatever image."""

    def mark(self, location_id: int, *, damaged: bool) -> bool:
        """Notes whether the data at an active location is damaged. False where that was on record, or the location is not active (any more)."""


class MemberRecords(Protocol):
    """Who images are shared with."""

    def list(self, ctx: RequestContext, image_id: str) -> Sequence[Member]:
        """The members that the caller may see: all for the owner and administrators, else the caller's own row. Raises ImageNotFound."""

    def put(self, ctx: RequestContext, image_id: str, memberships: Sequence[Membership], *, replace: bool, maximum: int) -> None:
        """Adds or changes members, in one transaction; with ``replace`` all others are removed. Raises ImageNotFound, ShareForbidden,
        NotAuthenticated (a caller who is no administrator and owns nothing) and MemberQuotaExceeded (``maximum`` -1: no limit)."""

    def add(self, ctx: RequestContext, image_id: str, member: str, *, maximum: int) -> Member:
        """One more member, pending. Raises MemberExists, and as ``put`` does."""

    def answer(self, ctx: RequestContext, image_id: str, member: str, status: MemberStatus) -> Member:
        """What a member thinks of the image. Only the member itself and administrators may say so: raises MemberNotFound for whoever cannot see the
        membership, and Forbidden for an owner."""

    def remove(self, ctx: RequestContext, image_id: str, member: str) -> None:
        """Raises MemberNotFound and as ``put`` does."""

    def shared_with(self, ctx: RequestContext, member: str) -> Sequence[Member]:
        """The memberships of one project that the caller may see: all for administrators; else its own, and those of its own images."""


class DutyRecords(Protocol):
    """What one process does for all of them, and which one that is: a lease for each duty, as long as one of an upload."""

    def take(self, name: str, worker: str, instead_of: str = "") -> str:
        """Who has that duty now: ``worker``, with a fresh lease, where nobody else has it, or only ``instead_of``, of whom the caller knows that
        it has ended."""


class QuotaSource(Protocol):
    """Whoever says what the images of each owner may take together."""

    def of(self, owner: str | None) -> Quotas:
        """May ask another service, and take as long as that does. Raises LimitsUnavailable."""

    def known(self, owner: str | None) -> Quotas | None:
        """What ``of`` has said lately, at once; None where it must be asked."""


class AuditRecords(Protocol):
    """What is on record of the data of all images, for whoever compares it with the stores, and mends it."""

    def count(self, since: datetime | None = None) -> int:
        """How many images ``page`` gives, page after page."""

    def newest(self) -> datetime | None:
        """When any image was changed last, deleted or not; None where there never was one."""

    def page(self, after: str, limit: int, since: datetime | None = None) -> Sequence[Image]:
        """Up to ``limit`` images by their ids, beginning behind the id ``after``, which need not exist: all that are not deleted and have active or
        staged locations, with these alone, without properties and tags. ``since``: only those that changed then or later."""

    def noted(self, location_ids: Sequence[int]) -> Mapping[int, datetime]:
        """When up to 1,000 locations were recorded, or changed last."""

    def twins(self) -> Sequence[tuple[str, Location]]:
        """(image id, location) of all active locations whose URL more than one of them has, by their URLs."""

    def relocate(self, location_id: int, url: str, found: Location) -> bool:
        """Notes that the data of an active location with that URL are good, and where they are: the URL and the store of ``found``. False where there
        is none (any more)."""

    def forget(self, location_id: int) -> bool:
        """Takes an active location off the record, without its data. False unless the image has another active one with the same URL."""


class Registry(Protocol):
    """The metadata service, whether it runs in this process or in another one. All raise RegistryUnavailable or DatabaseUnavailable."""

    images: ImageRecords
    uploads: UploadRecords
    locations: LocationRecords
    members: MemberRecords
    duties: DutyRecords
    audits: AuditRecords

    def close(self) -> None: ...


class Figures(Protocol):
    """What operators want to know of a database."""

    def images(self) -> Mapping[tuple[str, ...], int]:
        """How many images there are of each (status, visibility), deleted ones aside. Raises DatabaseUnavailable."""

    def uploads(self) -> int:
        """How many uploads are on record. Raises DatabaseUnavailable."""


class Tap(Protocol):
    """Watches a stream. ``update`` may raise to stop it, ``finish`` to refuse it after the last byte; ``close`` comes last, whatever happened."""

    def update(self, chunk: bytes) -> None: ...

    def finish(self) -> None: ...

    def close(self) -> None: ...


class Inspection(Tap, Protocol):
    """Looks at the data of one upload. ``finish`` raises DataFormatMismatch and ImageUnsafe; after it ``virtual_size`` is the size in bytes of the
    disk that a guest sees, None where that is not known."""

    virtual_size: int | None


class Inspector(Protocol):
    """Finds out what image data are."""

    def inspection(self, image: Image, *, must_match: bool) -> Inspection:
        """A tap for data of ``image``. Without ``must_match`` data of another format than declared only cause a warning; unsafe data are always
        refused."""


class Policy(Protocol):
    """The rules an operator can change."""

    def allows(self, rule: str, ctx: RequestContext, target: Mapping[str, object]) -> bool:
        """Whether the rule allows something to the caller; ``target`` is what a check may name of that thing. The rule ``default`` decides for one
        that nobody has written."""

    def knows(self, rule: str) -> bool:
        """Whether the rule exists."""

    def is_default(self, rule: str) -> bool:
        """Whether the rule, with all that it refers to, is as it was shipped: no file of the operator has a say in it."""


class Background(Protocol):
    """Work that goes on after its request was answered."""

    def submit(self, task: Callable[[], object]) -> None:
        """Runs ``task`` on another thread; an error is logged."""


class Notifier(Protocol):
    """Tells others what happened, after it happened."""

    def emit(self, ctx: RequestContext, event: Event) -> None:
        """Returns at once, whatever becomes of the event; never raises."""

    def close(self) -> None:
        """Delivers what can still be delivered in a moment, and ends."""
