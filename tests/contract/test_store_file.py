"""The file driver against the suite of all stores, and against the accidents of file systems."""

import errno
import json
import os
import resource
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.testing.store_contract import MIB, BrokenSource, ListedStoreContract, new_id, pieces

CTX = RequestContext()

#: Runs in a process of its own with other mounts or limits: adds as told, and prints what came of it.
ADD = """
import json, sys
from pathlib import Path
from glance import errors
from glance.context import RequestContext
from glance.store.drivers.file import FileStore, FileStoreSettings

datadir, *plan = sys.argv[1:]
store = FileStore("file", FileStoreSettings(Path(datadir)))
results = []
for number, step in enumerate(plan):
    size, announced = (int(text) for text in step.split("/"))
    try:
        store.add(RequestContext(), f"image-{number}", (bytes(65536) for _ in range(size // 65536)), announced or None)
        results.append("added")
    except errors.GlanceError as error:
        results.append(error.code)
print(json.dumps([results, sorted(entry.name for entry in Path(datadir).iterdir())]))
"""


def names(datadir):
    return sorted(entry.name for entry in datadir.iterdir())


def in_namespace(tmp_path, mount, *plan):
    """(results, names left) of adds in a mount namespace, where ``mount`` prepared the directory $D."""
    datadir = tmp_path / "mounted"
    datadir.mkdir(exist_ok=True)
    script = f'{mount} && exec "$@"'
    command = ["unshare", "-rm", "sh", "-e", "-c", script, "sh", sys.executable, "-c", ADD, str(datadir), *plan]
    done = subprocess.run(command, env={**os.environ, "D": str(datadir)}, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


@pytest.fixture
def datadir(tmp_path):
    return tmp_path / "images"


@pytest.fixture
def store(datadir):
    store = FileStore("file", FileStoreSettings(datadir))
    store.check()
    return store


class TestFileStore(ListedStoreContract):
    @pytest.fixture
    def store(self, store):
        return store

    @pytest.fixture
    def held(self, datadir):
        return lambda: names(datadir)

    @pytest.fixture
    def leave(self, store, datadir, tmp_path):
        def leave(image_id):
            def breaking():
                yield b"half"
                [temporary] = datadir.glob(f".{image_id}.*")
                os.link(temporary, tmp_path / temporary.name)
                raise BrokenSource

            with pytest.raises(BrokenSource):
                store.add(CTX, image_id, breaking(), None)
            for leftover in tmp_path.glob(f".{image_id}.*"):
                leftover.rename(datadir / leftover.name)
            return 1

        return leave

    @pytest.fixture
    def put_foreign(self, datadir):
        def put(name):
            (datadir / name).write_text("whatever")
            (datadir / f".{name}").mkdir()
            (datadir / new_id()).symlink_to(name)

        return put

    @pytest.fixture
    def failing_adds(self, tmp_path):
        return [(FileStore("gone", FileStoreSettings(tmp_path / "gone")), errors.StoreUnavailable)]

    @pytest.fixture
    def failing_reads(self, tmp_path):
        gone = tmp_path / "gone"
        return [(FileStore("gone", FileStoreSettings(gone)), Location(url=f"file://{gone}/{new_id()}", store="gone"))]


@pytest.mark.parametrize(("umask", "mode"), [(0o000, 0o640), (0o022, 0o640), (0o027, 0o640), (0o077, 0o600)])
def test_files_and_directories_when_umask_differs_have_our_modes(tmp_path, umask, mode):
    datadir = tmp_path / "new" / "parents" / "images"
    previous = os.umask(umask)
    try:
        store = FileStore("file", FileStoreSettings(datadir))
        store.check()
        during = []

        def watching():
            yield b"first"
            during.extend(stat.S_IMODE(entry.stat().st_mode) for entry in datadir.iterdir())
            yield b"last"

        store.add(CTX, "one", watching(), None)
    finally:
        os.umask(previous)
    assert during == [mode]
    assert stat.S_IMODE((datadir / "one").stat().st_mode) == mode
    for directory in (datadir, datadir.parent, datadir.parent.parent):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o750 & ~umask


def test_file_perm_when_configured_is_the_mode_whatever_the_umask(datadir):
    store = FileStore("file", FileStoreSettings(datadir, file_perm=0o664))
    store.check()
    previous = os.umask(0o077)
    try:
        store.add(CTX, "one", [b"data"], 4)
    finally:
        os.umask(previous)
    assert stat.S_IMODE((datadir / "one").stat().st_mode) == 0o664


def test_check_when_everybody_may_write_refuses_to_start(datadir):
    datadir.mkdir()
    datadir.chmod(0o777)
    with pytest.raises(errors.ConfigurationError, match="everybody"):
        FileStore("file", FileStoreSettings(datadir)).check()


@pytest.mark.parametrize("below", ["", "deeper"])
def test_check_when_the_directory_is_a_file_refuses_to_start(datadir, below):
    datadir.write_text("not a directory")
    with pytest.raises(errors.ConfigurationError):
        FileStore("file", FileStoreSettings(datadir / below)).check()


def test_check_when_done_leaves_no_probe(store, datadir):
    assert names(datadir) == []


def test_add_names_the_file_like_the_image_and_nothing_else(store, datadir):
    location = store.add(CTX, "3f0c", [b"data"], 4)
    assert location.url == f"file://{datadir}/3f0c"
    assert names(datadir) == ["3f0c"]
    assert (datadir / "3f0c").stat().st_nlink == 1


def test_add_while_it_runs_has_a_hidden_file_with_no_more_than_came(store, datadir):
    seen = []

    def watching():
        yield b"a"
        seen.extend((entry.name, entry.stat()) for entry in datadir.iterdir())
        yield b"b"

    store.add(CTX, "one", watching(), 64 * MIB)
    [(name, status)] = seen
    assert name.startswith(".one.")
    assert (status.st_size, status.st_blocks * 512 < MIB) == (1, True)
    assert (datadir / "one").read_bytes() == b"ab"


def test_add_when_more_is_announced_than_free_takes_no_byte(store, datadir):
    begun = []

    def chunks():
        begun.append(names(datadir))
        yield b"data"

    with pytest.raises(errors.StorageFull):
        store.add(CTX, "one", chunks(), 2**62)
    assert begun == []
    assert names(datadir) == []


def test_add_when_the_file_system_does_not_say_how_much_is_free_tries(tmp_path):
    results, left = in_namespace(tmp_path, 'mount -t tmpfs -o size=0 tmpfs "$D"', f"{MIB}/{MIB}")
    assert (results, left) == (["added"], ["image-0"])


@pytest.mark.parametrize("image_id", ["", ".", "..", "a/b", "../a", ".hidden", "a.b", "a b", "a\n", "ä", "x" * 37, "a\0b", "%2e%2e"])
def test_add_and_discard_with_an_id_that_is_no_file_name_are_refused(store, datadir, image_id):
    for ask in (lambda: store.add(CTX, image_id, [b"data"], 4), lambda: store.discard(CTX, image_id)):
        with pytest.raises(errors.InvalidImageId):
            ask()
    assert names(datadir) == []


def test_discard_after_a_crash_erases_temporary_and_final_files_of_that_id_only(store, datadir):
    for name in (".one.aa", ".one.bb", "one", ".one-more.aa", "one-more"):
        (datadir / name).write_bytes(b"left")
    store.discard(CTX, "one")
    assert names(datadir) == [".one-more.aa", "one-more"]


def test_add_after_a_crash_is_not_hindered_by_its_leftovers(store, datadir):
    (datadir / ".one.aa").write_bytes(b"left")
    store.add(CTX, "one", [b"data"], 4)
    assert (datadir / "one").read_bytes() == b"data"


def test_add_when_a_symlink_has_the_final_name_leaves_its_target_alone(store, datadir, tmp_path):
    target = tmp_path / "target"
    target.write_text("untouched")
    (datadir / "one").symlink_to(target)
    with pytest.raises(errors.ObjectExists):
        store.add(CTX, "one", [b"data"], 4)
    assert target.read_text() == "untouched"
    assert names(datadir) == ["one"]


def test_add_when_its_temporary_file_is_swapped_for_a_symlink_leaves_the_target_alone(store, datadir, tmp_path):
    target = tmp_path / "target"
    target.write_text("untouched")

    def swapping():
        yield b"before"
        temporary = next(datadir.iterdir())
        temporary.unlink()
        temporary.symlink_to(target)
        yield b"after"

    with pytest.raises(errors.GlanceError):
        store.add(CTX, "one", swapping(), None)
    assert target.read_text() == "untouched"
    assert names(datadir) == []


def test_add_when_it_cannot_take_away_its_temporary_file_says_that_something_is_left(store, datadir):
    def breaking():
        yield b"before"
        temporary = next(datadir.iterdir())
        temporary.unlink()
        temporary.mkdir()  # which is not unlinked by anybody, root included
        raise errors.ClientDisconnected

    with pytest.raises(errors.UploadLeftBehind):
        store.add(CTX, "one", breaking(), None)


def test_add_when_the_link_is_there_although_its_answer_was_lost_goes_on(store, datadir):
    """NFS asks again for what was not answered, and is told that the name exists (link(2), BUGS)."""

    def linked():
        yield b"data"
        os.link(next(datadir.iterdir()), datadir / "one")

    location = store.add(CTX, "one", linked(), 4)
    assert (names(datadir), store.size(CTX, location)) == (["one"], 4)


def test_open_when_a_symlink_has_the_name_reads_nothing(store, datadir, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (datadir / "one").symlink_to(secret)
    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, Location(url=f"file://{datadir}/one", store="file"))


@pytest.mark.parametrize(
    "url",
    [
        "file://{parent}/secret",
        "file://{datadir}/../secret",
        "file://{datadir}/%2e%2e/secret",
        "file://{datadir}/",
        "file://{datadir}",
        "file://{datadir}/..",
        "file://{datadir}/deep",
        "file://{datadir}/deep/secret",
        "file://localhost{datadir}/one",
        "file:{datadir}/one",
        "{datadir}/one",
        "http://{datadir}/one",
        "file://{datadir}/one\n",
        " file://{datadir}/one",
        "",
    ],
)
def test_location_when_it_is_no_file_of_the_directory_is_not_found(store, datadir, url):
    (datadir.parent / "secret").write_text("secret")
    (datadir / "one").write_text("data")
    (datadir / "deep").mkdir()
    (datadir / "deep" / "secret").write_text("secret")
    location = Location(url=url.format(parent=datadir.parent, datadir=datadir), store="file")
    for ask in (store.open, store.size):
        with pytest.raises(errors.LocationNotFound):
            ask(CTX, location)
    with pytest.raises(errors.GlanceError):
        store.delete(CTX, location)
    assert (datadir.parent / "secret").exists()
    assert (datadir / "one").exists()


@pytest.mark.parametrize("form", ["file://{}/one", "filesystem://{}/one", "FILE://{}/one", "file://{}/../images/one"])
def test_location_when_written_otherwise_is_read(store, datadir, form):
    (datadir / "one").write_bytes(b"data")
    assert store.size(CTX, Location(url=form.format(datadir), store="file")) == 4


def test_location_when_the_directory_is_reached_by_a_symlink_is_read(store, datadir, tmp_path):
    (tmp_path / "old-name").symlink_to(datadir)
    (datadir / "one").write_bytes(b"data")
    assert store.size(CTX, Location(url=f"file://{tmp_path}/old-name/one", store="file")) == 4


def test_location_when_the_directory_was_given_relative_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FileStore("file", FileStoreSettings(Path("var/images")))
    store.check()
    location = store.add(CTX, "one", [b"data"], 4)
    monkeypatch.chdir("/")
    assert store.size(CTX, location) == 4


def test_blob_when_the_file_shrinks_ends_with_an_error(store, datadir):
    location = store.add(CTX, "one", pieces(bytes(3 * MIB)), None)
    blob = store.open(CTX, location)
    chunks = iter(blob)
    next(chunks)
    os.truncate(datadir / "one", 2 * MIB)
    with pytest.raises(errors.StoreUnavailable):
        list(chunks)
    blob.close()


def test_store_when_its_directory_goes_and_returns_recovers_without_loss(store, datadir):
    location = store.add(CTX, "one", [b"data"], 4)
    away = datadir.with_name("away")
    datadir.rename(away)
    for ask in (lambda: store.open(CTX, location), lambda: store.delete(CTX, location), lambda: store.add(CTX, "two", [b"x"], 1)):
        with pytest.raises(errors.StoreUnavailable):
            ask()
    assert not datadir.exists()
    away.rename(datadir)
    assert store.size(CTX, location) == 4


def test_store_when_its_directory_is_replaced_by_an_empty_one_says_unavailable(store, datadir):
    location = store.add(CTX, "one", [b"data"], 4)
    datadir.rename(datadir.with_name("away"))
    datadir.mkdir()
    for ask in (lambda: store.size(CTX, location), lambda: store.delete(CTX, location), lambda: store.add(CTX, "two", [b"x"], 1)):
        with pytest.raises(errors.StoreUnavailable):
            ask()
    assert names(datadir) == []


def test_add_when_the_disk_is_full_says_so_and_leaves_room(tmp_path):
    results, left = in_namespace(
        tmp_path, 'mount -t tmpfs -o size=4m tmpfs "$D"', f"{8 * MIB}/0", f"{8 * MIB}/{8 * MIB}", f"{65536}/{8 * MIB}", f"{3 * MIB}/{3 * MIB}"
    )
    assert results == ["storage-full", "storage-full", "storage-full", "added"]
    assert left == ["image-3"]


def test_add_when_inodes_are_exhausted_says_full(tmp_path):
    results, left = in_namespace(tmp_path, 'mount -t tmpfs -o nr_inodes=4 tmpfs "$D"', "65536/0", "65536/0", "65536/0")
    assert results == ["added", "added", "storage-full"]
    assert left == ["image-0", "image-1"]


def test_add_when_the_file_system_is_read_only_says_denied(tmp_path):
    results, left = in_namespace(tmp_path, 'mount -t tmpfs -o ro tmpfs "$D"', "65536/0")
    assert results == ["store-write-denied"]
    assert left == []


def test_add_when_files_may_not_grow_says_full(store, datadir):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, hard))
    try:
        for size in (None, 2 * MIB):
            with pytest.raises(errors.StorageFull):
                store.add(CTX, "one", pieces(bytes(2 * MIB)), size)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert names(datadir) == []


