"""Image data as files in one directory or several: a file is named like its image.

An upload is written to ``.<image id>.<random>`` and gets its name by a hard link, which never replaces another file; the steps and what
repairs a death between them stand in docs/architecture.md.
"""

# ruff: noqa: ARG002 - the signatures are those of interfaces.Store
from __future__ import annotations

import logging
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob
from glance.model.image import Location
from glance.model.stores import Found
from glance.store import location as urls
from glance.store.drivers.file import listing, mounts, sparse, writeout
from glance.store.drivers.file.blob import FileBlob
from glance.store.drivers.file.calls import BoundedCalls
from glance.store.drivers.file.draft import Draft
from glance.store.drivers.file.meanings import READING, WRITING, Meanings
from glance.store.drivers.file.preference import by_preference
from glance.store.drivers.file.settings import DataDirectory, FileStoreSettings
from glance.store.turns import Turns

LOG = logging.getLogger(__name__)

T = TypeVar("T")

_DEFAULT_MODE = 0o640
#: Bytes after which they are sent on to the disk, and the free space is looked at, where some of it is reserved.
_LOOK_EVERY = 16 << 20


class _Directory:
    """One directory of a store, which ``what`` names in the log: paths stand in no log."""

    def __init__(self, store: str, what: str, place: DataDirectory, settings: FileStoreSettings) -> None:
        self.path = Path(os.path.abspath(place.path))
        self.priority = place.priority
        self.metadata = settings.share_of(self.path)
        self._store = store
        self._what = what
        self._settings = settings
        self._inode: int | None = None

    def check(self) -> None:
        """Makes the directory, and tries a file and a link in it. Raises ConfigurationError where it is not mounted as it should be, and where
        everybody may write."""
        self._look()
        self._check_writing()

    def _look(self) -> None:
        self._inode = mounts.prepare(self.path, self._what, required=self._settings.require_mount)

    def free(self) -> int:
        """Bytes that new images may take. Raises StorageFull where images have taken some of the reserve."""
        with self.opened() as directory, self.translated():
            return self._room(directory)

    def begin(self, name: str, size: int) -> Draft:
        """A new file for ``size`` bytes, 1 where that is not known. Raises StorageFull where they cannot fit. An announcement alone reserves
        nothing: it must not fill the disk."""
        temporary = f".{name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with ExitStack() as held, self.translated(WRITING):
            directory = held.enter_context(self.opened())
            self._room(directory, size)
            fd = os.open(temporary, flags, self._settings.file_perm or _DEFAULT_MODE, dir_fd=directory)
            held.callback(os.close, fd)
            return Draft(name, temporary, directory, fd, [temporary], held.pop_all())

    def fill(self, draft: Draft, chunks: Iterable[bytes]) -> None:
        """Writes the data, and brings them to stable storage. An error of ``chunks`` itself passes through untouched."""
        settings = self._settings
        with self.translated(WRITING):
            if settings.file_perm:
                os.fchmod(draft.fd, settings.file_perm)
        written = looked = 0
        for chunk in chunks:
            with self.translated(WRITING):
                if settings.thin:
                    sparse.write(draft.fd, chunk, written, settings.chunk_size)
                else:
                    left = memoryview(chunk)
                    while left:
                        left = left[os.write(draft.fd, left) :]
                    del left
                written += len(chunk)
                if written - looked >= _LOOK_EVERY:
                    writeout.start(draft.fd, looked, written - looked)
                    looked = written
                    self._room(draft.fd)
            del chunk  # while the next one is waited for, nobody holds it
        with self.translated(WRITING):
            if settings.thin:
                os.ftruncate(draft.fd, written)
            os.fsync(draft.fd)
            self._room(draft.fd)

    def publish(self, draft: Draft) -> None:
        """Gives a complete file its final name, unless another one has been put in its place."""
        directory = draft.directory
        with self.translated(WRITING):
            taken = False
            try:
                os.link(draft.temporary, draft.name, src_dir_fd=directory, dst_dir_fd=directory, follow_symlinks=False)
            except FileExistsError:
                taken = True  # maybe by ourselves: NFS repeats a call whose answer was lost
            ours = os.path.samestat(os.stat(draft.name, dir_fd=directory, follow_symlinks=False), os.fstat(draft.fd))
            if taken and not ours:
                raise errors.ObjectExists(image_id=draft.name)
            draft.made.append(draft.name)
            if not ours:
                LOG.error("Somebody else changes files in the %s.", self._what)
                raise errors.StoreUnavailable(store=self._store)
            os.unlink(draft.temporary, dir_fd=directory)
            os.fsync(directory)

    def open(self, name: str, tried_at: int | None = None) -> tuple[int, int]:
        """(descriptor, size) of a regular file. Raises LocationNotFound, and StoreUnavailable where its byte ``tried_at`` cannot be read."""
        with self.opened() as directory, self.translated(), ExitStack() as undone:
            try:
                fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            except FileNotFoundError:
                raise errors.LocationNotFound(store=self._store) from None
            undone.callback(os.close, fd)
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise errors.LocationNotFound(store=self._store)
            if tried_at is not None:  # once a server sends the file by itself, it is too late for another copy
                os.pread(fd, 1, tried_at)
            undone.pop_all()
        return fd, status.st_size

    def names(self) -> Sequence[str]:
        """Of all that is in the directory, but directories and links."""
        with self.opened() as directory, self.translated(), os.scandir(directory) as entries:
            return [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]

    def erase(self, name: str) -> None:
        """Raises LocationNotFound."""
        with self.opened() as directory, self.translated(WRITING):
            try:
                os.unlink(name, dir_fd=directory)
            except FileNotFoundError:
                raise errors.LocationNotFound(store=self._store) from None
            os.fsync(directory)

    def exists(self) -> bool:
        """Whether the directory has been made."""
        return self.path.is_dir()

    def has(self, name: str) -> bool:
        """Whether anything has that name."""
        with self.opened() as directory, self.translated():
            try:
                os.stat(name, dir_fd=directory, follow_symlinks=False)
            except FileNotFoundError:
                return False
        return True

    def is_at(self, path: str) -> bool:
        """Whether a path, however it is spelled, leads here."""
        return os.path.realpath(path) == os.path.realpath(self.path)

    def run(self, call: Callable[[], T], undo: Callable[[T], object]) -> T:
        """What ``call``, of this directory, returns; ``undo`` gets what it returns when nobody waits for it any more."""
        return call()

    @contextmanager
    def opened(self) -> Iterator[int]:
        """The directory as a descriptor. Raises StoreUnavailable where it is gone, or is another one than at start: an empty mount point
        must neither take images nor make those that were there look deleted."""
        with self.translated():
            fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if self._inode is not None and os.fstat(fd).st_ino != self._inode:
                LOG.error("The %s is not the one that was there at start; is its file system mounted?", self._what)
                raise errors.StoreUnavailable(store=self._store)
            yield fd
        finally:
            os.close(fd)

    @contextmanager
    def translated(self, meanings: Meanings = READING) -> Iterator[None]:
        """Turns an error of the system into ours, and logs what is neither full nor denied, without any path."""
        try:
            yield
        except OSError as error:
            meaning = meanings.get(error.errno or 0)
            if meaning is not None:
                raise meaning(store=self._store) from None
            LOG.error("The %s failed: %s", self._what, error.strerror)
            raise errors.StoreUnavailable(store=self._store) from None

    def _room(self, fd: int, needed: int = 0) -> int:
        """Bytes that new images may take on the file system of ``fd``. Raises StorageFull where that is less than ``needed``, and where images have
        taken some of the reserve."""
        room = os.fstatvfs(fd)
        if not room.f_blocks:
            return sys.maxsize  # it does not tell its size; the writes will show whether there is room
        reserved = max(self._settings.reserved, int(self._settings.reserved_share * room.f_blocks * room.f_frsize))
        free = room.f_bavail * room.f_frsize - reserved
        if free < needed:
            raise errors.StorageFull(store=self._store)
        return free

    def _check_writing(self) -> None:
        """Adds and deletes an empty file: a file system without permission, room or hard links shows itself at start."""
        try:
            with self.opened() as directory, self.translated():
                if os.fstatvfs(directory).f_flag & os.ST_RDONLY:
                    LOG.warning("The %s is on a file system that is read-only: images can only be read.", self._what)
                    return
            draft = self.begin(f"probe-{secrets.token_hex(8)}", 0)
            try:
                self.publish(draft)
            finally:
                draft.drop()
        except errors.StoreWriteDenied:
            raise mounts.misconfigured(
                self.path, self._what, "may not be written by this process, or is on a file system without hard links"
            ) from None
        except errors.StorageFull:
            LOG.warning("The %s is full: images can only be read.", self._what)


