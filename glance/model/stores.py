"""What an operator says of a store, whatever its driver is."""

from __future__ import annotations

from dataclasses import dataclass


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
