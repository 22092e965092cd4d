"""In which ways the database and the stores can disagree, and what is told of each disagreement (docs/operating.md, Checking)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Kind(StrEnum):
    """The twelve ways of R47 (reliability.md 5); then what only reading the data shows; then that nobody could look."""

    MISSING = "missing"  # a location names data that are not there
    ORPHAN = "orphan"  # data that no location names, of no image, or beside the data of one
    WRONG_SIZE = "wrong-size"  # a location names data of another size than the image has
    WRONG_STORE = "wrong-store"  # a location names another store than its URL lies in, or one that is not there
    MOVED = "moved"  # a location names data that are not there, but elsewhere in a store, under the name of the image
    DUPLICATE = "duplicate"  # two locations name the same data, which this service wrote
    FOREIGN = "foreign"  # something with a name that this service gives to nothing
    NEWER = "newer"  # data that were written after their location was recorded
    TEMPORARY = "temporary"  # what an upload left that did not end, and that nobody has on record any more
    QUARANTINED = "quarantined"  # a location is marked as damaged
    TOMBSTONE = "tombstone"  # data of an image that is deleted, and that nobody is about to erase
    CASE = "case"  # data that a location names in upper case lie there in lower case, or the other way round
    WRONG_DATA = "wrong-data"  # data of the right size do not have the digest of the image
    UNCHECKED = "unchecked"  # a store, or something in it, could not be looked at; whether it agrees is not known


#: "found": nothing was tried. "left": it could not be repaired, or not safely.
Outcome = Literal["found", "repaired", "left"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement. ``name`` is what the place calls the thing, "" where there is none; ``detail`` is a sentence, or several."""

    kind: Kind
    store: str
    image_id: str
    name: str
    outcome: Outcome
    detail: str


@dataclass(slots=True)
class Figures:
    """How far a check is: images, their locations, and things in stores that were looked at, bytes that were read, and findings by outcome. ``total``
    is the number of images to look at."""

    total: int = 0
    images: int = 0
    locations: int = 0
    objects: int = 0
    read: int = 0
    found: int = 0
    repaired: int = 0
    left: int = 0
    unchecked: int = 0
