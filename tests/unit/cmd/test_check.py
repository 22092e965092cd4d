"""What glance-manage check takes and prints."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from glance.cmd import check
from glance.model.checks import Kind
from glance.testing.servers import program
from tests.unit.cmd.conftest import Manage

ROOT = Path(__file__).parents[3]
NOTHING = "Looked at: images 0, locations 0, things in stores 0."


@pytest.fixture
def conf(run: Manage, tmp_path: Path) -> str:
    """The file of a service that does not run, and needs no other process."""
    assert run("setup", "--dir", str(tmp_path / "site"), "--registry-mode", "embedded")[0] == 0
    return str(tmp_path / "site/glance-api.conf")


def test_words_when_given_then_read() -> None:
    chosen = check.parse(["--since", "2026-11-21T08:00:00+02:00", "--grace", "0.5", "--rate", "1.5", "--repair", "--store", "cold"])
    assert (chosen.since, chosen.grace, chosen.rate) == (datetime(2026, 11, 21, 6), timedelta(minutes=30), 1.5)
    assert (chosen.repair, chosen.read_data, chosen.store, chosen.json) == (True, False, "cold", False)
    assert check.parse([]).grace == timedelta(hours=24)


@pytest.mark.parametrize(
    "words",
    [
        ["--since", "yesterday"],
        ["--since", "0001-01-01T00:00:00+14:00"],
        ["--grace", "-1"],
        ["--rate", "0"],
        ["--rate", "nan"],
        ["--sinc", "2026-11-21"],
        ["db"],
    ],
)
def test_words_when_senseless_then_exit_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        check.parse(words)
    assert ended.value.code == check.UNCHECKED
    assert "usage: glance-manage check" in capsys.readouterr().err


def test_check_when_there_is_nothing_then_all_agrees(run: Manage, conf: str) -> None:
    assert run("--config-file", conf, "check") == (check.AGREES, f"{NOTHING} All agrees.\n", "")


def test_check_when_something_differs_then_tells_it_in_a_line_without_control_characters(run: Manage, conf: str) -> None:
    (Path(conf).parent / "images/read\nme").touch()
    status, output, _ = run("check", "--config-file", conf)
    assert (status, output.splitlines()) == (
        check.DISAGREES,
        [
            "foreign: store file, name 'read\\nme': This service gives nothing such a name.",
            "Looked at: images 0, locations 0, things in stores 1. Disagreements: 1, repaired: 0, could not be checked: 0.",
        ],
    )


def test_check_when_it_cannot_begin_then_exit_status_2(run: Manage, conf: str) -> None:
    for words in (["--config-file", f"{conf}.none", "check"], ["--config-file", conf, "check", "--store", "cold"]):
        status, output, error = run(*words)
        assert (status, output, error[:7]) == (check.UNCHECKED, "", "ERROR: ")


def test_check_when_there_is_no_database_or_not_one_that_fits_then_makes_none(run: Manage, conf: str) -> None:
    database = Path(conf).parent / "glance.sqlite"
    for side in Path(conf).parent.glob("*.sqlite*"):
        side.unlink()
    status, output, error = run("--config-file", conf, "check", "--repair")
    assert (status, output, database.exists()) == (check.UNCHECKED, "", False)
    assert "cannot be used: unable to open database file" in error.replace("(sqlite3.OperationalError) ", "")
    database.touch(mode=0o640)
    status, output, error = run("--config-file", conf, "check", "--repair")
    assert (status, output) == (check.UNCHECKED, "")
    assert "run glance-manage db_sync" in error


def test_check_when_a_directory_is_not_there_then_makes_none(run: Manage, conf: str) -> None:
    images = Path(conf).parent / "images"
    images.rmdir()
    status, output, error = run("--config-file", conf, "check")
    assert (status, output, images.exists()) == (check.UNCHECKED, "", False)
    assert f"The directory {images} does not exist" in error


def test_check_when_its_output_goes_nowhere_then_exit_status_2(run: Manage, conf: str) -> None:
    with io.TextIOWrapper(io.FileIO("/dev/full", "w"), write_through=True) as full, contextlib.redirect_stdout(full):
        assert run("--config-file", conf, "check")[0] == check.UNCHECKED


def test_check_on_a_terminal_then_draws_how_far_it_is_where_errors_go(conf: str) -> None:
    terminal, side = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as reader:
        try:
            done = subprocess.run(
                [program("glance-manage"), "--config-file", conf, "check"], stdout=subprocess.PIPE, stderr=side, text=True, timeout=60, check=True
            )
        finally:
            os.close(side)
        drawn = reader.read(65536).decode()
    assert done.stdout == f"{NOTHING} All agrees.\n"
    assert "] images 0 of 0, things in stores 0, MiB read 0, disagreements 0" in drawn


def test_table_of_kinds_then_has_a_row_for_each() -> None:
    _, _, section = (ROOT / "docs/operating.md").read_text().partition("### Compare the database with the stores\n")
    rows = re.findall(r"^\| `([a-z-]+)` \|", re.split(r"^##", section, maxsplit=1, flags=re.MULTILINE)[0], re.MULTILINE)
    assert sorted(rows) == sorted(Kind)
