"""R15: clients that go away at a random byte, by FIN and by RST: no data, no record and no descriptor stays."""

from __future__ import annotations

import contextlib
import random
import socket
import sqlite3
import struct
from concurrent.futures import ThreadPoolExecutor

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import request_bytes
from tests.faults.clients import BYTES, PATIENCE, V1, attempts, descriptors, download, new_image, stored
from tests.faults.conftest import Report, Rounds, Scene

#: Clients at the same time.
CLIENTS = 8

#: Where clients give up is the same in every run.
SEED = 15


def leave(connection: socket.socket, *, rst: bool) -> None:
    """Ends the connection for good."""
    if rst:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    else:
        with contextlib.suppress(OSError):  # the server was faster
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass


def interrupted_upload(glance: Glance, numbers: random.Random, data: bytes) -> None:
    """An upload of version 1 or 2 that ends before its last byte, maybe within its head."""
    if numbers.random() < 0.5:
        line, headers = f"PUT /v2/images/{new_image(glance)}/file HTTP/1.1", [BYTES]
    else:
        line, headers = "POST /v1/images HTTP/1.1", [BYTES, *V1]
    if numbers.random() < 0.5:
        request = request_bytes(line, *headers, f"Content-Length: {len(data)}", body=data)
    else:
        chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (data[: len(data) // 2], data[len(data) // 2 :])]
        request = request_bytes(line, *headers, "Transfer-Encoding: chunked", body=b"".join(chunks))
    with glance.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(request[: numbers.randrange(len(request))])
        leave(connection, rst=numbers.random() < 0.5)


def interrupted_download(glance: Glance, numbers: random.Random, image_id: str, size: int) -> None:
    """A download that its client ends after some bytes of the answer."""
    with glance.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        connection.sendall(request_bytes(f"GET /v2/images/{image_id}/file HTTP/1.1"))
        left = numbers.randrange(size)
        while left > 0 and (part := connection.recv(min(left, 65536))):
            left -= len(part)
        if numbers.random() < 0.5:
            leave(connection, rst=True)


def statuses(glance: Glance) -> set[str]:
    """Of all images that are there."""
    with contextlib.closing(sqlite3.connect(glance.database)) as database:
        return {status for (status,) in database.execute("SELECT DISTINCT status FROM images WHERE deleted = 0")}


def interrupt(scene: Scene, seed: int, count: int) -> None:
    """That many uploads and downloads that their clients give up, several at a time."""
    glance, numbers = scene.glance, random.Random(seed)
    data = numbers.randbytes(256 * 1024 if scene.place.driver == "file" else scene.place.size)
    whole = stored(glance, data)
    with ThreadPoolExecutor(CLIENTS) as threads:
        uploads = [threads.submit(interrupted_upload, glance, random.Random(numbers.random()), data) for _ in range(count)]
        downloads = [threads.submit(interrupted_download, glance, random.Random(numbers.random()), whole, len(data)) for _ in range(count)]
    for one in (*uploads, *downloads):
        one.result()
    wait_until(lambda: attempts(glance) == 0, "all uploads to end", PATIENCE)
    assert download(glance, whole).body == data
    assert glance.request("DELETE", f"/v2/images/{whole}").status == 204


SLOW = pytest.mark.slow


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("shared", ["file", pytest.param("swift", marks=SLOW), pytest.param("s3", marks=SLOW)], indirect=True)
def test_clients_that_go_away_at_a_random_byte_then_nothing_stays(scene: Scene, report: Report, rounds: Rounds) -> None:
    glance, kept, count = scene.glance, scene.place.held(), rounds(60, 1000)
    interrupt(scene, seed=1, count=2 * CLIENTS)  # after these all is open that stays open for other requests
    before = descriptors(glance)
    # The S3 client keeps connections for what comes next: no more than were in use at a time.
    more = 3 * CLIENTS if scene.place.driver == "s3" else 0

    interrupt(scene, SEED, count)

    wait_until(lambda: descriptors(glance) <= before + more, "the descriptors to be closed", PATIENCE)
    assert scene.place.held() == kept
    assert statuses(glance) <= {"queued", "killed"}
    delta = descriptors(glance) - before
    report(f"R15 {scene.place.driver}: {count} uploads and {count} downloads given up (seed {SEED}): leftovers 0, descriptors {delta:+}")
