"""Reserving room for data while they come, for uploads that do not say how long they are."""

from __future__ import annotations

from glance import errors
from glance.interfaces import Registry
from glance.model.image import Upload
from glance.stream import CHUNK, Watcher


class Reservation(Watcher):
    """A tap that reserves what an upload needs before it is stored. Raises ProjectQuotaExceeded, UploadLost.

    It reserves ahead, twice as much each time, lest the registry is asked for every chunk. Where there is no room for so much it asks for less, at
    last for no more than has come: all room that there is can be used. The reservation ends with the attempt on record, however that ends.
    """

    def __init__(self, registry: Registry, upload: Upload) -> None:
        self._registry = registry
        self._upload = upload
        self._reserved = upload.reserved
        self._ahead = 0
        self._passed = 0

    def update(self, chunk: bytes) -> None:
        self._passed += len(chunk)
        while self._passed > self._reserved:
            self._reserve(max(self._passed, self._reserved + self._ahead))

    def _reserve(self, size: int) -> None:
        try:
            self._registry.uploads.reserve(self._upload.image_id, self._upload.attempt, size)
        except errors.LimitExceeded:
            if size == self._passed:
                raise
            self._ahead = self._ahead // 2 if self._ahead > CHUNK else 0
        else:
            self._reserved = size
            self._ahead = max(2 * self._ahead, CHUNK)
