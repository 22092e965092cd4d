"""Files that go to the disk while they are written: what the kernel is asked for, and in which order."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

from glance.store.drivers.file.writeout import sync_file_range
from glance.testing.store_contract import MIB

ADD = """
import sys
from pathlib import Path
from glance.context import RequestContext
from glance.store.drivers.file import FileStore, FileStoreSettings

store = FileStore("file", FileStoreSettings(Path(sys.argv[1])))
store.add(RequestContext(), "one", (bytes(1 << 20) for _ in range(40)), None)
"""


def test_add_when_data_are_long_then_they_go_to_the_disk_meanwhile_and_are_synced_at_the_end(tmp_path: Path) -> None:
    datadir, log = tmp_path / "images", tmp_path / "strace"
    datadir.mkdir()
    command = ["strace", "-f", "-o", log, "-e", "trace=sync_file_range,fsync,linkat", sys.executable, "-c", ADD, datadir]
    subprocess.run(command, timeout=60, check=True)
    called = re.findall(r"(?:(sync_file_range)\(\d+, (\d+), (\d+), SYNC_FILE_RANGE_WRITE|(fsync|linkat)\()", log.read_text())
    assert called == [
        ("sync_file_range", "0", str(16 * MIB), ""),
        ("sync_file_range", str(16 * MIB), str(16 * MIB), ""),
        ("", "", "", "fsync"),
        ("", "", "", "linkat"),
        ("", "", "", "fsync"),
    ]


def test_call_when_the_system_has_no_such_one_then_there_is_none() -> None:
    assert sync_file_range(SimpleNamespace()) is None


def test_add_when_the_kernel_refuses_to_begin_then_the_data_are_stored_all_the_same(tmp_path: Path) -> None:
    datadir, log = tmp_path / "images", tmp_path / "strace"
    datadir.mkdir()
    injected = ["-e", "trace=sync_file_range", "-e", "inject=sync_file_range:error=ENOSYS"]
    subprocess.run(["strace", "-f", "-o", log, *injected, sys.executable, "-c", ADD, datadir], timeout=60, check=True)
    assert log.read_text().count("(INJECTED)") == 2
    assert (datadir / "one").read_bytes() == bytes(40 * MIB)
