"""R47: database and store are out of step in twelve ways, and glance-manage check tells all of them. R48: one of the two is that of yesterday."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from swiftclient.client import Connection

from glance.testing.servers import Glance, program
from tests.faults.clients import BYTES, add_copy, age, download, marked, new_image, send, stored
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.places import MIB, InFiles, InS3, InSwift, Place, place_of
from tests.swift_server import SwiftServer

LONG_AGO, FAR_AHEAD = "2011-02-03 04:05:06.000000", "2111-02-03 04:05:06.000000"
TWELVE = (
    "missing",
    "orphan",
    "wrong-size",
    "wrong-store",
    "moved",
    "duplicate",
    "foreign",
    "newer",
    "temporary",
    "quarantined",
    "tombstone",
    "case",
)


@dataclass(frozen=True)
class Site:
    """A service that keeps its images in ``place``, as its store "first", and has room for second copies in its store "spare"."""

    glance: Glance
    place: Place
    server: SwiftServer

    def put(self, name: str, data: bytes) -> None:
        """Something that the service did not put there."""
        match self.place:
            case InSwift(container=container):
                with contextlib.closing(Connection(self.server.auth_url, self.server.user, self.server.key)) as client:
                    client.put_object(container, name, data)
            case InS3(bucket=bucket):
                self._s3().put_object(Bucket=bucket, Key=name, Body=data)
            case _:
                (self.glance.directory / "first" / name).write_bytes(data)

    def put_partial(self) -> None:
        """What an upload leaves that does not end."""
        image_id = str(uuid.uuid4())
        match self.place:
            case InSwift():
                self.put(f"{image_id}-0123abcd-00001", b"segment")
            case InS3(bucket=bucket):
                self._s3().create_multipart_upload(Bucket=bucket, Key=image_id)
            case _:
                self.put(f".{image_id}.0123456789abcdef", b"half")

    def _s3(self) -> Any:
        keys = {"aws_access_key_id": self.server.user, "aws_secret_access_key": self.server.key}
        return boto3.client("s3", endpoint_url=self.server.url, region_name=self.server.region, **keys)

    def sql(self, statement: str, *values: object) -> None:
        with contextlib.closing(sqlite3.connect(self.glance.database, timeout=30)) as database, database:
            database.execute(statement, values)

    def state(self) -> tuple[list[str], dict[str, bytes | None], list[str]]:
        """All that is on record and in the stores; leases of the service that runs aside."""
        with contextlib.closing(sqlite3.connect(self.glance.database, timeout=30)) as database:
            rows = [line for line in database.iterdump() if '"duties"' not in line]
        data = {name: self.place.read(name) for name in self.place.held() if not isinstance(self.place, InS3) or self.place.read(name) is not None}
        return rows, data, sorted(self.place.held()) + InFiles(self.glance.directory / "spare").held()


@dataclass(frozen=True)
class Result:
    status: int
    findings: list[dict[str, str]]
    summary: dict[str, int]

    @property
    def kinds(self) -> Counter[str]:
        return Counter(finding["kind"] for finding in self.findings)

    def of(self, outcome: str) -> set[str]:
        return {finding["kind"] for finding in self.findings if finding["outcome"] == outcome}


def typed(glance: Glance, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [program("glance-manage"), "--config-file", str(glance.conf("api")), "check", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def check(glance: Glance, *arguments: str) -> Result:
    done = typed(glance, "--json", *arguments)
    assert "Traceback" not in done.stderr, done.stderr
    *findings, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert last["exit_status"] == done.returncode
    return Result(done.returncode, findings, last["summary"])


@pytest.fixture(params=["file", "swift", "s3"])
def site(request: pytest.FixtureRequest, tmp_path: Path, swift_server: SwiftServer) -> Iterator[Site]:
    """With files the registry is another process."""
    driver: str = request.param
    with ExitStack() as ended:
        alone = driver != "file"
        options = {"DEFAULT": EMBEDDED} if alone else {"DEFAULT": {"workers": "0"}}
        glance = Glance(tmp_path, services=("api",) if alone else ("registry", "api"), api_options=options)
        place: Place = place_of(driver, swift_server) if alone else InFiles(tmp_path / "first")
        ended.callback(place.close)
        here = place.options(swift_server.url) if alone else {"filesystem_store_datadir": str(tmp_path / "first")}
        sections = {"first": here, "spare": {"filesystem_store_datadir": str(tmp_path / "spare")}}
        glance.add_options("api", {"DEFAULT": {"enabled_backends": f"first:{driver}, spare:file"}, "glance_store": {"default_backend": "first"}})
        glance.add_options("api", sections)
        ended.enter_context(glance)
        yield Site(glance, place, swift_server)


def put_out_of_step(site: Site) -> dict[str, bytes]:
    """In twelve ways, one for each of as many images or things. Returns the images that must come out whole, with their data."""
    glance, place = site.glance, site.place
    site.put(str(uuid.uuid4()), b"of no image")
    site.put("README", b"not of this service")
    site.put_partial()
    names = ("missing", "wrong size", "wrong store", "moved", "duplicate", "newer", "quarantined", "case", "fine")
    images = {name: os.urandom(10_000) for name in names}
    ids = {name: stored(glance, data) for name, data in images.items()}
    buried = stored(glance, b"buried")
    for name in ("missing", "wrong size"):
        add_copy(glance, ids[name], images[name], "spare")

    for name in ("missing", "moved", "case"):
        age(glance, ids[name])  # what was stored a moment ago may appear yet
    place.erase(ids["missing"])
    place.change(ids["wrong size"], lambda data: data[:-1])
    site.put(ids["case"].upper(), images["case"])
    place.erase(ids["case"])
    of = "WHERE image_id = ?"
    site.sql(f"UPDATE image_locations SET store = 'former' {of}", ids["wrong store"])
    site.sql(f"UPDATE image_locations SET value = replace(value, '/' || image_id, '-former/' || image_id) {of}", ids["moved"])
    site.sql(
        "INSERT INTO image_locations (image_id, value, meta_data, store, created_at, updated_at, deleted)"
        f" SELECT image_id, value, meta_data, store, created_at, updated_at, 0 FROM image_locations {of}",
        ids["duplicate"],
    )
    site.sql(f"UPDATE image_locations SET updated_at = ? {of}", LONG_AGO, ids["newer"])
    site.sql(f"UPDATE image_locations SET damaged = 1 {of}", ids["quarantined"])
    site.sql("UPDATE images SET deleted = 1, status = 'deleted' WHERE id = ?", buried)
    site.sql(f"UPDATE image_locations SET deleted = 1, status = 'deleted' {of}", buried)
    site.sql("UPDATE images SET updated_at = ? WHERE id = ?", FAR_AHEAD, ids["fine"])  # newer than all things in the stores
    return {ids[name]: data for name, data in images.items()}


def test_check_when_database_and_store_differ_in_twelve_ways_then_tells_all_and_repairs_on_request(site: Site, report: Report) -> None:
    glance, driver = site.glance, site.place.driver
    images = put_out_of_step(site)
    before = site.state()

    dry = check(glance)
    assert (dry.kinds, dry.of("found"), dry.status) == (Counter(TWELVE), set(TWELVE), 1)
    assert site.state() == before

    careful = check(glance, "--repair")
    young = {"orphan", "temporary", "tombstone", "foreign"}
    assert (careful.kinds, careful.of("left"), careful.status) == (Counter(TWELVE), young, 1)
    assert set(before[2]) - set(site.state()[2]) == set()
    for image_id, data in images.items():
        assert download(glance, image_id).body == data
        assert not any(marked(glance, image_id))

    eager = check(glance, "--repair", "--grace", "0", "--read-data")
    assert (eager.of("repaired"), eager.of("left"), eager.status) == ({"orphan", "temporary", "tombstone"}, {"foreign", "case"}, 1)
    for image_id in images:
        assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    site.place.erase("README")
    for name in site.place.held():
        site.place.erase(name)
    assert check(glance).status == 0
    report(f"R47 {driver}: found {len(dry.kinds)} / 12, a dry run changed nothing; repaired {12 - len(young)}, and 3 more once older than the grace")


@pytest.fixture
def glance(tmp_path: Path) -> Iterator[Glance]:
    """With the stores "file" and "spare"."""
    glance = Glance(tmp_path, services=("api",), api_options={"DEFAULT": {**EMBEDDED, "enabled_backends": "file:file, spare:file"}})
    directories = {"file": glance.images, "spare": tmp_path / "spare"}
    glance.add_options("api", {name: {"filesystem_store_datadir": str(path)} for name, path in directories.items()})
    glance.add_options("api", {"glance_store": {"default_backend": "file"}})
    with glance:
        yield glance


def test_check_when_it_cannot_look_then_says_so_and_nothing_counts_as_missing(glance: Glance, report: Report) -> None:
    image_id = stored(glance, b"data")
    away = glance.directory / "away"
    glance.images.rename(away)
    glance.images.write_text("no directory")
    unmounted = typed(glance)
    away.rename(glance.images.with_name("kept"))
    glance.images.unlink()
    glance.images.with_name("kept").rename(glance.images)
    unknown, senseless = typed(glance, "--store", "nowhere"), typed(glance, "--rate", "0")
    glance.add_options("api", {"DEFAULT": {"registry_mode": "http"}})
    without_registry = typed(glance, "--repair")

    assert [done.returncode for done in (unmounted, unknown, senseless, without_registry)] == [2, 2, 2, 2]
    assert "missing" not in unmounted.stdout
    assert download(glance, image_id).body == b"data"
    report("R47 file: exit status 2 without directory, without registry, for an unknown store and for a senseless option")


def test_check_when_bytes_have_turned_then_only_reading_the_data_tells_and_a_good_copy_mends(glance: Glance, report: Report) -> None:
    data = os.urandom(300_000)
    image_id, alone = stored(glance, data), stored(glance, data)
    add_copy(glance, image_id, data, "spare")
    for name in (image_id, alone):
        path = glance.images / name
        times = path.stat()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert check(glance).status == 0
    found = check(glance, "--read-data", "--rate", "1000", "--store", "file")
    assert (found.kinds, found.status, found.summary["read"]) == ({"wrong-data": 2}, 1, 4 * len(data))  # each is read again before it counts
    mended = check(glance, "--read-data", "--rate", "1000", "--repair")
    assert {(one["image_id"], one["outcome"]) for one in mended.findings} == {(image_id, "repaired"), (alone, "left")}
    assert (marked(glance, image_id), marked(glance, alone)) == ([False, False], [True])
    assert (glance.images / image_id).read_bytes() == data
    assert check(glance, "--read-data", "--rate", "1000").kinds == {"quarantined": 1}
    report("R47 file: bytes turned in 2 copies: 2 found by --read-data; 1 stored again from its good copy, 1 without any is marked, and stays")


def test_check_when_database_or_store_is_that_of_before_then_tells_and_erases_nothing(glance: Glance, report: Report) -> None:
    backup, before, after = glance.directory / "backup.sqlite", stored(glance, b"before"), ""
    with contextlib.closing(sqlite3.connect(glance.database)) as source, contextlib.closing(sqlite3.connect(backup)) as copy:
        source.backup(copy)
    after = stored(glance, b"after")
    glance.stop()
    newer = glance.directory / "newer.sqlite"
    with contextlib.closing(sqlite3.connect(glance.database)) as source, contextlib.closing(sqlite3.connect(newer)) as copy:
        source.backup(copy)

    restore(glance, backup)
    young, old = check(glance, "--repair"), check(glance, "--repair", "--grace", "0")
    assert [(result.kinds, result.of("left"), result.status) for result in (young, old)] == [({"orphan": 1}, {"orphan"}, 1)] * 2
    assert "Is this an older copy of the database?" in old.findings[0]["detail"]
    assert sorted(path.name for path in glance.images.iterdir()) == sorted([before, after])

    restore(glance, newer)
    (glance.images / after).rename(glance.directory / "kept")
    lost = check(glance, "--repair", "--grace", "0")
    assert (lost.kinds, lost.of("left"), lost.status) == ({"missing": 1}, {"missing"}, 1)
    (glance.directory / "kept").rename(glance.images / after)
    back = check(glance, "--repair", "--grace", "0")
    assert (back.kinds, back.of("repaired"), back.status) == ({"quarantined": 1}, {"quarantined"}, 0)
    assert check(glance).status == 0
    glance.start()
    assert [download(glance, image_id).body for image_id in (before, after)] == [b"before", b"after"]
    report("R48 file/SQLite: database of before the last image: 1 orphan told, wrongly erased 0, also without grace; store of before: 1 missing told")


def restore(glance: Glance, copy: Path) -> None:
    """Puts another database in the place of that of a service which does not run."""
    for side in ("", "-wal", "-shm"):
        glance.database.with_name(glance.database.name + side).unlink(missing_ok=True)
    shutil.copyfile(copy, glance.database)


def test_check_when_the_service_is_busy_then_all_agrees_and_nothing_live_is_erased(glance: Glance, report: Report, rounds: Rounds) -> None:
    checks, ended = rounds(2, 100), threading.Event()
    kept = {stored(glance, data): data for data in (os.urandom(MIB) for _ in range(3))}

    def traffic(_number: int) -> int:
        number = 0
        while not ended.is_set():
            staged, data = new_image(glance), os.urandom(200_000)
            assert send(glance, f"PUT /v2/images/{staged}/stage", (BYTES,), [data], len(data)).status == 204
            for image_id in (stored(glance, data), staged):
                assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
            number += 2
        return number

    with ThreadPoolExecutor(3) as pool:
        running = pool.map(traffic, range(3))
        try:
            results = [check(glance, "--repair", "--grace", "0") for _ in range(checks)]
        finally:
            ended.set()
        stored_meanwhile = sum(running)

    assert [(result.findings, result.status) for result in results] == [([], 0)] * checks
    assert [download(glance, image_id).body for image_id in kept] == list(kept.values())
    report(f"R47 file: {checks} repairing checks while {stored_meanwhile} images were stored and deleted: 0 false disagreements, live data erased 0")
