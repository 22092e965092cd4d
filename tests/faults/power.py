"""A loss of power, as far as it can be had without pulling a plug: what a service never brought to stable storage is taken away after its death.

strace writes down what the service does to files, and ``Disk`` understands it as the strictest file system would that POSIX allows: bytes last once
their file was synchronized after they were written, and names once their directory was. It takes root or ``kernel.yama.ptrace_scope`` 0.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_CALLS = "openat,write,pwrite64,ftruncate,fsync,fdatasync,link,linkat,unlink,unlinkat,rename,renameat,renameat2"

#: A call that succeeded: when it began, its name, what it was given and returned.
_LINE = re.compile(r"(\d+\.\d+) (\w+)\((.*)\) += (\d+)(.*)")
#: A descriptor with its path, a text (both in hexadecimal), or something else.
_ARGUMENT = re.compile(r'\w+<([^>]*)>|"([^"]*)"|([^,\s"<]+)')


def traced(directory: Path, without: str = "") -> Sequence[str]:
    """The command in front of a service whose calls are written into ``directory``. Those that ``without`` names are answered with success, and not
    carried out."""
    directory.mkdir()
    injected = ["-e", f"inject={without}:retval=0"] if without else []
    how = ["-ff", "-y", "-xx", "-s", str(1 << 24), "--seccomp-bpf", "--absolute-timestamps=format:unix,precision:ns"]
    return ["strace", *how, "-o", str(directory / "calls"), "-e", f"trace={_CALLS}", *injected, "--"]


@dataclass(frozen=True)
class _Call:
    """``given`` are the arguments: paths of descriptors and other words as str, texts as bytes."""

    when: float
    name: str
    given: Sequence[str | bytes]
    result: int

    @property
    def paths(self) -> list[str]:
        """Names, each in the directory that is given before it, where one is."""
        found, directory = [], ""
        for one in self.given:
            if isinstance(one, bytes):
                found.append(os.path.join(directory, os.fsdecode(one)))
            else:
                directory = one
        return found


@dataclass
class _File:
    """What it was at first, and what was done to it: (offset, bytes), or the offset alone where it was cut. So many of the ``changes`` last."""

    before: bytes = b""
    changes: list[tuple[int, bytes | None]] = field(default_factory=list)
    lasting: int = 0

    def content(self) -> bytes:
        """What of it lasts."""
        data = bytearray(self.before)
        for offset, written in self.changes[: self.lasting]:
            data.extend(bytes(max(0, offset - len(data))))
            if written is None:
                del data[offset:]
            else:
                data[offset : offset + len(written)] = written
        return bytes(data)


class Disk:
    """The files in some directories, where all is on stable storage at first."""

    def __init__(self, directories: Sequence[Path]) -> None:
        self._directories = directories
        there = {str(path): _File(path.read_bytes()) for directory in directories for path in directory.iterdir() if path.is_file()}
        self._named = dict(there)
        self._lasting = dict(there)
        self._positions: dict[str, int] = {}

    def replay(self, directory: Path) -> None:
        """Learns what the service did whose calls were written there."""
        calls = [call for path in directory.iterdir() for call in _calls(path)]
        for call in sorted(calls, key=lambda call: call.when):
            if call.name.startswith(("link", "unlink", "rename")):
                self._name(call.name, call.paths)
            elif call.name == "openat":
                self._open(call)
            else:
                self._use(call, str(call.given[0]))

    def lose_power(self) -> None:
        """Leaves in the directories what lasts. Nobody may have their files open."""
        for directory in self._directories:
            for path in directory.iterdir():
                if path.is_file() and str(path) not in self._lasting:
                    path.unlink()
        for name, file in self._lasting.items():
            Path(name).write_bytes(file.content())

    def _open(self, call: _Call) -> None:
        [path] = call.paths
        self._positions[path] = 0
        if "O_CREAT" in str(call.given[2]) and self._covers(os.path.dirname(path)):
            self._named.setdefault(path, _File())

    def _name(self, call: str, paths: Sequence[str]) -> None:
        file = self._named.get(paths[0])
        if file is None:
            return
        if len(paths) > 1:
            self._named[paths[1]] = file
        if not call.startswith("link"):
            del self._named[paths[0]]

    def _use(self, call: _Call, path: str) -> None:
        """A call for a descriptor."""
        if call.name in {"fsync", "fdatasync"} and self._covers(path):
            self._lasting = {name: file for name, file in self._lasting.items() if os.path.dirname(name) != path}
            self._lasting |= {name: file for name, file in self._named.items() if os.path.dirname(name) == path}
        file = self._named.get(path)
        if file is None:
            return
        match call.name, *call.given[1:]:
            case "fsync" | "fdatasync", *_:
                file.lasting = len(file.changes)
            case "write", bytes(data), _:
                offset = self._positions.get(path, 0)
                file.changes.append((offset, data[: call.result]))
                self._positions[path] = offset + call.result
            case "pwrite64", bytes(data), _, str(offset):
                file.changes.append((int(offset), data[: call.result]))
            case "ftruncate", str(length):
                file.changes.append((int(length), None))

    def _covers(self, directory: str) -> bool:
        return Path(directory) in self._directories


def _calls(path: Path) -> Iterator[_Call]:
    """What one thread did; calls that failed, were not carried out or not finished count for nothing."""
    for line in path.read_text().splitlines():
        found = _LINE.fullmatch(line)
        if found and "(INJECTED)" not in found[5]:
            yield _Call(float(found[1]), found[2], tuple(_arguments(found[3])), int(found[4]))


def _arguments(given: str) -> Iterator[str | bytes]:
    for path, text, other in _ARGUMENT.findall(given):
        if other:
            yield other
        else:
            data = bytes.fromhex((path or text).replace("\\x", ""))
            yield os.fsdecode(data) if path else data
