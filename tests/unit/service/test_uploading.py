"""What an upload leaves when something fails, at each of its steps."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.model.image import Image, Location, OnFailure, StoredData
from glance.model.stores import StoreTraits
from glance.service import Services
from glance.service.leases import Leases
from glance.service.recovery import recover
from glance.service.uploading import Uploading
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.stores import StoreSet
from glance.tallies import Tallies
from glance.testing.registry_contract import Clock
from tests.databases import moments
from tests.services import make_services

ADMIN = unauthenticated()


@dataclass
class Faults:
    """Makes a call of a collaborator fail: before it does anything, or after it has done it and only the answer is lost."""

    inner: Any
    before: dict[str, Exception] = field(default_factory=dict)
    after: dict[str, Exception] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.inner, name)
        if name not in self.before and name not in self.after:
            return call

        def faulty(*arguments: Any, **named: Any) -> Any:
            if name in self.before:
                raise self.before[name]
            call(*arguments, **named)
            raise self.after[name]

        return faulty


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    return make_services(tmp_path, registry)


def begin(services: Services, on_failure: OnFailure = "killed") -> Uploading:
    image = services.registry.images.create(ADMIN, Image(id=""))
    return Uploading.begin(services, ADMIN, image, services.stores.get("file"), on_failure)


def with_uploads(services: Services, uploads: object) -> Services:
    """The same services with another upload part of the registry."""

    @dataclass
    class Parts:
        images: Any = services.registry.images
        locations: Any = services.registry.locations
        members: Any = services.registry.members
        uploads: Any = None

        def close(self) -> None:
            """The real registry closes itself."""

    return replace(services, registry=Parts(uploads=uploads))


def files(tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "images").iterdir()]


def status(services: Services, image_id: str) -> str:
    return services.registry.images.get(ADMIN, image_id).status


def test_upload_when_nothing_fails_then_active_and_no_lease_is_left(services: Services, tmp_path: Path) -> None:
    uploading = begin(services)
    image = uploading.store(iter([b"ab", b"c"]), None)
    assert (image.status, image.size, files(tmp_path)) == ("active", 3, [image.id])
    assert services.registry.uploads.leases() == []


@pytest.mark.parametrize(("algorithm", "learned"), [("", (None, None)), ("md5", ("md5", hashlib.md5(b"abc").hexdigest()))])
def test_upload_when_md5_is_enough_then_nothing_else_is_computed(services: Services, algorithm: str, learned: tuple[str | None, str | None]) -> None:
    image = begin(replace(services, hashing_algorithm=algorithm)).store(iter([b"ab", b"c"]), None)
    assert (image.checksum, (image.os_hash_algo, image.os_hash_value)) == (hashlib.md5(b"abc").hexdigest(), learned)


@pytest.mark.parametrize("error", [errors.ClientDisconnected(), RuntimeError("a fault of ours"), KeyboardInterrupt()])
def test_upload_when_the_data_break_off_then_killed_and_nothing_is_left(services: Services, tmp_path: Path, error: BaseException) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise error

    uploading = begin(services)
    with pytest.raises(type(error)):
        uploading.store(chunks(), None)
    assert (status(services, uploading.image.id), files(tmp_path), services.registry.uploads.leases()) == ("killed", [], [])


@pytest.mark.parametrize(
    ("error", "expected"),
    [(errors.StorageFull(store="file"), {("glance_store_errors_total", "file", "write", "storage-full"): 1}), (errors.RegistryUnavailable(), {})],
    ids=["the store", "the registry"],
)
def test_upload_when_it_fails_then_counted_as_an_error_of_the_store_where_it_is_one(
    services: Services, error: errors.GlanceError, expected: dict[tuple[str, ...], float]
) -> None:
    services = replace(services, tallies=Tallies())
    assert services.tallies is not None

    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise error  # as the look whether the project has room for more

    with pytest.raises(type(error)):
        begin(services).store(chunks(), None)
    assert services.tallies.totals() == expected


def test_upload_when_the_image_is_deleted_meanwhile_then_lost_and_erased(services: Services, tmp_path: Path) -> None:
    uploading = begin(services)

    def chunks() -> Iterator[bytes]:
        yield b"abc"
        services.registry.images.delete(ADMIN, uploading.image.id)

    with pytest.raises(errors.UploadLost):
        uploading.store(chunks(), None)
    assert (status(services, uploading.image.id), files(tmp_path), services.registry.uploads.leases()) == ("deleted", [], [])


def test_upload_when_the_registry_is_gone_at_the_end_then_recovery_repairs(services: Services, tmp_path: Path) -> None:
    gone = errors.RegistryUnavailable()
    broken = Faults(services.registry.uploads, before={"finish": gone, "take_over": gone, "abandon": gone})
    uploading = begin(with_uploads(services, broken))
    with pytest.raises(errors.RegistryUnavailable):
        uploading.store(iter([b"abc"]), 3)
    assert (status(services, uploading.image.id), files(tmp_path)) == ("saving", [uploading.image.id])
    assert recover(services, is_dead=lambda _worker: True) == 1
    assert (status(services, uploading.image.id), files(tmp_path), services.registry.uploads.leases()) == ("killed", [], [])


def test_upload_when_only_the_last_request_fails_then_killed_and_erased_at_once(services: Services, tmp_path: Path) -> None:
    uploading = begin(with_uploads(services, Faults(services.registry.uploads, before={"finish": errors.RegistryUnavailable()})))
    with pytest.raises(errors.RegistryUnavailable):
        uploading.store(iter([b"abc"]), 3)
    assert (status(services, uploading.image.id), files(tmp_path), services.registry.uploads.leases()) == ("killed", [], [])


def test_upload_when_only_the_last_answer_is_lost_then_it_still_succeeds(services: Services, tmp_path: Path) -> None:
    uploading = begin(with_uploads(services, Faults(services.registry.uploads, after={"finish": errors.RegistryUnavailable()})))
    assert uploading.store(iter([b"abc"]), 3).status == "active"
    assert files(tmp_path) == [uploading.image.id]


def test_upload_when_erasing_outlasts_a_lease_then_recovery_leaves_it_alone(tmp_path: Path, engine: Engine) -> None:
    """Else the image would be queued, and what is erased late the data of the next upload."""
    clock = Clock()
    registry = SqlRegistry(engine, lease_clock=moments(clock))
    repaired = []

    class SlowStore(FileStore):
        def delete(self, ctx: RequestContext, location: Location) -> None:
            for _ in range(180):
                clock.advance(20)
                services.leases.renew()
            repaired.append(recover(services, is_dead=lambda _worker: False))
            super().delete(ctx, location)

    services = make_services(tmp_path, registry)
    slow = StoreSet([SlowStore("file", FileStoreSettings(datadir=tmp_path / "images"))], "file", services.stores.staging)
    broken = Faults(registry.uploads, before={"finish": errors.RegistryUnavailable()})
    uploading = begin(with_uploads(replace(services, stores=slow), broken), "queued")
    services = uploading.services
    with pytest.raises(errors.RegistryUnavailable):
        uploading.store(iter([b"abc"]), 3)
    assert repaired == [0]
    assert (status(services, uploading.image.id), files(tmp_path), registry.uploads.leases()) == ("queued", [], [])


def test_upload_when_its_lease_was_reclaimed_then_the_late_end_is_refused(services: Services, tmp_path: Path) -> None:
    uploading = begin(services)

    def chunks() -> Iterator[bytes]:
        yield b"abc"
        recover(services, is_dead=lambda _worker: True)

    # The store finds its half-written data gone, which says nothing about the store.
    with pytest.raises(errors.UploadLost):
        uploading.store(chunks(), 3)
    assert status(services, uploading.image.id) == "killed"
    with pytest.raises(errors.UploadLost):
        services.registry.uploads.finish(ADMIN, uploading.image.id, uploading.upload.attempt, StoredData(Location("file:///late", "file"), 3, None))


@pytest.mark.parametrize("on_failure", ["killed", "queued"])
def test_upload_when_it_was_reclaimed_before_its_first_byte_then_what_it_stores_is_erased(
    services: Services, tmp_path: Path, on_failure: OnFailure
) -> None:
    """It waited for its turn longer than its lease: nobody would ever look for its data again."""
    uploading = begin(services, on_failure)
    recover(services, is_dead=lambda _worker: True)
    with pytest.raises(errors.UploadLost):
        uploading.store(iter([b"abc"]), 3)
    assert (status(services, uploading.image.id), files(tmp_path)) == (on_failure, [])


def test_upload_when_another_has_stored_other_data_meanwhile_then_lost_and_those_are_kept(services: Services, tmp_path: Path) -> None:
    """Both attempts store under one name: that the image has data there does not mean that they are those of the first."""

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(services.registry.uploads, name)

        def finish(self, *arguments: Any) -> Any:
            recover(services, is_dead=lambda _worker: True)
            target = services.stores.get("file")
            Uploading.begin(services, ADMIN, services.registry.images.get(ADMIN, uploading.image.id), target, "queued").store(iter([b"xyz"]), 3)
            return services.registry.uploads.finish(*arguments)

    uploading = begin(with_uploads(services, Late()), "queued")
    with pytest.raises(errors.UploadLost):
        uploading.store(iter([b"abc"]), 3)
    assert status(services, uploading.image.id) == "active"
    assert (tmp_path / "images" / uploading.image.id).read_bytes() == b"xyz"


def test_upload_when_another_is_about_to_finish_meanwhile_then_lost_and_the_data_of_that_one_are_kept(services: Services, tmp_path: Path) -> None:
    others: list[Uploading] = []

    class Late:
        def __getattr__(self, name: str) -> Any:
            return getattr(services.registry.uploads, name)

        def finish(self, *arguments: Any) -> Any:
            recover(services, is_dead=lambda _worker: True)
            target = services.stores.get("file")
            others.append(Uploading.begin(services, ADMIN, services.registry.images.get(ADMIN, uploading.image.id), target, "queued"))
            target.add(ADMIN, uploading.image.id, iter([b"xyz"]), 3)
            return services.registry.uploads.finish(*arguments)

    uploading = begin(with_uploads(services, Late()), "queued")
    with pytest.raises(errors.UploadLost):
        uploading.store(iter([b"abc"]), 3)
    data = StoredData(Location(f"file://{tmp_path}/images/{uploading.image.id}", "file"), 3, None)
    services.registry.uploads.finish(ADMIN, uploading.image.id, others[0].upload.attempt, data)
    assert (tmp_path / "images" / uploading.image.id).read_bytes() == b"xyz"


def test_recovery_when_workers_live_then_it_touches_nothing(services: Services) -> None:
    uploading = begin(services)
    assert recover(services, is_dead=lambda _worker: False) == 0
    assert status(services, uploading.image.id) == "saving"


def test_recovery_when_deleted_data_wait_then_they_are_erased(services: Services, tmp_path: Path) -> None:
    image = begin(services).store(iter([b"abc"]), 3)
    services.registry.images.delete(ADMIN, image.id)
    assert files(tmp_path) == [image.id]
    assert recover(services, is_dead=lambda _worker: False) == 1
    assert (files(tmp_path), services.registry.locations.condemned()) == ([], [])


def test_recovery_when_deleted_data_cannot_be_erased_then_they_wait_and_do_not_count(services: Services, tmp_path: Path) -> None:
    image = begin(services).store(iter([b"abc"]), 3)
    services.registry.images.delete(ADMIN, image.id)
    other = StoreSet([FileStore("other", FileStoreSettings(datadir=tmp_path / "other"))], "other", services.stores.staging)
    assert recover(replace(services, stores=other), is_dead=lambda _worker: False) == 0
    assert [waiting for waiting, _location in services.registry.locations.condemned()] == [image.id]


def dead_upload(services: Services) -> Uploading:
    """A process that has died with the image complete in its store, but not in the registry."""
    uploading = begin(services, "queued")
    uploading.target.add(ADMIN, uploading.image.id, iter([b"abc"]), 3)
    return uploading


def renamed(services: Services, tmp_path: Path, traits: dict[str, StoreTraits]) -> Services:
    """The store of the same directory has another name, and is one of two."""
    names = {"other": tmp_path / "other", "fast": tmp_path / "images"}
    stores = [FileStore(name, FileStoreSettings(datadir=directory)) for name, directory in names.items()]
    for store in stores:
        store.check()
    return replace(services, stores=StoreSet(stores, "fast", services.stores.staging, traits=traits))


def test_recovery_when_the_store_has_another_name_today_then_what_a_dead_upload_left_is_erased(services: Services, tmp_path: Path) -> None:
    uploading = dead_upload(services)
    assert recover(renamed(services, tmp_path, {}), is_dead=lambda _worker: True) == 1
    assert (status(services, uploading.image.id), files(tmp_path)) == ("queued", [])


def test_recovery_when_the_store_cannot_be_used_now_then_what_a_dead_upload_left_waits_for_it(services: Services, tmp_path: Path) -> None:
    uploading = dead_upload(services)
    left_out = {"file": StoreTraits("file")}
    assert recover(renamed(services, tmp_path, left_out), is_dead=lambda _worker: True) == 0
    assert status(services, uploading.image.id) == "saving"
    assert recover(services, is_dead=lambda _worker: True) == 1
    assert (status(services, uploading.image.id), files(tmp_path)) == ("queued", [])


def test_leases_when_held_then_renewed_until_released(services: Services) -> None:
    renewed: list[list[str]] = []

    class Uploads:
        def renew(self, attempts: list[str]) -> None:
            renewed.append(attempts)

    class Parts:
        uploads = Uploads()

    leases = Leases(Parts())  # type: ignore[arg-type]
    leases.renew()
    leases.hold("b")
    leases.hold("a")
    leases.renew()
    leases.release("a")
    leases.renew()
    assert renewed == [["a", "b"], ["b"]]
