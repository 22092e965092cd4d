"""The file driver with several directories: which one takes an image, and what the others go on doing when one fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Store
from glance.model.image import Location
from glance.store.drivers.file import DataDirectory, FileStore, FileStoreSettings
from glance.testing.store_contract import ListedStoreContract, new_id
from tests import namespaces

CTX = RequestContext()


@pytest.fixture
def places(tmp_path: Path) -> list[Path]:
    return [tmp_path / name for name in ("low", "high", "middle")]


@pytest.fixture
def store(places: list[Path]) -> FileStore:
    """With a time-out that nothing needs, so that the suite also goes through bounded calls."""
    low, high, middle = places
    several = (DataDirectory(low, 1), DataDirectory(high, 30), DataDirectory(middle, 20))
    store = FileStore("file", FileStoreSettings(low, datadirs=several, timeout=60))
    store.check()
    return store


def test_contents_when_there_are_many_then_each_once(store: FileStore, places: list[Path]) -> None:
    for number in range(1, 2502):
        (places[number % 2] / str(number)).touch()
    assert sorted(int(found.image_id) for found in store.contents()) == list(range(1, 2502))
    first = next(store.contents())
    assert first.name.partition("/")[0] in {"1", "2", "3"}
    store.remove(first)
    assert sum(1 for _ in store.contents()) == 2500


def names(*directories: Path) -> list[list[str]]:
    return [sorted(entry.name for entry in directory.iterdir()) for directory in directories]


class TestFileStoreOfSeveralDirectories(ListedStoreContract):
    @pytest.fixture
    def store(self, store: FileStore) -> FileStore:
        return store

    @pytest.fixture
    def held(self, places: list[Path]) -> Callable[[], Sequence[str]]:
        return lambda: [name for found in names(*places) for name in found]

    @pytest.fixture
    def leave(self, places: list[Path]) -> Callable[[str], int]:
        def leave(image_id: str) -> int:
            for place in places:
                (place / f".{image_id}.0123456789abcdef").write_bytes(b"half")
            return len(places)

        return leave

    @pytest.fixture
    def gone(self, tmp_path: Path) -> FileStore:
        several = (DataDirectory(tmp_path / "gone"), DataDirectory(tmp_path / "gone-too", 5))
        return FileStore("gone", FileStoreSettings(tmp_path / "gone", datadirs=several))

    @pytest.fixture
    def failing_adds(self, gone: FileStore) -> Sequence[tuple[Store, type[errors.GlanceError]]]:
        return [(gone, errors.StoreUnavailable)]

    @pytest.fixture
    def failing_reads(self, gone: FileStore, tmp_path: Path) -> Sequence[tuple[Store, Location]]:
        return [(gone, Location(url=f"file://{tmp_path}/gone/{new_id()}", store="gone"))]


def test_add_then_takes_the_highest_priority_and_the_location_says_where(store: FileStore, places: list[Path]) -> None:
    location = store.add(CTX, "one", [b"data"], 4)

    assert location.url == f"file://{places[1]}/one"
    assert names(*places) == [[], ["one"], []]
    assert store.size(CTX, location) == 4


def test_properties_then_list_the_directories_with_their_priorities(store: FileStore, tmp_path: Path) -> None:
    assert store.properties == {
        "data_dir": [f"{tmp_path}/high:30", f"{tmp_path}/middle:20", f"{tmp_path}/low:1"],
        "chunk_size": 65536,
        "thin_provisioning": False,
    }
    assert FileStore("file", FileStoreSettings(tmp_path)).properties["data_dir"] == str(tmp_path)


def test_add_when_another_directory_holds_the_id_then_refused_and_harmless(store: FileStore, places: list[Path]) -> None:
    (places[0] / "one").write_bytes(b"first")

    with pytest.raises(errors.ObjectExists):
        store.add(CTX, "one", [b"second"], 6)

    assert names(*places) == [["one"], [], []]
    assert (places[0] / "one").read_bytes() == b"first"


def test_discard_then_erases_what_lies_in_any_of_them(store: FileStore, places: list[Path]) -> None:
    for place, name in zip(places, ("one", ".one.aa", "other"), strict=True):
        (place / name).write_bytes(b"left")

    store.discard(CTX, "one")

    assert names(*places) == [[], [], ["other"]]


def test_store_when_one_directory_is_gone_then_only_its_own_images_are(store: FileStore, places: list[Path]) -> None:
    low, high, middle = places
    there = store.add(CTX, "there", [b"data"], 4)
    (middle / "here").write_bytes(b"here")
    here = Location(url=f"file://{middle}/here", store="file")
    high.rename(high.with_name("away"))

    for ask in (store.open, store.size, store.delete):
        with pytest.raises(errors.StoreUnavailable):
            ask(CTX, there)
    assert store.size(CTX, here) == 4
    added = store.add(CTX, "new", [b"data"], 4)
    with pytest.raises(errors.StoreUnavailable):
        store.discard(CTX, "new")

    assert added.url == f"file://{middle}/new"
    assert names(low, middle) == [[], ["here"]]
    high.with_name("away").rename(high)
    assert store.size(CTX, there) == 4
    assert store.add(CTX, "new", [b"data"], 4).url == f"file://{high}/new"


def test_location_when_it_is_spelled_otherwise_then_is_found_in_its_directory(store: FileStore, places: list[Path], tmp_path: Path) -> None:
    (places[2] / "one").write_bytes(b"data")
    (tmp_path / "link").symlink_to(places[2])

    for spelled in (f"{places[2]}/../middle/one", f"{tmp_path}/link/one"):
        location = Location(url=f"file://{spelled}", store="file")
        assert (store.size(CTX, location), store.recognizes(location)) == (4, True)
    assert not store.recognizes(Location(url=f"file://{tmp_path}/one", store="file"))


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ((4, 4, 4), ["b/0", "b/1", "b/2"]),  # the highest priority while it has room
        ((20, 20, 20), ["b/0", "a/1", "a/2"]),  # then the most free space
        ((40, 40, 4), ["a/0", "storage-full", "b/2"]),
        ((20, 40, 20), ["b/0", "a/1", "c/2"]),
    ],
)
def test_add_then_goes_where_there_is_room_by_priority_and_free_space(tmp_path: Path, sizes: tuple[int, ...], taken: list[str]) -> None:
    script = """
