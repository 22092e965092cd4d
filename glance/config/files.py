"""Which configuration files a program reads (spec-v1 5.1), and whether they are safe to read."""

from __future__ import annotations

import configparser
import contextlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from glance import errors

#: No real configuration is longer; whatever is has been named by mistake.
MAX_BYTES = 1024 * 1024


def directories() -> tuple[Path, ...]:
    """Where configuration files are looked for, in order."""
    home = Path(os.path.expanduser("~"))
    return (Path.cwd(), home / ".glance", home, Path("/etc/glance"), Path("/etc"))


def find(names: Sequence[str], places: Sequence[Path]) -> list[Path]:
    """For each name the first place that has such a file; names found nowhere are left out."""
    found = (next((place / name for place in places if _is_file(place / name)), None) for name in names)
    return [path for path in found if path]


def program_files(*programs: str) -> list[Path]:
    """The files that a program reads when none is named: glance.conf, then its own, which wins; one that needs what others are told reads theirs
    before."""
    return find(["glance.conf", *(f"{program}.conf" for program in programs)], directories())


def in_directory(directory: Path) -> list[Path]:
    """The files of a directory given by --config-dir, in the order that they are read."""
    return sorted(directory.glob("*.conf"))


def beside(places: Sequence[Path], name: str) -> Path:
    """A file that an option names: in the first directory of the configuration files that has it, or where it should be in the first one."""
    candidates = [place / name for place in places] or [Path(name)]
    return next((path for path in candidates if is_there(path)), candidates[0])


def is_there(path: Path) -> bool:
    """False where there is no such file; true also for one that cannot be looked at, so that whoever reads it says why."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def check(path: Path) -> None:
    """Raises what ``text`` does."""
    text(path)


def text(path: Path) -> str:
    """What a file says. Raises ConfigurationUnsafe where everybody may write it, ConfigurationError where it is no text of a sensible size."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        head = file.read(MAX_BYTES + 1)
    if status.st_mode & stat.S_IWOTH and stat.S_ISREG(status.st_mode):
        raise errors.ConfigurationUnsafe(reason=f"{path} may be written by everybody; run: chmod o-w {path}")
    if len(head) > MAX_BYTES:
        raise errors.ConfigurationError(reason=f"The file has more than {MAX_BYTES} bytes.")
    if head.startswith(b"\xef\xbb\xbf"):
        raise errors.ConfigurationError(reason="Line 1 starts with a byte order mark; save the file as plain UTF-8.")
    try:
        return head.decode()
    except UnicodeDecodeError as error:
        raise errors.ConfigurationError(reason=f"Line {head[: error.start].count(10) + 1} is not UTF-8.") from None


def sections(path: Path) -> configparser.RawConfigParser:
    """The sections of a file as they stand there; none where it has another form."""
    parser = configparser.RawConfigParser(strict=False)
    with contextlib.suppress(configparser.Error):
        parser.read(path)
    return parser


def readable_by_all(paths: Sequence[Path]) -> Iterator[Path]:
    """Those that every user of the machine may read."""
    return (path for path in paths if path.stat().st_mode & stat.S_IROTH)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        return False
