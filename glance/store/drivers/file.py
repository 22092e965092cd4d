"""Image data as files in one directory: a file is named like its image.

An upload is written to ``.<image id>.<random>`` and gets its name by a hard link, which never replaces another file; the steps and what
repairs a death between them stand in docs/architecture.md.
"""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import errno
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.store import location as urls
from glance.stream import CHUNK

LOG = logging.getLogger(__name__)

_IMAGE_ID = re.compile(r"[A-Za-z0-9-]{1,36}")
_DEFAULT_MODE = 0o640
_DIRECTORY_MODE = 0o750
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


@dataclass(frozen=True, slots=True)
class FileStoreSettings:
    """``datadir`` is made by ``check`` where it is missing. ``file_perm`` is the mode of image files; 0 means 0640, cut by the umask."""

    datadir: Path
    file_perm: int = 0


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
                raise _unavailable(self._store, error) from None
            if not chunk:
                raise errors.StoreUnavailable(store=self._store)
            left -= len(chunk)
            yield chunk

    def close(self) -> None:
        self._file.close()


class FileStore:
    """``file://<datadir>/<image id>``; also reads ``filesystem://``, as old registries may hold it."""

    schemes: tuple[str, ...] = ("file", "filesystem")
    writable = True

    def __init__(self, name: str, settings: FileStoreSettings) -> None:
        self.name = name
        self._datadir = Path(os.path.abspath(settings.datadir))
        self._mode = settings.file_perm
        self._inode: int | None = None

    def check(self) -> None:
        """Makes the directory and tries a file and a link in it. Raises ConfigurationError for a directory that everybody may write."""
        try:
            _make_directory(self._datadir)
            status = self._datadir.stat()
        except OSError as error:
            raise self._misconfigured(f"cannot be used: {error.strerror}") from None
        if not stat.S_ISDIR(status.st_mode):
            raise self._misconfigured("is not a directory")
        if status.st_mode & stat.S_IWOTH:
            raise self._misconfigured("may be written by everybody; take that permission away")
        self._inode = status.st_ino
        try:
            self._probe()
        except errors.StoreWriteDenied:
            raise self._misconfigured("may not be written by this process, or is on a file system without hard links") from None
        except errors.StorageFull:
            LOG.warning("The store '%s' is full: images can only be read.", self.name)

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        name = self._checked_id(image_id)
        with self._directory() as directory:
            self._check_room(directory, size or 0)
            self._put(directory, name, chunks)
        return Location(url=f"file://{self._datadir}/{name}", store=self.name)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        fd, size = self._open(location)
        file = os.fdopen(fd, "rb", buffering=0)
        file.seek(offset)
        left = max(0, size - offset)
        return FileBlob(self.name, file, left if length is None else min(left, length))

    def size(self, ctx: RequestContext, location: Location) -> int:
        fd, size = self._open(location)
        os.close(fd)
        return size

    def delete(self, ctx: RequestContext, location: Location) -> None:
        name = self._name(location)
        with self._directory() as directory, self._writing():
            try:
                os.unlink(name, dir_fd=directory)
            except FileNotFoundError:
                raise errors.LocationNotFound(store=self.name) from None
            os.fsync(directory)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        name = self._checked_id(image_id)
        with self._directory() as directory, self._writing():
            for entry in os.listdir(directory):
                if entry == name or entry.startswith(f".{name}."):
                    with suppress(FileNotFoundError):
                        os.unlink(entry, dir_fd=directory)
            os.fsync(directory)

    def close(self) -> None:
        """Nothing is kept between calls: not even the directory, which an operator may unmount."""

    def _check_room(self, directory: int, size: int) -> None:
        """Raises StorageFull where an announced size cannot fit. Nothing is reserved: an announcement alone must not fill the disk."""
        with self._translated():
            room = os.fstatvfs(directory)
        # Some file systems do not tell their size; the writes will show whether there is room.
        if room.f_blocks and size > room.f_bavail * room.f_frsize:
            raise errors.StorageFull(store=self.name)

    def _put(self, directory: int, name: str, chunks: Iterable[bytes]) -> None:
        """Makes a file, whole or not at all."""
        temporary = f".{name}.{secrets.token_hex(8)}"
        made: list[str] = []
        try:
            written = self._write(directory, temporary, chunks, made)
            self._publish(directory, temporary, name, written, made)
        except BaseException:
            for leftover in made:
                with suppress(OSError):
                    os.unlink(leftover, dir_fd=directory)
            raise

    def _write(self, directory: int, temporary: str, chunks: Iterable[bytes], made: list[str]) -> os.stat_result:
        """Writes a new file and brings it to stable storage. An error of ``chunks`` itself passes through untouched."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with self._writing():
            fd = os.open(temporary, flags, self._mode or _DEFAULT_MODE, dir_fd=directory)
        made.append(temporary)
        try:
            if self._mode:
                with self._writing():
                    os.fchmod(fd, self._mode)
            for chunk in chunks:
                left = memoryview(chunk)
                with self._writing():
                    while left:
                        left = left[os.write(fd, left) :]
            with self._writing():
                os.fsync(fd)
                return os.fstat(fd)
        finally:
            os.close(fd)

    def _publish(self, directory: int, temporary: str, name: str, written: os.stat_result, made: list[str]) -> None:
        """Gives a complete file its final name, unless another one has been put in its place."""
        with self._writing():
            try:
                os.link(temporary, name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            except FileExistsError:
                raise errors.ObjectExists(image_id=name) from None
            made.append(name)
            if not os.path.samestat(os.stat(name, dir_fd=directory, follow_symlinks=False), written):
                LOG.error("Somebody else changes files in the directory of store '%s'.", self.name)
                raise errors.StoreUnavailable(store=self.name)
            os.unlink(temporary, dir_fd=directory)
            os.fsync(directory)

    def _probe(self) -> None:
        """Adds and deletes an empty file: a file system without permission, room or hard links shows itself at start."""
        name = f"probe-{secrets.token_hex(8)}"
        with self._directory() as directory, self._writing():
            self._put(directory, name, ())
            os.unlink(name, dir_fd=directory)

    def _open(self, location: Location) -> tuple[int, int]:
        """(descriptor, size) of the regular file at a location. Raises LocationNotFound."""
        name = self._name(location)
        with self._directory() as directory, self._translated():
            try:
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            except FileNotFoundError:
                raise errors.LocationNotFound(store=self.name) from None
            status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            os.close(fd)
            raise errors.LocationNotFound(store=self.name)
        return fd, status.st_size

    def _name(self, location: Location) -> str:
        """The file name that a location means; raises LocationNotFound for one that is not directly in the directory."""
        url = urls.parse(location.url)
        if url is None or url.scheme not in self.schemes or url.authority:
            raise errors.LocationNotFound(store=self.name)
        parent, name = os.path.split(url.path)
        if not _IMAGE_ID.fullmatch(name) or not (parent == str(self._datadir) or os.path.realpath(parent) == os.path.realpath(self._datadir)):
            raise errors.LocationNotFound(store=self.name)
        return name

    def _checked_id(self, image_id: str) -> str:
        if not _IMAGE_ID.fullmatch(image_id):
            raise errors.InvalidImageId(value=image_id)
        return image_id

    @contextmanager
    def _directory(self) -> Iterator[int]:
        """The directory as a descriptor. Raises StoreUnavailable where it is gone, or is another one than at start: an empty mount point
        must neither take images nor make those that were there look deleted."""
        with self._translated():
            fd = os.open(self._datadir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if self._inode is not None and os.fstat(fd).st_ino != self._inode:
                LOG.error("The directory of store '%s' is not the one that was there at start; is its file system mounted?", self.name)
                raise errors.StoreUnavailable(store=self.name)
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turns an error of the system into ours, and logs it without any path."""
        try:
            yield
        except OSError as error:
            raise _unavailable(self.name, error) from None

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """As ``_translated``, for what can fail because the place is full or may not be written."""
        with self._translated():
            try:
                yield
            except OSError as error:
                if error.errno in _FULL:
                    raise errors.StorageFull(store=self.name) from None
                if error.errno in _DENIED:
                    raise errors.StoreWriteDenied(store=self.name) from None
                raise

    def _misconfigured(self, reason: str) -> errors.ConfigurationError:
        return errors.ConfigurationError(reason=f"The data directory of store '{self.name}' {reason}.")


def _unavailable(store: str, error: OSError) -> errors.StoreUnavailable:
    LOG.error("The store '%s' failed: %s", store, error.strerror)
    return errors.StoreUnavailable(store=store)


def _make_directory(directory: Path) -> None:
    """Also the parents get a mode of ours, whatever the umask is."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(_DIRECTORY_MODE, exist_ok=True)
