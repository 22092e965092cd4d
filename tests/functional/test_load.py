"""Large and many uploads: memory stays flat, and nobody is refused. Figures are printed; only memory is judged."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from glance.testing.servers import Glance
from glance.testing.wire import Answer, parse_one, request_bytes

MIB = 1024 * 1024
UPLOAD = ("x-image-meta-disk_format: raw", "x-image-meta-container_format: bare", "Content-Type: application/octet-stream")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def busy_glance(fresh_glance: Callable[..., Glance]) -> Iterator[Glance]:
    """A service that has served an image already: what it loads once does not count as growth."""
    glance = fresh_glance()
    for _ in range(4):
        send(glance, [b"first"], 5)
    yield glance
    for path in glance.images.iterdir():
        path.unlink()


def send(glance: Glance, blocks: list[bytes], size: int, pause: float = 0.0) -> Answer:
    """Uploads ``blocks`` with a pause after each."""
    with glance.connect(timeout=600) as connection:
        connection.sendall(request_bytes("POST /v1/images HTTP/1.1", *UPLOAD, f"Content-Length: {size}"))
        for block in blocks:
            connection.sendall(block)
            time.sleep(pause)
        received = b""
        while part := connection.recv(65536):
            received += part
    return parse_one(received)


def show(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")


def test_upload_and_download_of_4_gib_then_memory_stays_flat(busy_glance: Glance, capsys: pytest.CaptureFixture[str]) -> None:
    block, count = os.urandom(MIB), 4096
    digest = hashlib.md5()
    for _ in range(count):
        digest.update(block)
    before = busy_glance.memory()
    busy_glance.reset_peak_memory()

    started = time.monotonic()
    answer = send(busy_glance, [block] * count, count * MIB)
    uploaded = time.monotonic()

    assert (answer.status, answer.json["image"]["size"]) == (201, count * MIB)
    assert answer.json["image"]["checksum"] == digest.hexdigest()
    growth = busy_glance.peak_memory() - before
    show(capsys, f"upload of 4 GiB: {count / (uploaded - started):.0f} MiB/s, memory of all processes grew by {growth / MIB:.1f} MiB")
    assert growth < 64 * MIB

    received = download(busy_glance, answer.json["image"]["id"])
    growth = busy_glance.peak_memory() - before
    show(capsys, f"and its download: {count / (time.monotonic() - uploaded):.0f} MiB/s, grown by {growth / MIB:.1f} MiB in all")
    assert received == count * MIB
    assert growth < 64 * MIB


def download(glance: Glance, image_id: str) -> int:
    """Bytes of the body."""
    with glance.connect(timeout=600) as connection:
        connection.sendall(request_bytes(f"GET /v1/images/{image_id} HTTP/1.1"))
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        count = len(head.partition(b"\r\n\r\n")[2])
        while part := connection.recv(MIB):
            count += len(part)
    return count


def test_200_slow_uploads_at_once_then_all_succeed(busy_glance: Glance, capsys: pytest.CaptureFixture[str]) -> None:
    clients, block, count = 200, os.urandom(64 * 1024), 32
    before = busy_glance.memory()
    busy_glance.reset_peak_memory()

    with ThreadPoolExecutor(clients) as threads:
        uploads = [threads.submit(send, busy_glance, [block] * count, count * len(block), 0.25) for _ in range(clients)]
        time.sleep(2)
        lists = [timed_list(busy_glance) for _ in range(20)]
        answers = [one.result() for one in uploads]

    assert [answer.status for answer in answers] == [201] * clients
    assert {answer.json["image"]["checksum"] for answer in answers} == {hashlib.md5(block * count).hexdigest()}
    growth = busy_glance.peak_memory() - before
    show(capsys, f"{clients} slow uploads: memory grew by {growth / MIB:.1f} MiB; a list meanwhile took {sorted(lists)[10] * 1000:.0f} ms (median)")
    assert growth < 256 * MIB


def timed_list(glance: Glance) -> float:
    started = time.monotonic()
    assert glance.request("GET", "/v1/images").status == 200
    return time.monotonic() - started
