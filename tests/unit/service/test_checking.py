"""What a check of database and stores tells, and what it mends, in stores that live in memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.interfaces import Registry
from glance.model.checks import Figures, Finding, Kind
from glance.model.image import Image, ImageChanges, Location, LocationChange
from glance.model.stores import Found
from glance.service import Services
from glance.service.checking import Options, check
from glance.service.checking.evidence import SEVERAL
from glance.service.uploading import Uploading
from glance.store.drivers.file import FileStoreSettings
from glance.store.drivers.memory import MemoryStore
from glance.store.staging import StagingStore
from glance.store.stores import StoreSet
from tests.services import Recorder, make_services

ALICE = RequestContext(project="alice", roles=("member",))
DATA = b"data of an image"
NOW = timedelta()


class Shelf(MemoryStore):
    """``memory`` has URLs of its own in each store; ``away``: it cannot be asked; ``sealed``: about these; ``partial`` lie there beside the data."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.schemes = (name,)
        self.away = False
        self.sealed: set[str] = set()
        self.partial: list[Found] = []

    def add(self, ctx, image_id, chunks, size):
        return replace(super().add(ctx, image_id, chunks, size), url=f"{self.name}://{image_id}")

    def size(self, ctx, location):
        if self.away or self._id(location) in self.sealed:
            raise errors.StoreUnavailable(store=self.name)
        return super().size(ctx, location)

    def open(self, ctx, location, offset=0, length=None):
        if self.away:
            raise errors.StoreUnavailable(store=self.name)
        return super().open(ctx, location, offset, length)

    def contents(self) -> Iterator[Found]:
        if self.away:
            raise errors.StoreUnavailable(store=self.name)
        data = [replace(found, location_url=f"{self.name}://{found.image_id}") for found in super().contents()]
        return iter([*data, *self.partial])

    def remove(self, found: Found) -> bool:
        if found in self.partial:
            self.partial.remove(found)
            return True
        return super().remove(replace(found, location_url=f"memory://{found.image_id}"))

    def names(self) -> set[str]:
        return {found.name for found in super().contents()}

    def put(self, image_id: str, data: bytes = DATA) -> str:
        """Puts data there, in place of what there was; returns their name."""
        self.discard(unauthenticated(), image_id)
        self.add(unauthenticated(), image_id, [data], len(data))
        return image_id


@pytest.fixture
def first() -> Shelf:
    return Shelf("first")


@pytest.fixture
def second() -> Shelf:
    return Shelf("second")


@pytest.fixture
def services(tmp_path: Path, registry: Registry, first: Shelf, second: Shelf) -> Services:
    staging = StagingStore(FileStoreSettings(datadir=tmp_path / "staging"))
    return make_services(tmp_path, registry, stores=StoreSet([first, second], "first", staging), notifier=Recorder())


def new(services: Services) -> Image:
    return services.registry.images.create(ALICE, Image(id="", owner="alice"))


def begin(services: Services) -> Uploading:
    return Uploading.begin(services, ALICE, new(services), services.stores.get("first"), "queued")


def stored(services: Services) -> Image:
    return begin(services).store(iter([DATA]), len(DATA))


def add_location(services: Services, image: Image, location: Location) -> Image:
    change = LocationChange(frozenset(one.id or 0 for one in image.locations), (*image.locations, location))
    return services.registry.images.update(unauthenticated(), image.id, ImageChanges(locations=change))


def add_copy(services: Services, image: Image, data: bytes = DATA) -> Image:
    """The image with a copy in the second store."""
    return add_location(services, image, services.stores.get("second").add(ALICE, image.id, [data], len(data)))


def found(services: Services, figures: Figures | None = None, **options: object) -> list[Finding]:
    return list(check(services, Options(**options), figures or Figures()))  # type: ignore[arg-type]


def told(findings: list[Finding]) -> list[tuple[Kind, str, str]]:
    return [(finding.kind, finding.image_id or finding.name, finding.outcome) for finding in findings]


def test_check_when_all_agrees_then_tells_nothing_and_has_looked_at_all(services: Services) -> None:
    add_copy(services, stored(services))
    stored(services)
    new(services)
    figures = Figures()
    assert found(services, figures, read_data=True, rate=10**9) == []
    assert figures == Figures(total=2, images=2, locations=3, objects=3, read=3 * len(DATA))


