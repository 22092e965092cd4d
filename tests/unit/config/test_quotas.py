"""Quotas as operators write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, quotas
from glance.model.quotas import EqualQuotas, Quotas


@pytest.fixture(params=[programs.API, programs.REGISTRY])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], EqualQuotas | None]:
    """What each program reads in a configuration of these lines."""

    def read(lines: str) -> EqualQuotas | None:
        path = tmp_path / "glance.conf"
        path.write_text(f"[DEFAULT]\n{lines}\n")
        path.chmod(0o640)
        return quotas.make(programs.load(request.param, ["--config-file", str(path)]).conf)

    return read


def test_read_when_nothing_is_set_then_there_is_no_quota(read: Callable[[str], EqualQuotas | None]) -> None:
    assert read("") is None
    assert read("user_storage_quota = 0\nproject_staging_quota = 0 GB\nproject_image_quota = -1\nproject_upload_quota = -1") is None


def test_read_when_each_is_set_then_each_counts(read: Callable[[str], EqualQuotas | None]) -> None:
    found = read("user_storage_quota = 2TB\nproject_staging_quota = 3\nproject_image_quota = 0\nproject_upload_quota = 5")

    assert found == EqualQuotas(Quotas(images=0, uploading=5, stored=2 * 1024**4, staged=3))


@pytest.mark.parametrize(("text", "size"), [("5", 5), ("5B", 5), ("5KB", 5120), ("5 mb", 5 * 1024**2), ("5Gb", 5 * 1024**3), (" 1TB ", 1024**4)])
def test_size_then_may_have_a_unit(read: Callable[[str], EqualQuotas | None], text: str, size: int) -> None:
    assert read(f"user_storage_quota = {text}\nproject_image_quota = 1") == EqualQuotas(Quotas(images=1, stored=size))


@pytest.mark.parametrize("text", ["-1", "1.5GB", "5XB", "GB", "5 GB extra", "1e3", "9" * 16, "٣"])
def test_size_when_it_is_none_then_the_start_fails(read: Callable[[str], EqualQuotas | None], text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="user_storage_quota"):
        read(f"user_storage_quota = {text}")


IGNORED = "use_keystone_limits is on: keystone says what projects may take, and these options are ignored: "
ELSEWHERE = "glance-registry keeps the quotas of projects: these options count in its configuration only: "


@pytest.mark.parametrize(
    ("program", "lines", "expected"),
    [
        (programs.REGISTRY, "user_storage_quota = 5\nuse_keystone_limits = false", []),
        (programs.REGISTRY, "use_keystone_limits = true", []),
        (programs.REGISTRY, "project_image_quota = 5\nuse_keystone_limits = true", [f"{IGNORED}project_image_quota."]),
        (programs.API, "", []),
        (programs.API, "registry_mode = embedded\nproject_image_quota = 5", []),
        (programs.API, "registry_mode = embedded\nproject_image_quota = 5\nuse_keystone_limits = true", [f"{IGNORED}project_image_quota."]),
        (programs.API, "project_image_quota = 5\nuse_keystone_limits = true", [f"{ELSEWHERE}project_image_quota, use_keystone_limits."]),
    ],
)
def test_quotas_when_they_stand_where_they_do_not_count_then_the_log_tells(program: str, lines: str, expected: list[str], tmp_path: Path) -> None:
    path = tmp_path / "glance.conf"
    path.write_text(f"[DEFAULT]\n{lines}\n")
    path.chmod(0o640)

    assert programs.load(program, ["--config-file", str(path)]).warnings() == expected
