"""What recovery does while it may go on, and what it tells of dead uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.db.registry import SqlRegistry
from glance.interfaces import Registry
from glance.model.events import ImageActivated
from glance.model.image import Image
from glance.service import Services, reasons
from glance.service.leases import Leases
from glance.service.recovery import recover, restore
from glance.service.uploading import Uploading
from glance.store.drivers.file import FileStore, FileStoreSettings
from glance.store.stores import StoreSet
from glance.testing.registry_contract import Clock
from tests.databases import moments
from tests.services import Recorder, make_services

ADMIN = unauthenticated()
ALICE = RequestContext(project="alice", roles=("member",), request_id="req-7")


@pytest.fixture
def services(tmp_path: Path, registry: Registry) -> Services:
    return make_services(tmp_path, registry)


def begin(services: Services) -> Uploading:
    image = services.registry.images.create(ALICE, Image(id="", owner="alice"))
    return Uploading.begin(services, ALICE, image, services.stores.get("file"), "queued")


def stored(services: Services) -> Image:
    return begin(services).store(iter([b"abc"]), 3)


def dead(_worker: str) -> bool:
    return True


def alive(_worker: str) -> bool:
    return False


def steps(number: int) -> Iterator[bool]:
    """As many times yes, then no."""
    yield from [True] * number
    while True:
        yield False


class SlowStore(FileStore):
    """One that takes its time to erase what an upload left; ``meanwhile`` is what happens then."""

    meanwhile: Callable[[], None]

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        self.meanwhile()
        super().discard(ctx, image_id)


def files(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "images").iterdir()}


def test_recovery_when_it_may_not_begin_then_touches_nothing(services: Services, tmp_path: Path) -> None:
    begin(services)
    image = stored(services)
    services.registry.images.delete(ALICE, image.id, delayed=True)
    assert recover(services, dead, lambda: False, scrub_time=0) == 0
    assert services.registry.locations.condemned() == []
    assert files(tmp_path) == {image.id}
    assert len(services.registry.uploads.leases()) == 1


def test_recovery_when_it_loses_its_right_on_the_way_then_stops(services: Services, tmp_path: Path) -> None:
    for _ in range(3):
        begin(services)
    images = [stored(services) for _ in range(3)]
    for image in images:
        services.registry.images.delete(ALICE, image.id)
    allowed = steps(1 + 2)  # the beginning, and two uploads
    assert recover(services, dead, lambda: next(allowed)) == 2
    assert len(services.registry.uploads.leases()) == 1
    assert files(tmp_path) == {image.id for image in images}
    allowed = steps(1 + 1 + 2)
    assert recover(services, dead, lambda: next(allowed)) == 3
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_recovery_when_deletes_were_delayed_then_their_data_go_after_the_delay(services: Services, tmp_path: Path, threads: int) -> None:
    images = [stored(services) for _ in range(5)]
    kept = stored(services)
    for image in images:
        services.registry.images.delete(ALICE, image.id, delayed=True)
    assert recover(services, alive, threads=threads) == 0
    assert recover(services, alive, scrub_time=3600, threads=threads) == 0
    assert files(tmp_path) == {kept.id, *(image.id for image in images)}
    assert recover(services, alive, scrub_time=0, threads=threads) == 5
    assert files(tmp_path) == {kept.id}
    assert {services.registry.images.get(ADMIN, image.id).status for image in images} == {"deleted"}


def test_recovery_when_data_of_a_delayed_delete_cannot_be_erased_then_the_image_stays_pending(services: Services, tmp_path: Path) -> None:
    image = stored(services)
    services.registry.images.delete(ALICE, image.id, delayed=True)
    (tmp_path / "images").rename(tmp_path / "away")
    assert recover(services, alive, scrub_time=0) == 0
    assert services.registry.images.get(ADMIN, image.id).status == "pending_delete"
    with pytest.raises(errors.Conflict):
        restore(services, image.id)
    (tmp_path / "away").rename(tmp_path / "images")
    assert recover(services, alive, scrub_time=0) == 1
    assert services.registry.images.get(ADMIN, image.id).status == "deleted"


def test_restore_when_the_data_wait_then_active_and_told(services: Services) -> None:
    events = Recorder()
    image = stored(services)
    services.registry.images.delete(ALICE, image.id, delayed=True)
    restore(replace(services, notifier=events), image.id)
    [event] = events.events
    assert isinstance(event, ImageActivated)
    assert event.image == services.registry.images.get(ALICE, image.id)
    assert event.image.status == "active"


def test_recovery_when_an_upload_died_then_says_so(services: Services) -> None:
    upload = begin(services).upload
    recover(services, dead)
    failure = services.registry.uploads.last_failure(upload.image_id)
    assert failure is not None
    assert (failure.status, failure.reason, failure.request_id) == ("saving", reasons.INTERRUPTED, "req-7")


def test_recovery_when_the_upload_had_told_why_then_that_is_kept(services: Services) -> None:
    uploading = begin(services)

    def chunks() -> Iterator[bytes]:
        yield b"abc"
        raise errors.UploadLeftBehind(store="file")

    with pytest.raises(errors.UploadLeftBehind):
        uploading.store(chunks(), None)
    assert services.registry.uploads.last_failure(uploading.image.id) is None
    recover(services, dead)
    failure = services.registry.uploads.last_failure(uploading.image.id)
    assert failure is not None
    assert failure.reason == errors.UploadLeftBehind(store="file").message


def test_recovery_when_erasing_outlasts_a_lease_then_nobody_else_may_give_the_image_new_data(tmp_path: Path, engine: Engine) -> None:
    clock = Clock()
    registry = SqlRegistry(engine, lease_clock=moments(clock))
    slow = SlowStore("file", FileStoreSettings(datadir=tmp_path / "images"))
    services = make_services(tmp_path, registry)
    begin(services)
    clock.advance(60)
    first = replace(services, stores=StoreSet([slow], "file", services.stores.staging), leases=Leases(registry))
    repaired = []

    def an_hour_goes_by() -> None:
        for _ in range(180):
            clock.advance(20)
            first.leases.renew()
        repaired.append(recover(services, alive))

    slow.meanwhile = an_hour_goes_by
    repaired.append(recover(first, alive))
    assert repaired == [0, 1]
    clock.advance(3600)
    first.leases.renew()
    assert registry.uploads.leases() == []


@pytest.mark.parametrize(("silence", "left"), [(3599, []), (3600, ["data", "partial"])])
def test_recovery_when_an_upload_ended_long_ago_then_erases_nothing(
    tmp_path: Path, engine: Engine, caplog: pytest.LogCaptureFixture, silence: float, left: list[str]
) -> None:
    """The database may be an older copy, and what lies there data whose upload was acknowledged later."""
    clock = Clock()
    services = make_services(tmp_path, SqlRegistry(engine, lease_clock=moments(clock)))
    upload = begin(services).upload
    store = services.stores.get("file")
    store.add(ADMIN, upload.image_id, iter([b"abc"]), 3)
    (tmp_path / "images" / f".{upload.image_id}.0123456789abcdef").write_bytes(b"ab")
    clock.advance(60 + silence)
    assert recover(services, dead) == 1
    assert isinstance(store, FileStore)
    assert sorted(found.kind for found in store.contents()) == left
    assert (services.registry.images.get(ADMIN, upload.image_id).status, services.registry.uploads.leases()) == ("queued", [])
    assert ("nothing of it is erased" in caplog.text) == bool(left)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (errors.StorageFull(store="file"), "The store 'file' has no room left for this image."),
        (errors.SourceRefused(source="http://user:secret@host/x"), "source-refused"),
        (ValueError("/srv/images/secret"), "An internal error."),
        (KeyboardInterrupt(), "An internal error."),
    ],
)
def test_sentence_of_an_error_then_names_no_place(error: BaseException, sentence: str) -> None:
    assert reasons.sentence(error) == sentence