@pytest.mark.parametrize("error", ["EPERM", "EACCES"])
def test_check_when_files_cannot_be_linked_refuses_to_start(datadir, error):
    code = "import sys; from pathlib import Path; from glance import errors; from glance.store.drivers.file import *\n"
    code += "try: FileStore('file', FileStoreSettings(Path(sys.argv[1]))).check()\nexcept errors.ConfigurationError as error: print(error.message)"
    command = ["strace", "-f", "-o", "/dev/null", "-e", "trace=linkat", "-e", f"inject=linkat:error={error}", sys.executable, "-c", code, datadir]
    done = subprocess.run(command, capture_output=True, timeout=60, check=True)
    assert b"may not be written" in done.stdout
    assert names(datadir) == []


def strace_points(tmp_path, call, action, number):
    """(process, log, directory) of one add in a process whose ``number``-th ``call`` in the directory is hit by ``action``."""
    datadir = tmp_path / "images"
    datadir.mkdir()
    log = tmp_path / "strace"
    command = [
        "strace",
        "-f",
        "-o",
        log,
        "-P",
        datadir,
        "-P",
        datadir / "image-0",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:{action}:when={number}",
    ]
    done = subprocess.run([*command, sys.executable, "-c", ADD, datadir, f"{3 * 65536}/{3 * 65536}"], capture_output=True, timeout=60, check=False)
    return done, log.read_text(), datadir