def test_check_when_an_upload_is_on_record_then_its_parts_are_no_disagreement(services: Services, first: Shelf) -> None:
    begin(services)
    [(upload, _expired)] = services.registry.uploads.leases()
    first.put(upload.image_id)
    first.partial = [Found("part", "partial", upload.image_id, size=1, modified=first.now())]
    assert found(services) == []


def test_check_when_a_part_goes_away_while_it_looks_then_it_is_no_disagreement(services: Services, first: Shelf) -> None:
    first.partial = [Found(f"part {number}", "partial", str(uuid.uuid4()), size=1, modified=first.now()) for number in range(2)]
    looks: list[None] = []
    listed = first.contents

    def contents() -> Iterator[Found]:
        if looks:
            del first.partial[1:]
        looks.append(None)
        return listed()

    first.contents = contents  # type: ignore[method-assign]
    assert [finding.name for finding in found(services)] == ["part 0"]


def test_check_when_a_store_is_away_then_tells_it_once_and_goes_on_with_the_others(services: Services, first: Shelf, second: Shelf) -> None:
    for _ in range(3):
        name = add_copy(services, stored(services)).id
    second.discard(ALICE, name)
    first.away = True
    figures = Figures()
    assert told(found(services, figures, repair=True)) == [(Kind.UNCHECKED, "", "found"), (Kind.MISSING, name, "left")]
    assert (figures.unchecked, figures.left) == (1, 1)


def test_check_when_one_thing_cannot_be_looked_at_then_only_that_is_unchecked(services: Services, first: Shelf) -> None:
    images = sorted(stored(services).id for _ in range(3))
    orphans = sorted(first.put(str(uuid.uuid4())) for _ in range(2))
    first.sealed = {images[0], orphans[0]}
    first.discard(ALICE, images[2])
    figures = Figures()
    assert sorted(told(found(services, figures))) == sorted(
        [
            (Kind.UNCHECKED, orphans[0], "found"),
            (Kind.ORPHAN, orphans[1], "found"),
            (Kind.UNCHECKED, images[0], "found"),
            (Kind.MISSING, images[2], "found"),
        ]
    )
    assert figures.unchecked == 2


def test_check_when_several_things_in_a_row_cannot_be_looked_at_then_the_store_is_left_alone(services: Services, first: Shelf) -> None:
    images = sorted(stored(services).id for _ in range(SEVERAL + 2))
    first.sealed = set(images[:SEVERAL])
    figures = Figures()
    findings = found(services, figures)
    assert [(finding.kind, finding.image_id) for finding in findings] == [
        *((Kind.UNCHECKED, one) for one in images[: SEVERAL - 1]),
        (Kind.UNCHECKED, ""),
    ]
    assert figures.locations == SEVERAL


@pytest.mark.parametrize("things", [1, 1001])
def test_check_when_data_have_no_image_then_tells_each_once(services: Services, first: Shelf, things: int) -> None:
    names = [first.put(str(uuid.uuid4())) for _ in range(things)]
    assert sorted(finding.name for finding in found(services)) == sorted(names)


def test_repair_when_data_without_image_are_old_then_erases_them_and_never_before(services: Services, first: Shelf) -> None:
    name = first.put(str(uuid.uuid4()))
    [young] = found(services, repair=True)
    [unknown] = found(services, repair=True, grace=NOW)
    assert (young.outcome, unknown.outcome, first.names()) == ("left", "left", {name})
    image = stored(services)
    assert told(found(services, repair=True, grace=NOW)) == [(Kind.ORPHAN, name, "repaired")]
    assert first.names() == {image.id}


def test_repair_when_they_may_be_the_last_data_of_an_image_then_they_stay(services: Services, first: Shelf, second: Shelf) -> None:
    image = stored(services)
    second.put(image.id)
    first.put(image.id, DATA[::-1])
    new(services)
    assert (Kind.ORPHAN, image.id, "left") in told(found(services, repair=True, grace=NOW))
    assert second.names() == {image.id}
    first.put(image.id)
    new(services)
    assert told(found(services, repair=True, grace=NOW)) == [(Kind.ORPHAN, image.id, "repaired")]
    assert (first.names(), second.names()) == ({image.id}, set())


