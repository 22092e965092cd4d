"""A file for rows that leave the database: JSON lines, ``{"table": ..., "row": {...}}``, an image before what is removed with it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from glance import errors

_BEGIN = b'{"table": '
_PIECE = 65536


class Archive:
    """Adds to the file at ``path``, as a context manager. Rows are on the disk when a call returns. Another one that is begun meanwhile waits.

    Only its owner may read the file: locations may hold credentials. Raises OSError, ConfigurationError for a file of something else.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> Self:
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._cut()
            os.fchmod(self._file.fileno(), 0o600)
            self._sync_directory()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._file.close()

    def __call__(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        lines = [json.dumps({"table": table, "row": dict(row)}, default=datetime.isoformat).encode() + b"\n" for row in rows]
        self._file.write(b"".join(lines))
        self._file.flush()
        os.fsync(self._file.fileno())

    def _cut(self) -> None:
        """Goes to the end of the last whole line; a broken one behind is of rows that are still in the database."""
        head = self._file.read(len(_BEGIN))
        if not _BEGIN.startswith(head):
            raise errors.ConfigurationError(reason=f"The file {self._path} is no archive of this program.")
        end = self._file.seek(0, os.SEEK_END)
        while end:
            begin = max(0, end - _PIECE)
            self._file.seek(begin)
            found = self._file.read(end - begin).rfind(b"\n")
            end = begin if found < 0 else begin + found + 1
            if found >= 0:
                break
        self._file.truncate(end)
        self._file.seek(end)

    def _sync_directory(self) -> None:
        directory = os.open(self._path.absolute().parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
