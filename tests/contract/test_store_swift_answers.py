"""The Swift driver with an identity service, and with answers that a healthy Swift does not give."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from swiftclient.client import Connection, get_auth

from glance import errors
from glance.context import RequestContext
from glance.store.drivers.swift.settings import SwiftStoreSettings
from glance.store.drivers.swift.store import SwiftStore
from glance.testing.store_contract import MIB, new_id, noise, pieces
from tests.http_front import Front
from tests.running import running
from tests.swift_server import SwiftServer
from tests.swift_stores import CTX, Make, container, make, names, read, settings, swift

__all__ = ["container", "make", "settings", "swift"]

ID = "0a1b2c3d-0000-0000-0000-000000000000"


@dataclass
class Identity:
    """An identity service that knows everybody but those whose key is wrong, and gives tokens of a Swift; ``asked`` is what it was sent."""

    swift: SwiftServer
    port: int = 0
    life: float = 3600
    project: str = "test"
    down: bool = False
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def answer(self, path: str, question: Any) -> tuple[int, dict[str, str], Any]:
        self.asked.append((path, question))
        if self.down:
            return 503, {}, {}
        if "wrong" in json.dumps(question):
            return 401, {}, {"error": {"code": 401, "message": "no", "title": "Unauthorized"}}
        url, token = get_auth(self.swift.auth_url, self.swift.user, self.swift.key)
        expires = (datetime.now(UTC) + timedelta(seconds=self.life)).strftime("%Y-%m-%dT%H:%M:%SZ")
        if path == "/v2.0/tokens":
            regions = [
                {"region": "south", "publicURL": "http://127.0.0.1:1/"},
                {"region": "north", "publicURL": url, "internalURL": "http://127.0.0.1:1/"},
            ]
            catalog = [{"type": "object-store", "name": "swift", "endpoints": regions}]
            named = {"id": "u", "name": "tester", "roles": []}
            return (
                200,
                {},
                {
                    "access": {
                        "token": {"id": token, "expires": expires, "tenant": {"id": "p", "name": "test"}},
                        "serviceCatalog": catalog,
                        "user": named,
                    }
                },
            )
        endpoints = [
            {"id": "1", "interface": "public", "region": "south", "region_id": "south", "url": "http://127.0.0.1:1/"},
            {"id": "2", "interface": "public", "region": "north", "region_id": "north", "url": url},
            {"id": "3", "interface": "internal", "region": "north", "region_id": "north", "url": "http://127.0.0.1:1/"},
        ]
        catalog = [{"type": "object-store", "id": "s", "name": "swift", "endpoints": endpoints}]
        project = {"id": self.project, "name": "images", "domain": {"id": "default", "name": "Default"}}
        return 201, {"X-Subject-Token": token}, {"token": {"expires_at": expires, "methods": ["password"], "catalog": catalog, "project": project}}


@pytest.fixture
def identity(swift_server: SwiftServer) -> Iterator[Identity]:
    service = Identity(swift_server)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, headers, answer = service.answer(self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = json.dumps(answer).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Tests print nothing."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as server:
        service.port = server.server_port
        yield service


def through_identity(make: Make, identity: Identity, version: str, path: str, **account: Any) -> SwiftStore:
    reference = {"auth_url": f"http://127.0.0.1:{identity.port}/{path}", "auth_version": version, "user": "", "key": "", **account}
    return make(reference, region="north", large_object_size=MIB, chunk_size=MIB)


def keep_one(store: SwiftStore) -> None:
    data = noise(2 * MIB)
    location = store.add(CTX, new_id(), pieces(data), None)
    assert read(store, location) == data
    store.delete(CTX, location)


def test_identity_v3_then_asked_with_user_project_and_their_domains(make: Make, identity: Identity) -> None:
    keep_one(through_identity(make, identity, "3", "v3", user="service:glance", key="secret", project_domain_name="Cloud"))
    ((path, question),) = identity.asked
    assert path == "/v3/auth/tokens"
    assert question["auth"]["identity"]["password"]["user"] == {"name": "glance", "password": "secret", "domain": {"id": "default"}}
    assert question["auth"]["scope"]["project"] == {"name": "service", "domain": {"name": "Cloud"}}


def test_identity_v3_with_ids_then_asked_by_them(make: Make, identity: Identity) -> None:
    through_identity(make, identity, "3", "v3", user="glance", key="secret", project_id="p1", user_domain_id="d1")
    question = identity.asked[0][1]
    assert question["auth"]["identity"]["password"]["user"]["domain"] == {"id": "d1"}
    assert question["auth"]["scope"]["project"] == {"id": "p1"}


def test_identity_v3_with_application_credential_then_asked_with_it(make: Make, identity: Identity) -> None:
    keep_one(through_identity(make, identity, "3", "v3", application_credential_id="c1", application_credential_secret="secret"))
    assert identity.asked[0][1]["auth"]["identity"]["application_credential"] == {"id": "c1", "secret": "secret"}


def test_identity_v2_then_asked_with_user_and_project(make: Make, identity: Identity) -> None:
    keep_one(through_identity(make, identity, "2", "v2.0", user="service:glance", key="secret"))
    question = {"auth": {"tenantName": "service", "passwordCredentials": {"username": "glance", "password": "secret"}}}
    assert identity.asked == [("/v2.0/tokens", question)]


@pytest.mark.parametrize("create_container", [True, False])
def test_probe_while_the_identity_service_is_down_then_works_with_the_token_there_is(make: Make, identity: Identity, create_container: bool) -> None:
    reference = {"auth_url": f"http://127.0.0.1:{identity.port}/v3", "auth_version": "3", "user": "service:glance", "key": "secret"}
    store = make(reference, region="north", create_container=create_container)
    keep_one(store)
    identity.down = True
    store.probe()
    keep_one(store)
    assert len(identity.asked) == 1


@pytest.mark.parametrize(("version", "path"), [("2", "v2.0"), ("3", "v3")])
def test_identity_when_it_refuses_then_said_at_start(make: Make, identity: Identity, version: str, path: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="refuses this service"):
        through_identity(make, identity, version, path, user="service:glance", key="wrong")


@pytest.mark.parametrize(("version", "path"), [("2", "v2.0"), ("3", "v3")])
def test_identity_when_its_catalog_has_no_such_store_then_said_at_start(make: Make, identity: Identity, version: str, path: str) -> None:
    for wrong in ({"region": "east"}, {"service_type": "image"}):
        with pytest.raises(errors.ConfigurationError, match="look at region, endpoint type and service type"):
            make({"auth_url": f"http://127.0.0.1:{identity.port}/{path}", "auth_version": version, "user": "service:glance", "key": "s"}, **wrong)


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:{port}/v1/AUTH_"])
def test_identity_when_images_lie_in_accounts_of_owners_then_their_projects_are_named_as_it_does(
    make: Make, identity: Identity, swift: Connection, swift_server: SwiftServer, container: str, endpoint: str | None
) -> None:
    accounts_url = endpoint and endpoint.format(port=swift_server.port)
    account = {"auth_url": f"http://127.0.0.1:{identity.port}/v3", "auth_version": "3", "user": "service:glance", "key": "secret"}
    store = make(account, region="north", multi_tenant=True, accounts_url=accounts_url, admin_projects=("a1",))
    token = get_auth(swift_server.auth_url, swift_server.user, swift_server.key)[1]
    ctx = RequestContext(project="test", auth_token=token)
    location = store.add(ctx, ID, [b"data"], 4)
    assert location.url == f"swift+{swift_server.url}/v1/AUTH_test/{container}_{ID}/{ID}"
    store.set_readers(ctx, location, public=False, members=["p1", "p2"])
    found = swift.head_container(f"{container}_{ID}")
    assert (found["x-container-read"], found["x-container-write"]) == ("a1:*,p1:*,p2:*", "a1:*")
    store.delete(ctx, location)


def test_identity_when_its_account_does_not_tell_the_others_then_said_at_start(make: Make, identity: Identity) -> None:
    identity.project = "nothing-like-the-account"
    account = {"auth_url": f"http://127.0.0.1:{identity.port}/v3", "auth_version": "3", "user": "service:glance", "key": "secret"}
    with pytest.raises(errors.ConfigurationError, match="swift_store_endpoint"):
        make(account, region="north", multi_tenant=True)


def test_token_when_its_end_is_near_then_another_is_asked_for_first(make: Make, identity: Identity) -> None:
    identity.life = 30  # less than renew_before
    store = through_identity(make, identity, "3", "v3", user="service:glance", key="secret")
    asked = len(identity.asked)
    store.discard(CTX, ID)
    assert len(identity.asked) == asked + 1
    identity.life = 3600
    store.discard(CTX, ID)
    asked = len(identity.asked)
    store.discard(CTX, ID)
    assert len(identity.asked) == asked


@pytest.fixture
def front(swift_server: SwiftServer) -> Iterator[Front]:
    """Something between the store and its Swift."""
    with running(Front(swift_server.port)) as server:
        yield server


@pytest.mark.parametrize("changed", [{"create_container": True}, {"multi_tenant": True}])
def test_store_when_swift_comes_later_then_ready_with_the_first_image(
    settings: SwiftStoreSettings, front: Front, swift: Connection, container: str, changed: dict[str, Any]
) -> None:
    swift.delete_container(container)
    account = replace(settings.references["ref1"], auth_url=f"{front.url}/auth/v1.0")
    store = SwiftStore("swift", replace(settings, references={"ref1": account}, **changed))
    front.answer = lambda request: (503, {}, b"")
    with pytest.raises(errors.StoreUnavailable):
        store.check()
    front.answer = lambda request: None
    location = store.add(CTX, ID, [b"data"], 4)
    assert read(store, location) == b"data"
    store.delete(CTX, location)


def behind(make: Make, front: Front, **changed: Any) -> SwiftStore:
    return make({"auth_url": f"{front.url}/auth/v1.0"}, **changed)


@pytest.mark.parametrize(
    ("status", "error"),
    [(507, errors.StorageFull), (413, errors.StorageFull), (403, errors.StoreWriteDenied), (412, errors.ObjectExists), (422, errors.StoreUnavailable)]
    + [(status, errors.StoreUnavailable) for status in (200, 302, 401, 404, 408, 500, 503)],
)
def test_add_when_refused_then_says_why(make: Make, front: Front, swift: Connection, container: str, status: int, error: type[Exception]) -> None:
    store = behind(make, front)
    front.answer = lambda request: (status, {"Location": "http://127.0.0.1:1/"}, b"") if request.command == "PUT" else None
    with pytest.raises(error):
        store.add(CTX, new_id(), [b"data"], 4)
    assert names(swift, container) == []


def test_add_when_other_bytes_arrive_then_refused_and_erased(make: Make, front: Front, swift: Connection, container: str) -> None:
    store = behind(make, front)

    def damaging(request: Any) -> tuple[int, dict[str, str], bytes] | None:
        if request.command != "PUT":
            return None
        attempt = {"X-Object-Meta-Attempt": request.headers["X-Object-Meta-Attempt"]}
        swift.put_object(container, request.path.rpartition("/")[2], b"date", headers=attempt)
        return 201, {"ETag": "a35fd1ce4d4e1ae37a8a3a2bbdb3ea1d"}, b""

    front.answer = damaging
    with pytest.raises(errors.StoreUnavailable):
        store.add(CTX, new_id(), [b"data"], 4)
    assert names(swift, container) == []


def test_add_when_the_answer_is_lost_then_an_error_and_nothing_is_left(make: Make, front: Front, swift: Connection, container: str) -> None:
    store = behind(make, front)
    front.lose = lambda request: request.command == "PUT"
    image_id = new_id()
    with pytest.raises(errors.StoreUnavailable):
        store.add(CTX, image_id, [b"data"], 4)
    assert names(swift, container) == []
    front.lose = lambda request: False
    assert read(store, store.add(CTX, image_id, [b"again"], 5)) == b"again"


@pytest.mark.parametrize("answered", [412, 503])
def test_add_when_another_process_was_faster_by_a_moment_then_leaves_its_data(
    make: Make, front: Front, swift: Connection, container: str, answered: int
) -> None:
    def overtaken(request: Any) -> tuple[int, dict[str, str], bytes] | None:
        if request.command != "PUT":
            return None
        swift.put_object(container, request.path.rpartition("/")[2], b"theirs")
        return answered, {}, b""

    store, image_id = behind(make, front), new_id()
    front.answer = overtaken
    with pytest.raises((errors.ObjectExists, errors.StoreUnavailable)):
        store.add(CTX, image_id, [b"ours"], 4)
    assert swift.get_object(container, image_id)[1] == b"theirs"


class Cutting:
    """Ends the first ``times`` answers to GET after ten bytes."""

    def __init__(self, front: Front, times: int) -> None:
        self._front = front
        self._times = times

    def __call__(self, request: Any) -> tuple[int, dict[str, str], bytes] | None:
        if request.command != "GET" or "/auth/" in request.path or not self._times:
            return None
        self._times -= 1
        status, headers, data = request.passed_on(b"")
        request.close_connection = True
        return status, headers, data[:10]


def test_open_when_the_transfer_breaks_then_taken_up_as_often_as_allowed(make: Make, front: Front) -> None:
    data = noise(1000)
    patient, hasty = behind(make, front, retries=2), behind(make, front)
    location = patient.add(CTX, new_id(), [data], 1000)
    for times, store in ((2, patient), (0, hasty)):
        front.answer = Cutting(front, times)
        assert read(store, location) == data
        front.answer = Cutting(front, times)
        assert read(store, location, 5, 100) == data[5:105]
    for times, store in ((3, patient), (1, hasty)):
        front.answer = Cutting(front, times)
        with pytest.raises(errors.StoreUnavailable):
            read(store, location)


def test_open_when_the_object_changes_while_it_is_read_then_an_error(make: Make, front: Front, swift: Connection, container: str) -> None:
    store = behind(make, front, retries=3)
    image_id = new_id()
    location = store.add(CTX, image_id, [noise(1000)], 1000)
    front.answer = Cutting(front, 1)
    blob = store.open(CTX, location)
    swift.put_object(container, image_id, noise(1000, seed=2))
    with pytest.raises(errors.StoreUnavailable):
        list(blob)
    blob.close()


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (206, {"Content-Range": "bytes 0-9/1000"}),
        (206, {"Content-Range": "bytes 100-104/1000"}),
        (206, {}),
        (200, {}),
        (302, {"Location": "http://127.0.0.1:1/"}),
        (401, {}),
        (403, {}),
        (500, {}),
    ],
)
def test_open_when_the_answer_is_of_no_use_then_unavailable(make: Make, front: Front, status: int, headers: dict[str, str]) -> None:
    store = behind(make, front)
    location = store.add(CTX, new_id(), [noise(1000)], 1000)
    front.answer = lambda request: (status, headers, b"0123456789") if request.command == "GET" and "/v1/" in request.path else None
    with pytest.raises(errors.StoreUnavailable):
        read(store, location, 100, 5)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("asked", ["/auth/", "/v1/"])
def test_redirect_then_not_followed_so_that_no_credential_goes_elsewhere(
    make: Make, front: Front, swift_server: SwiftServer, status: int, asked: str
) -> None:
    store = behind(make, front)
    location = store.add(CTX, new_id(), [b"data"], 4)
    with running(Front(swift_server.port)) as canary:
        front.answer = lambda request: (status, {"Location": f"{canary.url}{request.path}"}, b"") if asked in request.path else None
        if asked == "/auth/":
            swift_server.forget_tokens()
        for ask in (store.open, store.size, store.delete):
            with pytest.raises(errors.StoreUnavailable):
                ask(CTX, location)
        assert canary.seen == []


def test_authentication_when_it_is_silent_then_those_who_ask_together_wait_no_longer_than_one(settings: SwiftStoreSettings) -> None:
    asking = 8
    together = threading.Barrier(asking)
    with socket.create_server(("127.0.0.1", 0), backlog=asking) as silent:
        account = replace(settings.references["ref1"], auth_url=f"http://127.0.0.1:{silent.getsockname()[1]}/auth/v1.0")
        store = SwiftStore("swift", replace(settings, references={"ref1": account}, timeout=2))

        def ask(_turn: int) -> None:
            together.wait(30)
            with pytest.raises(errors.StoreUnavailable):
                store.discard(CTX, ID)

        with ThreadPoolExecutor(asking) as pool:
            list(pool.map(ask, range(asking)))

        silent.settimeout(0)
        tries = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                silent.accept()[0].close()
                tries += 1
        assert tries < asking / 2, "each waited until the others had given up"