def test_repair_when_a_copy_is_bad_and_the_other_is_too_then_marks_it_and_erases_nothing(services: Services, first: Shelf, second: Shelf) -> None:
    image = add_copy(services, stored(services))
    first.put(image.id, DATA[::-1])
    second.put(image.id, DATA[1:])
    assert {finding.outcome for finding in found(services, repair=True, read_data=True)} == {"left"}
    assert [one.damaged for one in services.registry.images.get(ALICE, image.id).locations] == [True, True]
    assert (first.names(), second.names()) == ({image.id}, {image.id})
    assert services.notifier.types[-2:] == ["image.damaged", "image.damaged"]  # type: ignore[attr-defined]


def test_repair_when_a_mark_is_wrong_then_takes_it_away(services: Services) -> None:
    image = stored(services)
    services.registry.locations.mark(image.locations[0].id or 0, damaged=True)
    assert told(found(services)) == [(Kind.QUARANTINED, image.id, "found")]
    assert told(found(services, repair=True)) == [(Kind.QUARANTINED, image.id, "repaired")]
    assert found(services) == []


def test_check_when_data_lie_in_another_store_than_the_row_says_then_repair_follows_only_where_they_are_right(
    services: Services, first: Shelf, second: Shelf
) -> None:
    right, wrong = stored(services), stored(services)
    second.put(right.id)
    second.put(wrong.id, DATA[::-1])
    for image in (right, wrong):
        first.discard(ALICE, image.id)
    assert sorted(told(found(services, repair=True))) == sorted([(Kind.MOVED, right.id, "repaired"), (Kind.MOVED, wrong.id, "left")])
    assert [services.registry.images.get(ALICE, image.id).locations[0].store for image in (right, wrong)] == ["second", "first"]


def test_check_when_two_locations_name_the_same_data_then_repair_keeps_one_of_an_image_and_both_of_two(services: Services, first: Shelf) -> None:
    image, other = stored(services), stored(services)
    add_location(services, image, replace(image.locations[0], id=None))
    services.registry.audits.relocate(other.locations[0].id or 0, other.locations[0].url, image.locations[0])
    first.discard(ALICE, other.id)
    assert sorted(told(found(services, repair=True))) == sorted(
        [(Kind.DUPLICATE, image.id, "repaired"), (Kind.DUPLICATE, other.id, "left")],
    )
    assert len(services.registry.images.get(ALICE, image.id).locations) == 1
    assert first.names() == {image.id}


def test_check_when_web_servers_serve_two_images_the_same_then_that_is_no_disagreement(services: Services, second: Shelf) -> None:
    second.put("shared")
    for _ in range(2):
        services.registry.images.activate(ALICE, new(services).id, Location("second://shared", "second", owned=False), len(DATA))
    assert found(services) == []


def test_check_of_one_store_then_leaves_the_others_alone(services: Services, first: Shelf, second: Shelf) -> None:
    image = add_copy(services, stored(services))
    for shelf in (first, second):
        shelf.put(str(uuid.uuid4()))
        shelf.discard(ALICE, image.id)
    assert {(finding.kind, finding.store) for finding in found(services, store="second")} == {(Kind.ORPHAN, "second"), (Kind.MISSING, "second")}
    with pytest.raises(errors.StoreUnknown):
        found(services, store="third")


def test_check_since_a_time_then_leaves_what_is_older_alone(services: Services, first: Shelf) -> None:
    image = stored(services)
    first.put(str(uuid.uuid4()))
    first.discard(ALICE, image.id)
    later = datetime.now(UTC).replace(tzinfo=None) + timedelta(hours=1)
    assert found(services, since=later) == []
    assert len(found(services, since=later - timedelta(hours=2))) == 2


def test_check_that_reads_data_then_keeps_to_its_rate(services: Services) -> None:
    stored(services)
    begun = time.monotonic()
    assert found(services, read_data=True, rate=10 * len(DATA)) == []
    assert time.monotonic() - begun >= 0.1


def test_repair_when_many_copies_are_bad_then_asks_for_data_of_two_names_once(services: Services, first: Shelf) -> None:
    for _ in range(3):
        first.discard(ALICE, add_copy(services, stored(services)).id)
    audits, asked = services.registry.audits, []
    twins = audits.twins
    audits.twins = lambda: asked.append(None) or twins()  # type: ignore[method-assign, func-returns-value]
    assert {finding.outcome for finding in found(services, repair=True)} == {"repaired"}
    assert len(asked) == 2  # the walk over all of them asks, too