@pytest.mark.parametrize(
    ("call", "error", "code"),
    [
        ("linkat", "EIO", "store-unavailable"),
        ("linkat", "EDQUOT", "storage-full"),
        ("linkat", "EPERM", "store-write-denied"),
        ("unlinkat", "EIO", "store-unavailable"),
        ("fsync", "EIO", "store-unavailable"),
        ("fsync", "ENOSPC", "storage-full"),
    ],
)
def test_add_when_a_system_call_fails_names_the_cause_and_leaves_nothing_visible(tmp_path, call, error, code):
    done, log, _datadir = strace_points(tmp_path, call, f"error={error}", 1)
    assert "INJECTED" in log, done.stderr.decode()
    results, left = json.loads(done.stdout)
    assert results == [code]
    assert left == []


@pytest.mark.parametrize("call", ["linkat", "unlinkat", "fsync"])
def test_add_when_killed_at_a_system_call_leaves_what_discard_erases(tmp_path, call):
    done, _log, datadir = strace_points(tmp_path, call, "signal=SIGKILL", 1)
    assert done.stdout == b""
    left = names(datadir)
    assert left
    assert all(name == "image-0" or name.startswith(".image-0.") for name in left)
    assert "image-0" not in left or (datadir / "image-0").read_bytes() == bytes(3 * 65536)
    FileStore("file", FileStoreSettings(datadir)).discard(CTX, "image-0")
    assert names(datadir) == []


