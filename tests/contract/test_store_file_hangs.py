"""The file driver on a file system that hangs (reliability R20): calls end in time, in a number that is bounded, and leave nothing behind.

A named pipe hangs whoever opens it until somebody writes. Where other calls shall hang, strace delays them in the kernel, longer than any test waits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.file import DataDirectory, FileStore, FileStoreSettings
from glance.store.staging import StagingStore
from glance.testing.servers import wait_until
from glance.testing.store_contract import open_files

CTX = RequestContext()

#: Asks a store one thing after the other; prints what came of each, and how many threads hang.
ASK = """
import json, sys, threading
from pathlib import Path
from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.file import DataDirectory, FileStore, FileStoreSettings

directory, threads, *asked = sys.argv[1:]
store, ctx = FileStore("file", FileStoreSettings(Path(directory), timeout=0.5, threads=int(threads), hung_share=1)), RequestContext()
location = Location(url=f"file://{directory}/one", store="file")
ways = {
    "open": lambda: store.open(ctx, location).close(),
    "size": lambda: store.size(ctx, location),
    "delete": lambda: store.delete(ctx, location),
    "discard": lambda: store.discard(ctx, "one"),
    "add": lambda: store.add(ctx, "two", [b"data"], 4),
    "check": store.check,
    "recognizes": lambda: store.recognizes(Location(url=f"file://{directory}/./one", store="file")),
}
told = []
for name in asked:
    try:
        ways[name]()
        told.append("done")
    except errors.GlanceError as error:
        told.append(error.code)
print(json.dumps([told, sum(thread.name == "store-file" for thread in threading.enumerate())]), flush=True)
sys.stdin.read()
"""


def ask(directory: Path, call: str, threads: int, *asked: str) -> tuple[list[str], int]:
    """What a store in a process of its own answers, whose ``call`` hangs in that directory."""
    delay = f"inject={call}:delay_enter=600000000"  # microseconds
    command = ["strace", "-f", "-o", "/dev/null", "-P", directory, "-e", f"trace={call}", "-e", delay, sys.executable, "-c", ASK, directory]
    with subprocess.Popen([*command, str(threads), *asked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as process:
        try:
            assert process.stdout
            told, hung = json.loads(process.stdout.readline())
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    return told, hung


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "images"
    directory.mkdir(0o750)
    (directory / "one").write_bytes(b"data")
    return directory


@pytest.mark.parametrize(
    ("call", "asked"),
    [
        ("openat", ["open", "size", "delete", "discard", "add", "check"]),
        ("unlinkat", ["delete", "discard"]),
        ("getdents64", ["discard"]),
        ("fstatfs", ["add"]),
    ],
)
def test_store_when_its_directory_hangs_then_everything_asked_of_it_ends_in_time(directory: Path, call: str, asked: list[str]) -> None:
    told, _hung = ask(directory, call, 10, *asked)

    assert told == ["store-unavailable"] * len(asked)
    assert [path.name for path in directory.iterdir()] == ["one"]


def test_store_when_as_many_calls_hang_as_may_then_no_more_are_begun(directory: Path) -> None:
    told, hung = ask(directory, "openat", 2, "open", "delete", "size", "add", "discard")

    assert (told, hung) == (["store-unavailable"] * 5, 2)


@pytest.fixture
def pipe(directory: Path) -> Iterator[Path]:
    """An image that hangs whoever opens it; nobody hangs any more once the test has ended."""
    path = directory / "hanging"
    os.mkfifo(path)
    yield path
    release(path)


def release(pipe: Path) -> None:
    """Lets go of all that hang."""
    os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))
    wait_until(lambda: not any(thread.name == "store-file" for thread in threading.enumerate()), "the hanging calls to return")


def test_store_when_an_image_hangs_then_others_are_read_and_nothing_stays_open(directory: Path, pipe: Path) -> None:
    store = FileStore("file", FileStoreSettings(directory, timeout=0.5))
    hanging, fine = (Location(url=f"file://{directory}/{name}", store="file") for name in ("hanging", "one"))
    before = open_files()

    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, hanging)
    patient = FileStore("file", FileStoreSettings(directory, timeout=60))
    assert (patient.size(CTX, fine), patient.size(CTX, patient.add(CTX, "two", [b"data"], 4))) == (4, 4)

    release(pipe)
    wait_until(lambda: open_files() == before, "the descriptors to be closed")


def test_staging_store_when_it_has_a_time_out_then_works_as_without(tmp_path: Path) -> None:
    store = StagingStore(FileStoreSettings(tmp_path / "staging", timeout=60))
    name = "11111111-2222-4333-8444-555555555555"

    assert list(store.contents()) == []
    location = store.add(CTX, name, [b"data"], 4)

    [found] = store.contents()
    assert (store.size(CTX, location), found.image_id) == (4, name)
    store.discard(CTX, name)
    assert list(store.contents()) == []


def hang_every_call(store: FileStore, pipe: Path) -> None:
    """Takes the only thread that a store has for a directory."""
    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, Location(url=f"file://{pipe}", store="file"))


def test_check_when_one_directory_hangs_then_the_others_are_made_ready(directory: Path, pipe: Path) -> None:
    other = directory.parent / "other"
    several = (DataDirectory(directory, 2), DataDirectory(other, 1))
    store = FileStore("file", FileStoreSettings(directory, datadirs=several, timeout=0.5, threads=1))
    hang_every_call(store, pipe)

    with pytest.raises(errors.StoreUnavailable):
        store.check()

    assert other.is_dir()


def test_directory_that_hung_at_start_when_it_answers_then_used_only_if_it_is_mounted(directory: Path, pipe: Path) -> None:
    store = FileStore("file", FileStoreSettings(directory, timeout=60, threads=1, require_mount=True))
    impatient = FileStore("file", FileStoreSettings(directory, timeout=0.5, threads=1, require_mount=True))
    hang_every_call(impatient, pipe)
    with pytest.raises(errors.StoreUnavailable):
        impatient.check()
    release(pipe)

    with pytest.raises(errors.ConfigurationError):
        store.check()
    with pytest.raises(errors.StoreUnavailable):
        impatient.add(CTX, "two", [b"data"], 4)

    assert sorted(path.name for path in directory.iterdir()) == ["hanging", "one"]
