"""What the file driver is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A directory of images. Of several, the one with the highest ``priority`` that has room takes a new image."""

    path: Path
    priority: int = 0


@dataclass(frozen=True, slots=True)
class FileStoreSettings:
    """``datadir`` is made by ``check`` where it is missing; ``datadirs``, where there are any, stand in its place. Sizes in bytes, times in seconds.

    ``file_perm`` is the mode of image files; 0 means 0640, cut by the umask. New images leave ``reserved`` bytes and ``reserved_share`` (0 to 1) of
    each file system free. With ``require_mount`` every directory must be a mount point. ``timeout`` bounds calls of the file system (0: they take
    as long as they take), of which ``threads`` run at the same time in a directory; once ``hung_share`` of these (0 to 1) hang, more fail at once.
    ``metadata`` are descriptions of shares, ``{"id": ..., "mountpoint": ...}``, for the locations of images in them. With ``thin`` blocks of
    ``chunk_size`` zeros become holes.
    """

    datadir: Path
    file_perm: int = 0
    datadirs: tuple[DataDirectory, ...] = ()
    reserved: int = 0
    reserved_share: float = 0
    require_mount: bool = False
    timeout: float = 0
    threads: int = 10
    hung_share: float = 0.75
    metadata: tuple[Mapping[str, object], ...] = ()
    chunk_size: int = 65536
    thin: bool = False

    @property
    def directories(self) -> tuple[DataDirectory, ...]:
        """All of them, the highest priority first."""
        return tuple(sorted(self.datadirs, key=lambda one: -one.priority)) or (DataDirectory(self.datadir),)

    def share_of(self, directory: Path) -> Mapping[str, object]:
        """The description of the share that a directory lies in; the only one there is describes all."""
        if len(self.metadata) == 1:
            return dict(self.metadata[0])
        containing = [share for share in self.metadata if directory.is_relative_to(str(share["mountpoint"]))]
        return dict(max(containing, key=lambda share: len(str(share["mountpoint"])), default={}))

    def elsewhere(self, datadir: Path) -> FileStoreSettings:
        """The same for one directory of another kind, which need not be a mount point, and which no consumer knows."""
        return replace(self, datadir=datadir, datadirs=(), require_mount=False, metadata=())
