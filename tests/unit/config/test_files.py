"""Which files are found, and which are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from glance import errors
from glance.config import files


def test_find_when_several_places_have_a_file_then_takes_the_first_of_each_name(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place, names in ((first, ["glance.conf"]), (second, ["glance.conf", "glance-api.conf"])):
        place.mkdir()
        for name in names:
            (place / name).write_text("")

    assert files.find(["glance.conf", "glance-api.conf", "nothing.conf"], [first, second]) == [first / "glance.conf", second / "glance-api.conf"]


def test_directories_then_are_those_of_2011_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")

    home = Path("/home/somebody")
    assert files.directories() == (tmp_path, home / ".glance", home, Path("/etc/glance"), Path("/etc"))


def test_check_when_everybody_may_write_then_refuses_with_exit_78(tmp_path: Path) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_text("[DEFAULT]\n")
    path.chmod(0o666)

    with pytest.raises(errors.ConfigurationUnsafe, match="may be written by everybody") as raised:
        files.check(path)
    assert raised.value.exit_status == 78


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xef\xbb\xbf[DEFAULT]\n", "Line 1 starts with a byte order mark"),
        (b"[DEFAULT]\nlog_file = \xff\n", "Line 2 is not UTF-8"),
        (b"#" * (files.MAX_BYTES + 1), "more than"),
    ],
    ids=["mark", "latin", "huge"],
)
def test_check_when_content_is_no_configuration_then_names_the_place(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "glance-api.conf"
    path.write_bytes(content)
    path.chmod(0o640)

    with pytest.raises(errors.ConfigurationError, match=reason):
        files.check(path)


def test_readable_by_all_then_names_only_those(tmp_path: Path) -> None:
    closed, opened = tmp_path / "closed.conf", tmp_path / "opened.conf"
    for path, mode in ((closed, 0o640), (opened, 0o644)):
        path.write_text("")
        path.chmod(mode)

    assert list(files.readable_by_all([closed, opened])) == [opened]
