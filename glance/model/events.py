"""What the service tells the world about: one class for each kind of event (spec-v2 11).

An event says what happened to an image and to whom it belongs. It never says where the data is: no location, URL or token is in a payload.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Literal

from glance.model.image import Image, Member
from glance.model.visibility import PUBLIC

Priority = Literal["INFO", "ERROR"]

#: Properties in which an import keeps, comma-separated, the stores that it has yet to fill and those that it could not.
IMPORT_LISTS = ("os_glance_importing_to_stores", "os_glance_failed_import")


@dataclass(frozen=True)
class Event(ABC):
    """Something that happened. The first sentence of a class's documentation tells operators when (docs/reference/notifications.md)."""

    type: ClassVar[str]

    @property
    def priority(self) -> Priority:
        return "INFO"

    @abstractmethod
    def payload(self) -> Mapping[str, object] | str:
        """What consumers get: values that JSON knows, times as ISO 8601 in UTC; a plain text for a failure."""


@dataclass(frozen=True)
class ImageEvent(Event):
    """Something that happened to an image, which is given as it was afterwards."""

    image: Image

    def payload(self) -> Mapping[str, object]:
        return _image(self.image)


@dataclass(frozen=True)
class ImageCreated(ImageEvent):
    """An image was made; it has no data yet."""

    type = "image.create"


@dataclass(frozen=True)
class ImageUpdated(ImageEvent):
    """An image's metadata, tags or status were changed by a caller."""

    type = "image.update"


@dataclass(frozen=True)
class ImageDeleted(ImageEvent):
    """An image was deleted."""

    type = "image.delete"


@dataclass(frozen=True)
class ImagePrepared(ImageEvent):
    """Data is about to be written to a store."""

    type = "image.prepare"
    store: str

    def payload(self) -> Mapping[str, object]:
        return {**_image(self.image), **_import_lists(self.image), "backend": self.store}


@dataclass(frozen=True)
class ImageUploaded(ImageEvent):
    """Data was stored."""

    type = "image.upload"

    def payload(self) -> Mapping[str, object]:
        return {**_image(self.image), **_import_lists(self.image)}


@dataclass(frozen=True)
class ImageUploadFailed(Event):
    """Data could not be stored."""

    type = "image.upload"
    image_id: str
    reason: str

    @property
    def priority(self) -> Priority:
        return "ERROR"

    def payload(self) -> str:
        return f"The data of image {self.image_id} could not be stored: {self.reason}"


@dataclass(frozen=True)
class ImageActivated(ImageEvent):
    """An image became active: it can be read from now on."""

    type = "image.activate"


@dataclass(frozen=True)
class ImageSent(Event):
    """A download ended; that is an ERROR where it was before all bytes were sent. ``user`` and ``project`` are the reader's; ``store`` had the copy
    that was read first, None where there are no data."""

    type = "image.send"
    image: Image
    sent: int
    expected: int
    user: str | None
    project: str | None
    store: str | None = None

    @property
    def priority(self) -> Priority:
        return "INFO" if self.sent == self.expected else "ERROR"

    def payload(self) -> Mapping[str, object]:
        return {
            "bytes_sent": self.sent,
            "image_id": self.image.id,
            "owner_id": self.image.owner,
            "receiver_tenant_id": self.project,
            "receiver_user_id": self.user,
        }


@dataclass(frozen=True)
class ImageDamaged(ImageEvent):
    """A copy of an image's data was found missing or damaged, for the first time; the other copies are read before it from now on."""

    type = "image.damaged"
    store: str

    @property
    def priority(self) -> Priority:
        return "ERROR"

    def payload(self) -> Mapping[str, object]:
        return {**_image(self.image), "backend": self.store}


@dataclass(frozen=True)
class MemberEvent(Event):
    """Something that happened to a membership, which is given as it was afterwards."""

    member: Member

    def payload(self) -> Mapping[str, object]:
        return {
            "image_id": self.member.image_id,
            "member_id": self.member.member,
            "status": self.member.status,
            "created_at": _time(self.member.created_at),
            "updated_at": _time(self.member.updated_at),
            "deleted": False,
            "deleted_at": None,
        }


@dataclass(frozen=True)
class MemberCreated(MemberEvent):
    """An image was shared with a project."""

    type = "image.member.create"


@dataclass(frozen=True)
class MemberUpdated(MemberEvent):
    """A project accepted or rejected an image, or what it may do with it changed."""

    type = "image.member.update"


@dataclass(frozen=True)
class MemberDeleted(MemberEvent):
    """An image is no longer shared with a project. ``member.updated_at`` is when that ended."""

    type = "image.member.delete"

    def payload(self) -> Mapping[str, object]:
        return {**MemberEvent.payload(self), "deleted": True, "deleted_at": _time(self.member.updated_at)}


def every_event(root: type[Event] = Event) -> Iterator[type[Event]]:
    """All kinds of event that there are. (With slots a dataclass is made twice, and would be found twice.)"""
    children = root.__subclasses__()
    if not children:
        yield root
    for child in children:
        yield from every_event(child)


def _image(image: Image) -> dict[str, object]:
    """The payload of most events about images; a location is not in it."""
    return {
        "id": image.id,
        "name": image.name,
        "status": image.status,
        "created_at": _time(image.created_at),
        "updated_at": _time(image.updated_at),
        "min_disk": image.min_disk,
        "min_ram": image.min_ram,
        "protected": image.protected,
        "checksum": image.checksum,
        "owner": image.owner,
        "disk_format": image.disk_format,
        "container_format": image.container_format,
        "size": image.size,
        "virtual_size": image.virtual_size,
        "is_public": image.visibility == PUBLIC,
        "visibility": image.visibility,
        "properties": dict(image.properties),
        "tags": list(image.tags),
        "deleted": image.deleted,
        "deleted_at": _time(image.deleted_at),
    }


def _import_lists(image: Image) -> dict[str, object]:
    return {name: [store for store in (image.properties.get(name) or "").split(",") if store] for name in IMPORT_LISTS}


def _time(value: datetime | None) -> str | None:
    return None if value is None else f"{value:%Y-%m-%dT%H:%M:%S}Z"
