"""R22: the registry, another process, is down, frozen, slow, restarted, of another release, or answers nonsense. Callers are told to come again,
in time; uploads under way finish or leave nothing; glance-api lives, and works again by itself.

Without ``--long`` a part of the faults is tried.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer, parse_all, request_bytes
from tests.faults.clients import BYTES, FORMATS, JSON, PATIENCE, V1, download, new_image, stored, upload
from tests.faults.conftest import Report, Rounds
from tests.faults.proxy import BUSY, ERROR, GARBAGE, REFUSED, SILENT, TRUNCATED, Fault, Proxy, answering

#: Seconds that glance-api waits for an answer of the registry.
TIMEOUT = 3

PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
DATA = os.urandom(300_000)

SLOW = Fault("0.1 s late", delay=0.1)
FAULTS = (
    answering("another release: unknown paths", "404 Not Found", "Content-Type: text/html", body=b"<h1>404 Not Found</h1>"),
    GARBAGE,
    REFUSED,
    SILENT,
    ERROR,
    BUSY,
    TRUNCATED,
    answering("another release: versions", "300 Multiple Choices", "Content-Type: application/json", body=b'{"versions": []}'),
    answering("another release: other words", "200 OK", "Content-Type: application/json", body=b'{"image": {"uuid": 7}, "images": [{}]}'),
    answering("another secret", "401 Unauthorized", "Content-Type: text/plain", body=b"no"),
    Fault("reset of answers", reset_down=0),
    Fault("+10 s", delay=10),
)
Accident = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True)
class Pair:
    """glance-api, its registry, and the proxy between the two."""

    api: Glance
    registry: Glance
    proxy: Proxy


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("pair")
    with ExitStack() as ended:
        registry = Glance(directory / "registry", services=("registry",), registry_options={"DEFAULT": {"workers": 0}})
        proxy = ended.enter_context(Proxy(registry.registry_port))
        options = {
            "workers": 0,
            "registry_port": proxy.port,
            "registry_shared_secret": registry.registry_secret,
            "registry_client_timeout": TIMEOUT,
            "upload_lease_seconds": 3600,  # nobody loses one on a busy machine
        }
        api = Glance(directory / "api", services=("api",), api_options={"DEFAULT": options})
        registry.add_options("registry", {"DEFAULT": {"upload_lease_seconds": 3600}})
        ended.enter_context(registry)
        ended.enter_context(api)
        yield Pair(api, registry, proxy)


def calls(api: Glance, image_id: str) -> list[Callable[[], Answer]]:
    """What needs the registry; ``image_id`` is an image with data."""
    document = json.dumps(FORMATS).encode()
    ask = partial(partial, api.request, timeout=PATIENCE)
    return [
        ask("GET", "/v2/images"),
        ask("GET", f"/v2/images/{image_id}"),
        ask("GET", f"/v2/images/{image_id}/file"),
        ask("GET", "/v1/images/detail"),
        ask("GET", f"/v1/images/{image_id}"),
        ask("POST", "/v2/images", JSON, document),
        ask("PATCH", f"/v2/images/{image_id}", PATCH, b'[{"op": "add", "path": "/name", "value": "other"}]'),
        ask("PUT", f"/v2/images/{image_id}/tags/t"),
        ask("GET", f"/v2/images/{image_id}/members"),
        ask("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, DATA),
        ask("POST", "/v1/images", dict(line.split(": ") for line in (BYTES, *V1)), DATA),
    ]


@dataclass
class Told:
    """What callers were answered while something was wrong, after how many seconds at most, and after how many it was over for them."""

    answers: Counter[int]
    slowest: float = 0.0
    recovered: float = 0.0


def check_refused(api: Glance, image_id: str, told: Told) -> None:
    """Each call is answered 503 in time, all at once; the service itself is alive, and says that it is not ready."""
    wanted = calls(api, image_id)
    began = time.monotonic()
    with ThreadPoolExecutor(len(wanted)) as threads:
        answers = list(threads.map(lambda call: call(), wanted))
    told.slowest = max(told.slowest, time.monotonic() - began)
    told.answers.update(answer.status for answer in answers)
    for answer in answers:
        assert (answer.status, answer.header("Retry-After")) == (503, "5"), answer.text
        assert "registry does not answer" in answer.text
    assert api.request("GET", "/livez").status == 200
    assert api.request("GET", "/healthcheck").status == 200
    wait_until(lambda: api.request("GET", "/readyz").status == 503, "the service to say that it is not ready")


def check_works(api: Glance, image_id: str, told: Told) -> None:
    """All is well again, without a restart."""
    began = time.monotonic()
    wait_until(lambda: api.request("GET", "/readyz").status == 200, "the service to be ready")
    told.recovered = max(told.recovered, time.monotonic() - began)
    assert download(api, image_id).body == DATA
    other = stored(api, DATA)
    assert api.request("DELETE", f"/v2/images/{other}").status == 204


@contextmanager
def harmed(pair: Pair, fault: Fault) -> Iterator[None]:
    pair.proxy.fault = fault
    try:
        yield
    finally:
        pair.proxy.heal()


@contextmanager
def frozen(pair: Pair) -> Iterator[None]:
    os.kill(pair.registry.pid("registry"), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pair.registry.pid("registry"), signal.SIGCONT)


@contextmanager
def down(pair: Pair) -> Iterator[None]:
    pair.registry.kill()
    try:
        yield
    finally:
        pair.registry.start()


def test_registry_that_fails_then_503_in_time_and_the_api_lives(pair: Pair, report: Report, rounds: Rounds) -> None:
    accidents: list[Accident] = [partial(frozen, pair), *(partial(harmed, pair, fault) for fault in FAULTS), partial(down, pair)]
    accidents = accidents[: rounds(3, len(accidents))]
    pid, told = pair.api.pid("api"), Told(Counter())
    image_id = stored(pair.api, DATA)
    for accident in accidents:
        with accident():
            check_refused(pair.api, image_id, told)
        check_works(pair.api, image_id, told)
    assert pair.api.pid("api") == pid
    assert pair.api.exit_code("api") is None
    report(
        f"R22 registry harmed: in {len(accidents)} ways, answers {dict(told.answers)}, slowest {told.slowest:.1f} s "
        f"(time-out {TIMEOUT} s), ready again after {told.recovered:.1f} s"
    )


def test_registry_that_is_slow_then_all_is_answered(pair: Pair, report: Report) -> None:
    with harmed(pair, SLOW):
        began = time.monotonic()
        image_id = stored(pair.api, DATA)
        assert download(pair.api, image_id).body == DATA
        assert pair.api.request("DELETE", f"/v2/images/{image_id}").status == 204
        seconds = time.monotonic() - began
    report(f"R22 registry slow: {SLOW.name}, an upload, a download and a delete in {seconds:.1f} s")


@contextmanager
def half_sent(api: Glance, image_ids: Sequence[str]) -> Iterator[list[socket.socket]]:
    """Uploads of which half has come."""
    with ExitStack() as ended:
        connections = []
        for image_id in image_ids:
            connection = ended.enter_context(api.connect(PATIENCE))
            head = request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", f"Content-Length: {len(DATA)}", BYTES, "Connection: close")
            connection.sendall(head + DATA[:100_000])
            connections.append(connection)
        wait_until(lambda: len(list(api.images.glob(".*"))) == len(image_ids), "the uploads to begin")
        yield connections


def finish(connection: socket.socket) -> Answer:
    """The rest of an upload."""
    connection.sendall(DATA[100_000:])
    received = b""
    while part := connection.recv(65536):
        received += part
    [answer] = parse_all(received)
    return answer


def test_uploads_under_way_when_the_registry_fails_then_they_leave_nothing(pair: Pair, report: Report, rounds: Rounds) -> None:
    api = pair.api
    accidents: list[Accident] = [partial(down, pair), *(partial(harmed, pair, fault) for fault in FAULTS), partial(frozen, pair)]
    answers: dict[str, int] = {}
    for accident in accidents[: rounds(1, len(accidents))]:
        image_id = new_image(api)
        with half_sent(api, [image_id]) as [connection], accident():
            answers[image_id] = finish(connection).status
    assert set(answers.values()) <= {204, 410, 503}

    def standing() -> dict[str, str]:
        return {image_id: api.request("GET", f"/v2/images/{image_id}").json["status"] for image_id in answers}

    api.restart()  # who recovers knows then that the attempts have ended
    wait_until(lambda: set(standing().values()) <= {"active", "queued"}, "recovery", PATIENCE)
    found = standing()
    for image_id, status in answers.items():
        assert (found[image_id] == "active") or status != 204
        if found[image_id] == "active":
            assert hashlib.sha256(download(api, image_id).body).digest() == hashlib.sha256(DATA).digest()
        else:
            assert api.request("GET", f"/v2/images/{image_id}").json["os_glance_failure_reason"]
            assert upload(api, image_id, [DATA], len(DATA)).status == 204
    held = {path.name for path in api.images.iterdir()}
    assert held >= set(answers)
    for image_id in answers:
        assert api.request("DELETE", f"/v2/images/{image_id}").status == 204
    assert {path.name for path in api.images.iterdir()} == held - set(answers)
    report(
        f"R22 uploads under way: {len(answers)} while the registry failed, answers {dict(Counter(answers.values()))}, "
        f"afterwards {dict(Counter(found.values()))}, leftovers 0"
    )


def test_uploads_under_way_when_the_registry_restarts_then_they_finish(pair: Pair, report: Report, rounds: Rounds) -> None:
    api, restarts, answers = pair.api, rounds(1, 20), Counter[int]()
    for _ in range(restarts):
        image_ids = [new_image(api) for _ in range(4)]
        with half_sent(api, image_ids) as connections:
            pair.registry.restart()
            with ThreadPoolExecutor(len(connections)) as threads:
                answers.update(answer.status for answer in threads.map(finish, connections))
        for image_id in image_ids:
            assert download(api, image_id).body == DATA
            assert api.request("DELETE", f"/v2/images/{image_id}").status == 204
    report(f"R22 registry restarted: {restarts} times, each with 4 uploads under way, answers {dict(answers)}")
    assert set(answers) == {204}