def test_delete_and_discard_at_the_same_time_do_not_hinder_each_other(store, datadir):
    locations = [store.add(CTX, f"image-{number}", [b"data"], 4) for number in range(50)]
    threads = [threading.Thread(target=store.discard, args=(CTX, f"image-{number}")) for number in range(50)]
    for thread in threads:
        thread.start()
    for location in locations:
        try:
            store.delete(CTX, location)
        except errors.LocationNotFound:
            continue
    for thread in threads:
        thread.join(30)
    assert names(datadir) == []


def test_contents_when_descriptors_run_out_on_the_way_then_none_stays_open(store, datadir):
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    last = max(map(int, os.listdir("/proc/self/fd")))
    taken = [os.open("/dev/null", os.O_RDONLY)]  # no number below the last one is free
    while taken[-1] < last:
        taken.append(os.open("/dev/null", os.O_RDONLY))
    before = len(os.listdir("/proc/self/fd"))
    try:
        for free in (1, 2):
            resource.setrlimit(resource.RLIMIT_NOFILE, (taken[-1] + 1 + free, limits[1]))
            with pytest.raises(errors.StoreUnavailable):
                list(store.contents())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        after = len(os.listdir("/proc/self/fd"))
        for fd in taken:
            os.close(fd)
    assert after == before


def test_add_when_chunks_raise_a_disk_error_of_their_own_passes_it_on(store, datadir):
    def breaking():
        yield b"a"
        raise OSError(errno.ENOSPC, "somewhere else")

    with pytest.raises(OSError, match="somewhere else"):
        store.add(CTX, "one", breaking(), None)
    assert names(datadir) == []
