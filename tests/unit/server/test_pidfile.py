from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from glance import worker
from glance.errors import ConfigurationError
from glance.server.pidfile import PidFile, Process


@pytest.fixture
def pid_file(tmp_path: Path) -> PidFile:
    return PidFile(tmp_path / "glance-api.pid", "glance-api")


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


def test_write_when_read_again_then_the_same_process_runs(pid_file: PidFile) -> None:
    pid_file.write(Process.current())
    assert pid_file.read() == pid_file.running() == Process(os.getpid(), worker.current())


def test_write_when_done_then_first_line_is_the_pid_and_nothing_is_left_beside(pid_file: PidFile) -> None:
    pid_file.write(Process(4711, ""))
    pid_file.write(Process.current())
    assert pid_file.path.read_text().splitlines()[0] == str(os.getpid())
    assert stat.S_IMODE(pid_file.path.stat().st_mode) == 0o644
    assert list(pid_file.path.parent.iterdir()) == [pid_file.path]


def test_write_when_the_path_is_a_symbolic_link_then_replaces_the_link_and_spares_its_target(pid_file: PidFile, tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("precious")
    pid_file.path.symlink_to(target)
    pid_file.write(Process.current())
    assert target.read_text() == "precious"
    assert not pid_file.path.is_symlink()


def test_write_when_it_fails_then_leaves_nothing(pid_file: PidFile) -> None:
    pid_file.path.mkdir()
    with pytest.raises(IsADirectoryError):
        pid_file.write(Process.current())
    assert list(pid_file.path.parent.iterdir()) == [pid_file.path]


def test_read_when_there_is_no_file_or_an_empty_one_then_none(pid_file: PidFile) -> None:
    assert pid_file.read() is None
    assert pid_file.running() is None
    pid_file.path.touch()
    assert pid_file.read() is None
    assert pid_file.running() is None


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_read_when_it_is_no_regular_file_then_refused(pid_file: PidFile, make: Callable[[Path], None]) -> None:
    make(pid_file.path)
    with pytest.raises(ConfigurationError, match="it is no regular file"):
        pid_file.read()


def test_read_when_it_is_a_symbolic_link_then_refused(pid_file: PidFile, tmp_path: Path) -> None:
    (tmp_path / "other").write_text("4711\n")
    pid_file.path.symlink_to(tmp_path / "other")
    with pytest.raises(ConfigurationError, match="it is a symbolic link"):
        pid_file.read()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_read_when_it_belongs_to_another_user_then_refused(pid_file: PidFile) -> None:
    pid_file.write(Process.current())
    os.chown(pid_file.path, 65534, 65534)
    with pytest.raises(ConfigurationError, match="it belongs to another user"):
        pid_file.read()


@pytest.mark.parametrize("content", [b"\n", b"0", b"1", b"-5", b"12345678", b"12 34", b"\xff\xfe", "\u0664\u0662".encode(), b"4711\nh/b/4712/9\n"])
def test_read_when_it_names_no_process_then_refused(pid_file: PidFile, content: bytes) -> None:
    pid_file.path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="it names no process"):
        pid_file.read()


@pytest.mark.parametrize(
    "name",
    [
        "{host}/{boot}/{namespace}/{pid}/1",
        "{host}/00000000-0000-0000-0000-000000000000/{namespace}/{pid}/{start}",
        "{host}/{boot}/1/{pid}/{start}",
        "elsewhere/{boot}/{namespace}/{pid}/{start}",
        "",
    ],
    ids=["pid used anew", "before a reboot", "in another container", "on another host", "classic"],
)
def test_signal_when_the_pid_is_of_a_foreign_process_then_not_sent(pid_file: PidFile, sleeper: subprocess.Popen[bytes], name: str) -> None:
    host, boot, namespace, _, _ = worker.current().split("/")
    start = Path(f"/proc/{sleeper.pid}/stat").read_text().rpartition(")")[2].split()[19]
    process = Process(sleeper.pid, name.format(host=host, boot=boot, namespace=namespace, pid=sleeper.pid, start=start))
    assert pid_file.signal(process, signal.SIGKILL) is False
    assert pid_file.wait(process, 0) is True
    assert sleeper.poll() is None


def test_signal_when_sent_to_the_process_on_record_then_it_ends_and_is_waited_for(pid_file: PidFile) -> None:
    script = f"from glance.server.pidfile import *; PidFile(Path({str(pid_file.path)!r}), 'x').write(Process.current()); print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        process = pid_file.running()
        assert process is not None
        assert pid_file.wait(process, 0.01) is False
        assert pid_file.signal(process, signal.SIGKILL) is True
        assert pid_file.wait(process, 20) is True
        assert pid_file.running() is None  # dead, though nobody has reaped it
        assert pid_file.signal(process, signal.SIGKILL) is False


def test_running_when_the_host_was_renamed_then_the_program_decides(pid_file: PidFile, tmp_path: Path) -> None:
    program = tmp_path / "glance-api"
    program.write_text("print(flush=True)\ninput()\n")
    with subprocess.Popen([sys.executable, "-S", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        pid_file.write(Process(child.pid, f"not-{socket.gethostname()}/boot/{child.pid}/1"))
        assert pid_file.running() is not None
        assert PidFile(pid_file.path, "glance-registry").running() is None


def test_locked_when_another_holds_the_lock_then_waits(pid_file: PidFile) -> None:
    order = []

    def second() -> None:
        with PidFile(pid_file.path, "glance-api").locked():
            order.append("second")

    thread = threading.Thread(target=second)
    with pid_file.locked():
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_locked_when_there_is_no_directory_then_there_is_nothing_to_lock(tmp_path: Path) -> None:
    with PidFile(tmp_path / "missing" / "x.pid", "x").locked():
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("directory", "expected"), [("deep/run", True), ("/proc/glance", False)])
def test_make_directory_when_missing_then_made_if_that_is_possible(tmp_path: Path, directory: str, expected: bool) -> None:
    assert PidFile(tmp_path / directory / "x.pid", "x").make_directory() is expected
    assert (tmp_path / directory).is_dir() is expected


def test_write_when_interrupted_once_the_file_has_its_name_then_that_is_what_is_raised(pid_file: PidFile) -> None:
    def interrupt(_frame: FrameType, event: str, function: object) -> None:
        if event == "c_return" and function is os.rename:
            raise KeyboardInterrupt

    sys.setprofile(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            pid_file.write(Process.current())
    finally:
        sys.setprofile(None)
    assert pid_file.read() == Process.current()
