"""What the sweep erases, and all that it leaves."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, update

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.db.registry import SqlRegistry
from glance.db.schema import image_locations, images
from glance.interfaces import Registry
from glance.model.image import Image
from glance.model.stores import Found
from glance.service import Services
from glance.service.staging import stage
from glance.service.sweeping import Sweeping, sweep
from glance.service.uploading import Uploading
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.drivers.memory import MemoryStore
from glance.store.stores import StoreSet
from glance.tallies import Tallies
from tests.services import make_services, with_archive
from tests.unit.service.test_staging import Source
from tests.unit.service.test_uploading import Faults

ADMIN = unauthenticated()
ALICE = RequestContext(project="alice", roles=("member",))
UNKNOWN = "0a0a0a0a-0000-4000-8000-000000000001"
PARTIAL = f".{UNKNOWN}.0123456789abcdef"
GRACE = 3600.0
TOLD = Sweeping(grace=GRACE)
ALL = Sweeping(grace=GRACE, data=True)


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    """With a database that has just changed."""
    registry.images.create(ALICE, Image(id="", owner="alice"))
    return make_services(tmp_path, registry)


@pytest.fixture
def place(services: Services, tmp_path: Path) -> Path:
    return tmp_path / "images"


def put(path: Path, *, age: float = GRACE + 60) -> Path:
    """A file that was last changed so many seconds ago."""
    path.parent.mkdir(mode=0o750, exist_ok=True)
    path.write_bytes(b"abc")
    return aged(path, age)


def aged(path: Path, age: float = GRACE + 60) -> Path:
    os.utime(path, (time.time() - age,) * 2)
    return path


def names(place: Path) -> set[str]:
    return {path.name for path in place.iterdir()}


def begin(services: Services) -> Uploading:
    image = services.registry.images.create(ALICE, Image(id="", owner="alice"))
    return Uploading.begin(services, ALICE, image, services.stores.get("file"), "queued")


def stored(services: Services, place: Path) -> Image:
    """An image whose data are as old as the grace."""
    image = begin(services).store(iter([b"abc"]), 3)
    aged(place / image.id)
    return image


def test_sweep_when_nobody_names_it_then_parts_go_and_data_are_told(services: Services, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    probes = [".probe.0123456789abcdef", ".probe-0123456789abcdef.0123456789abcdef", "probe-0123456789abcdef"]
    foreign = [
        "README",
        f"{UNKNOWN}.part",
        f"x{UNKNOWN}",
        UNKNOWN.upper(),
        f".{UNKNOWN.upper()}.0123456789abcdef",
        "20240101",
        ".7.0123456789abcdef",
        ".nfs0123",
    ]
    for name in (UNKNOWN, PARTIAL, *probes, *foreign):
        put(place / name)
    (place / UNKNOWN.replace("a", "b")).mkdir()
    caplog.set_level(logging.INFO)
    assert sweep(services, TOLD) == 1 + len(probes)
    assert names(place) == {UNKNOWN, *foreign, UNKNOWN.replace("a", "b")}
    assert "lie in store 'file': 1 of them" in caplog.text
    assert f"{PARTIAL} (partial)" in caplog.text
    assert sweep(services, ALL) == 1
    assert names(place) == {*foreign, UNKNOWN.replace("a", "b")}


def test_sweep_when_ids_are_numbers_then_those_go_that_images_have_had(services: Services, place: Path, engine: Engine) -> None:
    numbered = replace(services, registry=SqlRegistry(engine, image_id_format="integer"))
    image = stored(numbered, place)
    numbered.registry.images.delete(ADMIN, image.id)
    [(_, location)] = numbered.registry.locations.condemned()
    numbered.registry.locations.erased(location.id or 0)
    begin(numbered)
    for name in (f".{image.id}.0123456789abcdef", "20240101", ".20240101.0123456789abcdef"):
        put(place / name)
    assert (sweep(numbered, ALL), names(place)) == (2, {"20240101", ".20240101.0123456789abcdef"})


def test_sweep_when_the_database_is_new_or_an_older_copy_then_complete_data_are_left(
    services: Services, place: Path, engine: Engine, tmp_path: Path
) -> None:
    staged = tmp_path / "staging" / UNKNOWN
    for path in (staged, place / UNKNOWN):
        put(path)
    with engine.begin() as connection:
        connection.execute(delete(images))
    assert (sweep(services, ALL), names(place), staged.exists()) == (0, {UNKNOWN}, True)
    image = services.registry.images.create(ALICE, Image(id="", owner="alice"))
    with engine.begin() as connection:
        connection.execute(update(images).values(updated_at=image.created_at - timedelta(seconds=2 * GRACE)))
    assert (sweep(services, ALL), names(place), staged.exists()) == (0, {UNKNOWN}, True)
    services.registry.images.create(ALICE, Image(id="", owner="alice"))
    assert sweep(services, ALL) == 2


def test_sweep_when_it_has_changed_lately_then_left(services: Services, place: Path) -> None:
    for name in (UNKNOWN, PARTIAL):
        put(place / name, age=GRACE - 60)
    assert sweep(services, ALL) == 0
    assert names(place) == {UNKNOWN, PARTIAL}


def test_sweep_when_the_place_does_not_tell_when_then_left(services: Services) -> None:
    class Timeless(MemoryStore):
        def contents(self) -> Iterator[Found]:
            return (replace(found, modified=None) for found in super().contents())

    store = Timeless("memory")
    location = store.add(ADMIN, UNKNOWN, [b"abc"], 3)
    assert sweep(replace(services, stores=StoreSet([store], "memory", services.stores.staging)), replace(ALL, grace=0)) == 0
    assert store.size(ADMIN, location) == 3


def test_sweep_when_an_upload_is_on_record_then_all_of_its_image_is_left(services: Services, place: Path) -> None:
    begin(services)
    [(upload, _expired)] = services.registry.uploads.leases()
    for name in (upload.image_id, f".{upload.image_id}.0123456789abcdef"):
        put(place / name)
    assert sweep(services, ALL) == 0
    services.registry.images.delete(ALICE, upload.image_id)
    assert sweep(services, ALL) == 0
    services.registry.uploads.abandon(upload.image_id, upload.attempt, "queued")
    assert (sweep(services, ALL), names(place)) == (2, set())


def test_sweep_when_an_upload_begins_in_between_then_left(services: Services, place: Path) -> None:
    image = services.registry.images.create(ALICE, Image(id="", owner="alice"))
    put(place / image.id)
    asked: list[bool] = []

    def may_go_on() -> bool:
        asked.append(True)
        if len(asked) == 2:
            Uploading.begin(services, ALICE, image, services.stores.get("file"), "queued")
        return True

    assert sweep(services, ALL, may_go_on) == 0
    assert names(place) == {image.id}


def test_sweep_when_it_is_gone_before_it_is_erased_then_not_counted(services: Services, place: Path) -> None:
    put(place / PARTIAL)
    steps: list[bool] = []

    def may_go_on() -> bool:
        steps.append(True)
        if len(steps) == 2:
            (place / PARTIAL).unlink()
        return True

    assert sweep(services, ALL, may_go_on) == 0
    assert len(steps) > 2


@pytest.mark.parametrize("delayed", [True, False])
def test_sweep_when_a_location_names_it_then_left_until_that_is_erased(services: Services, place: Path, delayed: bool) -> None:
    image = stored(services, place)
    assert sweep(services, ALL) == 0
    [waiting] = services.registry.images.delete(ALICE, image.id, delayed=delayed).locations
    assert sweep(services, ALL) == 0
    services.registry.locations.condemn(0)
    assert sweep(services, ALL) == 0
    services.registry.locations.erased(waiting.id or 0)
    assert (sweep(services, ALL), names(place)) == (1, set())


def test_sweep_when_a_record_of_other_days_points_there_then_left(services: Services, place: Path, engine: Engine, tmp_path: Path) -> None:
    other, spelled, unknown = (services.registry.images.create(ALICE, Image(id="", owner="alice")) for _ in range(3))
    (tmp_path / "link").symlink_to(place)
    rows = {
        other.id: f"file://{put(place / UNKNOWN)}",
        spelled.id: f"filesystem://{tmp_path}/link/{put(place / spelled.id).name}",
        unknown.id: f"file:///moved/away/{put(place / unknown.id).name}",
    }
    with engine.begin() as connection:
        now = other.created_at
        history = {"created_at": now, "updated_at": now}
        connection.execute(insert(image_locations), [{"image_id": one, "value": url, **history} for one, url in rows.items()])
    assert sweep(services, ALL) == 0
    assert names(place) == {UNKNOWN, spelled.id, unknown.id}


def test_sweep_when_an_image_has_its_data_in_another_store_then_those_here_go(services: Services, place: Path, tmp_path: Path) -> None:
    second = FileStore("second", FileStoreSettings(datadir=tmp_path / "second"))
    second.check()
    several = replace(services, stores=StoreSet([services.stores.get("file"), second], "file", services.stores.staging))
    image = stored(several, place)
    put(tmp_path / "second" / image.id)
    assert sweep(several, ALL) == 1
    assert (names(place), names(tmp_path / "second")) == ({image.id}, set())


def test_sweep_when_an_image_has_its_data_here_and_not_where_its_record_says_then_left(services: Services, place: Path, tmp_path: Path) -> None:
    second = FileStore("second", FileStoreSettings(datadir=tmp_path / "second"))
    second.check()
    several = replace(services, stores=StoreSet([services.stores.get("file"), second], "file", services.stores.staging))
    image = stored(several, place)
    (place / image.id).rename(tmp_path / "second" / image.id)
    assert (sweep(several, ALL), names(tmp_path / "second")) == (0, {image.id})
    put(place / image.id)
    services.registry.locations.mark(image.locations[0].id or 0, damaged=True)
    assert (sweep(several, ALL), names(tmp_path / "second")) == (0, {image.id})


def test_sweep_when_two_stores_are_one_place_then_left(services: Services, place: Path) -> None:
    again = FileStore("again", FileStoreSettings(datadir=place))
    twice = replace(services, stores=StoreSet([services.stores.get("file"), again], "file", services.stores.staging))
    image = stored(twice, place)
    assert (sweep(twice, ALL), names(place)) == (0, {image.id})


def test_sweep_when_an_image_has_lost_its_data_then_parts_of_it_are_left(services: Services, place: Path) -> None:
    image = stored(services, place)
    put(place / f".{image.id}.0123456789abcdef")
    (place / image.id).rename(place / "away")
    assert sweep(services, ALL) == 0
    (place / "away").rename(place / image.id)
    assert sweep(services, ALL) == 1
    assert names(place) == {image.id}


def test_sweep_then_staged_data_go_that_no_image_waits_for(services: Services, tmp_path: Path) -> None:
    staged, deleted, queued = (services.registry.images.create(ADMIN, Image(id="")).id for _ in range(3))
    stage(services, ADMIN, staged, Source(iter([b"abc"])), 3)
    services.registry.images.delete(ADMIN, deleted)
    staging = tmp_path / "staging"
    aged(staging / staged)
    for name in (deleted, queued, UNKNOWN, PARTIAL, "README"):
        put(staging / name)
    assert sweep(services, TOLD) == 4
    assert names(staging) == {staged, "README"}


def test_sweep_when_nothing_was_ever_staged_then_no_directory_is_made(services: Services, tmp_path: Path) -> None:
    assert (sweep(services, ALL), (tmp_path / "staging").exists()) == (0, False)


def test_sweep_when_it_may_not_go_on_then_stops(services: Services, place: Path) -> None:
    for number in range(1, 6):
        put(place / f".{UNKNOWN[:-1]}{number}.0123456789abcdef")
    assert sweep(services, TOLD, lambda: False) == 0
    allowed = iter([True, True, True, *[False] * 9])
    assert sweep(services, TOLD, lambda: next(allowed)) == 2
    assert len(names(place)) == 3


def test_sweep_when_the_registry_does_not_answer_then_it_is_told_and_nothing_goes(services: Services, place: Path) -> None:
    put(place / PARTIAL)
    silent: Any = SimpleNamespace(locations=Faults(services.registry.locations, before={"named": errors.RegistryUnavailable()}))
    with pytest.raises(errors.RegistryUnavailable):
        sweep(replace(services, registry=silent), ALL)
    assert names(place) == {PARTIAL}


def test_sweep_when_a_store_cannot_be_used_then_it_is_left_and_others_are_swept(
    services: Services, place: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(place / PARTIAL)
    put(tmp_path / "staging" / PARTIAL)
    (tmp_path / "staging").chmod(0o777)
    gone = FileStore("gone", FileStoreSettings(datadir=tmp_path / "gone"))
    stores = StoreSet([gone, services.stores.get("file")], "file", services.stores.staging)
    assert sweep(replace(services, stores=stores), ALL) == 1
    assert (names(place), names(tmp_path / "staging")) == (set(), {PARTIAL})
    assert "store 'gone' cannot be erased yet: store-unavailable" in caplog.text


def test_sweep_when_a_store_is_only_read_then_left(services: Services, place: Path) -> None:
    put(place / PARTIAL)
    assert sweep(replace(services, stores=with_archive(services.stores, place)), ALL) == 0
    assert names(place) == {PARTIAL}


def test_sweep_when_there_are_metrics_then_counted(services: Services, place: Path) -> None:
    tallies = Tallies()
    put(place / PARTIAL)
    put(place / UNKNOWN)
    sweep(replace(services, tallies=tallies), ALL)
    assert {key: count for key, count in tallies.totals().items() if "orphans" in key[0]} == {
        ("glance_orphans_erased_total", "file", "partial"): 1,
        ("glance_orphans_erased_total", "file", "data"): 1,
    }
