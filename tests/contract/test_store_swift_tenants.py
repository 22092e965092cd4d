"""The Swift driver with images in the accounts of their owners: the suite of all stores, then tokens, access lists and containers."""

from __future__ import annotations

import logging
import socket
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from swiftclient.client import ClientException, Connection, get_auth, get_object

from glance import errors
from glance.context import RequestContext
from glance.model.image import Location
from glance.store.drivers.swift.settings import SwiftReference, SwiftStoreSettings
from glance.store.drivers.swift.store import SwiftStore
from glance.testing.servers import free_ports
from glance.testing.store_contract import MIB, BrokenSource, ListedStoreContract, new_id, noise, pieces
from tests.swift_server import SwiftServer
from tests.swift_stores import swift

__all__ = ["swift"]

Make = Callable[..., SwiftStore]


@pytest.fixture
def prefix() -> str:
    """What the containers of a test begin with."""
    return f"images-{uuid.uuid4().hex}"


@pytest.fixture
def make(swift_server: SwiftServer, prefix: str) -> Make:
    """Makes a store, checked; its user may do everything in every account unless another one is named."""

    def make(user: str = swift_server.reseller, key: str = swift_server.service_key, **changed: Any) -> SwiftStore:
        reference = SwiftReference(auth_url=swift_server.auth_url, auth_version="1", user=user, key=key)
        usual = {"container": prefix, "timeout": 10, "large_object_size": MIB + 1, "chunk_size": MIB, "multi_tenant": True}
        store = SwiftStore("swift", SwiftStoreSettings({"ref1": reference}, **{**usual, **changed}))
        store.check()
        return store

    return make


@pytest.fixture
def owner(swift_server: SwiftServer) -> RequestContext:
    """Somebody of the project ``test``, with a token that Swift knows."""
    return caller(swift_server, "test", swift_server.user, swift_server.key)


@pytest.fixture
def stranger(swift_server: SwiftServer) -> RequestContext:
    """The same of the project ``other``."""
    return caller(swift_server, "other", swift_server.other, swift_server.other_key)


def caller(server: SwiftServer, project: str, user: str, key: str) -> RequestContext:
    return RequestContext(user=user, project=project, auth_token=get_auth(server.auth_url, user, key)[1], request_id="req-tenants")


#: Recovery, and whoever else has no token.
NOBODY = RequestContext(project="test", request_id="req-recovery")


def held_in(swift: Connection, prefix: str) -> list[str]:
    """Containers and their objects."""
    containers = [one["name"] for one in swift.get_account(prefix=prefix, full_listing=True)[1]]
    return [*containers, *(f"{one}/{entry['name']}" for one in containers for entry in swift.get_container(one, full_listing=True)[1])]


def read(store: SwiftStore, ctx: RequestContext, location: Location) -> bytes:
    blob = store.open(ctx, location)
    try:
        return b"".join(blob)
    finally:
        blob.close()


