"""Pid files: which process runs a server, written so that no foreign process is ever taken for it.

The first line is the pid, as in every pid file. The second is the process's name of ``glance.worker``: a pid that was used anew, or that comes from
before a reboot or from another container, is not the same process. A classic file of one line is accepted where /proc says that the pid runs the
program. A symbolic link, or a file that neither the caller nor root owns, could have been put there by anybody and is refused. An empty file is what
others leave after a power loss, or on a full disk: no process.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import select
import signal
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from glance import worker
from glance.errors import ConfigurationError

_RECORD = re.compile(r"(?P<pid>[0-9]{1,7})\s*(?P<worker>\S+/\S+/(?P=pid)/[0-9]+)?\s*")
_RECORD_BYTES = 4096
_LOCK_SECONDS = 10.0
_LOCK_RETRY_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """What a pid file says; ``worker`` is the name of ``glance.worker``, "" in a classic file."""

    pid: int
    worker: str

    @classmethod
    def current(cls) -> Process:
        """The process that asks; an exec changes neither value."""
        return cls(os.getpid(), worker.current())


class PidFile:
    """The pid file of one program. Methods raise ConfigurationError where the file is refused, and OSError."""

    def __init__(self, path: Path, program: str) -> None:
        self.path = path
        self.program = program

    def make_directory(self) -> bool:
        """Makes the directory where it is missing; False where no file can be written there."""
        try:
            self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            return False
        return os.access(self.path.parent, os.W_OK | os.X_OK, effective_ids=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds off others that look at the file in order to change it. The lock is on the directory: the file itself comes and goes."""
        try:
            directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            yield  # a directory that is missing or closed to us holds nothing that we could change
            return
        try:
            self._lock(directory)
            yield
        finally:
            os.close(directory)

    def read(self) -> Process | None:
        """The process on record; None where there is no file, or an empty one."""
        try:
            # O_NONBLOCK: a fifo of this name must not hold us.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._refused("it is a symbolic link" if error.errno == errno.ELOOP else os.strerror(error.errno or 0)) from error
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise self._refused("it is no regular file")
            if status.st_uid not in (0, os.geteuid()):
                raise self._refused("it belongs to another user")
            content = os.read(descriptor, _RECORD_BYTES)
        finally:
            os.close(descriptor)
        if not content:
            return None
        record = _RECORD.fullmatch(content.decode("ascii", "replace"))
        if record is None or int(record["pid"]) <= 1:
            raise self._refused("it names no process")
        return Process(int(record["pid"]), record["worker"] or "")

    def write(self, process: Process) -> None:
        """Puts ``process`` on record; readers see the old content or the new, also after a power loss. An OSError names the pid file."""
        try:
            self._replace(f"{process.pid}\n{process.worker}\n")
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self.path)) from error

    def remove(self) -> None:
        """Forgets the process, if there is one on record."""
        self.path.unlink(missing_ok=True)

    def running(self) -> Process | None:
        """The process on record, if it is alive."""
        process = self.read()
        return process if process and self._is_alive(process) else None

    def signal(self, process: Process, number: signal.Signals) -> bool:
        """Sends a signal; False where the process is not running. The pid cannot change hands in between: a pidfd holds it."""
        with self._handle(process) as handle:
            if handle is None:
                return False
            signal.pidfd_send_signal(handle, number)
            return True

    def wait(self, process: Process, seconds: float) -> bool:
        """Waits until the process has ended; False where it has not after ``seconds``."""
        with self._handle(process) as handle:
            if handle is None:
                return True
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            return bool(poll.poll(seconds * 1000))

    def _replace(self, content: str) -> None:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with open(descriptor, "w", encoding="ascii") as file:
                os.fchmod(descriptor, 0o644)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.rename(temporary, self.path)
        except BaseException:
            with suppress(FileNotFoundError):  # a signal may come when it has its name already
                os.unlink(temporary)
            raise

    def _is_alive(self, process: Process) -> bool:
        """Whether the pid still belongs to the process that was put on record."""
        if process.worker.startswith(f"{socket.gethostname()}/"):
            return worker.name_of(process.pid) == process.worker
        return _program(process.pid) == self.program  # a classic file, or one from before the host was renamed

    @contextmanager
    def _handle(self, process: Process) -> Iterator[int | None]:
        """A pidfd of ``process``; None where it is not running."""
        try:
            handle = os.pidfd_open(process.pid)
        except ProcessLookupError:
            yield None
            return
        try:
            yield handle if self._is_alive(process) else None
        finally:
            os.close(handle)

    def _lock(self, directory: int) -> None:
        """Locks with a deadline: whoever may read the directory could hold it for ever."""
        deadline = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._refused("another process keeps its directory locked") from None
                time.sleep(_LOCK_RETRY_SECONDS)
            else:
                return

    def _refused(self, reason: str) -> ConfigurationError:
        return ConfigurationError(reason=f"Refusing pid file {self.path}: {reason}")


def _program(pid: int) -> str:
    """The file name of the program that a process runs, behind its Python interpreter if there is one; "" where that cannot be told."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    name = os.path.basename(arguments[0])
    if not name.startswith("python"):
        return name
    return next((os.path.basename(argument) for argument in arguments[1:] if not argument.startswith("-")), "")
