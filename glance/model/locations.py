"""What clients say about locations: new ones, changes of the list, and the digests that data must have (spec-v2 2.6, 3.8)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class StatedHashes:
    """What the data at a location are said to be; digests are hexadecimal, ``checksum`` is MD5."""

    os_hash_algo: str
    os_hash_value: str
    checksum: str | None = None

    def fault(self) -> str | None:
        """A sentence that says why these cannot be digests, None where they can. The algorithm is one that hashlib knows."""
        return _fault("os_hash_value", self.os_hash_value, self.os_hash_algo) or (
            None if self.checksum is None else _fault("checksum", self.checksum, "md5")
        )


@dataclass(frozen=True, slots=True)
class StatedLocation:
    """A location as a client names it."""

    url: str = field(repr=False)
    metadata: Mapping[str, object] = field(default_factory=dict)
    hashes: StatedHashes | None = None


@dataclass(frozen=True, slots=True)
class AddLocation:
    """One more location. ``position`` counts from 0, None stands for the end."""

    rule: ClassVar[str] = "set_image_location"
    location: StatedLocation
    position: int | None = None


@dataclass(frozen=True, slots=True)
class ReplaceLocations:
    """All locations of an image that has none, or other metadata for those that it has."""

    rule: ClassVar[str] = "set_image_location"
    locations: tuple[StatedLocation, ...]


@dataclass(frozen=True, slots=True)
class RemoveLocation:
    """The location at a position away; None stands for one that cannot be."""

    rule: ClassVar[str] = "delete_image_location"
    position: int | None


@dataclass(frozen=True, slots=True)
class RemoveFromStore:
    """All locations in one store away."""

    rule: ClassVar[str] = "delete_image_location"
    store: str


LocationStep = AddLocation | ReplaceLocations | RemoveLocation | RemoveFromStore


def shown_url(url: str) -> str:
    """A location's URL without the user name and password that rows of old releases hold."""
    scheme, slashes, rest = url.partition("://")
    # Secret keys may hold slashes, so all before the last "@" goes; in the path of a web address that is an ordinary character.
    web = scheme.lower() in {"http", "https"}
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0] if web else rest
    return f"{scheme}{slashes}{rest[authority.rfind('@') + 1 :]}"


def _fault(name: str, digest: str, algorithm: str) -> str | None:
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    if re.fullmatch(rf"[0-9a-fA-F]{{{2 * size}}}", digest):
        return None
    if re.fullmatch(r"([0-9a-fA-F]{2})*", digest):
        return f"{name}: ({digest}) is not the correct size for ({algorithm}) (should be ({size}) bytes)"
    return f"{name}: ({digest}) is not hexadecimal"
