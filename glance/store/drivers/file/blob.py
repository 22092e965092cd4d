"""Files that are read."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from typing import BinaryIO

from glance import errors
from glance.stream import CHUNK

LOG = logging.getLogger(__name__)


class FileBlob:
    """``length`` bytes of an open file from ``offset`` on. Raises StoreUnavailable where the first of them cannot be read: once a server sends the
    file by itself, it is too late for another copy. So it does later when the file has become shorter meanwhile."""

    def __init__(self, store: str, fd: int, offset: int, length: int) -> None:
        self._store = store
        self._file: BinaryIO = os.fdopen(fd, "rb", buffering=0)
        self.file: BinaryIO | None = self._file
        self.length = length
        try:
            if length:
                os.pread(fd, 1, offset)
            self._file.seek(offset)
        except OSError as error:
            self._file.close()
            raise self._failed(error) from None

    def __iter__(self) -> Iterator[bytes]:
        left = self.length
        while left:
            try:
                chunk = self._file.read(min(left, CHUNK))
            except OSError as error:
                raise self._failed(error) from None
            if not chunk:
                raise errors.StoreUnavailable(store=self._store)
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()

    def _failed(self, error: OSError) -> errors.StoreUnavailable:
        LOG.error("The store '%s' failed: %s", self._store, error.strerror)
        return errors.StoreUnavailable(store=self._store)
