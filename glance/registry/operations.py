"""The table of operations: one row for each method of ``glance.interfaces.Registry``. Client and server both walk it.

Rows about images and members have the classic paths and bodies (spec-v1 3); the others follow their style. What is not in the path travels in a
JSON object, whatever the verb.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from glance import errors
from glance.model.image import Image, Location, Member, Upload
from glance.registry import codec, wire
from glance.registry.codec import FLAG, INTEGER, NUMBER, TEXT, TIME, WORDS, Codec, Slot, listing, optional, pair, table

R = TypeVar("R")

#: What stands for each name in braces (regular expressions); a member may contain anything.
PATTERNS = {"image_id": r"[A-Za-z0-9-]{1,36}", "attempt": r"[^/]+", "member": r".+"}
_IMAGE_ID = re.compile(PATTERNS["image_id"])
#: Paths of their own, so no image is called that.
_RESERVED = frozenset({"detail", "query"})


@dataclass(frozen=True, slots=True, eq=False)
class Operation(Generic[R]):
    """One row.

    ``part`` and ``method`` name the Protocol's method. ``repeatable``: doing it twice is as good as once. ``for_caller`` is off for methods without
    context: the service itself asks.
    """

    part: str
    method: str
    verb: str
    path: str
    body: tuple[Slot[Any], ...]
    answer: Slot[R]
    repeatable: bool = False
    for_caller: bool = True

    def target(self, arguments: Mapping[str, Any]) -> str:
        """The path with its names filled in. Raises ImageNotFound for what cannot be the id of an image."""
        image_id = arguments.get("image_id")
        if image_id is not None and (image_id in _RESERVED or not _IMAGE_ID.fullmatch(image_id)):
            raise errors.ImageNotFound(image_id=image_id)
        if "{" not in self.path:
            return self.path
        # Dots too, since ".." would be taken for a step up.
        return self.path.format_map({name: quote(text, safe="").replace(".", "%2E") for name, text in arguments.items() if name in PATTERNS})

    def dump(self, arguments: Mapping[str, Any]) -> dict[str, object] | None:
        """The body of the request, None where there is none."""
        return codec.dump_slots(self.body, arguments.__getitem__) if self.body else None

    def load(self, parameters: Mapping[str, str], document: object) -> dict[str, Any]:
        """The arguments of a request: those of its path, and those of its body. Raises Invalid."""
        return {**parameters, **codec.load_slots(self.body, document)}


def _load_states(data: object) -> frozenset[str] | None:
    """Classic clients name one state."""
    if isinstance(data, str):
        return frozenset({data})
    return optional(WORDS).load(data)


_STATES: Codec[frozenset[str] | None] = Codec(optional(WORDS).dump, _load_states)

_NOTHING: Slot[None] = Slot("", Codec(lambda _: None, lambda _: None), default=None)
_IMAGE: Slot[Image] = Slot("image", wire.IMAGE)
_MEMBER: Slot[Member] = Slot("member", wire.MEMBER)
_MEMBERS = listing(wire.MEMBER)
_HELD: Slot[bool] = Slot("held", FLAG)
_LEASE: Codec[tuple[Upload, bool]] = pair(Slot("upload", wire.UPLOAD), Slot("expired", FLAG))
_CONDEMNED: Codec[tuple[str, Location]] = pair(Slot("image_id", TEXT), Slot("location", wire.LOCATION))

_SINCE: Slot[datetime | None] = Slot("since", optional(TIME), default=None)

IMAGES_CREATE = Operation("images", "create", "POST", "/images", (Slot("image", wire.NEW_IMAGE),), _IMAGE)
IMAGES_GET = Operation("images", "get", "GET", "/images/{image_id}", (), _IMAGE, repeatable=True)
IMAGES_LIST = Operation("images", "list", "POST", "/images/query", (Slot("query", wire.QUERY),), Slot("images", listing(wire.IMAGE)), repeatable=True)
IMAGES_UPDATE = Operation(
    "images",
    "update",
    "PUT",
    "/images/{image_id}",
    (Slot("image", wire.CHANGES, "changes"), Slot("from_state", _STATES, "from_status", default=None)),
    _IMAGE,
)
IMAGES_ACTIVATE = Operation(
    "images", "activate", "POST", "/images/{image_id}/activate", (Slot("location", optional(wire.LOCATION)), Slot("size", INTEGER)), _IMAGE
)
IMAGES_DELETE = Operation("images", "delete", "DELETE", "/images/{image_id}", (Slot("delayed", FLAG, default=False),), _IMAGE)
IMAGES_RESTORE = Operation("images", "restore", "POST", "/images/{image_id}/restore", (), _IMAGE)
IMAGES_USAGE = Operation("images", "usage", "GET", "/usage", (), Slot("usage", wire.USAGE), repeatable=True)

UPLOADS_START = Operation(
    "uploads", "start", "POST", "/uploads", (Slot("upload", wire.UPLOAD), Slot("status", wire.HELD)), Slot("image", wire.STARTED)
)
UPLOADS_RENEW = Operation(
    "uploads", "renew", "POST", "/uploads/renew", (Slot("attempts", listing(TEXT)),), _NOTHING, repeatable=True, for_caller=False
)
UPLOADS_RESERVE = Operation(
    "uploads",
    "reserve",
    "POST",
    "/images/{image_id}/uploads/{attempt}/reserve",
    (Slot("size", INTEGER),),
    _NOTHING,
    repeatable=True,
    for_caller=False,
)
UPLOADS_FINISH = Operation("uploads", "finish", "POST", "/images/{image_id}/uploads/{attempt}/finish", (Slot("data", wire.STORED_DATA),), _IMAGE)
UPLOADS_ABANDON = Operation(
    "uploads",
    "abandon",
    "POST",
    "/images/{image_id}/uploads/{attempt}/abandon",
    (Slot("status", TEXT), Slot("reason", TEXT, default="")),
    _HELD,
    for_caller=False,
)
UPLOADS_FAIL = Operation(
    "uploads",
    "fail",
    "POST",
    "/images/{image_id}/uploads/{attempt}/fail",
    (Slot("reason", TEXT),),
    _NOTHING,
    repeatable=True,
    for_caller=False,
)
UPLOADS_LAST_FAILURE = Operation(
    "uploads",
    "last_failure",
    "GET",
    "/images/{image_id}/last-failure",
    (),
    Slot("failure", optional(wire.FAILURE)),
    repeatable=True,
    for_caller=False,
)
UPLOADS_LEASES = Operation(
    "uploads",
    "leases",
    "GET",
    "/uploads",
    (Slot("seconds", NUMBER, default=0.0),),
    Slot("uploads", listing(_LEASE)),
    repeatable=True,
    for_caller=False,
)
UPLOADS_TAKE_OVER = Operation(
    "uploads",
    "take_over",
    "POST",
    "/images/{image_id}/uploads/{attempt}/take-over",
    (Slot("new_attempt", TEXT), Slot("worker", TEXT)),
    _HELD,
    for_caller=False,
)

LOCATIONS_CONDEMN = Operation(
    "locations", "condemn", "POST", "/locations/condemn", (Slot("seconds", NUMBER),), _NOTHING, repeatable=True, for_caller=False
)
LOCATIONS_CONDEMNED = Operation(
    "locations", "condemned", "GET", "/locations/condemned", (), Slot("locations", listing(_CONDEMNED)), repeatable=True, for_caller=False
)
LOCATIONS_ERASED = Operation(
    "locations", "erased", "POST", "/locations/erased", (Slot("location_id", INTEGER),), _NOTHING, repeatable=True, for_caller=False
)
LOCATIONS_NAMED = Operation(
    "locations",
    "named",
    "POST",
    "/locations/named",
    (Slot("image_ids", listing(TEXT)),),
    Slot("standings", table(wire.STANDING)),
    repeatable=True,
    for_caller=False,
)
LOCATIONS_CLAIMED = Operation(
    "locations", "claimed", "POST", "/locations/claimed", (Slot("urls", listing(TEXT)),), Slot("urls", WORDS), repeatable=True, for_caller=False
)
LOCATIONS_MARK = Operation(
    "locations",
    "mark",
    "POST",
    "/locations/mark",
    (Slot("location_id", INTEGER), Slot("damaged", FLAG)),
    Slot("marked", FLAG),
    for_caller=False,
)

MEMBERS_LIST = Operation("members", "list", "GET", "/images/{image_id}/members", (), Slot("members", _MEMBERS), repeatable=True)
MEMBERS_PUT = Operation(
    "members",
    "put",
    "PUT",
    "/images/{image_id}/members",
    (Slot("memberships", listing(wire.MEMBERSHIP)), Slot("replace", FLAG, default=True), Slot("maximum", INTEGER, default=-1)),
    _NOTHING,
)
MEMBERS_ADD = Operation(
    "members",
    "add",
    "POST",
    "/images/{image_id}/members",
    (Slot("member_id", TEXT, "member"), Slot("maximum", INTEGER)),
    _MEMBER,
)
MEMBERS_ANSWER = Operation("members", "answer", "POST", "/images/{image_id}/members/{member}", (Slot("status", wire.MEMBER_STATUS),), _MEMBER)
MEMBERS_REMOVE = Operation("members", "remove", "DELETE", "/images/{image_id}/members/{member}", (), _NOTHING)
MEMBERS_SHARED_WITH = Operation("members", "shared_with", "GET", "/shared-images/{member}", (), Slot("shared_images", _MEMBERS), repeatable=True)

DUTIES_TAKE = Operation(
    "duties",
    "take",
    "POST",
    "/duties/take",
    (Slot("name", TEXT), Slot("worker", TEXT), Slot("instead_of", TEXT, default="")),
    Slot("worker", TEXT),
    repeatable=True,
    for_caller=False,
)

AUDITS_COUNT = Operation("audits", "count", "POST", "/audits/count", (_SINCE,), Slot("count", INTEGER), repeatable=True, for_caller=False)
AUDITS_NEWEST = Operation("audits", "newest", "GET", "/audits/newest", (), Slot("at", optional(TIME)), repeatable=True, for_caller=False)
AUDITS_PAGE = Operation(
    "audits",
    "page",
    "POST",
    "/audits/page",
    (Slot("after", TEXT), Slot("limit", INTEGER), _SINCE),
    Slot("images", listing(wire.IMAGE)),
    repeatable=True,
    for_caller=False,
)
AUDITS_NOTED = Operation(
    "audits",
    "noted",
    "POST",
    "/audits/noted",
    (Slot("location_ids", listing(INTEGER)),),
    Slot("noted", wire.NOTED),
    repeatable=True,
    for_caller=False,
)
AUDITS_TWINS = Operation("audits", "twins", "GET", "/audits/twins", (), Slot("locations", listing(_CONDEMNED)), repeatable=True, for_caller=False)
AUDITS_RELOCATE = Operation(
    "audits",
    "relocate",
    "POST",
    "/audits/relocate",
    (Slot("location_id", INTEGER), Slot("url", TEXT), Slot("found", wire.LOCATION)),
    Slot("relocated", FLAG),
    for_caller=False,
)
AUDITS_FORGET = Operation("audits", "forget", "POST", "/audits/forget", (Slot("location_id", INTEGER),), Slot("forgotten", FLAG), for_caller=False)

OPERATIONS: tuple[Operation[Any], ...] = (
    IMAGES_CREATE,
    IMAGES_GET,
    IMAGES_LIST,
    IMAGES_UPDATE,
    IMAGES_ACTIVATE,
    IMAGES_DELETE,
    IMAGES_RESTORE,
    IMAGES_USAGE,
    UPLOADS_START,
    UPLOADS_RENEW,
    UPLOADS_RESERVE,
    UPLOADS_FINISH,
    UPLOADS_FAIL,
    UPLOADS_ABANDON,
    UPLOADS_LAST_FAILURE,
    UPLOADS_LEASES,
    UPLOADS_TAKE_OVER,
    LOCATIONS_CONDEMN,
    LOCATIONS_CONDEMNED,
    LOCATIONS_ERASED,
    LOCATIONS_NAMED,
    LOCATIONS_CLAIMED,
    LOCATIONS_MARK,
    MEMBERS_LIST,
    MEMBERS_PUT,
    MEMBERS_ADD,
    MEMBERS_ANSWER,
    MEMBERS_REMOVE,
    MEMBERS_SHARED_WITH,
    DUTIES_TAKE,
    AUDITS_COUNT,
    AUDITS_NEWEST,
    AUDITS_PAGE,
    AUDITS_NOTED,
    AUDITS_TWINS,
    AUDITS_RELOCATE,
    AUDITS_FORGET,
)
