"""What every store passes: the numbered sentences of ``glance.interfaces.Store``, as tests.

A driver's test file subclasses ``StoreContract`` with a fixture ``store`` (checked and empty), or, for a store that only reads,
``ReadOnlyStoreContract`` with the fixtures ``store``, ``publish`` (a function that puts bytes where the store reads them and returns their
location) and ``unknown`` (a location that has no data)::

    class TestMyStore(StoreContract):
        @pytest.fixture
        def store(self):
            store = MyStore("mine", MySettings(...))
            store.check()
            yield store
            store.close()

``ListedStoreContract`` is for stores that are ``Listed``. Where a place can fail, ``failing_adds`` and ``failing_reads`` give the ways in which it
does; ``held`` lets the suite look for leftovers.
"""

from __future__ import annotations

import json
import logging
import os
import random
import threading
import tracemalloc
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest

from glance import errors
from glance.context import RequestContext
from glance.interfaces import Blob, Probed, Store
from glance.model.image import Location
from glance.testing.listing_rules import ListingRules

Publish = Callable[[bytes], Location]

MIB = 1 << 20
#: Seconds in which a failure must show itself.
BOUNDED = 15.0
#: Empty, one byte, around the sizes of internal buffers, and more than any of them.
SIZES = (0, 1, 4095, 65536, MIB - 1, MIB, MIB + 1, 5 * MIB + 7)
#: (offset, length, first, last) of an object of 1000 bytes, as a slice.
PARTS = (
    (0, None, 0, 1000),
    (0, 1, 0, 1),
    (0, 1000, 0, 1000),
    (0, 1001, 0, 1000),
    (1, None, 1, 1000),
    (10, 20, 10, 30),
    (999, 1, 999, 1000),
    (990, 100, 990, 1000),
    (1000, None, 1000, 1000),
    (1000, 1, 1000, 1000),
    (5000, None, 1000, 1000),
    (5000, 10, 1000, 1000),
    (0, 0, 0, 0),
    (500, 0, 500, 500),
)


