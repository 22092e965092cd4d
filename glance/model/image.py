"""The entities: what the program speaks about. Frozen, without behaviour that reaches outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from glance.model.status import QUEUED

#: "pending_delete" data wait for their turn, or for the end of a delay; "condemned" are those whose delay has ended.
LocationStatus = Literal["active", "staged", "pending_delete", "condemned", "deleted"]
Scope = Literal["default", "private", "all", "accessible", "everything"]
Direction = Literal["asc", "desc"]
Operator = Literal["eq", "neq", "gt", "gte", "lt", "lte", "in"]
MemberStatus = Literal["pending", "accepted", "rejected"]
#: How an attempt holds an image: its data are stored, staged, or taken over from where they are.
Held = Literal["saving", "uploading", "importing"]
#: What an image falls to when its upload fails: v1 kills it, v2 lets it be uploaded again.
OnFailure = Literal["killed", "queued"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where an image's data is: a URL that only stores read. Never shown to a client of v1, never printed.

    ``owned``: this service wrote the data, for this image, and erases them with it. Data that somebody else put there are only pointed to.
    ``damaged``: what was last read there was not what was stored; other copies are read before it.
    """

    url: str = field(repr=False)
    store: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    status: LocationStatus = "active"
    id: int | None = None
    owned: bool = True
    damaged: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the last attempt to give an image its data failed: in which status the image was, in one sentence, and the id of the request that had begun
    the attempt. ``at`` is UTC without zone."""

    at: datetime
    status: str
    reason: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is on record for the id of an image, deleted or not: its ``status``, its ``locations`` of every status, and whether an upload holds it."""

    status: str
    locations: tuple[Location, ...] = ()
    uploading: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """One image. Times are UTC without zone; sizes are bytes, ``min_disk`` is GB, ``min_ram`` is MB; tags are sorted, each once.

    ``created_at`` and ``updated_at`` are None only before the registry has stored the image.
    """

    id: str
    name: str | None = None
    status: str = QUEUED
    visibility: str = "shared"
    owner: str | None = None
    disk_format: str | None = None
    container_format: str | None = None
    size: int | None = None
    virtual_size: int | None = None
    checksum: str | None = None
    min_disk: int = 0
    min_ram: int = 0
    protected: bool = False
    deleted: bool = False
    created_at: datetime | None = None
    updated_at: datetime | None = None
    deleted_at: datetime | None = None
    os_hidden: bool = False
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
    properties: Mapping[str, str | None] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    locations: tuple[Location, ...] = ()

    @property
    def is_draft(self) -> bool:
        """Whether the registry has yet to store the image."""
        return self.created_at is None

    @property
    def active_locations(self) -> tuple[Location, ...]:
        """The locations that can be read."""
        return tuple(one for one in self.locations if one.status == "active")

    @property
    def location(self) -> Location | None:
        """The first location that can be read."""
        return next((one for one in self.locations if one.status == "active"), None)

    def changed(self, values: Mapping[str, Any]) -> Image:
        """The image with other values of some attributes."""
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class Member:
    """A project that an image is shared with. ``can_share`` (v1) lets it share the image on; ``status`` (v2) is what the project thinks of it."""

    image_id: str
    member: str
    can_share: bool = False
    status: MemberStatus = "pending"
    created_at: datetime | None = None
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """What a caller asks for one member; ``can_share`` None keeps what is there, false for a new member."""

    member: str
    can_share: bool | None = None


@dataclass(frozen=True, slots=True)
class Condition:
    """A core attribute compared with a value, or found "in" several."""

    attribute: str
    operator: Operator
    value: str | int | bool | datetime | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Everything that a list can ask. All conditions are joined by AND, and none can widen what the caller may see.

    ``equal`` maps core attributes to the value they must have, ``properties`` custom ones; ``conditions`` compare otherwise, a missing size
    counting as 0; ``tags`` must all be there. ``scope`` is explained in ``glance.model.visibility.listed``; ``member_status`` None lets
    memberships of every state count. ``changes_since`` is exclusive and includes deleted images. ``sort`` names keys with their directions, the
    most important first; creation time and id, in the direction of the last, follow. ``marker`` is the id after which the page starts.
    """

    equal: Mapping[str, str | int | bool] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    member_status: MemberStatus | None = None
    changes_since: datetime | None = None
    deleted: bool | None = None
    scope: Scope = "default"
    sort: tuple[tuple[str, Direction], ...] = (("created_at", "desc"),)
    marker: str | None = None
    limit: int | None = None


SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class LocationChange:
    """The active locations of an image ``after`` a change, where those with the ids ``before`` are active until then.

    A new location has no id, and comes last; of one that stays only the metadata may differ; one that is missing waits for its data to be erased.
    """

    before: frozenset[int]
    after: tuple[Location, ...]


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """What an update changes: ``values`` by attribute name; ``properties`` are set, those ``dropped`` are removed, and with ``purge`` all that
    are not set. ``tags`` replace all there are, None keeps them; then ``tag`` is added and ``untag`` removed. ``locations`` None keeps those."""

    values: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, str | None] = field(default_factory=dict)
    dropped: frozenset[str] = frozenset()
    purge: bool = False
    tags: tuple[str, ...] | None = None
    tag: str | None = None
    untag: str | None = None
    locations: LocationChange | None = None


@dataclass(frozen=True, slots=True)
class Upload:
    """One attempt to store an image's data, and the lease that keeps it. ``store`` is "" for an attempt that only reads what is stored.

    ``worker`` names the process that stores (``glance.worker``). ``reserved`` bytes count as data of the image's owner until the attempt is off the
    record. The registry ends the lease ``seconds`` after the last renewal, by its own clock.
    """

    image_id: str
    attempt: str
    store: str
    worker: str
    on_failure: OnFailure = "killed"
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Started:
    """An image that an upload holds now. ``limited``: there are quotas, so room must be reserved for data before they are stored."""

    image: Image
    limited: bool


@dataclass(frozen=True, slots=True)
class StoredData:
    """What an upload learned about the bytes that it stored."""

    location: Location
    size: int
    checksum: str | None
    virtual_size: int | None = None
    os_hash_algo: str | None = None
    os_hash_value: str | None = None
