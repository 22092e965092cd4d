"""The file that rows are archived in."""

from __future__ import annotations

import json
import stat
from datetime import datetime
from pathlib import Path

import pytest

from glance import errors
from glance.db.archive import Archive

ROW = {"id": "1", "name": "ö" * 100_000, "deleted_at": datetime(2012, 5, 6, 7, 8, 9, 10), "size": None}
LINE = {"table": "images", "row": {**ROW, "deleted_at": "2012-05-06T07:08:09.000010"}}


def lines(path: Path) -> list[object]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_archive_when_added_to_then_keeps_what_was_there_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    for _ in range(2):
        with Archive(path) as archive:
            archive("images", [ROW, ROW])
            archive("image_tags", [])
        path.chmod(0o644)
    with Archive(path):
        pass
    assert lines(path) == [LINE] * 4
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("whole", [0, 1, 3])
@pytest.mark.parametrize("broken", [b"", b'{"ta', json.dumps(LINE).encode()[:-1]])
def test_archive_when_its_last_line_is_broken_then_cuts_it_off(tmp_path: Path, whole: int, broken: bytes) -> None:
    path = tmp_path / "archive"
    with Archive(path) as archive:
        archive("images", [ROW] * whole)
    path.write_bytes(path.read_bytes() + broken)
    with Archive(path) as archive:
        archive("images", [ROW])
    assert lines(path) == [LINE] * (whole + 1)


def test_archive_when_the_file_is_something_else_then_leaves_it(tmp_path: Path) -> None:
    path = tmp_path / "glance.conf"
    path.write_text("[DEFAULT]\ndebug")
    with pytest.raises(errors.ConfigurationError, match="no archive"), Archive(path):
        pass
    assert path.read_text() == "[DEFAULT]\ndebug"
