"""The entities: what the program speaks about. Frozen, without behaviour that reaches outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from glance.model.status import QUEUED

LocationStatus = Literal["active", "pending_delete", "deleted"]
Scope = Literal["default", "private", "all"]
Direction = Literal["asc", "desc"]
#: What an image falls to when its upload fails: v1 kills it, v2 lets it be uploaded again.
OnFailure = Literal["killed", "queued"]


@dataclass(frozen=True, slots=True)
class Location:
    """Where an image's data is: a URL that only stores read. Never shown to a client of v1, never printed."""

    url: str = field(repr=False)
    store: str
    metadata: Mapping[str, object] = field(default_factory=dict)
    status: LocationStatus = "active"
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """One image. Times are UTC without zone; sizes are bytes, ``min_disk`` is GB, ``min_ram`` is MB.

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
    properties: Mapping[str, str | None] = field(default_factory=dict)
    locations: tuple[Location, ...] = ()

    @property
    def location(self) -> Location | None:
        """The first location that can be read."""
        return next((one for one in self.locations if one.status == "active"), None)

    def changed(self, values: Mapping[str, Any]) -> Image:
        """The image with other values of some attributes."""
        return replace(self, **values)


@dataclass(frozen=True, slots=True)
class Member:
    """A project that an image is shared with. ``can_share`` (v1) lets it share the image on."""

    image_id: str
    member: str
    can_share: bool = False
    status: str = "pending"


@dataclass(frozen=True, slots=True)
class Membership:
    """What a caller asks for one member; ``can_share`` None keeps what is there, false for a new member."""

    member: str
    can_share: bool | None = None


@dataclass(frozen=True, slots=True)
class ImageQuery:
    """Everything that a list can ask. All conditions are joined by AND, and none can widen what the caller may see.

    ``equal`` maps core attributes to the value they must have, ``properties`` custom ones. ``scope`` is honoured for administrators
    only: "default" is what an ordinary caller with the same owner would see, "private" what is not public, "all" everything.
    ``changes_since`` is exclusive and includes deleted images; ``marker`` is the id after which the page starts.
    """

    equal: Mapping[str, str | int | bool] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    size_min: int | None = None
    size_max: int | None = None
    changes_since: datetime | None = None
    deleted: bool | None = None
    scope: Scope = "default"
    sort_key: str = "created_at"
    sort_dir: Direction = "desc"
    marker: str | None = None
    limit: int | None = None


SORT_KEYS = ("name", "status", "container_format", "disk_format", "size", "id", "created_at", "updated_at")


@dataclass(frozen=True, slots=True)
class ImageChanges:
    """What an update changes: ``values`` by attribute name; ``properties`` are set, and all others dropped when ``purge`` is on."""

    values: Mapping[str, object] = field(default_factory=dict)
    properties: Mapping[str, str | None] = field(default_factory=dict)
    purge: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """One attempt to store an image's data, and the lease that keeps it.

    ``worker`` names the process that stores (``glance.worker``). The registry ends the lease ``seconds`` after the last renewal, by its own
    clock.
    """

    image_id: str
    attempt: str
    store: str
    worker: str
    on_failure: OnFailure = "killed"


@dataclass(frozen=True, slots=True)
class StoredData:
    """What an upload learned about the bytes that it stored."""

    location: Location
    size: int
    checksum: str | None
    virtual_size: int | None = None
