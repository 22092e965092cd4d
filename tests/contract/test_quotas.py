"""Quotas of owners, as the registry keeps them: exactly, whatever happens at once, in a database and over HTTP."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Engine

from glance import errors
from glance.context import RequestContext
from glance.db.registry import SqlRegistry
from glance.interfaces import QuotaSource, Registry
from glance.model.image import Held, Image, ImageChanges, Location, LocationChange, Started, StoredData
from glance.model.quotas import EqualQuotas, Quotas, Usage
from glance.registry.client import HttpRegistry
from glance.registry.server import RegistryApp
from glance.testing.registry_rules.scene import ADMIN, ALICE, BOB, at_once, create, kinds, location_of, of_project, start, upload_of
from glance.testing.wsgi_transport import WsgiTransport

Limited = Callable[..., Registry]


class Asked:
    """Quotas that each thread must ask for each time. Meanwhile somebody else writes: nothing in the database is held."""

    def __init__(self, quotas: Quotas, others: Registry) -> None:
        self._quotas = quotas
        self._others = others
        self._known: dict[tuple[int, str | None], Quotas] = {}

    def of(self, owner: str | None) -> Quotas:
        create(self._others, of_project("others"))
        self._known[threading.get_ident(), owner] = self._quotas
        return self._quotas

    def known(self, owner: str | None) -> Quotas | None:
        return self._known.pop((threading.get_ident(), owner), None)


class Silent:
    """Quotas that nobody tells."""

    def of(self, owner: str | None) -> Quotas:
        raise errors.LimitsUnavailable

    def known(self, owner: str | None) -> Quotas | None:
        return None


@pytest.fixture(params=["sql", "http", "asked"])
def limited(request: pytest.FixtureRequest, engine: Engine) -> Limited:
    """Makes a registry with quotas, or with another ``source`` of them; all of one test have the same database."""

    def make(source: QuotaSource | None = None, **limits: int) -> Registry:
        quotas = Quotas(**limits)
        usual = Asked(quotas, SqlRegistry(engine)) if request.param == "asked" else EqualQuotas(quotas)
        registry = SqlRegistry(engine, quotas=source or usual)
        if request.param != "http":
            return registry
        return HttpRegistry(WsgiTransport(RegistryApp(registry, secret="s", default_limit=25, max_limit=1000, anonymous_is_admin=False)), "s")

    return make


def used(registry: Registry, ctx: RequestContext) -> Usage:
    return registry.images.usage(ctx)[0]


def data(image_id: str, size: int, status: str = "active") -> StoredData:
    location = location_of(image_id)
    return StoredData(Location(location.url, location.store, status=status), size, None)


def upload(registry: Registry, image: Image, size: int, status: str = "saving", finished: int | None = None) -> None:
    """Stores ``size`` bytes that were announced; ``finished`` where they turn out to be another number."""
    attempt = upload_of(image.id, reserved=size)
    registry.uploads.start(ALICE, attempt, status)
    kept = data(image.id, size if finished is None else finished, "staged" if status == "uploading" else "active")
    registry.uploads.finish(ALICE, image.id, attempt.attempt, kept)


def test_quotas_then_told_with_the_usage_and_when_an_upload_starts(limited: Limited) -> None:
    registry = limited(stored=10, images=3)
    image = create(registry)

    assert registry.images.usage(ALICE) == (Usage(images=1), Quotas(stored=10, images=3))
    assert registry.uploads.start(ALICE, upload_of(image.id)) == Started(registry.images.get(ALICE, image.id), limited=True)


def test_usage_then_counts_what_the_images_of_the_owner_take(limited: Limited) -> None:
    registry = limited()
    upload(registry, create(registry), 10)
    upload(registry, create(registry), 20, "uploading")
    start(registry, reserved=3)
    start(registry, status="uploading", reserved=5)
    start(registry, BOB, reserved=7)
    create(registry, BOB)

    assert used(registry, ALICE) == Usage(images=4, uploading=3, stored=13, staged=25)
    assert used(registry, BOB) == Usage(images=2, uploading=1, stored=7)


def test_usage_when_an_image_has_two_copies_then_counts_both_and_when_it_is_deleted_none(limited: Limited) -> None:
    registry = limited()
    image = create(registry)
    upload(registry, image, 10)
    [first] = registry.images.get(ALICE, image.id).locations
    both = LocationChange(frozenset({first.id or 0}), (first, Location("http://web/copy", "http", owned=False)))
    registry.images.update(ALICE, image.id, ImageChanges(locations=both))

    assert used(registry, ALICE) == Usage(images=1, stored=20)
    registry.images.delete(ALICE, image.id)
    assert used(registry, ALICE) == Usage()


def test_usage_when_an_attempt_is_abandoned_then_nothing_stays_reserved(limited: Limited) -> None:
    registry = limited(stored=10)
    attempt = start(registry, reserved=10)
    assert registry.uploads.take_over(attempt.image_id, attempt.attempt, "other", "worker")
    assert used(registry, ALICE).stored == 10
    registry.uploads.abandon(attempt.image_id, "other", "queued")

    assert used(registry, ALICE) == Usage(images=1)
    start(registry, reserved=10)


def test_quota_when_it_is_reached_then_nobody_of_the_owner_gets_more_and_others_do(limited: Limited) -> None:
    registry = limited(stored=10)
    upload(registry, create(registry), 6)
    start(registry, reserved=4)
    image = create(registry)

    with pytest.raises(errors.ProjectQuotaExceeded, match="storage quota of the project: 11, and 10 is the most"):
        registry.uploads.start(ALICE, upload_of(image.id, reserved=1))
    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.images.activate(ALICE, image.id, Location("http://web/x", "http", owned=False), 1)
    assert registry.images.get(ALICE, image.id).status == "queued"
    assert used(registry, ALICE) == Usage(images=3, uploading=1, stored=10)
    start(registry, BOB, reserved=10)
    registry.images.activate(ALICE, image.id, None, 0)


def test_quota_when_a_deleted_image_is_restored_then_it_needs_room_again(limited: Limited) -> None:
    registry = limited(stored=10)
    image, other = create(registry), create(registry)
    upload(registry, image, 6)
    registry.images.delete(ALICE, image.id, delayed=True)
    upload(registry, other, 5)

    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.images.restore(ADMIN, image.id)
    assert registry.images.get(ADMIN, image.id).status == "pending_delete"
    registry.images.delete(ALICE, other.id)
    assert registry.images.restore(ADMIN, image.id).status == "active"
    assert used(registry, ALICE) == Usage(images=1, stored=6)


def test_quota_when_an_upload_grows_then_it_ends_where_there_is_no_room(limited: Limited) -> None:
    registry = limited(stored=10)
    attempt = start(registry)
    registry.uploads.reserve(attempt.image_id, attempt.attempt, 10)

    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.uploads.reserve(attempt.image_id, attempt.attempt, 11)
    assert used(registry, ALICE).stored == 10
    with pytest.raises(errors.UploadLost):
        registry.uploads.reserve(attempt.image_id, "another", 1)
    registry.uploads.finish(ALICE, attempt.image_id, attempt.attempt, data(attempt.image_id, 4))
    assert used(registry, ALICE) == Usage(images=1, stored=4)


def test_quota_when_data_that_reserved_nothing_are_too_many_then_they_are_refused_at_the_end(limited: Limited) -> None:
    registry = limited(stored=10)
    attempt = start(registry)

    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.uploads.finish(ALICE, attempt.image_id, attempt.attempt, data(attempt.image_id, 11))
    assert registry.uploads.abandon(attempt.image_id, attempt.attempt, "queued")
    assert used(registry, ALICE) == Usage(images=1)


def test_quota_when_locations_are_added_then_they_count(limited: Limited) -> None:
    registry = limited(stored=15)
    image = create(registry)
    upload(registry, image, 10)
    [first] = registry.images.get(ALICE, image.id).locations
    both = LocationChange(frozenset({first.id or 0}), (first, Location("http://web/copy", "http", owned=False)))

    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.images.update(ALICE, image.id, ImageChanges(locations=both))
    assert len(registry.images.get(ALICE, image.id).locations) == 1


def test_quotas_of_other_measures_when_reached_then_refused_by_name(limited: Limited) -> None:
    registry = limited(images=3, uploading=1, staged=5)
    first, second, third = (create(registry) for _ in range(3))

    with pytest.raises(errors.ProjectQuotaExceeded, match="the image quota of the project: 4, and 3 is the most"):
        create(registry)
    with pytest.raises(errors.ProjectQuotaExceeded, match="the staging quota"):
        upload(registry, first, 6, "uploading")
    upload(registry, first, 5, "uploading")
    with pytest.raises(errors.ProjectQuotaExceeded, match="the upload quota"):
        upload(registry, second, 1)
    registry.images.delete(ALICE, first.id)
    upload(registry, third, 1)
    assert used(registry, ALICE) == Usage(images=2, stored=1)


def test_quota_when_an_administrator_gives_an_image_away_then_it_counts_for_the_new_owner(limited: Limited) -> None:
    registry = limited(images=1)
    image = create(registry)
    create(registry, BOB)

    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.images.update(ADMIN, image.id, ImageChanges({"owner": "bob"}))
    assert registry.images.update(ADMIN, image.id, ImageChanges({"owner": "carol"})).owner == "carol"


def test_quota_when_it_was_lowered_then_only_what_grows_is_refused(limited: Limited) -> None:
    image = create(limited())
    upload(limited(), image, 10)
    registry = limited(stored=5, images=0)

    registry.images.update(ALICE, image.id, ImageChanges({"name": "new"}, {"p": "1"}))
    with pytest.raises(errors.ProjectQuotaExceeded):
        create(registry)
    registry.images.delete(ALICE, image.id)


@pytest.mark.parametrize(("status", "kept"), [("saving", "active"), ("uploading", "staged")])
def test_quota_when_it_was_lowered_meanwhile_then_what_was_reserved_is_finished(limited: Limited, status: Held, kept: str) -> None:
    first, second = (start(limited(stored=10, staged=10), status=status, reserved=5) for _ in range(2))
    registry = limited(stored=3, staged=3, images=0, uploading=0)

    registry.uploads.finish(ALICE, first.image_id, first.attempt, data(first.image_id, 5, kept))
    with pytest.raises(errors.ProjectQuotaExceeded):
        registry.uploads.finish(ALICE, second.image_id, second.attempt, data(second.image_id, 6, kept))
    assert [upload.reserved for upload, _expired in registry.uploads.leases()] == [5]


def test_quota_when_nobody_tells_it_any_more_then_what_was_reserved_is_finished(limited: Limited) -> None:
    first, second = (start(limited(stored=10), reserved=5) for _ in range(2))
    registry = limited(Silent())

    assert registry.uploads.finish(ALICE, first.image_id, first.attempt, data(first.image_id, 5)).status == "active"
    with pytest.raises(errors.LimitsUnavailable):
        registry.uploads.finish(ALICE, second.image_id, second.attempt, data(second.image_id, 6))
    with pytest.raises(errors.LimitsUnavailable):
        start(registry)


def test_quota_when_nobody_owns_images_then_these_count_together(limited: Limited) -> None:
    registry = limited(images=1)
    create(registry, ADMIN)

    with pytest.raises(errors.ProjectQuotaExceeded):
        create(registry, ADMIN)
    assert used(registry, ADMIN).images == 1


def test_quota_when_fifty_uploads_race_then_as_many_as_fit_and_nothing_stays_reserved(limited: Limited) -> None:
    registry = limited(stored=70)
    images = [create(registry) for _ in range(50)]

    found = at_once(*(partial(upload, registry, image, 10) for image in images))

    assert kinds(found) == ["NoneType"] * 7 + ["ProjectQuotaExceeded"] * 43
    assert used(registry, ALICE) == Usage(images=50, stored=70)
    assert registry.uploads.leases() == []


def test_quota_when_fifty_images_are_made_at_once_then_as_many_as_fit(limited: Limited) -> None:
    registry = limited(images=7)

    found = at_once(*[partial(create, registry)] * 50)

    assert kinds(found) == ["Image"] * 7 + ["ProjectQuotaExceeded"] * 43
    assert used(registry, ALICE).images == 7
