"""R23 to R27: databases that restart, fall silent, lose the answer to COMMIT, hold locks, or may only be read.

With ``--long`` a database restarts 100 times.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import itertools
import json
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine, select

from glance.db.schema import image_locations, image_members, images
from glance.testing.servers import Glance, wait_until
from tests.databases import DatabaseServer, MariadbServer, PostgresServer
from tests.faults.clients import FORMATS, JSON, new_image, upload
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.proxy import SILENT, Fault, Proxy

DATA = {"Content-Type": "application/octet-stream"}
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
CLIENTS = 8

#: Seconds after which the answer to a database that is silent must be there: the time-out, and a busy machine.
SILENCE = 20

LOST = Fault("answer to COMMIT lost", reset_down=0, times=1)

#: The whole message; its word is also part of the name of an isolation level.
COMMIT = {"postgres": b"Q\0\0\0\x0bCOMMIT\0", "mysql": b"\x07\0\0\0\x03COMMIT"}


@dataclass(frozen=True)
class Scene:
    """A service, its database, and the proxy between the two."""

    kind: str
    glance: Glance
    server: DatabaseServer
    engine: Engine
    proxy: Proxy


@pytest.fixture(scope="module", params=[PostgresServer, MariadbServer])
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A server that nobody else minds."""
    with request.param() as running:
        yield running


@pytest.fixture(scope="module")
def shared(server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with ExitStack() as ended:
        engine = ended.enter_context(server.migrated())
        ended.callback(engine.dispose)
        proxy = ended.enter_context(Proxy(server.port))
        url = server.url(str(engine.url.database), proxy.port)
        options = {"DEFAULT": EMBEDDED, "database": {"connection": url}}
        glance = Glance(tmp_path_factory.mktemp("glance"), services=("api",), api_options=options)
        ended.enter_context(glance)
        yield Scene(server.account, glance, server, engine, proxy)


@pytest.fixture
def scene(shared: Scene) -> Iterator[Scene]:
    """The service while its database works."""
    yield shared
    shared.proxy.heal()
    shared.engine.dispose()
    shared.glance.request("GET", "/v2/images")


# R23


@dataclass
class Load:
    """What clients do until they are told to end, each with images of its own: make one, store its data, read them, list."""

    glance: Glance
    ended: threading.Event = field(default_factory=threading.Event)
    answers: list[tuple[float, int]] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)

    def run(self, client: int) -> None:
        for number in itertools.count():
            if self.ended.is_set():
                return
            data = f"{client} {number}".encode() * 100
            with contextlib.suppress(_Refused):
                image_id = str(json.loads(self._ask(201, "POST", "/v2/images", JSON, json.dumps(FORMATS).encode()))["id"])
                self._ask(204, "PUT", f"/v2/images/{image_id}/file", DATA, data)
                self.stored[image_id] = data
                assert self._ask(200, "GET", f"/v2/images/{image_id}/file") == data
                self._ask(200, "GET", "/v2/images?limit=5")

    def _ask(self, expected: int, method: str, path: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> bytes:
        answer = self.glance.request(method, path, headers, body)
        self.answers.append((time.monotonic(), answer.status))
        assert answer.status in {expected, 503}, f"{method} {path}: {answer.text}"
        if answer.status != expected:
            raise _Refused
        return answer.body

    def succeeded_after(self, moment: float) -> bool:
        return any(when > moment and status < 400 for when, status in self.answers[-CLIENTS:])


class _Refused(Exception):
    """The service says that it cannot do that now."""


@pytest.mark.timeout(1200)
def test_restarts_of_the_database_under_load_then_calls_wait_or_503_and_nothing_is_lost(scene: Scene, report: Report, rounds: Rounds) -> None:
    load, recovered, restarts = Load(scene.glance), list[float](), rounds(3, 100)
    with ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(load.run, number) for number in range(CLIENTS)]
        try:
            for number in range(restarts):
                enough = len(load.answers) + 5 * CLIENTS
                wait_until(lambda count=enough: len(load.answers) > count, "the load")  # type: ignore[misc]
                (scene.server.kill if number % 2 else scene.server.stop)()
                scene.server.start()
                started = time.monotonic()
                wait_until(lambda moment=started: load.succeeded_after(moment), "calls to succeed again")  # type: ignore[misc]
                recovered.append(time.monotonic() - started)
        finally:
            load.ended.set()
        for client in clients:
            client.result()

    failed = sum(status == 503 for _when, status in load.answers)
    lost = [one for one, data in load.stored.items() if scene.glance.request("GET", f"/v2/images/{one}/file").body != data]
    report(
        f"R23 {scene.kind}: {restarts} restarts, {len(load.answers)} calls, {failed / restarts:.2f} failed per restart (in flight {CLIENTS}), "
        f"slowest recovery {max(recovered):.2f} s, {len(load.stored)} images acknowledged, {len(lost)} lost"
    )
    assert lost == []
    assert failed <= restarts * CLIENTS
    assert max(recovered) < 30


