"""Reading image data from one of several copies: order, what follows a copy that fails, comparison with the digest, marks."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.interfaces import Registry, Store
from glance.model.events import ImageDamaged
from glance.model.image import Image, ImageChanges, Location, LocationChange
from glance.model.stores import StoreTraits
from glance.registry.client import RegistryClientSettings, connect
from glance.service import Services, copies, image_data
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.drivers.memory import MemoryStore
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet
from glance.testing.servers import free_ports
from tests.services import Recorder, make_services

CTX = unauthenticated()
PIECE = 1000
DATA = bytes(range(256)) * 20
VERIFIED = StoreTraits(verify_on_read=True)
TRUSTED = StoreTraits()


@dataclass
class BrittleBlob:
    """Data in pieces, which ends with an error after ``good`` bytes unless that is None."""

    data: bytes
    store: str
    good: int | None = None
    file: None = None
    closed: bool = False

    @property
    def length(self) -> int:
        return len(self.data)

    def __iter__(self) -> Iterator[bytes]:
        readable = self.data if self.good is None else self.data[: self.good]
        for begin in range(0, len(readable), PIECE):
            yield readable[begin : begin + PIECE]
        if self.good is not None:
            raise errors.StoreUnavailable(store=self.store)

    def close(self) -> None:
        self.closed = True


class Brittle(MemoryStore):
    """A store that holds one image: ``breaks`` are the bytes after which each reading breaks; those that follow are good."""

    def __init__(self, name: str, data: bytes, breaks: Sequence[int] = ()) -> None:
        super().__init__(name)
        self.data = data
        self.breaks = list(breaks)
        self.opened: list[BrittleBlob] = []
        self.asked: list[tuple[int, int | None]] = []
        self.failure: errors.GlanceError | None = None

    def recognizes(self, location: Location) -> bool:
        return False

    def open(self, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> BrittleBlob:
        self.asked.append((offset, length))
        if self.failure is not None:
            raise self.failure
        end = None if length is None else offset + length
        blob = BrittleBlob(self.data[offset:end], self.name, self.breaks.pop(0) if self.breaks else None)
        self.opened.append(blob)
        return blob


@dataclass
class Scene:
    """An active image with a copy in each of the stores."""

    services: Services
    image: Image
    told: Recorder = field(default_factory=Recorder)

    def reload(self) -> None:
        self.image = self.services.registry.images.get(CTX, self.image.id)

    def read(self, offset: int = 0, length: int | None = None, prefer: Sequence[str] = ()) -> bytes:
        """What a reader gets: all pieces until the end, or until an error, which is raised."""
        return b"".join(self.pieces(offset, length, prefer))

    def pieces(self, offset: int = 0, length: int | None = None, prefer: Sequence[str] = ()) -> Iterator[bytes]:
        self.reload()
        blob = image_data.open_data(self.services, CTX, self.image, offset, length, prefer)
        assert blob is not None
        try:
            yield from blob
        finally:
            blob.close()

    def short(self) -> bytes:
        """What a reader gets before an error."""
        got = bytearray()

        def take() -> None:
            for piece in self.pieces():
                got.extend(piece)

        with pytest.raises((errors.NotFound, errors.Unavailable)):
            take()
        return bytes(got)

    @property
    def damaged(self) -> list[str]:
        """The stores whose copy is marked."""
        self.reload()
        return [one.store for one in self.image.locations if one.damaged]

    @property
    def damage_told(self) -> list[str]:
        return [event.store for event in self.told.events if isinstance(event, ImageDamaged)]


def set_of(directory: Path, stores: Sequence[Store], traits: StoreTraits = TRUSTED, *, several: bool = True) -> StoreSet:
    staging = StagingStore(FileStoreSettings(datadir=directory / "staging"))
    return StoreSet(stores, stores[0].name, staging, traits={store.name: traits for store in stores}, several=several)


def active_at(registry: Registry, locations: Sequence[Location], data: bytes = DATA, *, digest: bool = True) -> Image:
    """An active image whose data are at all of ``locations``."""
    image = registry.images.create(CTX, Image(id="", disk_format="raw", container_format="bare"))
    values: dict[str, object] = {"status": "active", "size": len(data)}
    if digest:
        values |= {"checksum": hashlib.md5(data).hexdigest(), "os_hash_algo": "sha256", "os_hash_value": hashlib.sha256(data).hexdigest()}
    return registry.images.update(CTX, image.id, ImageChanges(values, locations=LocationChange(frozenset(), tuple(locations))))


MakeScene = Callable[..., Scene]


@pytest.fixture
def scene_of(tmp_path: Path, registry: Registry) -> MakeScene:
    """Makes a scene with stores of a test's own."""

    def make(*stores: Brittle, traits: StoreTraits = TRUSTED, digest: bool = True) -> Scene:
        told = Recorder()
        services = make_services(tmp_path, registry, stores=set_of(tmp_path, stores, traits), notifier=told)
        locations = [Location(f"memory://secret-{store.name}", store.name) for store in stores]
        return Scene(services, active_at(registry, locations, digest=digest), told)

    return make


