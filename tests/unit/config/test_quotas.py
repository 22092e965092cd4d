"""Quotas as operators write them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from glance import errors
from glance.config import programs, quotas
from glance.model.quotas import Quotas


@pytest.fixture(params=[programs.API, programs.REGISTRY])
def read(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Quotas]:
    """What each program reads in a configuration of these lines."""

    def read(lines: str) -> Quotas:
        path = tmp_path / "glance.conf"
        path.write_text(f"[DEFAULT]\n{lines}\n")
        path.chmod(0o640)
        return quotas.read(programs.load(request.param, ["--config-file", str(path)]).conf)

    return read


def test_read_when_nothing_is_set_then_there_is_no_quota(read: Callable[[str], Quotas]) -> None:
    assert not read("").any
    assert not read("user_storage_quota = 0\nproject_staging_quota = 0 GB\nproject_image_quota = -1\nproject_upload_quota = -1").any


def test_read_when_each_is_set_then_each_counts(read: Callable[[str], Quotas]) -> None:
    found = read("user_storage_quota = 2TB\nproject_staging_quota = 3\nproject_image_quota = 0\nproject_upload_quota = 5")

    assert (found, found.any) == (Quotas(images=0, uploading=5, stored=2 * 1024**4, staged=3), True)


@pytest.mark.parametrize(("text", "size"), [("5", 5), ("5B", 5), ("5KB", 5120), ("5 mb", 5 * 1024**2), ("5Gb", 5 * 1024**3), (" 1TB ", 1024**4)])
def test_size_then_may_have_a_unit(read: Callable[[str], Quotas], text: str, size: int) -> None:
    assert read(f"user_storage_quota = {text}").stored == size


@pytest.mark.parametrize("text", ["-1", "1.5GB", "5XB", "GB", "5 GB extra", "1e3", "9" * 16, "٣"])
def test_size_when_it_is_none_then_the_start_fails(read: Callable[[str], Quotas], text: str) -> None:
    with pytest.raises(errors.ConfigurationError, match="user_storage_quota"):
        read(f"user_storage_quota = {text}")
