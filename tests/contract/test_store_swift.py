"""The Swift driver against the suite of all stores, and what is its own; the other side is a real Swift with TempAuth."""

from __future__ import annotations

import logging
import re
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from swiftclient.client import Connection

from glance import errors
from glance.model.image import Location
from glance.store.drivers.swift.settings import SwiftStoreSettings
from glance.store.drivers.swift.store import SwiftStore
from glance.testing.servers import free_ports
from glance.testing.store_contract import MIB, BrokenSource, ListedStoreContract, new_id, noise, pieces
from tests.swift_server import SwiftServer
from tests.swift_stores import CTX, Make, container, make, names, read, settings, swift

__all__ = ["container", "make", "settings", "swift"]


@pytest.fixture
def store(make: Make) -> SwiftStore:
    return make()


@pytest.fixture
def segmenting(make: Make) -> SwiftStore:
    """Segments from a MiB and a bit on."""
    return make(large_object_size=MIB + 1, chunk_size=MIB)


@pytest.fixture
def held(swift: Connection, container: str) -> Callable[[], Sequence[str]]:
    return lambda: names(swift, container)


@pytest.fixture
def unreachable(settings: SwiftStoreSettings) -> Iterator[list[SwiftStore]]:
    """A port that nobody listens on, and one where nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        ports = (free_ports(1)[0], silent.getsockname()[1])
        accounts = [replace(settings.references["ref1"], auth_url=f"http://127.0.0.1:{port}/auth/v1.0") for port in ports]
        yield [SwiftStore("swift", replace(settings, references={"ref1": account}, timeout=1)) for account in accounts]


class SwiftContract(ListedStoreContract):
    @pytest.fixture
    def leave(self, swift: Connection, container: str) -> Callable[[str], int]:
        def leave(image_id: str) -> int:
            for segment in ("0123abcd-00001", "0123abcd-00002", "4567cdef-00001", "00001"):
                swift.put_object(container, f"{image_id}-{segment}", b"half")
            return 4

        return leave

    @pytest.fixture
    def put_foreign(self, swift: Connection, container: str) -> Callable[[str], None]:
        def put(name: str) -> None:
            swift.put_object(container, name, b"whatever")
            swift.put_object(container, f"{new_id()}-{name}", b"whatever")

        return put

    @pytest.fixture
    def failing_reads(self, unreachable: list[SwiftStore]) -> Sequence[tuple[SwiftStore, Location]]:
        return [(store, Location(url="swift+config://ref1/images/one", store="swift")) for store in unreachable]

    @pytest.fixture
    def failing_adds(
        self, make: Make, container: str, swift: Connection, swift_server: SwiftServer, unreachable: list[SwiftStore]
    ) -> Sequence[tuple[SwiftStore, type[errors.GlanceError]]]:
        swift.post_container(container, {"X-Container-Read": swift_server.reader})
        swift.put_container(f"{container}-full", {"X-Container-Meta-Quota-Bytes": "1000"})
        reading = make({"user": swift_server.reader, "key": swift_server.reader_key})
        full = make(container=f"{container}-full")
        return [(reading, errors.StoreWriteDenied), (full, errors.StorageFull), *((store, errors.StoreUnavailable) for store in unreachable)]


class TestSwiftStore(SwiftContract):
    """As it is shipped: what has a size is one object."""


class TestSegmentingSwiftStore(SwiftContract):
    """Everything but the smallest is segments."""

    @pytest.fixture
    def store(self, segmenting: SwiftStore) -> SwiftStore:
        return segmenting


# Segments


@pytest.mark.parametrize("known", [True, False])
def test_add_when_large_then_segments_of_one_attempt_and_an_object_that_names_them(
    segmenting: SwiftStore, swift: Connection, container: str, known: bool
) -> None:
    image_id, data = new_id(), noise(2 * MIB + 5)
    location = segmenting.add(CTX, image_id, pieces(data, 100_000), len(data) if known else None)

    held = names(swift, container)
    prefix = held[1].rpartition("-")[0] + "-"
    assert re.fullmatch(rf"{image_id}-[0-9a-f]{{8}}-", prefix)
    assert held == [image_id, *(f"{prefix}{number:05}" for number in (1, 2, 3))]
    assert swift.head_object(container, image_id)["x-object-manifest"] == f"{container}/{prefix}"
    assert [int(swift.head_object(container, name)["content-length"]) for name in held[1:]] == [MIB, MIB, 5]
    assert location.url == f"swift+config://ref1/{container}/{image_id}"
    for offset, length in ((0, None), (MIB - 1, 2), (MIB, MIB), (2 * MIB, None), (MIB - 10, MIB + 12), (2 * MIB + 5, None)):
        assert read(segmenting, location, offset, length) == data[offset:][:length]
    segmenting.delete(CTX, location)
    assert names(swift, container) == []


def test_add_when_small_and_of_known_size_then_one_object(store: SwiftStore, swift: Connection, container: str) -> None:
    image_id = new_id()
    store.add(CTX, image_id, [b"small"], 5)
    assert names(swift, container) == [image_id]


@pytest.mark.parametrize("size", [None, 5 * MIB])
def test_add_when_the_container_fills_up_in_the_middle_then_says_so_and_leaves_no_segment(
    segmenting: SwiftStore, swift: Connection, container: str, size: int | None
) -> None:
    swift.post_container(container, {"X-Container-Meta-Quota-Bytes": str(MIB + MIB // 2)})
    with pytest.raises(errors.StorageFull):
        segmenting.add(CTX, new_id(), pieces(noise(5 * MIB)), size)
    assert names(swift, container) == []


def test_add_when_the_client_goes_away_in_a_later_segment_then_leaves_none(segmenting: SwiftStore, swift: Connection, container: str) -> None:
    def breaking() -> Iterator[bytes]:
        yield from pieces(noise(2 * MIB + 500))
        assert len(names(swift, container)) == 2
        raise BrokenSource

    with pytest.raises(BrokenSource):
        segmenting.add(CTX, new_id(), breaking(), None)
    assert names(swift, container) == []


@pytest.mark.parametrize("size", [MIB - 1, MIB + 1, 3 * MIB - 1, 3 * MIB + 1])
def test_add_when_data_are_not_as_long_as_announced_then_nothing_is_stored(
    store: SwiftStore, segmenting: SwiftStore, swift: Connection, container: str, size: int
) -> None:
    data = noise(MIB if size < 2 * MIB else 3 * MIB)
    for one in (store, segmenting):
        with pytest.raises(errors.ClientDisconnected):
            one.add(CTX, new_id(), pieces(data), size)
        with pytest.raises(errors.ClientDisconnected):
            one.add(CTX, new_id(), [], size)
        with pytest.raises(errors.ClientDisconnected):
            one.add(CTX, new_id(), [b"data"], 0)
    assert names(swift, container) == []


def test_discard_then_erases_what_any_attempt_left_and_nothing_else(store: SwiftStore, swift: Connection, container: str) -> None:
    left, other = str(uuid.uuid4()), str(uuid.uuid4())
    kept = [other, f"{other}-0a1b2c3d-00001", f"{left}-notes", f"{left}-0a1b2c3d-00001-notes"]
    for name in [left, f"{left}-0a1b2c3d-00001", f"{left}-0a1b2c3d-00002", f"{left}-ffffffff-00001", f"{left}-00001", *kept]:
        swift.put_object(container, name, b"data")
    store.discard(CTX, left)
    assert names(swift, container) == sorted(kept)


def test_delete_when_an_earlier_one_was_interrupted_then_erases_the_segments(segmenting: SwiftStore, swift: Connection, container: str) -> None:
    image_id = new_id()
    location = segmenting.add(CTX, image_id, pieces(noise(2 * MIB)), None)
    swift.delete_object(container, image_id)
    segmenting.delete(CTX, location)
    assert names(swift, container) == []


@pytest.mark.parametrize("size", [3 * MIB, None])
def test_add_when_another_process_was_faster_then_refused_and_leaves_its_data(
    store: SwiftStore, segmenting: SwiftStore, swift: Connection, container: str, size: int | None
) -> None:
    for one in (store, segmenting):
        image_id = new_id()

        def overtaken(image_id: str = image_id) -> Iterator[bytes]:
            yield from pieces(noise(3 * MIB))
            swift.put_object(container, image_id, b"theirs")

        with pytest.raises(errors.ObjectExists):
            one.add(CTX, image_id, overtaken(), size)
        assert swift.get_object(container, image_id)[1] == b"theirs"
        swift.delete_object(container, image_id)
        assert names(swift, container) == []


# Containers


def test_container_when_missing_then_said_at_start_and_later(make: Make, swift: Connection, container: str, caplog: pytest.LogCaptureFixture) -> None:
    store = make()
    swift.delete_container(container)
    with pytest.raises(errors.ConfigurationError, match="make it, or set swift_store_create_container_on_put"):
        store.check()
    with pytest.raises(errors.StoreUnavailable):
        store.add(CTX, new_id(), [b"data"], 4)
    assert "swift_store_create_container_on_put" in caplog.text
    store.discard(CTX, new_id())


def test_container_when_it_is_not_for_our_user_then_said_at_start(make: Make, swift_server: SwiftServer) -> None:
    with pytest.raises(errors.ConfigurationError, match="its user has no right to it"):
        make({"user": swift_server.reader, "key": swift_server.reader_key})


def test_check_when_swift_does_not_answer_then_unavailable(unreachable: list[SwiftStore]) -> None:
    for store in unreachable:
        with pytest.raises(errors.StoreUnavailable):
            store.check()


def test_container_when_it_may_be_made_then_made_with_the_first_image(make: Make, swift: Connection, container: str) -> None:
    swift.delete_container(container)
    store = make(create_container=True)
    location = store.add(CTX, new_id(), [b"data"], 4)
    assert read(store, location) == b"data"


def test_containers_when_spread_then_named_by_the_beginning_of_the_id(make: Make) -> None:
    store = make(create_container=True, containers_seed=9)
    location = store.add(CTX, "0a1b2c3d-4e5f-0000-0000-000000000000", [b"data"], 4)
    assert location.url.split("/")[3].endswith("_0a1b2c3d-4")
    assert read(store, location) == b"data"
    store.discard(CTX, "0a1b2c3d-4e5f-0000-0000-000000000000")
    with pytest.raises(errors.LocationNotFound):
        store.size(CTX, location)


# Locations


def classic(swift_server: SwiftServer, container: str, name: str, userinfo: str, scheme: str = "swift+http") -> Location:
    return Location(url=f"{scheme}://{userinfo}@127.0.0.1:{swift_server.port}/auth/v1.0/{container}/{name}", store="")


@pytest.mark.parametrize("userinfo", ["test%3Atester:testing", "test:tester:testing"])
def test_location_of_an_older_release_then_read_and_deleted_with_its_segments(
    store: SwiftStore, swift: Connection, swift_server: SwiftServer, container: str, userinfo: str
) -> None:
    image_id = new_id()
    for number, part in ((1, b"old "), (2, b"data")):
        swift.put_object(container, f"{image_id}-{number:05}", part)
    swift.put_object(container, image_id, b"", headers={"X-Object-Manifest": f"{container}/{image_id}-"})
    location = classic(swift_server, container, image_id, userinfo)
    assert (store.size(CTX, location), read(store, location), read(store, location, 3, 2)) == (8, b"old data", b" d")
    store.delete(CTX, location)
    assert names(swift, container) == []


def test_location_with_another_user_then_read_as_that_user_only(
    store: SwiftStore, swift: Connection, swift_server: SwiftServer, container: str
) -> None:
    swift.put_object(container, "one", b"data")
    with pytest.raises(errors.LocationNotFound):
        store.size(CTX, classic(swift_server, container, "one", "other%3Atester:testing"))
    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, classic(swift_server, container, "one", "test%3Atester:wrong"))


def test_location_when_it_is_one_of_this_store_then_recognized_without_asking(settings: SwiftStoreSettings, swift_server: SwiftServer) -> None:
    one, two = new_id(), new_id()
    settings = replace(settings, references={"ref1": settings.references["ref1"]}, container="images")
    store, spread = SwiftStore("swift", settings), SwiftStore("swift", replace(settings, containers_seed=2))
    other = SwiftStore("swift", replace(settings, references={"ref2": settings.references["ref1"]}, default_reference="ref2", container="images2"))
    for url, expected in {
        f"swift+config://ref1/images/{one}": [store],
        f"swift+config://ref2/images2/{two}": [other],
        f"swift+config://ref1/images_{one[:2]}/{one}": [spread],
        f"swift+config://ref1/images_zz/{one}": [],
        f"swift+http://u:k@127.0.0.1:{swift_server.port}/auth/v1.0/images/{one}": [store],
        f"swift+http://u:k@elsewhere/auth/v1.0/images/{one}": [],
        f"{swift_server.url}/auth/v1.0/images/{one}": [],
        f"swift+config://ref1/images_/{one}": [],
    }.items():
        assert [candidate for candidate in (store, spread, other) if candidate.recognizes(Location(url=url, store="former"))] == expected, url


@pytest.mark.parametrize("scheme", ["swift+http", "swift+https", "swift"])
@pytest.mark.parametrize("host", ["127.0.0.1:{canary}", "localhost:{swift}", "127.0.0.1:{swift}", "127.0.0.1:{swift}x"])
def test_location_with_another_authentication_then_refused_and_nobody_is_asked(
    store: SwiftStore, swift_server: SwiftServer, container: str, scheme: str, host: str
) -> None:
    if (scheme, host) == ("swift+http", "127.0.0.1:{swift}"):
        scheme = "SWIFT"  # the configured one, but TLS is meant
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0)
        authority = host.format(canary=canary.getsockname()[1], swift=swift_server.port)
        location = Location(url=f"{scheme}://test%3Atester:testing@{authority}/auth/v1.0/{container}/one", store="")
        with pytest.raises(errors.SourceRefused) as caught:
            store.size(CTX, location)
        for refused in (store.open, store.delete):
            with pytest.raises(errors.StoreUnavailable):
                refused(CTX, location)
        assert "testing" not in str(caught.value)
        with pytest.raises(BlockingIOError):
            canary.accept()


@pytest.mark.parametrize(
    "form",
    [
        "swift+config://ref1/{container}/..",
        "swift+config://ref1/{container}/%2e%2e",
        "swift+config://ref1/%2e%2e/one",
        "swift+config://ref1/{container}/a%2Fone",
        "swift+config://ref1/{container}/",
        "swift+config://ref1/one",
        "swift+config://ref1//{container}/x/one",
        "swift+config://ref2/{container}/one",
        "swift+config://u:k@ref1/{container}/one",
        "swift+http://127.0.0.1:{port}/auth/v1.0/{container}/one",
        "swift+http://test%3Atester@127.0.0.1:{port}/auth/v1.0/{container}/one",
        "swift+http://swift+http://test%3Atester:testing@127.0.0.1:{port}/auth/v1.0/{container}/one",
        "swift+http:one",
    ],
)
def test_location_of_a_wrong_form_then_unknown(store: SwiftStore, swift: Connection, swift_server: SwiftServer, container: str, form: str) -> None:
    swift.put_object(container, "one", b"data")
    location = Location(url=form.format(container=container, port=swift_server.port), store="swift")
    for ask in (store.size, store.open, store.delete):
        with pytest.raises(errors.LocationNotFound):
            ask(CTX, location)
    assert names(swift, container) == ["one"]


# Tokens


def test_token_when_it_has_ended_then_renewed_by_every_call(store: SwiftStore, swift_server: SwiftServer) -> None:
    image_id = new_id()
    swift_server.forget_tokens()
    location = store.add(CTX, image_id, [b"data"], 4)
    swift_server.forget_tokens()
    assert store.size(CTX, location) == 4
    swift_server.forget_tokens()
    assert read(store, location) == b"data"
    swift_server.forget_tokens()
    store.delete(CTX, location)
    swift_server.forget_tokens()
    store.discard(CTX, image_id)


@pytest.mark.parametrize("size", [12 * MIB, None])
def test_token_when_it_ends_while_data_are_sent_then_renewed_for_what_follows(
    store: SwiftStore, segmenting: SwiftStore, swift_server: SwiftServer, size: int | None
) -> None:
    data = noise(size or 12 * MIB)

    def ending() -> Iterator[bytes]:
        for number, chunk in enumerate(pieces(data, MIB)):
            if one is segmenting or number in (0, 11):
                swift_server.forget_tokens()
            yield chunk

    for one in (store, segmenting):
        assert read(one, one.add(CTX, new_id(), ending(), size)) == data


def test_token_when_it_ends_while_data_are_read_then_they_go_on(segmenting: SwiftStore, swift_server: SwiftServer) -> None:
    data = noise(5 * MIB)
    blob = segmenting.open(CTX, segmenting.add(CTX, new_id(), pieces(data), None))
    chunks = iter(blob)
    received = [next(chunks)]
    swift_server.forget_tokens()
    assert b"".join([*received, *chunks]) == data
    blob.close()


def test_token_of_the_options_then_used_and_its_end_is_said(make: Make, swift: Connection, swift_server: SwiftServer) -> None:
    url, token = swift.get_auth()
    store = make({"token": token, "user": "", "key": "", "auth_url": ""}, storage_url=url)
    store.check()
    location = store.add(CTX, new_id(), [b"data"], 4)
    assert read(store, location) == b"data"
    swift_server.forget_tokens()
    with pytest.raises(errors.StoreUnavailable):
        store.open(CTX, location)


@pytest.mark.parametrize("account", [{"key": "wrong"}, {"user": "nobody:here"}])
def test_check_when_the_authentication_refuses_then_a_clear_error(make: Make, account: dict[str, str]) -> None:
    with pytest.raises(errors.ConfigurationError, match="refuses this service: look at its user, key"):
        make(account)


# Secrets


def test_logs_and_errors_then_hold_no_credential_and_no_place(
    make: Make, settings: SwiftStoreSettings, swift: Connection, swift_server: SwiftServer, container: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store, said = make(large_object_size=MIB, chunk_size=MIB), []

    def failing(call: Callable[..., object], *arguments: object) -> None:
        with pytest.raises(errors.GlanceError) as caught:
            call(CTX, *arguments)
        said.append(f"{caught.value} {caught.value!r} {caught.value.details}")

    location = store.add(CTX, new_id(), pieces(noise(2 * MIB)), None)
    assert len(read(store, location)) == 2 * MIB
    failing(store.add, location.url.rpartition("/")[2], [b"again"], 5)
    failing(store.open, classic(swift_server, container, "one", "test%3Atester:wrong-testing"))
    failing(store.size, classic(swift_server, container, "one", "test%3Atester:testing"))
    failing(store.size, Location(url="swift+http://test%3Atester:testing@elsewhere/auth/v1.0/images/one", store=""))
    store.delete(CTX, location)
    failing(store.delete, location)
    with pytest.raises(errors.ConfigurationError) as caught:
        make({"key": "wrong-testing"})

    text = "\n".join([caplog.text, *said, str(caught.value), repr(store)])
    for secret in (swift_server.user, swift_server.key, "AUTH_", container, str(swift_server.port), location.url):
        assert secret not in text
    assert swift_server.user not in repr(settings)
    assert swift_server.key not in repr(settings)
