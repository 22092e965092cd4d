"""The file driver on file systems that come and go, fill up, or cannot be written (reliability R08, R11, R12)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from glance.store.drivers.file import mounts
from tests import namespaces


def test_check_when_the_mount_is_missing_that_is_required_then_refuses_to_start_and_makes_nothing(tmp_path: Path) -> None:
    script = """
share = Path(sys.argv[1]) / "share"
store = FileStore("file", FileStoreSettings(share, require_mount=True))
absent = outcome(store.check)
made = share.exists()
share.mkdir()
bare = outcome(store.check)
mount(share, "mode=0750")
tell(absent, made, bare, outcome(store.check))
"""
    absent, made, bare, mounted = namespaces.run(script, tmp_path)

    assert (made, mounted) == (False, "done")
    for refused in (absent, bare):
        assert "Nothing is mounted" in refused
        assert "filesystem_store_require_mount" in refused


def test_check_when_the_directory_was_mounted_once_then_later_processes_refuse_it_unmounted(tmp_path: Path) -> None:
    share = tmp_path / "my share"
    share.mkdir()
    check = 'tell(outcome(FileStore("file", FileStoreSettings(Path(sys.argv[1]))).check))'

    assert namespaces.run(check, share) == ["done"]
    assert namespaces.run(f'mount(sys.argv[1], "mode=0750")\n{check}', share) == ["done"]
    [refused] = namespaces.run(check, share)
    assert "mount it, or remove" in refused
    assert list(share.iterdir()) == []

    assert namespaces.run(f'mount(sys.argv[1], "mode=0750")\n{check}', share) == ["done"]
    mounts.note_of(share).unlink()
    assert namespaces.run(check, share) == ["done"]


def test_check_when_nothing_can_be_noted_beside_the_mount_then_warns(tmp_path: Path) -> None:
    script = """
import logging
told = []
handler = logging.Handler()
handler.emit = lambda record: told.append(record.getMessage())
logging.getLogger("glance").addHandler(handler)
outer = Path(sys.argv[1])
mount(outer, "mode=0750")
(outer / "share").mkdir()
remount(outer, "ro")
mount(outer / "share", "mode=0750")
results = [outcome(FileStore("file", FileStoreSettings(outer / "share", require_mount=required)).check) for required in (False, True)]
tell(results, told)
"""
    results, [told] = namespaces.run(script, tmp_path)

    assert results == ["done", "done"]
    assert "set filesystem_store_require_mount" in told


def test_is_mounted_when_it_is_a_directory_of_the_same_file_system_then_it_counts_too(tmp_path: Path) -> None:
    script = """
from glance.store.drivers.file import mounts
one, other = (Path(sys.argv[1]) / name for name in ("one", "other"))
for directory in (one, other):
    directory.mkdir()
subprocess.run(["mount", "--bind", one, other], check=True)
tell(mounts.is_mounted(one), mounts.is_mounted(other))
"""
    assert namespaces.run(script, tmp_path) == [False, True]


def test_is_mounted_without_proc_then_asks_the_directory(tmp_path: Path) -> None:
    script = """
from glance.store.drivers.file import mounts
share = Path(sys.argv[1])
mount("/proc", "ro")
before = mounts.is_mounted(share)
mount(share, "rw")
tell(before, mounts.is_mounted(share))
"""
    assert namespaces.run(script, tmp_path) == [False, True]


def test_store_when_its_mount_goes_while_it_runs_then_unavailable_and_back_with_it(tmp_path: Path) -> None:
    script = """
share = Path(sys.argv[1])
mount(share, "mode=0750")
store = FileStore("file", FileStoreSettings(share))
store.check()
location = store.add(CTX, "one", [b"data"], 4)
kept = share.with_name("kept")
kept.mkdir()
subprocess.run(["mount", "--bind", share, kept], check=True)
unmount(share)
away = [outcome(store.open, CTX, location), outcome(store.delete, CTX, location), outcome(store.discard, CTX, "one"), add(store, "two", 1)]
fallen = names(share)
subprocess.run(["mount", "--bind", kept, share], check=True)
tell(away, fallen, store.size(CTX, location), add(store, "two", 1))
"""
    (tmp_path / "share").mkdir()

    away, fallen, size, added = namespaces.run(script, tmp_path / "share")

    assert away == ["store-unavailable"] * 4
    assert fallen == []
    assert (size, added) == (4, f"file://{tmp_path}/share/two")


def test_store_when_its_file_system_turns_read_only_then_reads_and_writes_again_later(tmp_path: Path) -> None:
    script = """
