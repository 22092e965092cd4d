"""Uploads whose process is killed: one process of all repairs what they left, whoever that is, and owners read why."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from glance.service.reasons import INTERRUPTED
from glance.testing.servers import Glance, Service, wait_until

Values = Mapping[str, object]

OPERATING = Path(__file__).parents[2] / "docs" / "operating.md"

#: Long enough that nobody loses it on a busy machine, short enough to wait for.
LEASE = 10
QUICK: Values = {"registry_mode": "embedded", "upload_lease_seconds": LEASE, "recovery_interval": 0.2}
#: In a namespace of its own a process neither sees those of others nor their end, as on another machine.
ELSEWHERE: Mapping[Service, Sequence[str]] = {"api": ("unshare", "-r", "--pid", "--fork", "--mount-proc", "--kill-child")}


class Site:
    """One or two nodes on one database and one directory."""

    def __init__(self, directory: Path) -> None:
        self.first = Glance(directory / "first", services=("api",), api_options={"DEFAULT": {**QUICK, "workers": 2}})
        shared = {
            "DEFAULT": {**QUICK, "workers": 1, "node_staging_uri": f"file://{self.first.staging}"},
            "database": {"connection": f"sqlite:///{self.first.database}"},
            "glance_store": {"filesystem_store_datadir": self.first.images},
        }
        self.second = Glance(directory / "second", services=("api",), api_options=shared)

    def kill(self) -> None:
        self.first.kill()
        self.second.kill()

    def worker(self, table: str) -> str:
        """Who is on record in a table of leases; "" for nobody."""
        with contextlib.closing(sqlite3.connect(self.first.database)) as connection:
            row = connection.execute(f"SELECT worker FROM {table}").fetchone()
        return str(row[0]) if row else ""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.kill()


def new(glance: Glance) -> str:
    body = json.dumps({"disk_format": "raw", "container_format": "bare"}).encode()
    answer = glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, body)
    assert answer.status == 201, answer.text
    return str(answer.json["id"])


def show(glance: Glance, image_id: str) -> dict[str, str]:
    answer = glance.request("GET", f"/v2/images/{image_id}")
    return dict(answer.json) if answer.status == 200 else {"status": str(answer.status)}


@contextlib.contextmanager
def half_sent(glance: Glance, line: str, image_id: str, headers: str = "") -> Iterator[socket.socket]:
    """An upload of which half has come."""
    head = f"{line} HTTP/1.1\r\nHost: x\r\nContent-Type: application/octet-stream\r\nContent-Length: 200000\r\n{headers}\r\n"
    with glance.connect() as connection:
        connection.sendall(head.encode() + bytes(100_000))
        wait_until(lambda: list(glance.images.glob(f".{image_id}.*")) != [] or show(glance, image_id)["status"] == "saving", "the upload")
        yield connection


def put(image_id: str) -> str:
    return f"PUT /v2/images/{image_id}/file"


def check_queued_again(glance: Glance, image_id: str, directory: Path) -> None:
    wait_until(lambda: show(glance, image_id)["status"] == "queued", "the repair of the image")
    shown = show(glance, image_id)
    assert (shown["os_glance_failure_status"], shown["os_glance_failure_reason"]) == ("saving", INTERRUPTED)
    assert shown["os_glance_failure_request_id"].startswith("req-")
    assert list(directory.iterdir()) == []
    sent = glance.request("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, b"again")
    assert sent.status == 204
    assert not [name for name in show(glance, image_id) if "failure" in name]


def test_upload_when_its_worker_is_killed_then_queued_with_a_reason(site: Site) -> None:
    site.first.add_options("api", {"DEFAULT": {"upload_lease_seconds": 3600}})
    site.first.start()
    image_id = new(site.first)
    with half_sent(site.first, put(image_id), image_id):
        os.kill(int(site.worker("image_uploads").split("/")[-2]), signal.SIGKILL)
    check_queued_again(site.first, image_id, site.first.images)


def test_upload_of_version_1_when_its_worker_is_killed_then_killed_with_a_reason(site: Site) -> None:
    site.first.start()
    image_id = str(uuid.uuid4())
    headers = f"x-image-meta-id: {image_id}\r\nx-image-meta-disk_format: raw\r\nx-image-meta-container_format: bare\r\n"
    with half_sent(site.first, "POST /v1/images", image_id, headers):
        os.kill(int(site.worker("image_uploads").split("/")[-2]), signal.SIGKILL)
    wait_until(lambda: show(site.first, image_id)["status"] == "killed", "the repair of the image")
    assert show(site.first, image_id)["os_glance_failure_reason"] == INTERRUPTED
    assert list(site.first.images.iterdir()) == []


def test_recovery_when_there_are_two_nodes_then_one_does_it(site: Site) -> None:
    site.first.start()
    wait_until(lambda: site.worker("duties") != "", "the first node to recover")
    holder = site.worker("duties")
    site.second.start(ELSEWHERE)
    image_id = new(site.second)
    with half_sent(site.second, put(image_id), image_id):
        site.second.kill()
    check_queued_again(site.first, image_id, site.first.images)
    assert site.worker("duties") == holder
    logs = [path.read_text() for one in (site.first, site.second) for path in (one.directory / "log").glob("api.log")]
    assert [log.count("had died") for log in logs] == [1, 0]


def test_recovery_when_the_node_that_does_it_dies_then_the_other_one_does(site: Site) -> None:
    site.first.start()
    wait_until(lambda: site.worker("duties") != "", "the first node to recover")
    holder = site.worker("duties")
    site.second.start(ELSEWHERE)
    image_id = new(site.first)
    with half_sent(site.first, put(image_id), image_id):
        site.first.kill()
    check_queued_again(site.second, image_id, site.first.images)
    assert site.worker("duties") not in {"", holder}


def test_recovery_when_the_one_that_does_it_is_frozen_then_another_one_does_and_it_stops(site: Site) -> None:
    site.first.add_options("api", {"DEFAULT": {"workers": 0}})
    site.first.start()
    wait_until(lambda: site.worker("duties") != "", "the first node to recover")
    holder = site.worker("duties")
    site.second.start(ELSEWHERE)
    os.kill(site.first.pid("api"), signal.SIGSTOP)
    try:
        wait_until(lambda: site.worker("duties") not in {"", holder}, "the other node to take over")
    finally:
        os.kill(site.first.pid("api"), signal.SIGCONT)
    successor = site.worker("duties")
    image_id = new(site.first)
    with half_sent(site.first, put(image_id), image_id):
        site.first.kill()
    check_queued_again(site.second, image_id, site.first.images)
    assert site.worker("duties") == successor


def copy(source: Path, target: Path) -> None:
    """A copy of a database, which may be in use."""
    with contextlib.closing(sqlite3.connect(source)) as read, contextlib.closing(sqlite3.connect(target)) as written:
        read.backup(written)


def put_back(glance: Glance, database: Path) -> None:
    """Another database in the place of that of a service which does not run."""
    for side in ("-wal", "-shm"):
        glance.database.with_name(glance.database.name + side).unlink(missing_ok=True)
    shutil.copyfile(database, glance.database)


def test_upload_that_ended_after_the_database_was_copied_when_the_copy_is_put_back_then_its_data_stay(site: Site) -> None:
    glance, (before, after) = site.first, (site.first.directory / name for name in ("before.sqlite", "after.sqlite"))
    glance.start()
    image_id = new(glance)
    with half_sent(glance, put(image_id), image_id) as connection:
        copy(glance.database, before)
        connection.sendall(bytes(100_000))
        assert connection.recv(64).startswith(b"HTTP/1.1 204")
    glance.stop()
    copy(glance.database, after)

    with contextlib.closing(sqlite3.connect(before)) as database, database:
        [statement] = re.findall(r"^ +(UPDATE image_uploads .*);$", OPERATING.read_text(), re.MULTILINE)
        assert database.execute(statement).rowcount == 1
    put_back(glance, before)
    glance.start()
    wait_until(lambda: show(glance, image_id)["status"] == "queued", "recovery")
    glance.stop()

    put_back(glance, after)
    glance.start()
    assert glance.request("GET", f"/v2/images/{image_id}/file").body == bytes(200_000)
