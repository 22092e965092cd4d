"""The checker of R04 to R06 can fail: with one deliberate bug in the service it names just the invariant that the bug breaks.

The bugs are those of a store driver, and triggers in the database. Without fsync: test_power.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Engine

from glance.db.engine import DatabaseSettings, make_engine
from glance.testing.servers import Glance, wait_until
from tests.faults.careless import install
from tests.faults.checker import Violation, check, settled
from tests.faults.conftest import EMBEDDED, Report
from tests.faults.history import History
from tests.faults.places import InFiles
from tests.faults.traffic import WAYS, Client

ROOT = Path(__file__).parents[2]

#: What the database does by itself after something that the service did; each is a bug that the service could have had.
TRIGGERS = {
    "copies": """AFTER INSERT ON image_locations BEGIN
        INSERT INTO image_locations (image_id, value, store, status, owned, created_at, updated_at)
        VALUES (NEW.image_id, NEW.value, NEW.store, NEW.status, NEW.owned, NEW.created_at, NEW.updated_at); END""",
    "revives": """AFTER UPDATE OF status ON images WHEN NEW.status = 'deleted' BEGIN
        UPDATE images SET status = 'active', deleted = 0, deleted_at = NULL WHERE id = NEW.id; END""",
    "undoes": """AFTER INSERT ON image_locations BEGIN UPDATE images SET status = 'queued' WHERE id = NEW.image_id; END""",
}

#: The bug and what the checker must say of it, and nothing else.
DRIVER_BUGS = {"forgets": "lost", "cuts": "false active", "garbles": "torn", "keeps": "orphan"}
DATABASE_BUGS = {"copies": "doubled", "revives": "resurrected", "undoes": "lost"}


@dataclass
class Careless:
    """A service whose bug can be chosen while it runs. Its images have ids of their own in each test."""

    glance: Glance
    engine: Engine
    numbers: random.Random = field(default_factory=lambda: random.Random(1))

    @property
    def place(self) -> InFiles:
        return InFiles(self.glance.images)

    def has(self, bug: str) -> None:
        (self.glance.directory / "bug").write_text(bug)

    @contextlib.contextmanager
    def triggering(self, bug: str) -> Iterator[None]:
        self.execute(f"CREATE TRIGGER bug {TRIGGERS[bug]}")
        try:
            yield
        finally:
            self.execute("DROP TRIGGER bug")

    def execute(self, statement: str, *values: object) -> None:
        with contextlib.closing(sqlite3.connect(self.glance.database, timeout=30)) as database, database:
            database.execute(statement, values)

    def violations(self, history: History) -> list[Violation]:
        """What the checker says of the images in that history."""
        return [one for one in check(history, self.engine, self.place) if one.image_id in history.pasts()]

    def expire_leases(self) -> None:
        """As if they had ended just now."""
        self.execute("UPDATE image_uploads SET expires_at = strftime('%Y-%m-%d %H:%M:%f000', 'now')")

    def recovers(self) -> bool:
        self.expire_leases()
        return settled(self.engine)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Careless]:
    installed = tmp_path_factory.mktemp("installed")
    install(installed)
    glance = Glance(tmp_path_factory.mktemp("careless"), services=("api",), api_options={"DEFAULT": {**EMBEDDED, "recovery_interval": 0.1}})
    options = {"careless_directory": glance.images, "careless_bug_file": glance.directory / "bug", "verify_on_read": False}
    glance.add_options("api", {"glance_store": {"stores": "careless", "default_store": "careless", **options}})
    careless = Careless(glance, make_engine(DatabaseSettings(f"sqlite:///{glance.database}")))
    careless.has("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, (installed, ROOT))))
        with glance:
            yield careless
    careless.engine.dispose()


@pytest.fixture
def careless(shared: Careless) -> Iterator[Careless]:
    """Without a bug before and after."""
    yield shared
    shared.has("")


@pytest.fixture
def history() -> History:
    return History()


def use(careless: Careless, history: History) -> None:
    """One image of each way is stored and read, another one stored and removed."""
    client = Client(careless.glance, history, careless.numbers, lambda _numbers: 1000)
    client.store(WAYS[0])
    client.remove()
    client.read_removed()
    for way in WAYS:
        client.store(way)
    client.rename()
    client.read_all()


def check_seen(report: Report, bug: str, found: list[Violation], wrong: str) -> None:
    report(f"R04 control, a service that {bug}: the checker names {sorted({f'{one.invariant} {one.wrong}' for one in found})}")
    assert {one.wrong for one in found} == {wrong}, found


def test_service_without_a_bug_then_the_checker_finds_nothing(careless: Careless, history: History) -> None:
    use(careless, history)
    assert careless.violations(history) == []
    assert history.acknowledged == {"create": 2, "upload": 4, "download": 3, "patch": 1, "delete": 1}


@pytest.mark.parametrize("bug", DRIVER_BUGS)
def test_driver_with_a_bug_then_the_checker_names_its_invariant(careless: Careless, history: History, report: Report, bug: str) -> None:
    careless.has(bug)
    use(careless, history)
    check_seen(report, bug, careless.violations(history), DRIVER_BUGS[bug])


@pytest.mark.parametrize("bug", DATABASE_BUGS)
def test_database_with_a_bug_then_the_checker_names_its_invariant(careless: Careless, history: History, report: Report, bug: str) -> None:
    with careless.triggering(bug):
        use(careless, history)
    check_seen(report, bug, careless.violations(history), DATABASE_BUGS[bug])


def test_attempt_that_nobody_can_end_then_the_checker_says_stuck(careless: Careless, history: History, report: Report) -> None:
    careless.has("leaves")
    use(careless, history)
    careless.expire_leases()
    log = careless.glance.directory / "log" / "api.log"
    wait_until(lambda: "cannot be erased yet" in log.read_text(), "recovery to try")
    check_seen(report, "leaves", careless.violations(history), "stuck")
    careless.has("")
    wait_until(careless.recovers, "recovery")
    assert careless.violations(history) == []


def replace_data(careless: Careless, history: History) -> None:
    """Other data for each image, and a row that agrees."""
    for image_id in history.pasts():
        if (data := careless.place.read(image_id)) is not None:
            careless.place.change(image_id, lambda data: data[::-1])
            careless.execute("UPDATE images SET os_hash_value = ? WHERE id = ?", hashlib.sha512(data[::-1]).hexdigest(), image_id)


def leave_a_file(careless: Careless, history: History) -> None:
    image_id = next(iter(history.pasts()))  # the one that was removed
    (careless.glance.images / image_id).write_bytes(b"")


#: What others may do behind the service, or a service that mixes its images up.
BEHIND: dict[str, tuple[Callable[[Careless, History], None], str]] = {
    "replaces data": (replace_data, "changed"),
    "leaves a file": (leave_a_file, "orphan"),
}


@pytest.mark.parametrize("bug", BEHIND)
def test_data_that_change_behind_the_service_then_the_checker_names_the_invariant(
    careless: Careless, history: History, report: Report, bug: str
) -> None:
    use(careless, history)
    change, wrong = BEHIND[bug]
    change(careless, history)
    check_seen(report, bug, careless.violations(history), wrong)
