"""Directories that are mount points: while a share is not mounted, its images must not go to the disk below it."""

from __future__ import annotations

import logging
import os
import re
import stat
from pathlib import Path

from glance import errors

LOG = logging.getLogger(__name__)

_MOUNTS = Path("/proc/self/mountinfo")
_MODE = 0o750
_NOTE = "Glance found the directory {} mounted, and does not start while it is not. Remove this file if it is no mount point any more.\n"


def prepare(directory: Path, what: str, *, required: bool) -> int:
    """Makes a directory, mounted as it should be, and returns its inode. Raises ConfigurationError, also where everybody may write."""
    try:
        check(directory, what, required=required)
        make(directory)
        status = directory.stat()
    except OSError as error:
        raise misconfigured(directory, what, f"cannot be used: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode):
        raise misconfigured(directory, what, "is not a directory")
    if status.st_mode & stat.S_IWOTH:
        raise misconfigured(directory, what, "may be written by everybody; take that permission away")
    return status.st_ino


def misconfigured(directory: Path, what: str, reason: str) -> errors.ConfigurationError:
    """The error that names a directory and what is wrong with it."""
    return errors.ConfigurationError(reason=f"The {what}, {directory}, {reason}.")


def check(directory: Path, what: str, *, required: bool) -> None:
    """Raises ConfigurationError where nothing is mounted on a directory, but should be: because it is ``required``, or because something was when the
    directory was used last. What lies below is not touched. ``what`` names the directory in the log."""
    if is_mounted(directory):
        if not remember(directory) and not required:
            LOG.warning("The %s is mounted, but that cannot be noted beside it: set filesystem_store_require_mount.", what)
    elif required:
        raise errors.ConfigurationError(reason=f"Nothing is mounted on {directory}, as filesystem_store_require_mount demands.")
    elif note_of(directory).exists():
        reason = f"Nothing is mounted on {directory}, but it was a mount point when it was used last: mount it, or remove {note_of(directory)}"
        raise errors.ConfigurationError(reason=reason)


def make(directory: Path) -> None:
    """Makes a directory. Also its parents get a mode of ours, whatever the umask is."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        path.mkdir(_MODE, exist_ok=True)


def is_mounted(directory: Path) -> bool:
    """Whether a file system is mounted just there, also one that is mounted elsewhere too."""
    try:
        mounts = os.fsdecode(_MOUNTS.read_bytes()).rstrip("\n").split("\n")
    except FileNotFoundError:
        return directory.is_mount()  # where there is no /proc: does not see what comes from the same file system
    return os.path.realpath(directory) in {_unescaped(line.split(" ")[4]) for line in mounts}


def remember(directory: Path) -> bool:
    """Notes beside a directory that it is a mount point. False where nothing can be written there."""
    try:
        fd = os.open(note_of(directory), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    except FileExistsError:
        return True
    except OSError:
        return False
    with os.fdopen(fd, "w") as file:
        file.write(_NOTE.format(directory.name))
    return True


def note_of(directory: Path) -> Path:
    """The file that remembers, for later processes, that a directory is a mount point."""
    return directory.parent / f".{directory.name}.mounted"


def _unescaped(path: str) -> str:
    r"""A path as mountinfo has it, with \040 for a space."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), path)
