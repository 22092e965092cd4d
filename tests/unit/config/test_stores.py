"""Stores as the options name them."""

from __future__ import annotations

from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, stores
from glance.store.stores import StoreSet


def make(tmp_path: Path, *lines: str) -> StoreSet:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join(["[DEFAULT]", f"filesystem_store_datadir = {tmp_path}/images", *lines]))
    path.chmod(0o640)
    return stores.make(programs.load(programs.API, [str(path)]).conf)


def test_make_when_classes_of_old_releases_are_named_then_finds_today_s_drivers(tmp_path: Path) -> None:
    named = "stores = glance.store.filesystem.Store, glance.store.http.Store, glance.store.rbd.Store, glance.store.sheepdog.Store"

    made = make(tmp_path, "[glance_store]", named)

    assert (made.names, made.default) == (("file", "http"), "file")


def test_check_then_makes_the_directory_private(tmp_path: Path) -> None:
    stores.check(make(tmp_path))

    assert (tmp_path / "images").stat().st_mode & 0o007 == 0


@pytest.mark.parametrize(
    "lines",
    [
        ["default_store = tape"],
        ["[glance_store]", "stores = rbd"],
        ["[glance_store]", "filesystem_store_file_perm = rw"],
        ["allowed_source_ports = 80, http"],
    ],
)
def test_make_when_options_are_wrong_then_ends_with_exit_3(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(errors.StoreMisconfigured) as raised:
        make(tmp_path, *lines)
    assert raised.value.exit_status == 3


def test_check_when_the_directory_cannot_be_made_then_ends_with_exit_3(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")

    with pytest.raises(errors.StoreMisconfigured):
        stores.check(make(tmp_path))
