"""What a repair leaves of files that a record means without naming them as the store does."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from glance.context import RequestContext, unauthenticated
from glance.db.schema import image_locations
from glance.interfaces import Registry
from glance.model.checks import Figures, Kind
from glance.model.image import Image, Location
from glance.service import Services
from glance.service.checking import Options, check
from glance.service.images import delete
from glance.service.staging import stage
from glance.service.uploading import Uploading
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.stores import StoreSet
from tests.services import make_services
from tests.unit.service.test_staging import Source

ALICE = RequestContext(project="alice", roles=("member",))


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    return make_services(tmp_path, registry, delayed_delete=True)


@pytest.fixture
def place(services: Services, tmp_path: Path) -> Path:
    return tmp_path / "images"


def new(services: Services) -> Image:
    return services.registry.images.create(ALICE, Image(id="", owner="alice"))


def stored(services: Services) -> Image:
    return Uploading.begin(services, ALICE, new(services), services.stores.get("file"), "queued").store(iter([b"abc"]), 3)


def repaired(services: Services, path: Path) -> list[Kind]:
    """What a check mends, once the file at ``path`` is older than everything else."""
    os.utime(path, (time.time() - 3600,) * 2)
    return [one.kind for one in check(services, Options(repair=True, grace=timedelta()), Figures()) if one.outcome == "repaired"]


def spell(engine: Engine, directory: Path, link: Path) -> None:
    """Makes all locations name a link to their directory."""
    link.symlink_to(directory)
    with engine.begin() as connection:
        for row in connection.execute(select(image_locations)).all():
            fresh = row.value.replace(str(directory), str(link))
            connection.execute(update(image_locations).where(image_locations.c.id == row.id).values(value=fresh))


def test_repair_when_two_stores_are_one_place_then_the_data_stay(services: Services, place: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(place)
    again = FileStore("again", FileStoreSettings(datadir=tmp_path / "link"))
    twice = replace(services, stores=StoreSet([services.stores.get("file"), again], "file", services.stores.staging))
    data = place / stored(twice).id
    assert (repaired(twice, data), data.exists()) == ([], True)


def test_repair_when_a_delayed_delete_is_spelled_otherwise_then_the_data_stay(
    services: Services, place: Path, engine: Engine, tmp_path: Path
) -> None:
    image = stored(services)
    spell(engine, place, tmp_path / "link")
    delete(services, ALICE, image.id)
    data = place / image.id
    assert (repaired(services, data), data.exists()) == ([], True)


def test_repair_when_staged_data_are_spelled_otherwise_then_they_stay(services: Services, engine: Engine, tmp_path: Path) -> None:
    image = new(services)
    stage(services, unauthenticated(), image.id, Source(iter([b"abc"])), 3)
    spell(engine, tmp_path / "staging", tmp_path / "link")
    data = tmp_path / "staging" / image.id
    assert (repaired(services, data), data.exists()) == ([], True)


def test_repair_when_an_image_has_lost_its_data_then_parts_of_it_stay(services: Services, place: Path) -> None:
    image = stored(services)
    part = place / f".{image.id}.0123456789abcdef"
    (place / image.id).rename(part)
    assert (repaired(services, part), part.exists()) == ([], True)
    part.rename(place / image.id)
    part.write_bytes(b"ab")
    assert (repaired(services, part), part.exists()) == ([Kind.QUARANTINED], True)
    assert (repaired(services, part), part.exists()) == ([Kind.TEMPORARY], False)


def test_repair_when_another_image_names_data_in_upper_case_then_they_stay(services: Services, place: Path) -> None:
    image, other = stored(services), stored(services)
    data = (place / image.id).rename(place / image.id.upper())
    assert services.registry.audits.relocate(other.locations[0].id or 0, other.locations[0].url, Location(f"file://{data}", "file"))
    assert (repaired(services, data), data.exists(), (place / image.id).exists()) == ([Kind.CASE], True, True)


def test_repair_when_names_are_numbers_of_no_image_then_they_are_foreign_and_stay(services: Services, place: Path) -> None:
    new(services)
    things = [place / "20240101", place / ".20240101.0123456789abcdef"]
    for path in things:
        path.touch()
        assert repaired(services, path) == []
    findings = list(check(services, Options(), Figures()))
    assert [finding.kind for finding in findings] == [Kind.FOREIGN] * 2
    assert all(path.exists() for path in things)


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff" * 255, b"ID"])
def test_check_when_a_name_is_no_text_then_it_is_foreign(services: Services, place: Path, name: bytes) -> None:
    Path(os.fsdecode(bytes(place) + b"/" + name)).touch()
    [finding] = check(services, Options(), Figures())
    assert (finding.kind, finding.name) == (Kind.FOREIGN, os.fsdecode(name))


def test_repair_when_data_that_a_restore_needs_were_moved_then_they_stay(services: Services, place: Path, tmp_path: Path) -> None:
    second = FileStore("second", FileStoreSettings(datadir=tmp_path / "second"))
    second.check()
    several = replace(services, stores=StoreSet([services.stores.get("file"), second], "file", services.stores.staging))
    image = stored(several)
    delete(several, ALICE, image.id)
    data = (place / image.id).rename(tmp_path / "second" / image.id)
    assert (repaired(several, data), data.exists()) == ([], True)
    (place / image.id).write_bytes(b"abc")
    assert (repaired(several, data), data.exists()) == ([Kind.ORPHAN], False)


def test_check_when_a_process_tries_the_directory_then_its_file_is_nothing_temporary_for_a_minute(services: Services, place: Path) -> None:
    stored(services)
    trial = place / "probe-0123456789abcdef"
    trial.touch()
    assert list(check(services, Options(repair=True, grace=timedelta()), Figures())) == []
    assert (repaired(services, trial), trial.exists()) == ([Kind.TEMPORARY], False)