# R24


def test_database_that_falls_silent_then_503_in_time_and_it_works_again_afterwards(scene: Scene, report: Report) -> None:
    glance, image_id = scene.glance, new_image(scene.glance)
    calls: list[Callable[[], int]] = [
        lambda: glance.request("GET", "/v2/images", timeout=90).status,
        lambda: glance.request("GET", f"/v2/images/{image_id}", timeout=90).status,
        lambda: glance.request("POST", "/v2/images", JSON, json.dumps(FORMATS).encode(), timeout=90).status,
        lambda: glance.request("DELETE", f"/v2/images/{image_id}", timeout=90).status,
    ]
    scene.proxy.fault = SILENT
    took, answers = [], []
    with ThreadPoolExecutor(len(calls)) as pool:
        for _ in range(2):  # with connections that were made before, and with none
            begun = time.monotonic()
            answers += [one.result() for one in [pool.submit(call) for call in calls]]
            took.append(time.monotonic() - begun)
    scene.proxy.heal()

    report(f"R24 {scene.kind}: answers {dict(Counter(answers))}, slowest {took[0]:.1f} s with old connections, {took[1]:.1f} s with new ones")
    assert set(answers) == {503}
    assert max(took) < SILENCE
    assert glance.request("GET", f"/v2/images/{image_id}").status == 200


# R25


def acts(glance: Glance) -> dict[str, tuple[int, Callable[[str], int]]]:
    """What changes one thing: what it is answered, and how to do it to an image."""

    def patch(image_id: str) -> int:
        return glance.request("PATCH", f"/v2/images/{image_id}", PATCH, b'[{"op": "add", "path": "/name", "value": "new"}]').status

    def create(image_id: str) -> int:
        return glance.request("POST", "/v2/images", JSON, json.dumps({**FORMATS, "name": f"made beside {image_id}"}).encode()).status

    return {
        "create": (201, create),
        "update": (200, patch),
        "tag": (204, lambda image_id: glance.request("PUT", f"/v2/images/{image_id}/tags/t").status),
        "untag": (204, lambda image_id: glance.request("DELETE", f"/v2/images/{image_id}/tags/given").status),
        "add member": (200, lambda image_id: glance.request("POST", f"/v2/images/{image_id}/members", JSON, b'{"member": "other"}').status),
        "remove member": (204, lambda image_id: glance.request("DELETE", f"/v2/images/{image_id}/members/given").status),
        "delete": (204, lambda image_id: glance.request("DELETE", f"/v2/images/{image_id}").status),
    }


@pytest.mark.parametrize("act", ["create", "update", "tag", "untag", "add member", "remove member", "delete"])
def test_change_whose_commit_is_not_answered_then_it_is_done_once(scene: Scene, report: Report, act: str) -> None:
    image_id = new_image(scene.glance)
    assert scene.glance.request("PUT", f"/v2/images/{image_id}/tags/given").status == 204
    assert scene.glance.request("POST", f"/v2/images/{image_id}/members", JSON, b'{"member": "given"}').status == 200
    expected, do = acts(scene.glance)[act]
    before = count_images(scene)
    scene.proxy.arm(LOST, COMMIT[scene.kind])

    answer = do(image_id)

    assert scene.proxy.fault is LOST
    assert answer == expected
    assert count_images(scene) - before == (act == "create")
    assert count_members(scene, image_id) == 1 + (act == "add member")
    report(f"R25 {scene.kind}: {act} whose answer to COMMIT was lost: {answer}, done once")


