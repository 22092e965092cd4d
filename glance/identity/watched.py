"""A file that says who may call: kept private by its owner, and read again when it changes."""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

from glance import errors

LOG = logging.getLogger(__name__)

#: Bytes that such a file may have.
MAX_BYTES = 16 * 1024 * 1024

#: The group may not write, others may do nothing: whoever writes such a file is whom they want to be.
_FORBIDDEN = stat.S_IWGRP | stat.S_IRWXO

Content = TypeVar("Content")

#: What differs when the file does; None where there is none.
_Version = tuple[int, ...] | None


class Watched(Generic[Content]):
    """What ``parse`` makes of a file's text, which raises ValueError for a text that it cannot use.

    The file is looked at for every call of ``current``, so a change counts from the next request on, in all processes. A file that is gone says
    ``nothing``. One that cannot be used any more changes nothing, and the log tells; at the first reading it raises ConfigurationError.
    """

    def __init__(self, path: Path, parse: Callable[[str], Content], nothing: Content) -> None:
        self.path = path
        self._parse = parse
        self._nothing = nothing
        self._state = self._read(self._version())

    def current(self) -> Content:
        """What the file says now."""
        known, content = self._state
        version = self._version()
        if version == known:
            return content
        try:
            self._state = self._read(version)
        except errors.ConfigurationError as error:
            self._state = (version, content)
            LOG.error("%s What was read before stays.", error)
        else:
            LOG.info("%s has been read again.", self.path)
        return self._state[1]

    def _version(self) -> _Version:
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:  # reading tells the cause
            return (error.errno or 0,)
        return (status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)  # the inode's own time: another owner counts too

    def _read(self, version: _Version) -> tuple[_Version, Content]:
        """``version`` was taken before, so that a change meanwhile is noticed later."""
        if version is not None:
            try:
                return version, read(self.path, self._parse)
            except FileNotFoundError:
                pass  # since it was looked at
        LOG.warning("There is no file %s, and nobody may call whom it should name.", self.path)
        return None, self._nothing


def read(path: Path, parse: Callable[[str], Content]) -> Content:
    """What ``parse`` makes of the text of a file. Raises FileNotFoundError, ConfigurationUnsafe where others may open it, ConfigurationError."""
    try:
        with open(path, "rb", opener=_open) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise ValueError("it is no regular file")
            if mode & _FORBIDDEN:
                raise errors.ConfigurationUnsafe(reason=f"{path} says who may call, and others may read or write it; run: chmod 640 {path}")
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        return parse(data.decode())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, error.strerror) from error
    except UnicodeDecodeError:
        raise _unusable(path, "it is not UTF-8") from None
    except ValueError as error:
        raise _unusable(path, error) from None


def _open(path: str, flags: int) -> int:
    """Does not wait for whoever writes to a pipe."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unusable(path: Path, reason: object) -> errors.ConfigurationError:
    return errors.ConfigurationError(reason=f"The file {path} cannot be used: {reason}.")
