"""What the Swift driver finds in its containers, beside what the suite of all stores says."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from swiftclient.client import Connection

from glance.model.stores import Found
from glance.store.drivers.swift.store import SwiftStore
from glance.testing.store_contract import MIB, new_id, noise, pieces
from tests.swift_server import SwiftServer
from tests.swift_stores import CTX, Make, container, make, names, settings, swift

__all__ = ["container", "make", "settings", "swift"]


@pytest.fixture
def store(make: Make) -> SwiftStore:
    return make(large_object_size=MIB, chunk_size=MIB)


@pytest.fixture
def segmented(swift: Connection, container: str) -> Callable[[str, str], list[str]]:
    """Puts two segments of an image, whose names begin so."""

    def put(image_id: str, prefix: str) -> list[str]:
        found = [f"{image_id}-{prefix}0000{number}" for number in (1, 2)]
        for name in found:
            swift.put_object(container, name, b"half")
        return found

    return put


def told(store: SwiftStore) -> list[tuple[str, str, int | None]]:
    return sorted((found.name.rpartition("/")[2], found.kind, found.size) for found in store.contents())


@pytest.mark.parametrize("prefix", ["", "0123abcd-"])
def test_contents_of_an_image_of_older_releases_then_one_thing_with_its_segments(
    store: SwiftStore, swift: Connection, container: str, segmented: Callable[[str, str], list[str]], prefix: str
) -> None:
    image_id = new_id()
    segmented(image_id, prefix)
    other = segmented(image_id, "4567cdef-")
    swift.put_object(container, image_id, b"", headers={"X-Object-Manifest": f"{container}/{image_id}-{prefix}0"})
    assert told(store) == [(image_id, "data", 8), *((name, "partial", 4) for name in other)]


def test_contents_of_a_static_large_object_then_none_of_its_segments_is_left_over(
    store: SwiftStore, swift: Connection, container: str, segmented: Callable[[str, str], list[str]]
) -> None:
    image_id = new_id()
    segments = [{"path": f"/{container}/{name}"} for name in segmented(image_id, "")]
    swift.put_object(container, image_id, json.dumps(segments), query_string="multipart-manifest=put")
    assert told(store) == [(image_id, "data", 8)]
    for name in names(swift, container)[1:]:
        store.remove(Found(f"{container}/{name}", "partial", image_id, size=4, modified=store.now().replace(year=2100)))
    assert len(names(swift, container)) == 3


def test_remove_of_a_segment_when_an_object_names_it_by_now_then_it_stays(
    store: SwiftStore, swift: Connection, container: str, segmented: Callable[[str, str], list[str]]
) -> None:
    image_id = new_id()
    segmented(image_id, "0123abcd-")
    [first, second] = store.contents()
    assert (first.kind, second.kind) == ("partial", "partial")
    swift.put_object(container, image_id, b"", headers={"X-Object-Manifest": f"{container}/{image_id}-0123abcd-"})
    store.remove(first)
    assert len(names(swift, container)) == 3


def test_remove_of_an_image_in_segments_then_segments_of_another_attempt_stay(
    store: SwiftStore, swift: Connection, container: str, segmented: Callable[[str, str], list[str]]
) -> None:
    image_id = new_id()
    store.add(CTX, image_id, pieces(noise(2 * MIB)), None)
    other = segmented(image_id, "4567cdef-")
    [data] = [found for found in store.contents() if found.kind == "data"]
    store.remove(data)
    assert names(swift, container) == other


def test_contents_when_images_are_spread_over_containers_then_those_in_the_right_one_count(make: Make, swift: Connection, container: str) -> None:
    store = make(containers_seed=2, create_container=True, large_object_size=MIB, chunk_size=MIB)
    ids = [new_id() for _ in range(4)]
    urls = {store.add(CTX, one, pieces(noise(2 * MIB)), None).url for one in ids}
    wrong = f"{container}_zz"
    swift.put_container(wrong)
    swift.put_object(wrong, ids[0], b"whatever")
    found = list(store.contents())
    assert {one.location_url for one in found if one.kind == "data"} == urls
    assert [one.name for one in found if one.kind == "foreign"] == [f"{wrong}/{ids[0]}"]
    assert abs((store.now() - max(one.modified for one in found if one.modified)).total_seconds()) < 60
    for one in found:
        if one.kind == "data":
            store.remove(one)
    assert [one.name for one in store.contents()] == [f"{wrong}/{ids[0]}"]


def test_contents_when_the_container_is_not_there_then_none(make: Make, swift_server: SwiftServer) -> None:
    store = make(container=f"missing-{new_id()}", create_container=True)
    assert list(store.contents()) == []
