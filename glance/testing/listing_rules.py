"""What a store passes that can tell all that lies in its place: ``glance.interfaces.Listed``, as tests. They come with ``ListedStoreContract``.

``leave`` and ``put_foreign`` look behind the driver; a driver's test file supplies them where its place can hold such things.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Listed, Store
from glance.model.stores import Found

#: What is found of some kinds.
Told = Callable[..., list[Found]]

#: Clocks of one machine, of which some tell only seconds, may differ by that much.
_CLOSE = timedelta(seconds=60)


class ListingRules:
    """The rules; ``StoreContract`` has the other fixtures."""

    @pytest.fixture
    def listed(self, store: Store) -> Listed:
        assert isinstance(store, Listed)
        return store

    @pytest.fixture
    def listed_ctx(self, ctx: RequestContext) -> RequestContext:
        """Somebody whose data the store tells of."""
        return ctx

    @pytest.fixture
    def leave(self) -> Callable[[str], int]:
        """Leaves what an ``add`` for an image leaves whose process is killed, and returns how many things that are."""
        return lambda _image_id: 0

    @pytest.fixture
    def put_foreign(self) -> Callable[[str], None]:
        """Puts something of that name into the place."""
        return lambda _name: None

    @pytest.fixture
    def told(self, listed: Listed) -> Told:
        """What the store tells of that was not there when the test began."""
        before = set(listed.contents())
        return lambda *kinds: [found for found in listed.contents() if found not in before and found.kind in kinds]

    @pytest.mark.parametrize("size", [0, 5, 3 << 20])
    def test_contents_then_tell_what_was_added_under_its_url(self, store: Store, told: Told, listed_ctx: RequestContext, size: int) -> None:
        ids = [str(uuid.uuid4()) for _ in range(3)]
        locations = {one: store.add(listed_ctx, one, iter([bytes(size)]), None) for one in ids}
        found = told("data")
        assert sorted(one.image_id for one in found) == sorted(ids)
        for one in found:
            assert (one.location_url, one.size) == (locations[one.image_id].url, size)
            assert one.modified is not None
            assert abs(datetime.now(UTC) - one.modified) < _CLOSE
        assert told("partial") == []

    def test_contents_when_an_add_was_interrupted_then_tell_of_its_parts_which_can_be_removed(
        self, store: Store, listed: Listed, told: Told, listed_ctx: RequestContext, leave: Callable[[str], int], held: Callable[[], Sequence[str]]
    ) -> None:
        kept = store.add(listed_ctx, str(uuid.uuid4()), iter([bytes(3 << 20)]), None)
        before, image_id = held(), str(uuid.uuid4())
        number = leave(image_id)
        partial = told("partial")
        assert [(one.image_id, one.location_url) for one in partial] == [(image_id, None)] * number
        assert [one.location_url for one in told("data")] == [kept.url]
        for one in partial:
            assert one.modified is not None
            assert abs(datetime.now(UTC) - one.modified) < _CLOSE
            assert listed.remove(one)
            assert not listed.remove(one)
        assert held() == before
        assert store.size(listed_ctx, kept) == 3 << 20

    def test_contents_when_an_image_has_been_stored_since_then_parts_of_the_attempt_before_are_told_of(
        self, store: Store, listed: Listed, told: Told, listed_ctx: RequestContext, leave: Callable[[str], int]
    ) -> None:
        image_id = str(uuid.uuid4())
        number = leave(image_id)
        location = store.add(listed_ctx, image_id, iter([bytes(3 << 20)]), None)
        assert [one.image_id for one in told("partial")] == [image_id] * number
        assert [(one.location_url, one.size) for one in told("data")] == [(location.url, 3 << 20)]
        for one in told("partial"):
            assert listed.remove(one)
        assert told("partial") == []
        assert store.size(listed_ctx, location) == 3 << 20

    def test_contents_when_a_name_is_not_ours_then_foreign(self, told: Told, put_foreign: Callable[[str], None]) -> None:
        image_id = str(uuid.uuid4())
        for name in ("README", image_id.upper(), f"{image_id}.part", f"x{image_id}", "007"):
            put_foreign(name)
        assert told("data", "partial") == []
        assert {(found.image_id, found.location_url) for found in told("foreign")} <= {("", None)}

    def test_now_then_tells_the_time(self, listed: Listed) -> None:
        assert abs(datetime.now(UTC) - listed.now()) < _CLOSE

    @pytest.mark.parametrize("size", [5, 3 << 20])
    def test_remove_of_data_then_they_are_gone_and_others_stay(
        self, store: Store, listed: Listed, listed_ctx: RequestContext, held: Callable[[], Sequence[str]], size: int
    ) -> None:
        kept = store.add(listed_ctx, str(uuid.uuid4()), iter([bytes(size)]), None)
        before = held()
        location = store.add(listed_ctx, str(uuid.uuid4()), iter([bytes(size)]), None)
        [found] = [one for one in listed.contents() if one.location_url == location.url]
        assert listed.remove(found)
        with pytest.raises(errors.LocationNotFound):
            store.size(listed_ctx, location)
        assert (held(), store.size(listed_ctx, kept)) == (before, size)
        assert not listed.remove(found)

    def test_remove_when_other_data_are_there_by_now_then_they_stay(
        self, store: Store, listed: Listed, told: Told, listed_ctx: RequestContext
    ) -> None:
        image_id = str(uuid.uuid4())
        store.add(listed_ctx, image_id, iter([b"old"]), 3)
        [found] = told("data")
        store.discard(listed_ctx, image_id)
        location = store.add(listed_ctx, image_id, iter([b"newer"]), 5)
        assert not listed.remove(found)
        assert store.size(listed_ctx, location) == 5

    def test_contents_and_now_when_the_place_cannot_be_reached_say_so(self, failing_adds: Sequence[tuple[Store, type[errors.GlanceError]]]) -> None:
        for store, error in failing_adds:
            if error is errors.StoreUnavailable and isinstance(store, Listed):
                with pytest.raises(errors.StoreUnavailable):
                    list(store.contents())
                with pytest.raises(errors.StoreUnavailable):
                    store.now()