class TestTenantsSwiftStore(ListedStoreContract):
    @pytest.fixture
    def store(self, make: Make) -> SwiftStore:
        return make()

    @pytest.fixture
    def ctx(self, owner: RequestContext) -> RequestContext:
        return owner

    @pytest.fixture
    def listed_ctx(self) -> RequestContext:
        """Whose images lie in the account of the service itself."""
        return RequestContext(request_id="req-tenants")

    @pytest.fixture
    def held(self, swift: Connection, prefix: str) -> Callable[[], Sequence[str]]:
        return lambda: held_in(swift, prefix)

    @pytest.fixture
    def unreachable(self, swift_server: SwiftServer) -> Iterator[list[tuple[SwiftStore, Location]]]:
        """A port that nobody listens on, and one where nobody answers; each with and without the URL of accounts."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            urls = [f"http://127.0.0.1:{port}" for port in (free_ports(1)[0], silent.getsockname()[1])]
            settings = SwiftStoreSettings({}, timeout=1, multi_tenant=True, large_object_size=MIB)
            yield [
                (
                    SwiftStore("swift", replace(settings, references={"ref1": SwiftReference(f"{url}/auth", "1", "u", "k")}, accounts_url=accounts)),
                    Location(url=f"swift+{url}/v1/AUTH_test/glance_one/one", store="swift"),
                )
                for url in urls
                for accounts in (None, f"{url}/v1/AUTH_")
            ]

    @pytest.fixture
    def failing_reads(self, unreachable: list[tuple[SwiftStore, Location]]) -> Sequence[tuple[SwiftStore, Location]]:
        return unreachable

    @pytest.fixture
    def failing_adds(self, unreachable: list[tuple[SwiftStore, Location]]) -> Sequence[tuple[SwiftStore, type[errors.GlanceError]]]:
        return [(store, errors.StoreUnavailable) for store, _location in unreachable]


def test_add_then_in_a_container_of_the_owners_account_and_the_location_says_where(
    make: Make, swift: Connection, swift_server: SwiftServer, owner: RequestContext, prefix: str
) -> None:
    store, image_id = make(), new_id()
    location = store.add(owner, image_id, pieces(noise(2 * MIB)), None)
    assert location.url == f"swift+{swift_server.url}/v1/AUTH_test/{prefix}_{image_id}/{image_id}"
    assert store.recognizes(location)
    assert [name.split("/")[0] for name in held_in(swift, prefix)] == [f"{prefix}_{image_id}"] * 4
    assert read(store, owner, location) == noise(2 * MIB)
    store.delete(owner, location)
    assert held_in(swift, prefix) == []


def test_add_when_the_user_of_the_store_may_nothing_then_the_callers_token_is_enough(
    make: Make, swift: Connection, swift_server: SwiftServer, owner: RequestContext, stranger: RequestContext, prefix: str
) -> None:
    store = make(swift_server.plain)
    location = store.add(owner, new_id(), pieces(noise(2 * MIB)), None)
    assert (read(store, owner, location), store.size(owner, location)) == (noise(2 * MIB), 2 * MIB)
    for ctx in (stranger, NOBODY):
        with pytest.raises(errors.StoreUnavailable):
            store.open(ctx, location)
        with pytest.raises(errors.StoreWriteDenied):
            store.delete(ctx, location)
        with pytest.raises(errors.StoreWriteDenied):
            store.add(ctx if ctx.auth_token is None else replace(ctx, project="test"), new_id(), [b"data"], 4)
    store.delete(owner, location)
    assert held_in(swift, prefix) == []


@pytest.mark.parametrize("project", ["test", "other", None])
def test_everything_when_there_is_no_token_then_done_by_the_user_of_the_store(make: Make, swift_server: SwiftServer, project: str | None) -> None:
    store, ctx, image_id = make(), RequestContext(project=project), new_id()
    location = store.add(ctx, image_id, pieces(noise(2 * MIB)), None)
    assert f"/v1/AUTH_{project or 'service'}/" in location.url
    assert read(store, ctx, location) == noise(2 * MIB)
    store.discard(ctx, image_id)
    with pytest.raises(errors.LocationNotFound):
        store.size(ctx, location)


def test_token_of_a_caller_when_it_ends_in_the_middle_then_the_user_of_the_store_goes_on(
    make: Make, swift_server: SwiftServer, owner: RequestContext
) -> None:
    store, data = make(), noise(5 * MIB)

    def ending() -> Iterator[bytes]:
        for number, chunk in enumerate(pieces(data, MIB)):
            if number == 2:
                swift_server.forget_tokens()
            yield chunk

    location = store.add(owner, new_id(), ending(), None)
    assert read(store, owner, location) == data
    store.delete(owner, location)


def test_delete_without_token_when_the_project_of_the_store_is_an_admin_tenant_then_only_an_empty_container_stays(
    make: Make, swift: Connection, swift_server: SwiftServer, owner: RequestContext, prefix: str
) -> None:
    store, image_id = make(swift_server.plain, admin_projects=("service",)), new_id()
    location = store.add(owner, image_id, pieces(noise(2 * MIB)), None)
    assert read(store, NOBODY, location) == noise(2 * MIB)
    store.delete(NOBODY, location)
    assert held_in(swift, prefix) == [f"{prefix}_{image_id}"]


def test_add_when_it_fails_then_no_container_stays(make: Make, swift: Connection, owner: RequestContext, prefix: str) -> None:
    def breaking() -> Iterator[bytes]:
        yield from pieces(noise(2 * MIB))
        assert len(held_in(swift, prefix)) > 1
        raise BrokenSource

    with pytest.raises(BrokenSource):
        make().add(owner, new_id(), breaking(), None)
    assert held_in(swift, prefix) == []


def test_discard_then_erases_what_a_dead_process_left_and_nothing_of_the_project(make: Make, swift: Connection, prefix: str) -> None:
    left, used = new_id(), new_id()
    for image_id in (left, used):
        swift.put_container(f"{prefix}_{image_id}")
        swift.put_object(f"{prefix}_{image_id}", f"{image_id}-0a1b2c3d-00001", b"data")
    swift.put_object(f"{prefix}_{used}", "notes", b"of the project's own")
    store = make()
    for image_id in (left, used, new_id()):
        store.discard(NOBODY, image_id)
    assert held_in(swift, prefix) == [f"{prefix}_{used}", f"{prefix}_{used}/notes"]


# Access lists


def test_readers_then_read_in_swift_itself_as_long_as_they_are_named(
    make: Make, swift_server: SwiftServer, owner: RequestContext, stranger: RequestContext, prefix: str
) -> None:
    store, image_id = make(swift_server.plain), new_id()
    location = store.add(owner, image_id, [b"data"], 4)
    direct = Connection(preauthurl=f"{swift_server.url}/v1/AUTH_test", preauthtoken=stranger.auth_token, retries=0)
    for public, members, readable in ((False, [], False), (False, ["else", "other"], True), (False, ["else"], False), (True, [], False)):
        store.set_readers(owner, location, public=public, members=members)
        if readable:
            assert direct.get_object(f"{prefix}_{image_id}", image_id)[1] == b"data"
            assert read(store, stranger, location) == b"data"
        else:
            with pytest.raises(ClientException, match="403"):
                direct.get_object(f"{prefix}_{image_id}", image_id)
    direct.close()
    store.delete(owner, location)


@pytest.mark.parametrize("allowed", [True, False])
def test_readers_when_an_image_is_public_then_everybody_only_where_the_operator_says_so(
    make: Make, swift: Connection, swift_server: SwiftServer, owner: RequestContext, prefix: str, allowed: bool
) -> None:
    store, image_id = make(public_acl=allowed, admin_projects=("service",)), new_id()
    location = store.add(owner, image_id, [b"data"], 4)
    store.set_readers(owner, location, public=True, members=[])
    found = swift.head_container(f"{prefix}_{image_id}")
    assert (found["x-container-read"], found["x-container-write"]) == ("service,.r:*,.rlistings" if allowed else "service", "service")
    anonymous = (f"{swift_server.url}/v1/AUTH_test", "", f"{prefix}_{image_id}", image_id)
    if allowed:
        assert get_object(*anonymous)[1] == b"data"
    else:
        with pytest.raises(ClientException, match="401"):
            get_object(*anonymous)
    store.delete(owner, location)


def test_readers_when_members_have_names_that_mean_more_then_left_out(make: Make, swift: Connection, owner: RequestContext, prefix: str) -> None:
    store, image_id = make(), new_id()
    location = store.add(owner, image_id, [b"data"], 4)
    store.set_readers(owner, location, public=False, members=["a,.r:*", ".r:*", "*", "*:*", ".rlistings", "x\r\nX-A: b", "", "t-1_a.b"])
    assert swift.head_container(f"{prefix}_{image_id}")["x-container-read"] == "t-1_a.b"
    store.delete(owner, location)


def test_readers_when_they_cannot_be_set_then_said(make: Make, swift_server: SwiftServer, owner: RequestContext, stranger: RequestContext) -> None:
    store = make(swift_server.plain)
    location = store.add(owner, new_id(), [b"data"], 4)
    with pytest.raises(errors.StoreWriteDenied):
        store.set_readers(stranger, location, public=False, members=[])
    store.delete(owner, location)


def test_readers_when_the_data_lie_in_another_swift_than_the_options_name_then_said(make: Make, owner: RequestContext, prefix: str) -> None:
    former = Location(url=f"swift+http://127.0.0.1:1/v1/AUTH_test/{prefix}_one/one", store="swift")
    with pytest.raises(errors.StoreUnavailable):
        make().set_readers(owner, former, public=True, members=[])


# Locations


def test_location_of_the_time_before_then_read_and_deleted_in_the_account_of_the_store(
    make: Make, swift_server: SwiftServer, owner: RequestContext, prefix: str
) -> None:
    before = make(multi_tenant=False, create_container=True)
    location = before.add(owner, new_id(), [b"data"], 4)
    now = make()
    assert (now.recognizes(location), before.recognizes(location)) == (False, True)
    now.set_readers(owner, location, public=True, members=[])
    assert read(now, owner, location) == b"data"
    now.delete(owner, location)
    with pytest.raises(errors.LocationNotFound):
        before.size(owner, location)


@pytest.mark.parametrize(
    "form",
    ["swift+http://127.0.0.1:{port}/v1/AUTH_test/{c}/one", "swift+http://127.0.0.1:{port}/v1/AUTH_test/{c}_one/two", "swift+http://x/one/one"],
)
def test_location_that_no_image_of_ours_has_then_unknown(
    make: Make, swift: Connection, swift_server: SwiftServer, owner: RequestContext, prefix: str, form: str
) -> None:
    swift.put_container(prefix)
    swift.put_object(prefix, "one", b"private")
    location = Location(url=form.format(port=swift_server.port, c=prefix), store="swift")
    store = make()
    assert not store.recognizes(location)
    for ask in (store.size, store.open, store.delete):
        with pytest.raises(errors.LocationNotFound):
            ask(owner, location)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:{canary}/v1/AUTH_test", "https://127.0.0.1:{swift}/v1/AUTH_test", "http://127.0.0.1:{swift}/v2/AUTH_test"]
)
def test_location_with_another_swift_then_refused_and_no_token_goes_there(
    make: Make, swift_server: SwiftServer, owner: RequestContext, prefix: str, address: str, known: bool
) -> None:
    store = make(accounts_url=f"{swift_server.url}/v1/AUTH_" if known else None)
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.settimeout(0)
        url = address.format(canary=canary.getsockname()[1], swift=swift_server.port)
        location = Location(url=f"swift+{url}/{prefix}_one/one", store="swift")
        assert store.recognizes(location) is not known
        with pytest.raises(errors.SourceRefused):
            store.size(owner, location)
        for ask in (store.open, store.delete):
            with pytest.raises(errors.StoreUnavailable):
                ask(owner, location)
        with pytest.raises(BlockingIOError):
            canary.accept()


@pytest.mark.parametrize("user", ["reseller", "plain"])
def test_object_that_its_owner_made_a_link_to_data_of_others_then_those_are_not_read(
    make: Make, swift_server: SwiftServer, swift: Connection, prefix: str, owner: RequestContext, stranger: RequestContext, user: str
) -> None:
    """The user of the store may read what the owner may not, also images of others where its project is an admin tenant."""
    store = make(user=getattr(swift_server, user), admin_projects=("service",))
    theirs = store.add(stranger, new_id(), [b"secret"], 6)
    image_id = new_id()
    location = store.add(owner, image_id, [b"public"], 6)
    target = {"X-Symlink-Target": "/".join(theirs.url.split("/")[-2:]), "X-Symlink-Target-Account": "AUTH_other"}
    swift.put_object(f"{prefix}_{image_id}", image_id, b"", headers=target)

    for ctx in (owner, NOBODY, stranger):
        assert read(store, ctx, location) == b""
        assert store.size(ctx, location) == 0
        with closing(store.open(ctx, location, 0, 6)) as blob:
            assert b"".join(blob) == b""
    store.delete(owner, location)
    assert read(store, stranger, theirs) == b"secret"
    store.delete(stranger, theirs)


def test_logs_and_errors_then_hold_no_token_and_no_place(
    make: Make, swift_server: SwiftServer, owner: RequestContext, prefix: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    store = make(swift_server.plain)
    location = store.add(owner, new_id(), [b"data"], 4)
    with pytest.raises(errors.StoreUnavailable) as caught:
        store.open(NOBODY, location)
    store.delete(owner, location)
    for secret in (str(owner.auth_token), swift_server.service_key, "AUTH_", prefix, location.url):
        assert secret not in caplog.text + str(caught.value)
