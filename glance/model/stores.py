"""Stores, whatever their drivers are: what an operator says of one, and what is found in one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

#: "partial": what an upload or a probe left that did not end: a temporary file, an incomplete multipart upload, segments that no object names.
#: "foreign": a name that this service gives to nothing.
Kind = Literal["data", "partial", "foreign"]

#: An id that this service gives, or lets clients give: what else lies in a place was not put there by us.
GIVEN_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[1-9][0-9]{0,35}"


@dataclass(frozen=True, slots=True)
class StoreTraits:
    """``driver`` is the kind of the store (``file``, ``swift``); ``description`` is for clients. Of the copies of an image, that in the store with
    the greatest ``weight`` is read first. ``verify_on_read``: a whole image that is read from the store is compared with its digest.
    ``appears_late``: what was stored may be seen only some time later."""

    driver: str = ""
    description: str = ""
    weight: int = 0
    verify_on_read: bool = False
    appears_late: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Something that lies in the place of a store. ``name`` is what the place calls it; ``image_id`` is "" where the name tells none.

    ``location_url`` is what a location of these data would record (data only). ``size`` is in bytes; ``modified`` is UTC, by the clock of the place;
    None where the place does not tell.
    """

    name: str
    kind: Kind
    image_id: str = ""
    location_url: str | None = field(default=None, repr=False)
    size: int | None = None
    modified: datetime | None = None

    def may_be_at(self, url: str) -> bool:
        """Whether a location with that URL may mean these data: a server may have several names, its containers and what lies there have one."""
        _server, container, name = f"//{self.location_url or ''}".rsplit("/", 2)
        return bool(container) and ":///" not in url and url.endswith(f"/{container}/{name}")