class BrokenSource(Exception):
    """What the suite's sources raise in the middle."""


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def pieces(data: bytes, size: int = 65536) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def new_id() -> str:
    return str(uuid.uuid4())


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class ReadableStoreContract:
    """What holds for every store, written by us or not."""

    #: Bytes that a transfer of 32 MiB may take at once.
    memory_bound = 12 * MIB

    @pytest.fixture
    def ctx(self) -> RequestContext:
        return RequestContext(request_id="req-store-contract")

    @pytest.fixture
    def failing_reads(self) -> Sequence[tuple[Store, Location]]:
        """Stores that cannot be read at the moment, each with a location that would have data."""
        return ()

    def contents(self, store: Store, ctx: RequestContext, location: Location, offset: int = 0, length: int | None = None) -> bytes:
        blob = store.open(ctx, location, offset, length)
        try:
            if blob.file is not None:
                direct = os.pread(blob.file.fileno(), blob.length, blob.file.tell())
                assert len(direct) == blob.length, "1: the file is not positioned at the first byte, or too short"
            data = b"".join(blob)
            assert len(data) == blob.length, "1: length is not the number of bytes"
            assert blob.file is None or direct == data, "1: file and iteration differ"
            return data
        finally:
            blob.close()

    def test_attributes_when_made_are_complete(self, store: Store) -> None:
        assert store.name
        assert store.schemes
        assert all(scheme == scheme.lower() for scheme in store.schemes)
        assert isinstance(store.writable, bool)
        assert json.dumps(dict(store.properties))

    def test_13_recognizes_its_own_locations_only(self, store: Store, publish: Publish) -> None:
        assert store.recognizes(replace(publish(b"data"), store="another name"))
        assert not store.recognizes(Location(url="no-such-scheme://here/there", store=store.name))

    @pytest.mark.parametrize("size", SIZES)
    def test_1_open_after_publishing_gives_the_same_bytes(self, store: Store, ctx: RequestContext, publish: Publish, size: int) -> None:
        data = noise(size)
        location = publish(data)
        assert store.size(ctx, location) == size
        assert self.contents(store, ctx, location) == data

    @pytest.mark.parametrize(("offset", "length", "first", "last"), PARTS)
    def test_5_open_with_a_part_gives_exactly_it(
        self, store: Store, ctx: RequestContext, publish: Publish, offset: int, length: int | None, first: int, last: int
    ) -> None:
        data = noise(1000)
        assert self.contents(store, ctx, publish(data), offset, length) == data[first:last]

    def test_5_open_with_a_part_when_empty_gives_none(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        location = publish(b"")
        assert [self.contents(store, ctx, location, *part) for part in ((0, None), (0, 5), (7, None), (7, 5))] == [b""] * 4

    def test_6_unknown_location_when_read_is_not_found(self, store: Store, ctx: RequestContext, unknown: Location) -> None:
        for ask in (store.open, store.size):
            with pytest.raises(errors.LocationNotFound):
                ask(ctx, unknown)

    def test_6_foreign_location_when_read_is_not_found_or_refused(self, store: Store, ctx: RequestContext) -> None:
        foreign = Location(url="no-such-scheme://here/there", store=store.name)
        with pytest.raises((errors.LocationNotFound, errors.StoreUnavailable)):
            store.open(ctx, foreign)

    def test_7_errors_and_logs_when_reading_fails_hold_no_url(
        self,
        store: Store,
        ctx: RequestContext,
        unknown: Location,
        failing_reads: Sequence[tuple[Store, Location]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        caplog.set_level(logging.DEBUG)
        for one, location in [(store, unknown), *failing_reads]:
            for ask in (one.open, one.size):
                with pytest.raises(errors.GlanceError) as caught:
                    ask(ctx, location)
                text = f"{caught.value} {caught.value!r} {caught.value.details} {caplog.text}"
                assert location.url not in text
                assert location.url.partition("://")[2] not in text

    def test_8_reads_when_the_place_fails_say_unavailable_in_time(self, ctx: RequestContext, failing_reads: Sequence[tuple[Store, Location]]) -> None:
        for store, location in failing_reads:
            begun = monotonic()
            for ask in (store.open, store.size):
                with pytest.raises(errors.StoreUnavailable):
                    ask(ctx, location)
            assert monotonic() - begun < BOUNDED

    def test_9_reads_at_the_same_time_do_not_mix(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        published = [(publish(data), data) for data in (noise(300_000, seed) for seed in range(4))]

        def read(turn: int) -> bool:
            location, data = published[turn % len(published)]
            return self.contents(store, ctx, location, turn) == data[turn:]

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(read, range(40)))

    def test_9_two_blobs_when_read_in_turns_do_not_mix(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        data = noise(3 * MIB)
        location = publish(data)
        blobs = [store.open(ctx, location), store.open(ctx, location, 1000)]
        try:
            assert self._in_turns(blobs) == [data, data[1000:]]
        finally:
            for blob in blobs:
                blob.close()

    def test_10_close_before_the_end_releases_everything(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        location = publish(noise(4 * MIB))
        self.contents(store, ctx, location)
        before = open_files()
        blobs = [store.open(ctx, location, part) for part in range(20)]
        for blob in blobs[::2]:
            next(iter(blob))
        for blob in blobs:
            blob.close()
        end = monotonic() + BOUNDED
        while open_files() > before and monotonic() < end:
            sleep(0.01)  # the far ends of connections may live in this process too
        assert open_files() <= before

    def test_12_memory_when_much_is_read_stays_bounded(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        location = publish(bytes(32 * MIB))
        tracemalloc.start()
        try:
            blob = store.open(ctx, location)
            assert sum(len(chunk) for chunk in blob) == 32 * MIB
            blob.close()
            assert tracemalloc.get_traced_memory()[1] < self.memory_bound
        finally:
            tracemalloc.stop()

    def test_check_when_called_again_is_harmless(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        location = publish(b"data")
        store.check()
        assert self.contents(store, ctx, location) == b"data"

    def _in_turns(self, blobs: Sequence[Blob]) -> list[bytes]:
        parts: list[list[bytes]] = [[] for _ in blobs]
        running = [iter(blob) for blob in blobs]
        while True:
            got = [next(one, b"") for one in running]
            if not any(got):
                return [b"".join(part) for part in parts]
            for part, chunk in zip(parts, got, strict=True):
                part.append(chunk)


class StoreContract(ReadableStoreContract):
    """What a store passes that can be written."""

    @pytest.fixture
    def publish(self, store: Store, ctx: RequestContext) -> Publish:
        return lambda data: store.add(ctx, new_id(), pieces(data), len(data))

    @pytest.fixture
    def unknown(self, store: Store, ctx: RequestContext) -> Location:
        location = store.add(ctx, new_id(), [b"soon gone"], 9)
        store.delete(ctx, location)
        return location

    @pytest.fixture
    def failing_adds(self) -> Sequence[tuple[Store, type[errors.GlanceError]]]:
        """Stores that cannot be written at the moment, each with what ``add`` must say."""
        return ()

    @pytest.fixture
    def held(self) -> Callable[[], Sequence[str]]:
        """Names of all that the place holds, published or not, where a test can look there."""
        return tuple

    def test_attributes_when_writable_say_so(self, store: Store) -> None:
        assert store.writable

    @pytest.mark.parametrize("known", [True, False])
    @pytest.mark.parametrize("size", SIZES)
    def test_1_add_with_size_known_or_not_keeps_every_byte(self, store: Store, ctx: RequestContext, size: int, known: bool) -> None:
        data = noise(size, seed=2)
        location = store.add(ctx, new_id(), pieces(data), size if known else None)
        assert location.store == store.name
        assert location.url.partition("://")[0] in store.schemes
        assert store.size(ctx, location) == size
        assert self.contents(store, ctx, location) == data

    def test_1_add_of_odd_chunks_keeps_every_byte(self, store: Store, ctx: RequestContext) -> None:
        chunks = [b"", b"a", noise(3 * MIB), b"", b"z"]
        location = store.add(ctx, new_id(), iter(chunks), None)
        assert self.contents(store, ctx, location) == b"".join(chunks)

    @pytest.mark.parametrize("error", [BrokenSource(), errors.ClientDisconnected(), OSError(28, "no room, but elsewhere"), KeyboardInterrupt()])
    @pytest.mark.parametrize("before", [0, 1, 3])
    def test_2_add_when_chunks_raise_raises_the_same_and_leaves_nothing(
        self, store: Store, ctx: RequestContext, held: Callable[[], Sequence[str]], before: int, error: BaseException
    ) -> None:
        def breaking() -> Iterator[bytes]:
            for _turn in range(before):
                yield bytes(MIB)
            raise error

        at_first = held()
        image_id = new_id()
        with pytest.raises(type(error)) as caught:
            store.add(ctx, image_id, breaking(), 5 * MIB)
        assert caught.value is error
        assert held() == at_first
        location = store.add(ctx, image_id, [b"second try"], 10)
        assert self.contents(store, ctx, location) == b"second try"

    def test_3_add_before_its_end_shows_nothing(self, store: Store, ctx: RequestContext) -> None:
        image_id = new_id()
        location = store.add(ctx, image_id, [b"to learn the location"], None)
        store.delete(ctx, location)
        seen: list[type[Exception]] = []

        def watching() -> Iterator[bytes]:
            for _turn in range(3):
                yield bytes(MIB)
                with pytest.raises(errors.LocationNotFound) as caught:
                    store.open(ctx, location)
                seen.append(caught.type)

        assert store.add(ctx, image_id, watching(), 3 * MIB).url == location.url
        assert len(seen) == 3
        assert store.size(ctx, location) == 3 * MIB

    def test_4_add_to_an_id_that_has_data_is_refused_and_harmless(self, store: Store, ctx: RequestContext) -> None:
        image_id = new_id()
        location = store.add(ctx, image_id, [b"first"], 5)
        with pytest.raises(errors.ObjectExists):
            store.add(ctx, image_id, [b"second"], 6)
        assert self.contents(store, ctx, location) == b"first"

    def test_6_unknown_location_when_deleted_is_not_found(self, store: Store, ctx: RequestContext, unknown: Location) -> None:
        with pytest.raises(errors.LocationNotFound) as caught:
            store.delete(ctx, unknown)
        assert unknown.url.partition("://")[2] not in str(caught.value)

    def test_6_delete_then_add_again_serves_the_new_data(self, store: Store, ctx: RequestContext) -> None:
        image_id = new_id()
        store.delete(ctx, store.add(ctx, image_id, [b"old"], 3))
        assert self.contents(store, ctx, store.add(ctx, image_id, [b"new"], 3)) == b"new"

    def test_6_delete_erases_only_its_own(self, store: Store, ctx: RequestContext) -> None:
        kept = store.add(ctx, new_id(), [b"kept"], 4)
        store.delete(ctx, store.add(ctx, new_id(), [b"gone"], 4))
        assert self.contents(store, ctx, kept) == b"kept"

    def test_8_add_when_the_place_fails_names_the_cause(
        self, ctx: RequestContext, failing_adds: Sequence[tuple[Store, type[errors.GlanceError]]]
    ) -> None:
        for store, error in failing_adds:
            begun = monotonic()
            with pytest.raises(error):
                store.add(ctx, new_id(), pieces(noise(MIB)), MIB)
            assert monotonic() - begun < BOUNDED

    def test_probe_while_the_place_works_leaves_nothing(self, store: Store, held: Callable[[], Sequence[str]]) -> None:
        at_first = held()
        if isinstance(store, Probed):
            store.probe()
        assert held() == at_first

    def test_probe_when_the_place_cannot_be_reached_says_so(self, failing_adds: Sequence[tuple[Store, type[errors.GlanceError]]]) -> None:
        for store in (store for store, error in failing_adds if error is errors.StoreUnavailable and isinstance(store, Probed)):
            with pytest.raises((errors.Unavailable, errors.ConfigurationError)):
                store.probe()

    def test_9_adds_of_several_ids_at_the_same_time_do_not_mix(self, store: Store, ctx: RequestContext) -> None:
        def add_and_read(seed: int) -> bool:
            data = noise(400_000, seed)
            return self.contents(store, ctx, store.add(ctx, new_id(), pieces(data, 1000), None)) == data

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(add_and_read, range(24)))

    def test_9_adds_of_one_id_at_the_same_time_let_one_win(self, store: Store, ctx: RequestContext) -> None:
        image_id = new_id()
        together = threading.Barrier(6)

        def add(seed: int) -> tuple[int, Location] | None:
            def chunks() -> Iterator[bytes]:
                together.wait(BOUNDED)
                yield from pieces(noise(200_000, seed))

            try:
                return seed, store.add(ctx, image_id, chunks(), None)
            except errors.ObjectExists:
                return None

        with ThreadPoolExecutor(6) as pool:
            won = [result for result in pool.map(add, range(6)) if result]
        assert len(won) == 1
        seed, location = won[0]
        assert self.contents(store, ctx, location) == noise(200_000, seed)

    def test_9_blob_when_its_object_is_deleted_gives_whole_data_or_an_error(self, store: Store, ctx: RequestContext) -> None:
        data = noise(3 * MIB)
        location = store.add(ctx, new_id(), pieces(data), None)
        blob = store.open(ctx, location)
        store.delete(ctx, location)
        try:
            assert b"".join(blob) == data
        except errors.StoreUnavailable:
            pass
        finally:
            blob.close()

    def test_12_memory_when_much_is_added_stays_bounded(self, store: Store, ctx: RequestContext) -> None:
        tracemalloc.start()
        try:
            location = store.add(ctx, new_id(), (bytes(MIB) for _turn in range(32)), None)
            assert tracemalloc.get_traced_memory()[1] < self.memory_bound
        finally:
            tracemalloc.stop()
        assert store.size(ctx, location) == 32 * MIB

    def test_discard_when_nothing_is_there_is_fine(self, store: Store, ctx: RequestContext) -> None:
        kept = store.add(ctx, new_id(), [b"kept"], 4)
        store.discard(ctx, new_id())
        assert self.contents(store, ctx, kept) == b"kept"

    def test_discard_when_published_erases_the_data(self, store: Store, ctx: RequestContext) -> None:
        image_id = new_id()
        location = store.add(ctx, image_id, [b"data"], 4)
        store.discard(ctx, image_id)
        with pytest.raises(errors.LocationNotFound):
            store.size(ctx, location)


class ListedStoreContract(ListingRules, StoreContract):
    """What a store passes that can be written, and tells what lies in its place."""


class ReadOnlyStoreContract(ReadableStoreContract):
    """What a store passes that only reads. ``publish`` and ``unknown`` come from the subclass."""

    def test_11_add_when_read_only_says_so(self, store: Store, ctx: RequestContext) -> None:
        assert not store.writable
        with pytest.raises(errors.StoreReadOnly):
            store.add(ctx, new_id(), [b"data"], 4)

    def test_11_delete_and_discard_when_read_only_do_nothing(self, store: Store, ctx: RequestContext, publish: Publish) -> None:
        location = publish(b"data")
        store.delete(ctx, location)
        store.discard(ctx, new_id())
        assert self.contents(store, ctx, location) == b"data"