share = Path(sys.argv[1])
mount(share, "mode=0750")
store = FileStore("file", FileStoreSettings(share))
store.check()
location = store.add(CTX, "one", [b"data"], 4)
remount(share, "ro")
found = [store.size(CTX, location), add(store, "two", 1), outcome(store.delete, CTX, location)]
again = FileStore("file", FileStoreSettings(share))
found += [outcome(again.check), again.size(CTX, location), add(again, "two", 1)]
remount(share, "rw")
tell(found, add(store, "two", 1), add(again, "three", 1), names(share))
"""
    found, *added, left = namespaces.run(script, tmp_path)

    assert found == [4, "store-write-denied", "store-write-denied", "done", 4, "store-write-denied"]
    assert added == [f"file://{tmp_path}/two", f"file://{tmp_path}/three"]
    assert left == ["one", "three", "two"]


@pytest.mark.parametrize("reserve", ["reserved=8 * MIB", "reserved_share=0.5"])
@pytest.mark.parametrize("announced", [True, False])
def test_add_when_some_room_is_reserved_then_leaves_it_whatever_is_announced(tmp_path: Path, reserve: str, announced: bool) -> None:
    script = f"""
share = Path(sys.argv[1])
mount(share, "size=64m,mode=0750")
store = FileStore("file", FileStoreSettings(share, {reserve}))
store.check()
results = [add(store, f"image-{{number}}", size * MIB, size * MIB if {announced} else None) for number, size in enumerate((60, 20, 60, 4))]
left = os.statvfs(share)
tell(results, names(share), left.f_bavail * left.f_frsize // MIB)
"""
    results, held, left = namespaces.run(script, tmp_path)

    assert results == ["storage-full", f"file://{tmp_path}/image-1", "storage-full", f"file://{tmp_path}/image-3"]
    assert held == ["image-1", "image-3"]
    assert left >= 8


def test_add_when_the_reserve_is_used_up_then_reads_and_deletes_go_on(tmp_path: Path) -> None:
    script = """
share = Path(sys.argv[1])
mount(share, "size=8m,mode=0750")
location = FileStore("file", FileStoreSettings(share)).add(CTX, "one", [bytes(MIB)], MIB)
store = FileStore("file", FileStoreSettings(share, reserved=8 * MIB))
tell(outcome(store.check), add(store, "two", 1), store.size(CTX, location), outcome(store.delete, CTX, location), names(share))
"""
    assert namespaces.run(script, tmp_path) == ["done", "storage-full", 1 << 20, "done", []]


def test_note_of_a_mount_when_a_link_lies_in_its_place_then_follows_it_nowhere(tmp_path: Path) -> None:
    target = tmp_path / "target"
    mounts.note_of(tmp_path / "share").symlink_to(target)

    assert mounts.remember(tmp_path / "share")
    assert not target.exists()
    assert os.path.lexists(mounts.note_of(tmp_path / "share"))


@pytest.mark.parametrize("other", ["staging", "cold"])
def test_make_when_two_stores_reach_one_directory_by_two_mounts_then_refused(tmp_path: Path, other: str) -> None:
    script = """
from glance.config import programs, stores
site = Path(sys.argv[1])
for name in ("fast", "cold", "staging"):
    (site / name).mkdir(mode=0o750)
subprocess.run(["mount", "--bind", site / "fast", site / sys.argv[2]], check=True)
(site / "glance-api.conf").write_text(f'''
[DEFAULT]
enabled_backends = fast:file, cold:file
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadir = {site}/fast
[os_glance_staging_store]
filesystem_store_datadir = {site}/staging
[cold]
filesystem_store_datadir = {site}/cold
''')
(site / "glance-api.conf").chmod(0o640)
tell(outcome(stores.make, programs.load(programs.API, ["--config-file", str(site / "glance-api.conf")]).conf))
"""
    [refused] = namespaces.run(script, tmp_path, other)
    assert "would both keep data in" in refused
