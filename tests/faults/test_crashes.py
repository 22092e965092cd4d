"""R04 and R05: kill -9 of everything, of the registry, or of the database, at any moment under load. Whatever a client was told stays true.

Clients go on all the time, also while there is nobody to answer. With ``--long`` there are as many crashes as docs/reliability.md tells of.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from glance.db.engine import DatabaseSettings, make_engine
from glance.testing.servers import Glance, wait_until
from tests.databases import DatabaseServer, PostgresServer
from tests.faults.checker import check, report_of, settled
from tests.faults.conftest import Report, Rounds
from tests.faults.history import History
from tests.faults.places import MIB, InFiles, Place, place_of
from tests.faults.traffic import Traffic
from tests.swift_server import SwiftServer

CLIENTS = 8

#: Recovery comes soon; a lease, which counts where a process lives on that could not clean up, lasts as long as a busy machine may take.
OPTIONS = {"recovery_interval": 0.2, "upload_lease_seconds": 10}

SEED = 2026


def sizes(numbers: random.Random) -> int:
    """Some images are empty, some have a few MiB, most are small."""
    kind = numbers.random()
    if kind < 0.1:
        return 0
    return numbers.randrange(3 * MIB) if kind > 0.98 else numbers.randrange(65536)


def sizes_of_parts(numbers: random.Random) -> int:
    """The same, where parts begin with 5 MiB."""
    return 5 * MIB + numbers.randrange(MIB) if numbers.random() > 0.97 else sizes(numbers)


@dataclass
class Site:
    """A service of two programs, its place for images, and its database, which is a server or a file."""

    name: str
    glance: Glance
    place: Place
    engine: Engine
    sizes: Callable[[random.Random], int]
    database: DatabaseServer | None = None
    history: History = field(default_factory=History)

    def everything(self) -> None:
        """Dies, and is started again; so do the others."""
        self.glance.kill()
        self.the_database()
        self.glance.start()

    def the_registry(self) -> None:
        self.glance.kill_one("registry")
        self.glance.start()

    def the_database(self) -> None:
        if self.database is not None:
            self.database.kill()
            self.database.start()
            self.engine.dispose()  # its connections are those to the one before


Crash = Callable[[Site], None]


@pytest.fixture
def in_files(tmp_path: Path) -> Iterator[Site]:
    glance = Glance(tmp_path / "glance", api_options={"DEFAULT": OPTIONS}, registry_options={"DEFAULT": OPTIONS})
    engine = make_engine(DatabaseSettings(f"sqlite:///{glance.database}"))
    with glance:
        yield Site("file and SQLite", glance, InFiles(glance.images), engine, sizes)
    engine.dispose()


@pytest.fixture
def in_s3(tmp_path: Path, swift_server: SwiftServer) -> Iterator[Site]:
    with ExitStack() as ended:
        database = ended.enter_context(PostgresServer())
        engine = ended.enter_context(database.migrated())
        ended.callback(engine.dispose)
        place = place_of("s3", swift_server)
        ended.callback(place.close)
        connection = {"database": {"connection": database.url(str(engine.url.database))}}
        stores = {"glance_store": {"stores": "s3", "default_store": "s3", **place.options(swift_server.url)}}
        glance = Glance(tmp_path / "glance", api_options={"DEFAULT": OPTIONS, **stores}, registry_options={"DEFAULT": OPTIONS, **connection})
        ended.enter_context(glance)
        yield Site("S3 and PostgreSQL", glance, place, engine, sizes_of_parts, database)


def crash_under_load(site: Site, crashes: list[Crash], uploads: int) -> tuple[Traffic, float]:
    """One crash after the other, each after about so many acknowledged uploads. Returns the load, which has ended, and the seconds until the service
    was well again, at worst."""
    moments, slowest = random.Random(SEED), 0.0
    with Traffic(site.glance, site.history, site.sizes, clients=CLIENTS, seed=SEED) as traffic:
        for crash in crashes:
            traffic.await_uploads(moments.randint(1, 2 * uploads))
            time.sleep(moments.uniform(0, 0.02))  # not only just after an answer
            begun = time.monotonic()
            crash(site)
            traffic.await_success()
            slowest = max(slowest, time.monotonic() - begun)
    return traffic, slowest


def check_site(site: Site, report: Report, experiment: str, crashes: list[Crash], uploads: int) -> None:
    """Nothing that was acknowledged is lost or wrong, and nothing is left over."""
    traffic, slowest = crash_under_load(site, crashes, uploads)
    begun = time.monotonic()
    wait_until(lambda: settled(site.engine), "recovery", 300)  # the lease of who looks for it, and that of an upload
    rest = time.monotonic() - begun
    traffic.read_all()
    violations = check(site.history, site.engine, site.place)

    acknowledged, failed = site.history.acknowledged, sum(call.failed for call in site.history.calls)
    report(
        f"{experiment} {site.name}: {acknowledged['upload']} acknowledged uploads through {len(crashes)} crashes: {report_of(violations)}. "
        f"{CLIENTS} clients, {len(site.history.calls)} calls, {failed} of them answered 5xx or not at all, {acknowledged['delete']} images deleted; "
        f"well again after {slowest:.1f} s at worst, nothing left to repair {rest:.1f} s after the last crash"
    )
    if violations:
        site.history.write(site.glance.directory / "history.jsonl")
    assert violations == [], f"the calls are in {site.glance.directory}/history.jsonl, the seed is {SEED}\n" + "\n".join(map(str, violations))
    assert not Counter(call.status for call in site.history.calls)[500]


@pytest.mark.timeout(3600)
def test_everything_killed_under_load_then_nothing_acknowledged_is_lost(in_files: Site, report: Report, rounds: Rounds) -> None:
    check_site(in_files, report, "R04", [Site.everything] * rounds(3, 500), rounds(8, 20))


@pytest.mark.timeout(3600)
def test_registry_killed_under_load_then_nothing_acknowledged_is_lost(in_files: Site, report: Report, rounds: Rounds) -> None:
    check_site(in_files, report, "R05", [Site.the_registry] * rounds(2, 60), rounds(8, 17))


@pytest.mark.timeout(3600)
def test_registry_database_or_everything_killed_under_load_then_nothing_acknowledged_is_lost(in_s3: Site, report: Report, rounds: Rounds) -> None:
    check_site(in_s3, report, "R05", [Site.the_registry, Site.the_database, Site.everything] * rounds(1, 34), rounds(5, 10))
