"""Stores as the options name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config.cfg import ConfigOpts

from glance import errors
from glance.config import programs, stores
from glance.context import unauthenticated
from glance.store.stores import StoreSet


def load(tmp_path: Path, *lines: str) -> ConfigOpts:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join(["[DEFAULT]", f"filesystem_store_datadir = {tmp_path}/images", *lines]))
    path.chmod(0o640)
    return programs.load(programs.API, [str(path)]).conf


def make(tmp_path: Path, *lines: str) -> StoreSet:
    return stores.make(load(tmp_path, *lines))


def test_make_when_classes_of_old_releases_are_named_then_finds_today_s_drivers(tmp_path: Path) -> None:
    named = "stores = glance.store.filesystem.Store, glance.store.http.Store, glance.store.rbd.Store, glance.store.sheepdog.Store"

    made = make(tmp_path, "[glance_store]", named)

    assert (made.names, made.default) == (("file", "http"), "file")


def test_check_then_makes_the_directory_private_and_none_for_staging(tmp_path: Path) -> None:
    stores.check(make(tmp_path))

    assert (tmp_path / "images").stat().st_mode & 0o007 == 0
    assert not (tmp_path / "staging").exists()


@pytest.mark.parametrize(
    ("lines", "directory"), [([], "staging"), (["node_staging_uri = file://{}/elsewhere/"], "elsewhere")], ids=["default", "set"]
)
def test_staging_store_then_keeps_files_where_the_options_say_and_no_client_finds_it(tmp_path: Path, lines: list[str], directory: str) -> None:
    made = make(tmp_path, *(line.format(tmp_path) for line in lines), "filesystem_store_file_perm = 600")

    location = made.staging.add(unauthenticated(), "one", [b"data"], 4)

    file = tmp_path / directory / "one"
    assert (location.url, made.of(location), file.read_bytes()) == (f"file://{file}", made.staging, b"data")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o750)
    assert made.names == ("file", "http")
    with pytest.raises(errors.StoreUnknown):
        made.choose(made.staging.name)


@pytest.mark.parametrize(
    ("line", "methods"),
    [
        ("", ("glance-direct", "web-download", "copy-image")),
        ("enabled_import_methods = [web-download, glance-direct]", ("web-download", "glance-direct")),
        ("enabled_import_methods = glance-download,glance-download", ("glance-download",)),
        ("enabled_import_methods = [ glance-direct ]", ("glance-direct",)),
        ("enabled_import_methods = []", ()),
        ("enabled_import_methods =", ()),
    ],
)
def test_import_methods_with_brackets_or_without_then_are_those(tmp_path: Path, line: str, methods: tuple[str, ...]) -> None:
    assert stores.read_import_methods(load(tmp_path, line)) == methods


def test_import_methods_when_one_is_unknown_then_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="'teleport'"):
        stores.read_import_methods(load(tmp_path, "enabled_import_methods = [glance-direct,teleport]"))


@pytest.mark.parametrize(
    "lines",
    [
        ["default_store = tape"],
        ["[glance_store]", "stores = rbd"],
        ["[glance_store]", "filesystem_store_file_perm = rw"],
        ["allowed_source_ports = 80, http"],
        ["allowed_source_ports = 80-65536"],
        ["allowed_source_ports = 90-80"],
        ["allowed_source_ports = 0"],
        ["node_staging_uri = /var/lib/glance/staging"],
        ["node_staging_uri = http://host/staging"],
        ["node_staging_uri = file://host/staging"],
        ["node_staging_uri = file://"],
        ["filesystem_store_datadir = /srv/staging/"],
    ],
)
def test_make_when_options_are_wrong_then_ends_with_exit_3(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(errors.StoreMisconfigured) as raised:
        make(tmp_path, *lines)
    assert raised.value.exit_status == 3


def test_stage_when_the_directory_cannot_be_made_then_unavailable_and_the_log_names_the_option(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "staging").write_text("a file")

    with pytest.raises(errors.StoreUnavailable):
        make(tmp_path).staging.add(unauthenticated(), "one", [b"data"], 4)

    assert "node_staging_uri" in caplog.text


def test_check_when_the_directory_cannot_be_made_then_ends_with_exit_3(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")

    with pytest.raises(errors.StoreMisconfigured):
        stores.check(make(tmp_path))
