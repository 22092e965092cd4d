"""How much a client may ask for, in real processes: requests in a time, and bytes of bodies that no image data are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path
from select import select
from time import monotonic, sleep

import pytest

from glance.testing.servers import PATIENCE, Glance, wait_until
from glance.testing.wire import Answer, parse_one, request_bytes
from tests.functional.memcached import Memcached

MIB = 1024 * 1024
RATE, RACING = 30, 60
LONGEST = 2048
ID = "11111111-2222-4333-8444-555555555555"
EMBEDDED = {"registry_mode": "embedded"}
DATA_TYPE = "Content-Type: application/octet-stream"
CHUNK = b"10000\r\n" + bytes(65536) + b"\r\n"


def identity(project: str) -> dict[str, str]:
    return {"X-Identity-Status": "Confirmed", "X-User-Id": "u", "X-Tenant-Id": project, "X-Roles": "member"}


@pytest.fixture(scope="module")
def glance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service of two worker processes that count together."""
    with Memcached() as memcached:
        rates = {"requests": f"{RATE}/day", "writes": "3/day", "memcached_servers": memcached.address}
        options = {"DEFAULT": {**EMBEDDED, "workers": 2}, "rate_limits": rates}
        with Glance(tmp_path_factory.mktemp("rates"), flavor="trusted-auth", services=("api",), api_options=options) as running:
            yield running


def test_requests_when_they_race_through_several_processes_then_exactly_as_many_as_the_rate_are_answered(glance: Glance) -> None:
    def ask(project: str) -> int:
        return glance.request("GET", "/v2/images", identity(project)).status

    with ThreadPoolExecutor(RACING) as pool:
        found = [Counter(pool.map(ask, repeat(project, RACING))) for project in ("racing", "räcing 2")]

    assert found == [{200: RATE, 429: RACING - RATE}] * 2
    refused = glance.request("GET", "/v1/images", identity("racing"))
    assert refused.status == 429
    assert 86000 < int(str(refused.header("Retry-After"))) <= 86400


@pytest.mark.parametrize("expects", [(), ("Expect: 100-continue",)], ids=["at once", "expecting"])
@pytest.mark.parametrize("framing", ["Transfer-Encoding: chunked", f"Content-Length: {1024 * MIB}"])
def test_upload_when_it_is_too_many_then_refused_unread_and_the_connection_ends(glance: Glance, framing: str, expects: tuple[str, ...]) -> None:
    caller = identity(f"{framing} {expects}")
    image = b'{"disk_format": "raw", "container_format": "bare"}'
    made = [glance.request("POST", "/v2/images", {**caller, "Content-Type": "application/json"}, image) for _ in range(3)]
    image_id = made[0].json["id"]
    lines = [f"{name}: {value}" for name, value in caller.items()]
    data = b"" if expects else CHUNK * 2

    received = glance.raw(request_bytes(f"PUT /v2/images/{image_id}/file HTTP/1.1", *lines, DATA_TYPE, framing, *expects, body=data, close=False))

    assert received.startswith(b"HTTP/1.1 429 ")  # and no 100 before it
    assert parse_one(received).header("Retry-After")
    assert glance.request("GET", f"/v2/images/{image_id}", caller).json["status"] == "queued"
    assert list(glance.images.glob("*")) == []


def test_rates_when_the_paste_file_has_no_filter_then_the_log_says_so(tmp_path: Path) -> None:
    glance = Glance(tmp_path / "site", services=("api",), api_options={"DEFAULT": EMBEDDED, "rate_limits": {"requests": "1/day"}})
    paste = glance.directory / "glance-api-paste.ini"
    paste.write_text(paste.read_text().replace(" ratelimit ", " "))

    with glance:
        assert [glance.request("GET", "/v2/images").status for _ in range(2)] == [200, 200]
        assert "the pipeline of the paste file has no filter ratelimit" in glance.logs()