@pytest.mark.parametrize("nth", [1, 2])
def test_upload_whose_commit_is_not_answered_then_it_is_found_by_its_attempt(scene: Scene, report: Report, nth: int) -> None:
    glance, image_id, data = scene.glance, new_image(scene.glance), b"data" * 1000

    def chunks() -> Iterator[bytes]:
        yield data[:2000]
        if nth == 2:  # the transaction that begins the upload is over
            wait_until(lambda: glance.request("GET", f"/v2/images/{image_id}").json["status"] == "saving", "the upload to begin")
            scene.proxy.arm(LOST, COMMIT[scene.kind])
        yield data[2000:]

    if nth == 1:
        scene.proxy.arm(LOST, COMMIT[scene.kind])
    answer = upload(glance, image_id, chunks(), len(data))

    assert scene.proxy.fault is LOST
    assert answer.status == 204, answer.text
    shown = glance.request("GET", f"/v2/images/{image_id}").json
    assert (shown["status"], shown["size"], shown["os_hash_value"]) == ("active", len(data), hashlib.sha512(data).hexdigest())
    with scene.engine.connect() as connection:
        assert len(connection.execute(select(image_locations).where(image_locations.c.image_id == image_id)).all()) == 1
    report(f"R25 {scene.kind}: upload whose answer to its {nth}. COMMIT was lost: {answer.status}, one location")


def count_images(scene: Scene) -> int:
    with scene.engine.connect() as connection:
        return len(connection.execute(select(images.c.id)).all())


def count_members(scene: Scene, image_id: str) -> int:
    with scene.engine.connect() as connection:
        return len(connection.execute(select(image_members.c.id).where(image_members.c.image_id == image_id)).all())


# R26


def write_at_once(glance: Glance, writers: int) -> Counter[int]:
    """What so many are answered that change the same image, and make one each, at the same time."""
    image_id = new_image(glance)

    def write(number: int) -> tuple[int, int]:
        operations = json.dumps([{"op": "add", "path": f"/p{number}", "value": "x"}]).encode()
        made = glance.request("POST", "/v2/images", JSON, json.dumps(FORMATS).encode(), timeout=90).status
        return made, glance.request("PATCH", f"/v2/images/{image_id}", PATCH, operations, timeout=90).status

    with ThreadPoolExecutor(writers) as pool:
        answers = Counter(status for pair in pool.map(write, range(writers)) for status in pair)
    shown = glance.request("GET", f"/v2/images/{image_id}").json
    assert sum(name.startswith("p") and name[1:].isdigit() for name in shown) == answers[200]
    return answers


def test_fifty_writers_at_once_then_no_5xx(scene: Scene, report: Report) -> None:
    answers = write_at_once(scene.glance, 50)
    report(f"R26 {scene.kind}: 50 writers, answers {dict(answers)}")
    assert answers == {201: 50, 200: 50}


def test_image_that_another_session_holds_then_its_change_waits(scene: Scene, report: Report) -> None:
    image_id = new_image(scene.glance)
    with scene.engine.connect() as connection:
        connection.execute(select(images).where(images.c.id == image_id).with_for_update())
        release = threading.Timer(2, connection.rollback)
        release.start()
        begun = time.monotonic()
        answer = scene.glance.request("DELETE", f"/v2/images/{image_id}")
        release.join()
    report(f"R26 {scene.kind}: row held for 2 s by another session: {answer.status} after {time.monotonic() - begun:.1f} s")
    assert answer.status == 204


def test_sqlite_with_fifty_writers_and_a_lock_of_another_program_then_no_5xx(fresh_glance: Callable[..., Glance], report: Report) -> None:
    glance = fresh_glance(services=("api",), api_options={"DEFAULT": EMBEDDED})
    with contextlib.closing(sqlite3.connect(glance.database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(2, other.rollback)
        release.start()
        answers = write_at_once(glance, 50)
        release.join()
    report(f"R26 sqlite: 50 writers, the file locked for 2 s by another program, answers {dict(answers)}")
    assert answers == {201: 50, 200: 50}


# R27


def test_database_that_may_only_be_read_then_reads_work_and_writes_are_503(scene: Scene, report: Report) -> None:
    glance, image_id = scene.glance, new_image(scene.glance)
    name = scene.engine.url.database
    if scene.kind == "postgres":
        scene.server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        again = f"ALTER DATABASE {name} RESET default_transaction_read_only"
    else:
        scene.server.execute("SET GLOBAL read_only = ON")
        again = "SET GLOBAL read_only = OFF"
    scene.proxy.heal()  # for new connections

    reads = [glance.request("GET", path).status for path in ("/v2/images", f"/v2/images/{image_id}")]
    writes = [do(image_id) for _expected, do in acts(glance).values()]
    with contextlib.suppress(http.client.HTTPException):
        writes.append(upload(glance, image_id, [b"data"], 4).status)
    scene.server.execute(again)
    scene.proxy.heal()

    report(f"R27 {scene.kind}: read-only, reads {dict(Counter(reads))}, writes {dict(Counter(writes))}")
    assert set(reads) == {200}
    assert set(writes) == {503}
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