class _BoundedDirectory(_Directory):
    """A directory that may hang: what is asked of it, and the beginning of an upload, take a bounded time. Data that flow already wait for it."""

    def __init__(self, store: str, what: str, place: DataDirectory, settings: FileStoreSettings) -> None:
        super().__init__(store, what, place, settings)
        self._calls = BoundedCalls(store, settings.timeout, settings.threads, max(1, int(settings.threads * settings.hung_share)))
        self._must_look = False

    def check(self) -> None:
        """Where the directory hangs, it is looked at by the first call that does not."""
        self._must_look = True
        self._calls.run(super().check)

    def free(self) -> int:
        return self._calls.run(super().free)

    def begin(self, name: str, size: int) -> Draft:
        return self._calls.run(partial(super().begin, name, size), undo=Draft.drop)

    def open(self, name: str, tried_at: int | None = None) -> tuple[int, int]:
        return self._calls.run(partial(super().open, name, tried_at), undo=lambda opened: os.close(opened[0]))

    def names(self) -> Sequence[str]:
        return self._calls.run(super().names)

    def erase(self, name: str) -> None:
        self._calls.run(partial(super().erase, name))

    def exists(self) -> bool:
        return self._calls.run(super().exists)

    def has(self, name: str) -> bool:
        return self._calls.run(partial(super().has, name))

    def is_at(self, path: str) -> bool:
        return self._calls.run(partial(super().is_at, path))

    def run(self, call: Callable[[], T], undo: Callable[[T], object]) -> T:
        return self._calls.run(call, undo)

    @contextmanager
    def opened(self) -> Iterator[int]:
        if self._must_look and self._inode is None:
            self._look_late()
        with super().opened() as directory:
            if self._calls.given_up:
                raise errors.StoreUnavailable(store=self._store)  # nobody waits, and others may have gone on: change nothing
            yield directory

    def _look_late(self) -> None:
        try:
            self._look()
        except errors.ConfigurationError as error:
            LOG.error("%s", error.message)
            raise errors.StoreUnavailable(store=self._store) from None