def flipped(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


# Which copy is read first


def test_order_then_by_weight_and_stable_with_damaged_ones_last(tmp_path: Path) -> None:
    stores = [Brittle(name, b"") for name in "abcd"]
    traits = {"a": StoreTraits(), "b": StoreTraits(weight=5), "c": StoreTraits(weight=9), "d": StoreTraits(weight=-1)}
    staging = StagingStore(FileStoreSettings(datadir=tmp_path))
    one = StoreSet(stores, "a", staging, traits=traits)
    at = {name: Location(f"x://{name}", name) for name in ("a", "b", "c", "d", "gone")}
    damaged = replace(at["c"], url="x://2", damaged=True)

    def names(*locations: Location, prefer: Sequence[str] = ()) -> list[str]:
        return [location.store for location in copies.in_reading_order(one, locations, prefer)]

    assert names(*at.values()) == ["c", "b", "a", "gone", "d"]
    assert names(at["gone"], at["a"]) == ["gone", "a"]
    assert names(damaged, at["d"]) == ["d", "c"]
    assert names(*at.values(), prefer=["d", "gone"]) == ["d", "gone", "c", "b", "a"]
    assert names(damaged, at["a"], prefer=["c"]) == ["a", "c"]
    assert [location.store for location in copies.ordered(one, [at["d"], damaged, at["b"]])] == ["c", "b", "d"]


# A copy that cannot be opened


@pytest.mark.parametrize("failure", [errors.LocationNotFound(store="a"), errors.StoreUnavailable(store="a")])
def test_read_when_the_first_copy_cannot_be_opened_then_the_next_is_read(scene_of: MakeScene, failure: errors.GlanceError) -> None:
    first, second = Brittle("a", DATA), Brittle("b", DATA)
    first.failure = failure
    assert scene_of(first, second).read() == DATA
    assert (len(first.asked), len(second.asked)) == (1, 1)


def test_read_when_the_store_of_the_first_copy_is_not_configured_any_more_then_the_next_is_read(scene_of: MakeScene, tmp_path: Path) -> None:
    first, second = Brittle("a", DATA), Brittle("b", DATA)
    scene = scene_of(first, second)
    scene.services = replace(scene.services, stores=set_of(tmp_path, [second]))
    assert scene.read() == DATA
    scene.services = replace(scene.services, stores=set_of(tmp_path, [Brittle("c", DATA)]))
    with pytest.raises(errors.StoreUnavailable):
        scene.read()


def test_read_when_one_copy_is_gone_and_another_may_come_back_then_unavailable(scene_of: MakeScene) -> None:
    first, second = Brittle("a", DATA), Brittle("b", DATA)
    first.failure, second.failure = errors.StoreUnavailable(store="a"), errors.LocationNotFound(store="b")
    scene = scene_of(first, second)
    with pytest.raises(errors.StoreUnavailable):
        scene.read()
    assert (scene.damaged, scene.damage_told) == (["b"], ["b"])


def test_read_when_all_copies_are_gone_then_missing(scene_of: MakeScene) -> None:
    first, second = Brittle("a", DATA), Brittle("b", DATA)
    first.failure = second.failure = errors.LocationNotFound(store="x")
    with pytest.raises(errors.ImageDataMissing):
        scene_of(first, second).read()


@pytest.mark.parametrize("data", [DATA[:-1], DATA + b"x", b""], ids=["cut", "extended", "empty"])
def test_read_when_the_first_copy_has_another_length_then_it_is_marked_and_the_next_is_read(scene_of: MakeScene, data: bytes) -> None:
    first, second = Brittle("a", data), Brittle("b", DATA)
    scene = scene_of(first, second)
    assert scene.read() == DATA
    assert first.opened[0].closed
    assert (scene.damaged, scene.damage_told) == (["a"], ["a"])
    assert scene.read() == DATA
    assert (len(first.asked), len(second.asked)) == (1, 2)


def test_read_when_the_only_copy_has_another_length_then_damaged_every_time_and_told_once(scene_of: MakeScene) -> None:
    scene = scene_of(Brittle("a", DATA[1:]))
    for _ in range(2):
        with pytest.raises(errors.ImageDataDamaged, match=f"its store holds {len(DATA) - 1} bytes instead of {len(DATA)}"):
            scene.read()
    assert (scene.damaged, scene.damage_told) == (["a"], ["a"])


# A copy that breaks in the middle


@pytest.mark.parametrize("breaks", [0, 1, PIECE, 2 * PIECE + 7, len(DATA) - 1, len(DATA)])
@pytest.mark.parametrize("traits", [TRUSTED, VERIFIED], ids=["trusted", "verified"])
@pytest.mark.parametrize(("offset", "length"), [(0, None), (0, len(DATA)), (300, None), (300, len(DATA) - 301)])
def test_read_when_a_copy_breaks_then_another_one_goes_on_from_that_byte(
    scene_of: MakeScene, breaks: int, traits: StoreTraits, offset: int, length: int | None
) -> None:
    end = len(DATA) if length is None else offset + length
    good = min(breaks, end - offset)
    first, second = Brittle("a", DATA, [good]), Brittle("b", DATA)
    scene = scene_of(first, second, traits=traits)
    assert scene.read(offset, length) == DATA[offset:end]
    if good < end - offset:
        assert second.asked == [(offset + good, None if length is None else length - good)]
    assert [blob.closed for blob in (*first.opened, *second.opened)] == [True] * len(first.opened + second.opened)
    assert scene.damaged == []


def test_read_when_the_only_copy_breaks_then_it_is_opened_once_more(scene_of: MakeScene) -> None:
    only = Brittle("a", DATA, [1500, 700])
    scene = scene_of(only, traits=VERIFIED)
    assert scene.short() == DATA[:2200]
    assert only.asked == [(0, None), (1500, None)]
    only.breaks = [1500]
    assert scene.read() == DATA


def test_read_when_every_copy_breaks_then_each_is_opened_once_more_after_all_others(scene_of: MakeScene) -> None:
    first, second = Brittle("a", DATA, [10, 30]), Brittle("b", DATA, [20])
    assert scene_of(first, second).read() == DATA
    assert (first.asked, second.asked) == ([(0, None), (30, None)], [(10, None), (60, None)])


def test_read_when_a_copy_breaks_and_nobody_knows_its_digest_then_other_bytes_never_follow(scene_of: MakeScene) -> None:
    first, second = Brittle("a", DATA, [PIECE]), Brittle("b", DATA)
    scene = scene_of(first, second, digest=False)
    assert scene.short() == DATA[:PIECE]
    assert second.asked == []


def test_read_when_a_copy_breaks_before_its_first_byte_then_another_one_serves_without_digest_too(scene_of: MakeScene) -> None:
    first, second = Brittle("a", DATA, [0]), Brittle("b", DATA)
    assert scene_of(first, second, digest=False).read() == DATA


def test_read_when_the_copy_that_goes_on_has_another_length_then_it_is_passed_over(scene_of: MakeScene) -> None:
    scene = scene_of(Brittle("a", DATA, [PIECE]), Brittle("b", DATA[:-1]), Brittle("c", DATA))
    assert scene.read() == DATA
    assert scene.damaged == ["b"]


# Comparison with the digest


@pytest.mark.parametrize("position", [0, PIECE, len(DATA) - 1])
def test_read_when_a_byte_is_wrong_then_it_ends_short_and_the_next_reader_gets_the_other_copy(
    scene_of: MakeScene, position: int, caplog: pytest.LogCaptureFixture
) -> None:
    scene = scene_of(Brittle("a", flipped(DATA, position)), Brittle("b", DATA), traits=VERIFIED)
    got = scene.short()
    assert 0 < len(got) < len(DATA)
    assert (scene.damaged, scene.damage_told) == (["a"], ["a"])
    assert scene.told.types[-1] == "image.send"
    assert scene.told.events[-1].priority == "ERROR"
    assert scene.read() == DATA
    logged = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert any(f"image {scene.image.id} in store 'a'" in message and "do not have its digest" in message for message in logged)
    assert "secret" not in caplog.text


def test_read_when_all_bytes_come_in_one_wrong_piece_then_the_same_reader_gets_the_other_copy(scene_of: MakeScene) -> None:
    small = DATA[:PIECE]
    first, second = Brittle("a", flipped(small, 3)), Brittle("b", small)
    scene = scene_of(first, second, traits=VERIFIED)
    scene.image = active_at(scene.services.registry, [replace(one, id=None) for one in scene.image.locations], small)
    assert scene.read() == small
    assert (len(first.asked), len(second.asked), scene.damaged) == (1, 1, ["a"])


@pytest.mark.parametrize("known", ["os_hash_value", "checksum"])
def test_read_when_only_one_digest_is_known_then_it_is_compared(scene_of: MakeScene, known: str) -> None:
    scene = scene_of(Brittle("a", flipped(DATA, 9)), traits=VERIFIED, digest=False)
    algorithm = {"checksum": "md5", "os_hash_value": "sha512"}[known]
    values = {known: hashlib.new(algorithm, DATA).hexdigest(), "os_hash_algo": "sha512"}
    scene.services.registry.images.update(CTX, scene.image.id, ImageChanges(values))
    assert len(scene.short()) < len(DATA)
    assert scene.damaged == ["a"]


def test_read_when_the_store_is_trusted_or_a_part_is_read_then_nothing_is_compared(scene_of: MakeScene) -> None:
    wrong = flipped(DATA, 5)
    assert scene_of(Brittle("a", wrong)).read() == wrong
    scene = scene_of(Brittle("a", wrong), traits=VERIFIED)
    assert scene.read(0, 10) == wrong[:10]
    assert scene.damaged == []


def test_read_when_joined_bytes_are_wrong_then_short_and_no_copy_is_marked(scene_of: MakeScene, caplog: pytest.LogCaptureFixture) -> None:
    first, second = Brittle("a", flipped(DATA, 5), [PIECE]), Brittle("b", DATA)
    scene = scene_of(first, second, traits=VERIFIED)
    assert len(scene.short()) < len(DATA)
    assert (scene.damaged, scene.damage_told) == ([], [])
    assert "they are in: a, b" in caplog.text


def test_read_when_one_copy_was_joined_from_two_readings_and_is_wrong_then_it_is_marked(scene_of: MakeScene) -> None:
    scene = scene_of(Brittle("a", flipped(DATA, 5), [PIECE]), traits=VERIFIED)
    assert len(scene.short()) < len(DATA)
    assert scene.damaged == ["a"]


def test_read_when_a_marked_copy_is_the_only_one_then_it_is_compared_whatever_its_store_is(scene_of: MakeScene) -> None:
    only = Brittle("a", flipped(DATA, 5))
    scene = scene_of(only)
    scene.services.registry.locations.mark(scene.image.locations[0].id or 0, damaged=True)
    assert len(scene.short()) < len(DATA)
    only.data = DATA
    assert scene.read() == DATA
    assert scene.damaged == []
    assert scene.damage_told == []


def test_read_when_a_marked_copy_gives_a_good_part_only_then_it_stays_marked(scene_of: MakeScene) -> None:
    scene = scene_of(Brittle("a", DATA), traits=VERIFIED)
    scene.services.registry.locations.mark(scene.image.locations[0].id or 0, damaged=True)
    assert scene.read(1) == DATA[1:]
    assert scene.damaged == ["a"]


def test_read_when_the_registry_is_away_then_reading_goes_on_all_the_same(scene_of: MakeScene, caplog: pytest.LogCaptureFixture) -> None:
    scene = scene_of(Brittle("a", DATA[1:]), Brittle("b", DATA), traits=VERIFIED)
    [port] = free_ports(1)
    away = replace(scene.services, registry=connect(RegistryClientSettings(port=port)))
    blob = image_data.open_data(away, CTX, scene.image)
    assert blob is not None
    assert b"".join(blob) == DATA
    blob.close()
    assert "registry-unavailable" in caplog.text
    assert scene.damaged == []


@pytest.mark.parametrize(("data", "marked"), [(DATA, False), (DATA[1:], True)], ids=["good", "marked already"])
def test_read_when_there_is_nothing_new_to_note_then_the_registry_is_not_asked(
    scene_of: MakeScene, caplog: pytest.LogCaptureFixture, data: bytes, marked: bool
) -> None:
    scene = scene_of(Brittle("a", data), traits=VERIFIED)
    scene.services.registry.locations.mark(scene.image.locations[0].id or 0, damaged=marked)
    scene.reload()
    [port] = free_ports(1)
    away = replace(scene.services, registry=connect(RegistryClientSettings(port=port)))
    try:
        blob = image_data.open_data(away, CTX, scene.image)
    except errors.ImageDataDamaged:
        assert marked
    else:
        assert blob is not None
        assert b"".join(blob) == DATA
        blob.close()
    assert "registry" not in caplog.text


def test_read_when_the_image_is_deleted_meanwhile_then_no_damage_is_told(scene_of: MakeScene) -> None:
    only = Brittle("a", DATA)
    only.failure = errors.LocationNotFound(store="a")
    scene = scene_of(only)
    seen = scene.image
    scene.services.registry.images.delete(CTX, seen.id)
    with pytest.raises(errors.ImageDataMissing):
        image_data.open_data(scene.services, CTX, seen)
    assert scene.damage_told == []


# Files, which servers may send by themselves


def in_files(tmp_path: Path, registry: Registry, traits: StoreTraits) -> Scene:
    store = FileStore("file", FileStoreSettings(datadir=tmp_path / "files"))
    store.check()
    services = make_services(tmp_path, registry, stores=set_of(tmp_path, [store], traits))
    return Scene(services, active_at(registry, [store.add(CTX, "11111111-2222-4333-8444-555555555555", [DATA], len(DATA))]))


def test_file_when_its_store_is_trusted_then_servers_may_send_it(tmp_path: Path, registry: Registry) -> None:
    scene = in_files(tmp_path, registry, TRUSTED)
    blob = image_data.open_data(scene.services, CTX, scene.image)
    assert blob is not None
    assert blob.file is not None
    assert os.pread(blob.file.fileno(), 10, 0) == DATA[:10]
    blob.close()


def test_file_when_its_store_is_verified_then_servers_get_a_part_as_file_but_not_the_whole(tmp_path: Path, registry: Registry) -> None:
    scene = in_files(tmp_path, registry, VERIFIED)
    whole, part = (image_data.open_data(scene.services, CTX, scene.image, offset) for offset in (0, 1))
    assert whole is not None
    assert part is not None
    assert (whole.file is None, part.file is None) == (True, False)
    assert b"".join(whole) == DATA
    for blob in (whole, part):
        blob.close()


# Stores that the reader prefers


def test_preference_then_the_named_store_is_read_first_and_the_others_follow(scene_of: MakeScene) -> None:
    first, second = Brittle("a", DATA), Brittle("b", DATA, [PIECE])
    scene = scene_of(first, second)
    assert scene.read(prefer=["b"]) == DATA
    assert (first.asked, second.asked) == ([(PIECE, None)], [(0, None)])


def test_preference_when_it_cannot_be_met_then_refused(scene_of: MakeScene, tmp_path: Path) -> None:
    only = Brittle("a", DATA)
    scene = scene_of(only)
    with pytest.raises(errors.InvalidParameter, match="Store 'zz' is not configured"):
        scene.read(prefer=["a", "zz"])
    scene.services = replace(scene.services, stores=set_of(tmp_path, [only], several=False))
    with pytest.raises(errors.InvalidParameter, match="Store selection for download is not available"):
        scene.read(prefer=["a"])
    assert only.asked == []
