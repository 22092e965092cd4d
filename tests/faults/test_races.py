"""R28 to R31: the same image made, filled, deleted and read at the same moment by several clients, through several worker processes."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import random
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from glance.testing.servers import Glance, wait_until
from glance.testing.wire import Answer
from tests.faults.clients import (
    BYTES,
    FORMATS,
    JSON,
    PATIENCE,
    Download,
    attempts,
    create,
    download,
    new_image,
    send,
    status,
    stored,
    upload,
)
from tests.faults.conftest import Report, Rounds, Scene, served
from tests.faults.places import MIB
from tests.faults.races import ON_EACH, Moment, at_once, served_on, summary, tally
from tests.swift_server import SwiftServer

SEED = 29

#: Each has a client of its own, in R28.
PROCESSES = 4

SLOW = pytest.mark.slow


@pytest.fixture(scope="module", params=["file", pytest.param("swift", marks=SLOW), pytest.param("s3", marks=SLOW)])
def several(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, swift_server: SwiftServer) -> Iterator[Scene]:
    """A service of several worker processes, with a quota, so that uploads reserve."""
    options = {"DEFAULT": {"workers": 2, "user_storage_quota": "100GB", "project_staging_quota": "100GB"}}
    with served(request.param, tmp_path_factory.mktemp("races"), swift_server, **options) as scene:
        yield scene


@pytest.fixture
def racing(several: Scene) -> Iterator[Scene]:
    """Nothing is left in its places after a test, and no attempt on record, which is what a reservation belongs to."""
    yield several
    wait_until(lambda: attempts(several.glance) == 0, "all uploads to end", PATIENCE)
    assert several.place.held() == []
    assert staged(several.glance) == []


def staged(glance: Glance) -> list[str]:
    return [path.name for path in glance.staging.iterdir()] if glance.staging.exists() else []


def erase(glance: Glance, image_id: str) -> int:
    return glance.request("DELETE", f"/v2/images/{image_id}").status


def some_data(numbers: random.Random, scene: Scene) -> bytes:
    """Mostly of a size that stores keep in one part, sometimes of one that they keep in several."""
    return numbers.randbytes(scene.place.size if numbers.random() < 0.1 else numbers.randrange(1, MIB))


# R28


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("database", ON_EACH)
def test_images_of_one_id_when_made_at_once_then_one_is(
    request: pytest.FixtureRequest, tmp_path: Path, report: Report, rounds: Rounds, database: str
) -> None:
    count = rounds(25, 100)
    with served_on(request, tmp_path, database, PROCESSES) as glance:

        def race(_numbers: random.Random) -> str:
            image_id = str(uuid.uuid4())
            made = json.dumps({**FORMATS, "id": image_id}).encode()
            calls = [
                lambda: glance.request("POST", "/v2/images", JSON, made, timeout=PATIENCE).status,
                lambda: create(glance, image_id, [b"data"], 4).status,
            ]
            answers = at_once(*calls * (PROCESSES // 2))
            assert sorted(answers) == [201] + [409] * (PROCESSES - 1)
            assert erase(glance, image_id) == 204
            return f"one 201 and {PROCESSES - 1} x 409"

        outcomes = tally(race, count, SEED)
    report(f"R28 {database}: {count} ids, each asked for by {PROCESSES} clients at once of {PROCESSES} processes: {summary(outcomes)}")


# R29

Fill = Callable[[Glance, str, bytes], Answer]


def put_v1(glance: Glance, image_id: str, data: bytes) -> Answer:
    return send(glance, f"PUT /v1/images/{image_id}", (BYTES,), [data], len(data))


def put_v2(glance: Glance, image_id: str, data: bytes) -> Answer:
    return upload(glance, image_id, [data], len(data))


def stage(glance: Glance, image_id: str, data: bytes) -> Answer:
    return send(glance, f"PUT /v2/images/{image_id}/stage", (BYTES,), [data], len(data))


def kept(glance: Glance, image_id: str) -> bytes:
    """The data of an image, stored or staged; those that are stored have the digest that is on record."""
    if status(glance, image_id) == "uploading":
        return (glance.staging / image_id).read_bytes()
    found = download(glance, image_id)
    assert (found.status, found.whole) == (200, True)
    assert glance.request("GET", f"/v2/images/{image_id}").json["os_hash_value"] == hashlib.sha512(found.body).hexdigest()
    return found.body


@pytest.mark.timeout(7200)
def test_data_of_one_image_when_sent_twice_at_once_then_one_is_kept_and_the_other_refused(racing: Scene, report: Report, rounds: Rounds) -> None:
    glance, count = racing.glance, rounds(40, 1000)

    def race(numbers: random.Random) -> str:
        image_id = new_image(glance)
        fills = [numbers.choice((put_v1, put_v2, stage)) for _ in range(2)]
        data = [some_data(numbers, racing) for _ in fills]
        answers = at_once(*(partial(fill, glance, image_id, one) for fill, one in zip(fills, data, strict=True)))
        won = [answer.status < 300 for answer in answers]
        assert sorted(won) == [False, True], [answer.text for answer in answers]
        assert answers[won.index(False)].status == 409
        assert kept(glance, image_id) == data[won.index(True)]
        assert erase(glance, image_id) == 204
        return f"{fills[won.index(True)].__name__} before {fills[won.index(False)].__name__}"

    outcomes = tally(race, count, SEED)
    report(f"R29 {racing.place.driver}: {count} pairs, one kept, the other 409; mixed objects 0, leftovers 0 ({summary(outcomes)})")


# R30


def post_v1(glance: Glance, image_id: str, moment: Moment, length: int) -> Answer:
    return create(glance, image_id, moment.chunks(), length)


def fill_v1(glance: Glance, image_id: str, moment: Moment, length: int) -> Answer:
    return send(glance, f"PUT /v1/images/{image_id}", (BYTES,), moment.chunks(), length)


def fill_v2(glance: Glance, image_id: str, moment: Moment, length: int) -> Answer:
    return upload(glance, image_id, moment.chunks(), length)


def fill_stage(glance: Glance, image_id: str, moment: Moment, length: int) -> Answer:
    return send(glance, f"PUT /v2/images/{image_id}/stage", (BYTES,), moment.chunks(), length)


#: What an upload may be answered whose image is deleted: it was done before; it was too late; the image was gone before it began. Administrators
#: see deleted images: version 1 says that they cannot be changed, and both say that there is a conflict where it happened after the first look.
ENDS = {
    post_v1: {201, 412, 409},
    fill_v1: {200, 412, 403, 409},
    fill_v2: {204, 410, 404, 409},
    fill_stage: {204, 410, 404, 409},
}


@pytest.mark.timeout(7200)
def test_image_when_deleted_while_it_is_uploaded_then_the_upload_says_so_and_nothing_stays(racing: Scene, report: Report, rounds: Rounds) -> None:
    glance, count = racing.glance, rounds(60, 1000)

    def race(numbers: random.Random) -> str:
        fill, data = numbers.choice(list(ENDS)), some_data(numbers, racing)
        image_id = str(uuid.uuid4()) if fill is post_v1 else new_image(glance)
        moment = Moment(data, numbers.randrange(2 * len(data)))  # as often while bytes flow as in the moment after the last one
        with ThreadPoolExecutor(1) as thread:
            filling = thread.submit(fill, glance, image_id, moment, len(data))
            moment.wait()
            wait_until(lambda: glance.request("GET", f"/v2/images/{image_id}").status == 200, "the image to be made", PATIENCE)
            assert erase(glance, image_id) == 204
            answer = filling.result().status
        assert answer in ENDS[fill], fill.__name__
        assert download(glance, image_id).status == 404
        return f"{fill.__name__} {answer}"

    outcomes = tally(race, count, SEED)
    wait_until(lambda: attempts(glance) == 0, "all uploads to end", PATIENCE)
    left = sum(len(names) for names in (racing.place.held(), staged(glance)))
    report(f"R30 {racing.place.driver}: {count} images deleted while uploaded: things left {left}, reservations 0 ({summary(outcomes)})")
    assert left == 0


# R31

#: More than connections hold on their way, so that a download goes on after the delete; to an object store there are several.
LARGE = {"file": 8 * MIB, "swift": 24 * MIB, "s3": 24 * MIB}


@dataclass
class Reader:
    """A client that stops in the middle of a download until the image is deleted; one that stops at the first byte may ask at any moment."""

    glance: Glance
    path: str
    at: int
    begun: threading.Event = field(default_factory=threading.Event)
    deleted: threading.Event = field(default_factory=threading.Event)

    def read(self) -> Download:
        connection = http.client.HTTPConnection(self.glance.api_host, self.glance.api_port, timeout=PATIENCE)
        body = b""
        with contextlib.closing(connection), contextlib.ExitStack() as ended:
            ended.callback(self.begun.set)
            connection.connect()
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            if self.at == 0:
                self.begun.set()
            connection.request("GET", self.path)
            answer = connection.getresponse()
            try:
                if self.at:
                    body = answer.read(self.at)
                    self.begun.set()
                    self.deleted.wait(PATIENCE)
                return Download(answer.status, body + answer.read(), whole=True)
            except http.client.IncompleteRead as error:
                return Download(answer.status, body + error.partial, whole=False)


@pytest.mark.timeout(7200)
def test_image_when_deleted_while_it_is_downloaded_then_whole_or_visibly_cut_and_nobody_gets_it_afterwards(
    racing: Scene, report: Report, rounds: Rounds
) -> None:
    glance, count = racing.glance, rounds(20, 1000)
    data = random.Random(SEED).randbytes(LARGE[racing.place.driver])

    def race(numbers: random.Random) -> str:
        image_id, path = stored(glance, data), numbers.choice(("/v1/images/{}", "/v2/images/{}/file"))
        reader = Reader(glance, path.format(image_id), max(0, numbers.randrange(-len(data) // 4, len(data))))
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(reader.read)
            reader.begun.wait(PATIENCE)
            answers = erase(glance, image_id), download(glance, image_id, path).status
            reader.deleted.set()
            found = reading.result()
        assert answers == (204, 404)
        if found.status == 404:
            assert reader.at == 0
            return "404"
        assert found.status == 200
        assert found.body == data if found.whole else data.startswith(found.body)
        return "whole" if found.whole else "visibly cut"

    outcomes = tally(race, count, SEED)
    report(f"R31 {racing.place.driver}: {count} images deleted while downloaded: {summary(outcomes)}; begun after the delete 0")