class FileStore:
    """``file://<directory>/<image id>``; also reads ``filesystem://``, as old registries may hold it."""

    schemes: tuple[str, ...] = ("file", "filesystem")
    writable = True

    def __init__(self, name: str, settings: FileStoreSettings) -> None:
        self.name = name
        self._settings = settings
        kind = _BoundedDirectory if settings.timeout else _Directory
        numbered = enumerate(settings.directories, 1)
        several = len(settings.directories) > 1
        self._directories = [
            kind(name, f"directory {number} of store '{name}'" if several else f"directory of store '{name}'", place, settings)
            for number, place in numbered
        ]
        self._turns = Turns()

    @property
    def properties(self) -> Mapping[str, object]:
        first, *others = self._directories
        shown = [f"{one.path}:{one.priority}" for one in self._directories] if others else str(first.path)
        return {"data_dir": shown, "chunk_size": self._settings.chunk_size, "thin_provisioning": self._settings.thin}

    def check(self) -> None:
        failures = []
        for directory in self._directories:
            try:
                directory.check()
            except errors.StoreUnavailable as error:
                failures.append(error)  # the others may be used meanwhile
        if failures:
            raise failures[0]

    def probe(self) -> None:
        """Writes and syncs a byte where an upload would go."""
        directory, draft = self._begin("probe", 1)
        try:
            directory.fill(draft, [b"\0"])
        finally:
            draft.drop()

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        name = _checked_id(image_id)
        directory, draft = self._begin(name, 1 if size is None else size)
        try:
            directory.fill(draft, chunks)
            if len(self._directories) == 1:
                directory.publish(draft)
            else:
                self._publish_once(directory, draft)
        except BaseException as error:
            if not draft.drop() and not isinstance(error, errors.ObjectExists):
                raise errors.UploadLeftBehind(store=self.name) from None
            raise
        draft.held.close()
        return Location(url=f"file://{directory.path}/{name}", store=self.name, metadata=directory.metadata)

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> Blob:
        directory, name = self._find(location)
        fd, size = directory.open(name, tried_at=offset)
        file = os.fdopen(fd, "rb", buffering=0)
        file.seek(offset)
        left = max(0, size - offset)
        return FileBlob(self.name, file, left if length is None else min(left, length))

    def size(self, ctx: RequestContext, location: Location) -> int:
        directory, name = self._find(location)
        fd, size = directory.open(name)
        os.close(fd)
        return size

    def delete(self, ctx: RequestContext, location: Location) -> None:
        directory, name = self._find(location)
        directory.erase(name)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        name = _checked_id(image_id)
        failures = []
        for directory in self._directories:
            try:
                for entry in directory.names():
                    if entry == name or entry.startswith(f".{name}."):
                        with suppress(errors.LocationNotFound):
                            directory.erase(entry)
            except errors.Unavailable as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def contents(self) -> Iterator[Found]:
        return listing.contents(self._directories)

    def now(self) -> datetime:
        return listing.now(self._directories)

    def remove(self, found: Found) -> bool:
        return listing.remove(self._directories, found)

    def recognizes(self, location: Location) -> bool:
        try:
            return bool(self._find(location))
        except (errors.LocationNotFound, errors.StoreUnavailable):
            return False

    def close(self) -> None:
        """Nothing is kept between calls: not even a directory, which an operator may unmount."""

    def _begin(self, name: str, size: int) -> tuple[_Directory, Draft]:
        """A new file in the first directory that takes it: by priority, among equals by free space. Raises StorageFull where none has room, and what
        is wrong with a directory where others might have had."""
        if len(self._directories) == 1:
            [directory] = self._directories
            return directory, directory.begin(name, size)
        failures: list[errors.GlanceError] = []
        for directory in by_preference(self._directories, failures):
            try:
                return directory, directory.begin(name, size)
            except errors.StorageFull:
                continue
            except errors.Unavailable as error:
                failures.append(error)
        raise failures[0] if failures else errors.StorageFull(store=self.name)

    def _publish_once(self, directory: _Directory, draft: Draft) -> None:
        """Publishes where no other directory has the id. One that cannot be asked is taken to have none: the registry lets one attempt at a time
        store data of an image."""
        with self._turns.of(draft.name):
            for other in self._directories:
                with suppress(errors.StoreUnavailable):
                    if other is not directory and other.has(draft.name):
                        raise errors.ObjectExists(image_id=draft.name)
            directory.publish(draft)

    def _find(self, location: Location) -> tuple[_Directory, str]:
        """The directory and the file name that a location means; raises LocationNotFound for one that is not directly in a directory of ours."""
        url = urls.parse(location.url)
        if url is None or url.scheme not in self.schemes or url.authority:
            raise errors.LocationNotFound(store=self.name)
        parent, name = os.path.split(url.path)
        if urls.IMAGE_ID.fullmatch(name):
            for directory in self._directories:
                if parent == str(directory.path):
                    return directory, name
            for directory in self._directories:
                if directory.is_at(parent):
                    return directory, name
        raise errors.LocationNotFound(store=self.name)


def _checked_id(image_id: str) -> str:
    if not urls.IMAGE_ID.fullmatch(image_id):
        raise errors.InvalidImageId(value=image_id)
    return image_id
