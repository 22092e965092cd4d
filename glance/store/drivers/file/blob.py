"""Files that are read."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import BinaryIO

from glance import errors
from glance.stream import CHUNK

LOG = logging.getLogger(__name__)


class FileBlob:
    """Part of an open file. Raises StoreUnavailable when the file has become shorter meanwhile."""

    def __init__(self, store: str, file: BinaryIO, length: int) -> None:
        self.file: BinaryIO | None = file
        self._file = file
        self.length = length
        self._store = store

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        while left:
            try:
                chunk = self._file.read(min(left, CHUNK))
            except OSError as error:
                LOG.error("The store '%s' failed: %s", self._store, error.strerror)
                raise errors.StoreUnavailable(store=self._store) from None
            if not chunk:
                raise errors.StoreUnavailable(store=self._store)
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()
