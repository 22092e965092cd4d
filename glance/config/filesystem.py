"""Options of the file store, under the names that they have always had, and the file that describes its shares."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from glance import errors
from glance.config import files
from glance.config.driver_options import number, string, switch
from glance.config.sections import Section, also_in_default
from glance.store.drivers.file import DataDirectory, FileStoreSettings

_MIB = 1 << 20
_DATADIR = "/var/lib/glance/images/"
_OWNER_READS = 0o400


SECTION = Section(
    "File store",
    (
        string("filesystem_store_datadir", "Directory of the file store; made at start when it is missing.", default=_DATADIR),
        cfg.MultiStrOpt(
            "filesystem_store_datadirs",
            default=[],
            deprecated_opts=also_in_default("filesystem_store_datadirs"),
            help="Several directories instead of filesystem_store_datadir, as path or path:priority; repeat the option for each. An image goes to "
            "the one with the highest priority that has room for it; among equals to the one with the most free space. Without priority: 0.",
        ),
        string(
            "filesystem_store_file_perm",
            "Mode of image files as octal digits, such as 640. 0 stands for 0640. The owner must be able to read.",
            default="0",
        ),
        string(
            "filesystem_store_reserved_space",
            "Room that images leave on each file system: MiB, or a share of its size, such as 5%. Set it where the database, logs or other programs "
            "write there too.",
            default="0",
        ),
        switch(
            "filesystem_store_require_mount",
            "Whether every directory must be a mount point at start, so that a share that is not mounted never fills the disk below it. Unless set, "
            "only those that were mounted when they were used last, where that could be noted beside them.",
        ),
        cfg.FloatOpt(
            "filesystem_store_timeout",
            default=0,
            min=0,
            deprecated_opts=also_in_default("filesystem_store_timeout"),
            help="Seconds to wait for a file system that may hang, such as NFS, when data are looked for, opened or erased, and when an upload "
            "begins. 0: as long as it takes.",
        ),
        number("filesystem_store_thread_pool_size", 10, "With a time-out: calls of the file system at the same time, for each directory.", 1),
        number(
            "filesystem_store_threadpool_threshold",
            75,
            "With a time-out: per cent of these calls that may hang. Once they do, further calls fail at once, until some return.",
            1,
            100,
        ),
        string(
            "filesystem_store_metadata_file",
            'JSON file that describes the share to consumers that mount it too: {"id": "...", "mountpoint": "/path"}, or a list of these. It becomes '
            "the metadata of locations; of a list, what has the mount point that the directory lies in.",
        ),
        number("filesystem_store_chunk_size", 65536, "Bytes of the blocks that filesystem_thin_provisioning looks at.", 512),
        switch("filesystem_thin_provisioning", "Whether blocks of zeros become holes, which take no room on the disk."),
    ),
    group="glance_store",
)


def read(group: Any) -> FileStoreSettings:
    """The settings that a section holds. Raises StoreMisconfigured."""
    several = tuple(_directories(group.filesystem_store_datadirs))
    if several and group.filesystem_store_datadir != _DATADIR:
        raise _wrong("filesystem_store_datadir and filesystem_store_datadirs exclude each other: set one of them.")
    reserved, share = _reserve(group.filesystem_store_reserved_space)
    return FileStoreSettings(
        datadir=max(several, key=lambda one: one.priority).path if several else Path(group.filesystem_store_datadir),
        file_perm=_mode(group.filesystem_store_file_perm),
        datadirs=several,
        reserved=reserved,
        reserved_share=share,
        require_mount=group.filesystem_store_require_mount,
        timeout=group.filesystem_store_timeout,
        threads=group.filesystem_store_thread_pool_size,
        hung_share=group.filesystem_store_threadpool_threshold / 100,
        metadata=_metadata(group.filesystem_store_metadata_file),
        chunk_size=group.filesystem_store_chunk_size,
        thin=group.filesystem_thin_provisioning,
    )


def _directories(texts: Sequence[str]) -> Iterator[DataDirectory]:
    seen = set()
    for text in texts:
        name, _colon, priority = text.rpartition(":") if ":" in text else (text, "", "0")
        if not name.strip() or not priority.strip().isdecimal():
            raise _wrong(f"filesystem_store_datadirs takes path or path:priority, the priority a whole number, not {text}")
        path = Path(os.path.abspath(name.strip()))
        if path in seen:
            raise _wrong(f"filesystem_store_datadirs names {path} twice.")
        seen.add(path)
        yield DataDirectory(path, int(priority))


def _mode(text: str) -> int:
    try:
        mode = int(text, 8)
    except ValueError:
        raise _wrong(f"filesystem_store_file_perm is not octal: {text}") from None
    if not 0 <= mode <= 0o777 or (mode and not mode & _OWNER_READS):
        raise _wrong(f"filesystem_store_file_perm is {text}, but must be 0 or let the owner read, such as 640.")
    return mode


def _reserve(text: str) -> tuple[int, float]:
    """(bytes, share of the file system) to be left free: one of them is 0."""
    number = text.strip().removesuffix("%")
    try:
        value = float(number)
    except ValueError:
        value = -1
    relative = text.strip().endswith("%")
    if not 0 <= value < (100 if relative else float("inf")):
        raise _wrong(f"filesystem_store_reserved_space takes a number of MiB, or per cent below 100 such as 5%, not {text}")
    return (0, value / 100) if relative else (int(value * _MIB), 0)


def _metadata(name: str | None) -> tuple[Mapping[str, object], ...]:
    if not name:
        return ()
    try:
        files.check(Path(name))
        read = json.loads(Path(name).read_text())
    except (OSError, ValueError, errors.ConfigurationError) as error:
        reason = error.message if isinstance(error, errors.ConfigurationError) else str(error)
        raise _wrong(f"filesystem_store_metadata_file cannot be used: {reason}") from None
    entries = read if isinstance(read, list) else [read]
    for entry in entries:
        if not isinstance(entry, dict) or not all(isinstance(entry.get(key), str) and entry[key] for key in ("id", "mountpoint")):
            raise _wrong('filesystem_store_metadata_file must hold {"id": "...", "mountpoint": "/path"}, or a list of these.')
    return tuple(entries)


def _wrong(reason: str) -> errors.StoreMisconfigured:
    return errors.StoreMisconfigured(reason=reason)
