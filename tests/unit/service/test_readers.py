"""Stores with access lists of their own: whom the use cases name to them, and for whom they store and erase."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest

from glance import errors
from glance.context import RequestContext, unauthenticated
from glance.interfaces import Registry
from glance.model.image import Image, ImageChanges, Location, Membership
from glance.service import Services, images, members
from glance.service.data_sources import Body
from glance.service.recovery import recover
from glance.service.uploading import Uploading
from glance.store.drivers.memory import MemoryStore
from glance.store.stores import StoreSet
from tests.services import make_services

OWNER = RequestContext(user="u1", project="p1", roles=("member", "reader"), auth_token="t1")
ADMIN = replace(unauthenticated(), project="operators")


class Listing(MemoryStore):
    """Keeps the lists that it was given, in order, and for whom it was asked to do something."""

    lists_readers = True

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.readers: list[tuple[bool, list[str]]] = []
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.refuses = False

    def add(self, ctx: RequestContext, image_id: str, chunks: Iterable[bytes], size: int | None) -> Location:
        self.asked.append(("add", ctx.project, ctx.auth_token))
        return super().add(ctx, image_id, chunks, size)

    def delete(self, ctx: RequestContext, location: Location) -> None:
        self.asked.append(("delete", ctx.project, ctx.auth_token))
        super().delete(ctx, location)

    def discard(self, ctx: RequestContext, image_id: str) -> None:
        self.asked.append(("discard", ctx.project, ctx.auth_token))
        super().discard(ctx, image_id)

    def set_readers(self, ctx: RequestContext, location: Location, *, public: bool, members: Sequence[str]) -> None:
        if self.refuses:
            raise errors.StoreUnavailable(store=self.name)
        self.readers.append((public, list(members)))


@pytest.fixture
def store() -> Listing:
    return Listing("memory")


@pytest.fixture
def services(tmp_path: Path, registry: Registry, store: Listing) -> Services:
    staging = make_services(tmp_path, registry).stores.staging
    return make_services(tmp_path, registry, stores=StoreSet([store], "memory", staging))


def create(services: Services, ctx: RequestContext = OWNER, **attributes: object) -> str:
    draft = Image(id="", disk_format="raw", container_format="bare", **attributes)  # type: ignore[arg-type]
    return images.create(services, ctx, draft).id


def upload(services: Services, ctx: RequestContext, image_id: str) -> Image:
    images.attach(services, ctx, image_id, Body(BytesIO(b"data"), 4))
    return services.registry.images.get(ctx, image_id)


def test_upload_then_members_of_before_are_named(services: Services, store: Listing) -> None:
    image_id = create(services)
    members.share(services, OWNER, image_id, [Membership("p2"), Membership("p3")])
    assert store.readers == []
    upload(services, OWNER, image_id)
    assert store.readers == [(False, ["p2", "p3"])]


def test_upload_when_readers_cannot_be_named_then_the_image_is_active(services: Services, store: Listing, caplog: pytest.LogCaptureFixture) -> None:
    store.refuses = True
    assert upload(services, OWNER, create(services)).status == "active"
    assert "its readers are not told to store memory: store-unavailable" in caplog.text


def test_members_when_they_change_then_named_at_once(services: Services, store: Listing) -> None:
    image_id = create(services)
    upload(services, OWNER, image_id)
    members.add(services, OWNER, image_id, "p2")
    members.share(services, OWNER, image_id, [Membership("p3")])
    members.unshare(services, OWNER, image_id, "p2")
    members.share(services, OWNER, image_id, [], replace=True)
    assert store.readers[1:] == [(False, ["p2"]), (False, ["p2", "p3"]), (False, ["p3"]), (False, [])]


def test_visibility_when_it_changes_then_members_count_only_while_shared(services: Services, store: Listing) -> None:
    image_id = create(services)
    upload(services, OWNER, image_id)
    members.add(services, OWNER, image_id, "p2")
    for visibility in ("public", "private", "community", "shared"):
        images.update(services, ADMIN, image_id, ImageChanges({"visibility": visibility}), strict=True)
    images.update(services, ADMIN, image_id, ImageChanges({"name": "other"}), strict=True)
    assert store.readers[2:] == [(True, []), (False, []), (False, []), (False, ["p2"])]


def test_member_when_the_store_cannot_forget_it_then_said(services: Services, store: Listing) -> None:
    image_id = create(services)
    upload(services, OWNER, image_id)
    members.add(services, OWNER, image_id, "p2")
    store.refuses = True
    with pytest.raises(errors.StoreUnavailable):
        members.unshare(services, OWNER, image_id, "p2")
    assert members.list_members(services, OWNER, image_id) == []


def test_members_when_data_lie_in_a_store_of_former_days_then_changed_nevertheless(tmp_path: Path, services: Services, registry: Registry) -> None:
    image_id = create(services)
    upload(services, OWNER, image_id)
    other = Listing("other")
    other.schemes = ("other",)
    today = make_services(tmp_path, registry, stores=StoreSet([other], "other", services.stores.staging))
    members.add(today, OWNER, image_id, "p2")
    assert (other.readers, [one.member for one in members.list_members(today, OWNER, image_id)]) == ([], ["p2"])


def test_store_that_keeps_no_lists_then_not_asked(services: Services, store: Listing) -> None:
    store.lists_readers = False
    image_id = create(services)
    upload(services, OWNER, image_id)
    members.add(services, OWNER, image_id, "p2")
    assert store.readers == []


def test_data_then_stored_for_the_owner_and_erased_as_whoever_deletes(services: Services, store: Listing) -> None:
    administrator = replace(ADMIN, auth_token="t2")
    image_id = create(services, administrator, owner="p1")
    upload(services, administrator, image_id)
    images.delete(services, OWNER, image_id)
    assert store.asked == [("add", "p1", "t2"), ("delete", "p1", "t1")]


def test_recovery_when_an_upload_died_then_discards_for_the_owner(services: Services, store: Listing) -> None:
    for ctx in (OWNER, unauthenticated()):
        image = services.registry.images.get(ADMIN, create(services, ctx))
        Uploading.begin(services, ctx, image, store, "queued")
    assert recover(services, lambda _worker: True) == 2
    assert sorted(store.asked, key=str) == [("discard", "p1", None), ("discard", None, None)]