def test_rates_when_memcached_was_restarted_then_count_again_after_one_pause(tmp_path: Path) -> None:
    with Memcached() as memcached, ThreadPoolExecutor(RACING) as pool:
        options = {"DEFAULT": {**EMBEDDED, "workers": 0}, "rate_limits": {"requests": "1/day", "memcached_servers": memcached.address}}
        with Glance(tmp_path / "site", flavor="trusted-auth", services=("api",), api_options=options) as glance:

            def ask(project: str) -> int:
                return glance.request("GET", "/v2/images", identity(project)).status

            def many_connections() -> bool:
                list(pool.map(ask, map(str, range(RACING))))
                return memcached.connections() > 15

            wait_until(many_connections, "many connections to memcached at once")
            assert ask("0") == 429
            memcached.restart()

            # The first request notices; a pause for each broken connection would take minutes.
            assert ask("0") == 200
            wait_until(lambda: ask("0") == 429, "a request that is one too many", 60)
            assert re.search(r"nobody is held back for 10 seconds: \w+Error", (glance.directory / "log/api.log").read_text())


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service that takes small documents only, and waits seconds where others wait minutes."""
    options = {**EMBEDDED, "max_json_body_size": LONGEST, "client_socket_timeout": 2}
    with Glance(tmp_path_factory.mktemp("bodies"), services=("api",), api_options={"DEFAULT": options}) as running:
        image = b'{"id": "%s", "disk_format": "raw", "container_format": "bare"}' % ID.encode()
        assert running.request("POST", "/v2/images", {"Content-Type": "application/json"}, image).status == 201
        yield running


def content_type(line: str) -> str:
    return f"Content-Type: application/{'openstack-images-v2.1-json-patch' if line.startswith('PATCH') else 'json'}"


#: Requests that take a document.
DOCUMENTS = [
    "POST /v2/images",
    f"PATCH /v2/images/{ID}",
    f"POST /v2/images/{ID}/members",
    f"PUT /v2/images/{ID}/members/P2",
    f"POST /v2/images/{ID}/locations",
    f"PUT /v1/images/{ID}/members",
    f"PUT /v1/images/{ID}/members/P2",
]
#: Requests that take no body; what comes nevertheless is refused or ignored.
BODILESS = [
    "GET /v2/images",
    f"GET /v2/images/{ID}",
    f"DELETE /v2/images/{ID[:-1]}6",
    f"GET /v2/images/{ID}/file",
    f"POST /v2/images/{ID}/actions/deactivate",
    f"PUT /v2/images/{ID}/tags/x",
    f"DELETE /v2/images/{ID}/tags/y",
    f"GET /v2/images/{ID}/members",
    f"GET /v2/images/{ID}/locations",
    "GET /v2/schemas/image",
    "GET /v2/info/usage",
    "GET /v2/openapi.json",
    "PUT /v2/images",
    "BREW /v2/nothing",
    "GET /v1/images/detail",
    f"HEAD /v1/images/{ID}",
    f"DELETE /v1/images/{ID[:-1]}6",
    f"DELETE /v1/images/{ID}/members/P3",
    "GET /v1/shared-images/P2",
    "POST /v1/images",
    f"PUT /v1/images/{ID}",
    "GET /",
    "GET /versions",
    "GET /healthcheck",
]
ROUTES = [*DOCUMENTS, *BODILESS]
#: How a body that never ends arrives: how its length is told, its pieces, and seconds between two of them.
ENDLESS = {
    "flood of a length": (f"Content-Length: {10**15}", bytes(4096), 0.01),
    "flood of chunks": ("Transfer-Encoding: chunked", b"1000\r\n" + bytes(4096) + b"\r\n", 0.01),
    "trickle of a length": ("Content-Length: 2000", b" ", 0.3),
    "trickle of chunks": ("Transfer-Encoding: chunked", b"1\r\n \r\n", 0.3),
}


def send_until_closed(glance: Glance, line: str, framing: str, piece: bytes, pause: float) -> bytes:
    """Goes on sending whatever is answered, which it returns. Raises TimeoutError where the server never closes the connection."""
    received = b""
    with glance.connect() as connection:
        connection.sendall(request_bytes(f"{line} HTTP/1.1", content_type(line), framing, close=False))
        end = monotonic() + 4 * PATIENCE
        try:
            while monotonic() < end:
                connection.sendall(piece)
                sleep(pause)
                if select([connection], [], [], 0)[0]:
                    received += connection.recv(65536)
        except ConnectionError:
            return received
    raise TimeoutError(f"{line} with {framing} stayed open after {received[:200]!r}")


@pytest.mark.parametrize(("framing", "piece", "pause"), ENDLESS.values(), ids=ENDLESS)
def test_body_when_it_never_ends_then_every_route_closes_the_connection(impatient: Glance, framing: str, piece: bytes, pause: float) -> None:
    before = impatient.memory()

    with ThreadPoolExecutor(len(ROUTES)) as pool:
        answers = list(pool.map(lambda line: send_until_closed(impatient, line, framing, piece, pause), ROUTES))

    assert impatient.memory() < before + 64 * MIB
    # An answer can be lost with the connection, for clients that do not stop sending.
    assert [(line, received) for line, received in zip(ROUTES, answers, strict=True) if received[:9] not in {b"", b"HTTP/1.1 "}] == []
    assert impatient.request("GET", f"/v2/images/{ID}").json["status"] == "queued"


@pytest.mark.parametrize("line", DOCUMENTS)
def test_document_when_it_is_longer_than_the_option_allows_then_413(impatient: Glance, line: str) -> None:
    def send(body: bytes, framing: str) -> Answer:
        return impatient.raw_answers(request_bytes(f"{line} HTTP/1.1", content_type(line), framing, body=body))[0]

    fits, long = b" " * LONGEST, b" " * (LONGEST + 1)
    told = f"The request body is longer than {LONGEST} bytes."

    assert told not in send(fits, f"Content-Length: {len(fits)}").text
    for refused in (send(long, f"Content-Length: {len(long)}"), send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(long), long), "Transfer-Encoding: chunked")):
        assert (refused.status, told in refused.text) == (413, True)
