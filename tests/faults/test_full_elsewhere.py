"""R09: the disk of the database, of the log, or of staged data is full. What is read goes on, what is written fails clean or is written, and a log
that cannot be written fails nothing.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from tests.faults.clients import BYTES, FORMATS, JSON, PATIENCE, download, new_image, send, status, stored, upload
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.namespaces import needs_namespaces, seen_by, with_tmpfs

MIB = 1 << 20
DATA = os.urandom(300_000)
PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}

#: How large the file system is where each of these lies.
SIZES = {"database": "8m", "log": "1m", "staging": "16m"}


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Glance]:
    """A service with little room for all but its images."""
    needs_namespaces()
    directory = tmp_path_factory.mktemp("cramped")
    options = {
        "DEFAULT": {**EMBEDDED, "upload_lease_seconds": 3, "recovery_interval": 0.5},
        "database": {"connection": f"sqlite:///{directory}/database/glance.sqlite"},
    }
    glance = Glance(directory, services=("api",), api_options=options)
    prefix: list[str] = []
    for name, size in SIZES.items():
        (directory / name).mkdir(exist_ok=True)
        prefix += with_tmpfs(directory / name, size)
    try:
        glance.start({"api": prefix})
        yield glance
    finally:
        glance.kill()


@contextmanager
def full(glance: Glance, name: str) -> Iterator[None]:
    """Not a byte is left in that file system."""
    ballast = seen_by(glance, glance.directory / name) / "ballast"
    fill(ballast)
    try:
        yield
    finally:
        ballast.unlink()


def fill(path: Path) -> None:
    with path.open("ab", buffering=0) as file:
        for size in (65536, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
        with pytest.raises(OSError, match="No space left") as refused:
            file.write(b"x")
    assert refused.value.errno == errno.ENOSPC


def read(glance: Glance, image_id: str) -> list[int]:
    """Answers to all that only reads; ``image_id`` has DATA."""
    paths = ("/v2/images", f"/v2/images/{image_id}", f"/v2/images/{image_id}/members", "/v1/images/detail", f"/v1/images/{image_id}", "/readyz")
    answers = [glance.request("GET", path).status for path in paths]
    found = download(glance, image_id)
    return [*answers, found.status if found.body == DATA else 0]


def grow(glance: Glance) -> int:
    """Asks for images with long properties until the database has no room for another one; returns that answer."""
    document = json.dumps({**FORMATS, **{f"p{number}": "x" * 60_000 for number in range(5)}}).encode()
    for _ in range(100):
        answer = glance.request("POST", "/v2/images", JSON, document)
        if answer.status != 201:
            assert (answer.header("Retry-After"), "image database" in answer.text) == ("5", True), answer.text
            return answer.status
    return 201


def test_disk_of_the_database_when_it_is_full_then_reads_go_on_and_writes_are_503(cramped: Glance, report: Report, rounds: Rounds) -> None:
    glance, image_id, queued, under_way = cramped, stored(cramped, DATA), new_image(cramped), new_image(cramped)

    def chunks() -> Iterator[bytes]:
        yield DATA[:200_000]
        wait_until(lambda: status(glance, under_way) == "saving", "the upload to begin")
        fill(ballast)
        refused.append(grow(glance))
        yield DATA[200_000:]

    ballast, refused = seen_by(glance, glance.directory / "database") / "ballast", list[int]()
    writes = Counter({upload(glance, under_way, chunks(), len(DATA)).status: 1})
    reads: Counter[int] = Counter()
    for _ in range(rounds(3, 100)):
        reads.update(read(glance, image_id))
        writes[upload(glance, queued, [DATA], len(DATA)).status] += 1
        writes[glance.request("PATCH", f"/v2/images/{image_id}", PATCH, b'[{"op": "add", "path": "/name", "value": "n"}]').status] += 1
        writes[glance.request("DELETE", f"/v2/images/{queued}").status] += 1
    assert glance.exit_code("api") is None
    ballast.unlink()

    report(f"R09 disk of the database full: reads {dict(reads)}, writes {dict(writes)}")
    assert refused == [503]
    assert set(reads) == {200}
    assert set(writes) <= {200, 204, 404, 409, 410, 503}
    assert writes[503]
    wait_until(lambda: status(glance, under_way) in {"queued", "active"}, "recovery", PATIENCE)
    if status(glance, under_way) == "queued":
        assert upload(glance, under_way, [DATA], len(DATA)).status == 204
    assert download(glance, under_way).body == DATA
    assert {path.name for path in glance.images.iterdir()} == {image_id, under_way}
    for one in (image_id, under_way):
        assert glance.request("DELETE", f"/v2/images/{one}").status == 204


def test_disk_of_the_log_when_it_is_full_then_no_request_fails(cramped: Glance, report: Report, rounds: Rounds) -> None:
    glance, log = cramped, seen_by(cramped, cramped.directory / "log") / "api.log"
    answers: Counter[int] = Counter()
    gone = stored(glance, DATA)  # every download of it makes a line in the log
    (glance.images / gone).unlink()
    with full(glance, "log"):
        before = log.stat().st_size
        for _ in range(rounds(5, 200)):
            image_id = stored(glance, DATA)
            answers.update(read(glance, image_id))
            answers[download(glance, gone).status] += 1
            assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
        assert log.stat().st_size - before < 4096  # what was left of its last block
    assert glance.request("GET", "/v2/images/seen-again").status == 404
    wait_until(lambda: "seen-again" in log.read_text(errors="replace"), "the log to go on")
    assert set(answers) == {200, 404}
    assert glance.request("DELETE", f"/v2/images/{gone}").status == 204
    report(f"R09 disk of the log full: answers {dict(answers)}, failing requests 0; the log goes on once there is room")


@pytest.mark.parametrize("length", [100 * MIB, None], ids=["announced", "chunked"])
def test_disk_of_staged_data_when_it_is_full_then_413_and_all_else_goes_on(cramped: Glance, report: Report, length: int | None) -> None:
    glance, image_id, staged = cramped, stored(cramped, DATA), new_image(cramped)
    staging = seen_by(glance, glance.staging)
    answer = send(glance, f"PUT /v2/images/{staged}/stage", (BYTES,), [bytes(MIB)] * 100, length)

    assert (answer.status, "no room left" in answer.text) == (413, True), answer.text
    assert (status(glance, staged), list(staging.iterdir())) == ("queued", [])
    assert set(read(glance, image_id)) == {200}
    assert upload(glance, staged, [DATA], len(DATA)).status == 204
    for one in (image_id, staged):
        assert glance.request("DELETE", f"/v2/images/{one}").status == 204
    report(
        f"R09 disk of staged data full, {'announced' if length else 'chunked'}: 100 MiB where 16 are: {answer.status}, leftovers 0, failing reads 0"
    )
