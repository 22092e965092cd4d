"""Stores as the options name them."""

from __future__ import annotations

from pathlib import Path

import pytest
from oslo_config.cfg import ConfigOpts

from glance import errors
from glance.config import programs, staging, stores
from glance.context import unauthenticated
from glance.store.stores import StoreSet
from glance.testing.servers import free_ports


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


def test_make_then_makes_the_directory_private_and_none_for_staging(tmp_path: Path) -> None:
    make(tmp_path)

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
    assert staging.read_import_methods(load(tmp_path, line)) == methods


def test_import_methods_when_one_is_unknown_then_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(errors.ConfigurationError, match="'teleport'"):
        staging.read_import_methods(load(tmp_path, "enabled_import_methods = [glance-direct,teleport]"))


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


def test_make_when_the_directory_of_the_default_cannot_be_made_then_ends_with_exit_3(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file")

    with pytest.raises(errors.StoreMisconfigured, match="default store 'file' cannot be used"):
        make(tmp_path)


def test_make_when_only_the_default_store_is_set_then_it_is_one_of_the_stores(tmp_path: Path) -> None:
    made = make(tmp_path, "[glance_store]", "default_store = glance.store.memory.Store")

    assert (made.names, made.default, made.several) == (("file", "http", "memory"), "memory", False)


def test_make_when_the_list_names_stores_that_nothing_is_said_about_then_warns_and_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = make(tmp_path, "[glance_store]", "stores = s3, swift, file, rbd")

    assert made.names == ("file",)
    left_out = {record.args[0]: record.levelname for record in caplog.records if "left out" in record.message}
    assert left_out == {"s3": "WARNING", "swift": "WARNING", "rbd": "WARNING"}


def test_make_when_a_store_is_half_configured_then_an_error_names_it_and_the_cause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = make(tmp_path, "[glance_store]", "stores = s3, file", "s3_store_host = https://s3.example.org")

    assert made.names == ("file",)
    [record] = [record for record in caplog.records if "left out" in record.message]
    assert (record.levelname, "'s3'" in record.message, "s3_store_bucket" in record.message) == ("ERROR", True, True)


def test_make_when_the_directory_of_another_store_cannot_be_made_then_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "images").write_text("a file")

    made = make(tmp_path, "[glance_store]", "stores = file, memory", "default_store = memory")

    assert made.names == ("memory",)
    assert [record.levelname for record in caplog.records if "'file' cannot be used" in record.message] == ["ERROR"]


def test_make_when_a_store_does_not_answer_then_it_stays_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    [port] = free_ports(1)
    address = f"swift_store_auth_address = http://127.0.0.1:{port}/auth/v1.0"

    made = make(tmp_path, "[glance_store]", "default_store = swift", address, "swift_store_user = u", "swift_store_key = k")

    assert (made.names, made.default) == (("file", "http", "swift"), "swift")
    assert "The store 'swift' cannot be used at the moment. It is used as soon as it can be." in [
        record.message for record in caplog.records if record.levelname == "WARNING"
    ]


@pytest.mark.parametrize(
    ("line", "verified"),
    [("", {"file": False, "http": True, "memory": False}), ("verify_on_read = true", {"file": True, "http": True, "memory": True})],
)
def test_traits_of_single_stores_then_remote_ones_are_verified_unless_told(tmp_path: Path, line: str, verified: dict[str, bool]) -> None:
    made = make(tmp_path, "[glance_store]", "stores = file, http, memory", line)

    assert {name: made.traits(name).verify_on_read for name in made.names} == verified
    assert [made.traits(name).driver for name in made.names] == list(made.names)


@pytest.mark.parametrize("scheme", ["file", "filesystem", "s3+https", "swift+config", "ftp"])
def test_make_when_clients_may_name_schemes_of_stores_that_are_written_then_refused(tmp_path: Path, scheme: str) -> None:
    with pytest.raises(errors.StoreMisconfigured) as raised:
        make(tmp_path, f"source_schemes = http, {scheme}")
    assert raised.value.message.startswith(f"source_schemes names '{scheme}', but ")


def test_make_when_sources_are_wrong_then_refused_whether_or_not_a_store_reads_them(tmp_path: Path) -> None:
    with pytest.raises(errors.StoreMisconfigured, match="allowed_source_ports"):
        make(tmp_path, "allowed_source_ports = 0", "[glance_store]", "stores = file")