top, *sizes = sys.argv[1:]
places = []
for name, size, priority in (("a", 64, 1), ("b", 24, 2), ("c", 32, 1)):
    place = Path(top) / name
    place.mkdir()
    mount(place, f"size={size}m,mode=0750")
    places.append(DataDirectory(place, priority))
store = FileStore("file", FileStoreSettings(places[0].path, datadirs=tuple(places)))
store.check()
tell(*(add(store, str(number), int(size) * MIB, int(size) * MIB).removeprefix(f"file://{top}/") for number, size in enumerate(sizes)))
"""
    assert namespaces.run(script, tmp_path, *sizes) == taken


def test_add_when_the_best_directory_is_read_only_or_full_then_another_takes_it(tmp_path: Path) -> None:
    script = """
top = Path(sys.argv[1])
places = [top / name for name in ("read-only", "full", "fine")]
for place in places:
    place.mkdir()
    mount(place, "size=1m,mode=0750")
settings = FileStoreSettings(top, datadirs=tuple(DataDirectory(place, 3 - number) for number, place in enumerate(places)))
store = FileStore("file", settings)
store.check()
remount(places[0], "ro")
(places[1] / "filler").write_bytes(bytes(MIB))
found = [add(store, "one", 1), add(store, "two", MIB // 2, MIB // 2), add(store, "three", MIB, MIB)]
unmount(places[0])
unmount(places[1])
tell(*found, add(store, "four", 65536, 65536), outcome(FileStore("file", settings).check))
"""
    one, two, three, four, again = namespaces.run(script, tmp_path)

    assert (one, two) == (f"file://{tmp_path}/fine/one", f"file://{tmp_path}/fine/two")
    assert (three, four) == ("store-write-denied", f"file://{tmp_path}/fine/four")
    assert "mount it, or remove" in again


def test_location_then_carries_the_description_of_the_share_that_its_directory_lies_in(tmp_path: Path) -> None:
    shares = [{"id": name, "mountpoint": str(tmp_path / name)} for name in ("nfs", "nfs/inner", "nf")]
    several = (DataDirectory(tmp_path / "nfs/inner/images", 1),)

    def metadata(*described: dict[str, str], settings: FileStoreSettings) -> object:
        store = FileStore("file", FileStoreSettings(settings.datadir, datadirs=settings.datadirs, metadata=described))
        store.check()
        location = store.add(CTX, "one", [b"data"], 4)
        store.delete(CTX, location)
        return location.metadata

    assert metadata(*shares, settings=FileStoreSettings(tmp_path, datadirs=several)) == shares[1]
    assert metadata(*shares, settings=FileStoreSettings(tmp_path / "nfs/images")) == shares[0]
    assert metadata(*shares, settings=FileStoreSettings(tmp_path / "elsewhere")) == {}
    assert metadata(shares[2], settings=FileStoreSettings(tmp_path / "elsewhere")) == shares[2]
    assert metadata(settings=FileStoreSettings(tmp_path / "elsewhere")) == {}
