"""The options of the file store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from oslo_config.cfg import ConfigOpts

from glance import errors
from glance.config import filesystem, programs
from glance.store.drivers.file import DataDirectory, FileStoreSettings

MIB = 1 << 20
NFS = {"id": "nfs", "mountpoint": "/srv/nfs"}


def load(tmp_path: Path, group: str, *lines: str) -> ConfigOpts:
    path = tmp_path / "glance-api.conf"
    path.write_text("\n".join([f"[{group}]", *lines]))
    path.chmod(0o640)
    return programs.load(programs.API, [str(path)]).conf


def read(tmp_path: Path, *lines: str) -> FileStoreSettings:
    return filesystem.read(load(tmp_path, "glance_store", *lines).glance_store)


def test_read_when_nothing_is_set_then_the_classic_defaults_and_no_bounds(tmp_path: Path) -> None:
    settings = read(tmp_path)

    assert settings == FileStoreSettings(Path("/var/lib/glance/images"))
    assert settings.directories == (DataDirectory(Path("/var/lib/glance/images")),)


@pytest.mark.parametrize("group", ["DEFAULT", "glance_store"])
def test_read_when_all_is_set_then_so_are_the_settings(tmp_path: Path, group: str) -> None:
    described = tmp_path / "share.json"
    described.write_text(json.dumps(NFS))
    lines = [
        "filesystem_store_datadirs = /srv/nfs/images:10",
        "filesystem_store_datadirs = /srv/local/",
        "filesystem_store_datadirs = /srv/other : 20",
        "filesystem_store_file_perm = 600",
        "filesystem_store_reserved_space = 512",
        "filesystem_store_require_mount = True",
        "filesystem_store_timeout = 2.5",
        "filesystem_store_thread_pool_size = 4",
        "filesystem_store_threadpool_threshold = 50",
        f"filesystem_store_metadata_file = {described}",
        "filesystem_store_chunk_size = 4096",
        "filesystem_thin_provisioning = True",
    ]
    settings = filesystem.read(load(tmp_path, group, *lines).glance_store)

    nfs, local, other = DataDirectory(Path("/srv/nfs/images"), 10), DataDirectory(Path("/srv/local")), DataDirectory(Path("/srv/other"), 20)
    assert settings == FileStoreSettings(
        datadir=other.path,
        file_perm=0o600,
        datadirs=(nfs, local, other),
        reserved=512 * MIB,
        require_mount=True,
        timeout=2.5,
        threads=4,
        hung_share=0.5,
        metadata=(NFS,),
        chunk_size=4096,
        thin=True,
    )
    assert settings.directories == (other, nfs, local)


def test_elsewhere_then_is_one_directory_without_demands_on_its_mount(tmp_path: Path) -> None:
    settings = read(tmp_path, "filesystem_store_datadirs = /srv/one", "filesystem_store_require_mount = True", "filesystem_store_file_perm = 600")

    assert settings.elsewhere(Path("/srv/staging")) == FileStoreSettings(Path("/srv/staging"), file_perm=0o600)


@pytest.mark.parametrize(
    ("text", "reserve"),
    [("0", (0, 0)), ("100", (100 * MIB, 0)), ("0.5", (MIB // 2, 0)), ("5%", (0, 0.05)), (" 2.5 % ", (0, 0.025)), ("0%", (0, 0))],
)
def test_reserved_space_then_is_mebibytes_or_a_share(tmp_path: Path, text: str, reserve: tuple[int, float]) -> None:
    settings = read(tmp_path, f"filesystem_store_reserved_space = {text}")

    assert (settings.reserved, settings.reserved_share) == pytest.approx(reserve)


@pytest.mark.parametrize("content", [NFS, [NFS], [NFS, {"id": "other", "mountpoint": "/srv/other", "type": "nfs"}]])
def test_metadata_file_then_describes_one_share_or_several(tmp_path: Path, content: object) -> None:
    path = tmp_path / "shares.json"
    path.write_text(json.dumps(content))

    settings = read(tmp_path, f"filesystem_store_metadata_file = {path}")

    assert list(settings.metadata) == (content if isinstance(content, list) else [content])


@pytest.mark.parametrize("content", ["", "{", "1", "{}", "[1]", '{"id": "x"}', '{"id": "", "mountpoint": "/x"}', '{"id": 1, "mountpoint": "/x"}'])
def test_metadata_file_when_it_holds_something_else_then_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "shares.json"
    path.write_text(content)

    with pytest.raises(errors.StoreMisconfigured, match="filesystem_store_metadata_file"):
        read(tmp_path, f"filesystem_store_metadata_file = {path}")


@pytest.mark.parametrize(
    ("lines", "named"),
    [
        (["filesystem_store_datadirs = /srv/one", "filesystem_store_datadir = /srv/two"], "exclude each other"),
        (["filesystem_store_datadirs = /srv/one:first"], "/srv/one:first"),
        (["filesystem_store_datadirs = /srv/one:-1"], "/srv/one:-1"),
        (["filesystem_store_datadirs = :5"], ":5"),
        (["filesystem_store_datadirs = /srv/one:5", "filesystem_store_datadirs = /srv/two/../one/"], "twice"),
        (["filesystem_store_file_perm = rw"], "octal"),
        (["filesystem_store_file_perm = 240"], "owner"),
        (["filesystem_store_file_perm = 4640"], "owner"),
        (["filesystem_store_file_perm = -640"], "owner"),
        (["filesystem_store_reserved_space = much"], "much"),
        (["filesystem_store_reserved_space = -1"], "-1"),
        (["filesystem_store_reserved_space = 100%"], "100%"),
        (["filesystem_store_reserved_space = inf"], "inf"),
        (["filesystem_store_reserved_space = nan"], "nan"),
        (["filesystem_store_metadata_file = /no/such/file"], "No such file"),
    ],
)
def test_read_when_an_option_is_wrong_then_refused_and_named(tmp_path: Path, lines: list[str], named: str) -> None:
    with pytest.raises(errors.StoreMisconfigured, match=named):
        read(tmp_path, *lines)


def test_metadata_file_when_everybody_may_write_it_then_refused(tmp_path: Path) -> None:
    path = tmp_path / "share.json"
    path.write_text(json.dumps(NFS))
    path.chmod(0o666)

    with pytest.raises(errors.StoreMisconfigured, match="may be written by everybody"):
        read(tmp_path, f"filesystem_store_metadata_file = {path}")
