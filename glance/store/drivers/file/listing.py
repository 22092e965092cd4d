"""What lies in the directories of a store, and erasing what should not."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from glance.model.stores import GIVEN_ID, Found
from glance.store.drivers.file.meanings import READING, WRITING, Meanings

T = TypeVar("T")

#: Files that are looked at in one call.
_PAGE = 1000

_DATA = re.compile(GIVEN_ID)
#: What is being written: by an upload, or to try the directory.
_PARTIAL = re.compile(rf"\.(?:(?P<id>{GIVEN_ID})|probe(?:-[0-9a-f]+)?)\.[0-9a-f]+|probe-[0-9a-f]{{16}}")


class Directory(Protocol):
    """A directory of a store, as far as it matters here."""

    path: Path

    def opened(self) -> AbstractContextManager[int]: ...

    def translated(self, meanings: Meanings = READING) -> AbstractContextManager[None]: ...

    def run(self, call: Callable[[], T], undo: Callable[[T], object]) -> T: ...


def contents(directories: Sequence[Directory]) -> Iterator[Found]:
    """All that lies there; of several directories, with the number of the one before the name."""
    for prefix, directory in _numbered(directories).items():
        scan = directory.run(partial(_Scan, directory, prefix), _Scan.close)
        while page := directory.run(scan.page, scan.give_up):
            try:
                yield from page
            except GeneratorExit:
                scan.close()
                raise


def now(directories: Sequence[Directory]) -> datetime:
    """The time by the file system, or by the server of the share, that is furthest behind."""
    return min(directory.run(partial(_now, directory), _nothing) for directory in directories)


def remove(directories: Sequence[Directory], found: Found) -> bool:
    """Erases a file that is still as it was found; False for any other."""
    number, slash, name = found.name.rpartition("/")
    directory = _numbered(directories).get(number + slash)
    return directory is not None and directory.run(partial(_remove, directory, name, found), _nothing)


class _Scan:
    """A directory that is read page by page; whoever reads is never left with it open where a call fails."""

    def __init__(self, directory: Directory, prefix: str) -> None:
        self._directory = directory
        self._prefix = prefix
        with directory.opened() as fd, directory.translated():
            self._fd = os.dup(fd)
            try:
                self._entries = os.scandir(self._fd)
            except BaseException:
                os.close(self._fd)
                raise

    def page(self) -> list[Found]:
        """The next files; none at the end, where it is closed."""
        page: list[Found] = []
        try:
            with self._directory.translated():
                while not page and (entries := list(islice(self._entries, _PAGE))):
                    page = [found for entry in entries if (found := self._look_at(entry)) is not None]
        finally:
            if not page:
                self.close()
        return page

    def give_up(self, page: Sequence[Found]) -> None:
        """When nobody waits for a page any more."""
        if page:
            self.close()

    def close(self) -> None:
        self._entries.close()
        os.close(self._fd)

    def _look_at(self, entry: os.DirEntry[str]) -> Found | None:
        try:
            return _found(self._directory, self._prefix, entry.name, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return None


def _numbered(directories: Sequence[Directory]) -> dict[str, Directory]:
    """The directories by what stands before the names of their files."""
    return {f"{number}/" if len(directories) > 1 else "": one for number, one in enumerate(directories, 1)}


def _found(directory: Directory, prefix: str, name: str, status: os.stat_result) -> Found:
    modified = _time(status.st_mtime)
    if not stat.S_ISREG(status.st_mode):
        return Found(prefix + name, "foreign", modified=modified)
    if _DATA.fullmatch(name):
        return Found(prefix + name, "data", name, f"file://{directory.path}/{name}", status.st_size, modified)
    partial_file = _PARTIAL.fullmatch(name)
    if partial_file:
        return Found(prefix + name, "partial", partial_file["id"] or "", size=status.st_size, modified=modified)
    return Found(prefix + name, "foreign", size=status.st_size, modified=modified)


def _time(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError):
        return None  # a year that nobody means


def _now(directory: Directory) -> datetime:
    """Of a new file, also where the disk is full."""
    name = f".probe.{secrets.token_hex(8)}"
    with directory.opened() as fd, directory.translated(WRITING):
        probe = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=fd)
        try:
            return datetime.fromtimestamp(os.fstat(probe).st_mtime, UTC)
        finally:
            os.close(probe)
            os.unlink(name, dir_fd=fd)


def _remove(directory: Directory, name: str, found: Found) -> bool:
    prefix = found.name.removesuffix(name)
    with directory.opened() as fd, directory.translated(WRITING):
        try:
            if _found(directory, prefix, name, os.stat(name, dir_fd=fd, follow_symlinks=False)) != found:
                return False
            os.unlink(name, dir_fd=fd)
        except FileNotFoundError:
            return False
        os.fsync(fd)
    return True


def _nothing(_result: object) -> None:
    """Nothing is held."""
