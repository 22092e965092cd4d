"""R06: the power fails under load; whatever was acknowledged has lasted. R07: the same while files are not synchronized must lose data, or R06 could
not see a loss.

How the power fails is told in tests/faults/power.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from glance.db.engine import DatabaseSettings, make_engine
from glance.testing.servers import Glance, wait_until
from tests.faults.checker import Violation, check, report_of, settled
from tests.faults.conftest import EMBEDDED, Report, Rounds
from tests.faults.history import History
from tests.faults.places import InFiles
from tests.faults.power import Disk, traced
from tests.faults.traffic import Traffic

#: What the file store calls, what SQLite calls, and both.
UNSYNCHRONIZED = ("fsync", "fdatasync", "fsync,fdatasync")


def sizes(numbers: random.Random) -> int:
    return numbers.choice((0, numbers.randrange(20_000), numbers.randrange(200_000)))


def lose_power(directory: Path, losses: int, uploads: int, without: str = "") -> tuple[int, Sequence[Violation]]:
    """How many uploads were acknowledged, and what is wrong, after so many losses of power in the middle of a load."""
    history = History()
    glance = Glance(directory / "glance", services=("api",), api_options={"DEFAULT": {**EMBEDDED, "recovery_interval": 0.2}})
    engine = make_engine(DatabaseSettings(f"sqlite:///{glance.database}"))
    violations: list[Violation] = []
    try:
        for number in range(losses):
            disk, calls = Disk([glance.directory, glance.images]), directory / f"calls{number}"
            glance.start({"api": traced(calls, without)})
            with Traffic(glance, history, sizes, clients=4, seed=number) as traffic:
                traffic.await_uploads(uploads)
                glance.kill()
            disk.replay(calls)
            disk.lose_power()
            glance.start()
            wait_until(lambda: settled(engine), "recovery", 120)
            violations += check(history, engine, InFiles(glance.images))
            engine.dispose()
            glance.kill()
    finally:
        glance.kill()
    return history.acknowledged["upload"], violations


@pytest.mark.timeout(1200)
def test_power_fails_then_what_was_acknowledged_has_lasted(tmp_path: Path, report: Report, rounds: Rounds) -> None:
    losses = rounds(1, 30)
    acknowledged, violations = lose_power(tmp_path, losses, 20)
    report(f"R06 file and SQLite: {acknowledged} acknowledged uploads through {losses} losses of power: {report_of(violations)}")
    assert violations == []


@pytest.mark.timeout(600)
def test_power_fails_while_files_are_not_synchronized_then_the_checker_sees_losses(tmp_path: Path, report: Report, rounds: Rounds) -> None:
    for number, calls in enumerate(UNSYNCHRONIZED[: rounds(1, 3)]):
        (tmp_path / str(number)).mkdir()
        acknowledged, violations = lose_power(tmp_path / str(number), 1, 20, calls)
        report(f"R07 file and SQLite, without {calls}: {acknowledged} acknowledged uploads through one loss of power: {report_of(violations)}")
        assert "lost" in {one.wrong for one in violations}
