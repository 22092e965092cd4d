"""From one store to several and back, and a changed set of stores while the service runs: real processes under glance-control."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from glance.testing.servers import Glance, program, wait_until

JSON = {"Content-Type": "application/json"}
BYTES = {"Content-Type": "application/octet-stream"}
IMAGE = b'{"name": "one", "disk_format": "raw", "container_format": "bare"}'


@pytest.fixture
def glance(fresh_glance: Callable[..., Glance]) -> Glance:
    return fresh_glance(control=True, api_options={"DEFAULT": {"show_multiple_locations": "True", "workers": "1"}})


def control(glance: Glance, command: str) -> None:
    """What an operator types after a change of the configuration."""
    words = ["--pid-dir", str(glance.run_directory), "api", command, str(glance.directory)]
    done = subprocess.run([program("glance-control"), *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def enable(glance: Glance, enabled: str, **directories: Path) -> None:
    """Writes a configuration of several file stores, or of one where ``enabled`` is empty; the first one is the default."""
    sections = {name: {"filesystem_store_datadir": directory} for name, directory in directories.items()}
    staging = {"os_glance_staging_store": {"filesystem_store_datadir": glance.staging}}
    default = {"glance_store": {"default_backend": enabled.partition(":")[0]}} if enabled else {}
    glance.add_options("api", {"DEFAULT": {"enabled_backends": enabled}, **default, **staging, **sections})


def restart(glance: Glance) -> None:
    control(glance, "restart")
    glance.await_answers()


def upload(glance: Glance, data: bytes) -> str:
    image_id = str(glance.request("POST", "/v2/images", JSON, IMAGE).json["id"])
    assert glance.request("PUT", f"/v2/images/{image_id}/file", BYTES, data).status == 204
    return image_id


def read(glance: Glance, image_id: str) -> bytes:
    return glance.request("GET", f"/v2/images/{image_id}/file").body


def delete(glance: Glance, image_id: str) -> None:
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def log(glance: Glance) -> str:
    return (glance.directory / "log" / "api.log").read_text()


def test_images_when_one_store_becomes_several_and_one_again_then_all_are_read_and_erased(glance: Glance, tmp_path: Path) -> None:
    first, second = upload(glance, b"first"), upload(glance, b"second")

    enable(glance, "fast:file, cold:file", fast=glance.images, cold=tmp_path / "cold")
    restart(glance)

    assert (read(glance, first), read(glance, second)) == (b"first", b"second")
    third, fourth = upload(glance, b"third"), upload(glance, b"fourth")
    assert names(glance.images) == {first, second, third, fourth}
    delete(glance, first)
    delete(glance, third)
    assert names(glance.images) == {second, fourth}
    assert names(tmp_path / "cold") == set()

    enable(glance, "")
    restart(glance)

    assert (read(glance, second), read(glance, fourth)) == (b"second", b"fourth")
    fifth = upload(glance, b"fifth")
    for image_id in (second, fourth, fifth):
        delete(glance, image_id)
    assert names(glance.images) == set()


def test_reload_when_the_stores_have_changed_then_new_ones_are_used_and_wrong_ones_change_nothing(glance: Glance, tmp_path: Path) -> None:
    old = upload(glance, b"old")

    enable(glance, "cold:file, fast:file", fast=glance.images, cold=tmp_path / "cold")
    control(glance, "reload")
    wait_until(lambda: "onfiguration reloaded" in log(glance), "the reload")
    wait_until((tmp_path / "cold").is_dir, "the new store")

    def in_new_store() -> bool:
        """Workers of before the reload may still take requests."""
        return upload(glance, b"new") in names(tmp_path / "cold")

    wait_until(in_new_store, "an upload to the new store")
    assert read(glance, old) == b"old"

    (tmp_path / "no directory").write_text("")
    enable(glance, "cold:file, fast:file", fast=glance.images, cold=tmp_path / "no directory")
    control(glance, "reload")
    wait_until(lambda: "The configuration was not reloaded: The default store 'cold' cannot be used" in log(glance), "the refusal")
    assert upload(glance, b"newer") in names(tmp_path / "cold")
    assert read(glance, old) == b"old"


def test_start_when_a_store_cannot_be_used_then_goes_on_without_and_images_in_it_wait(glance: Glance, tmp_path: Path) -> None:
    cold = tmp_path / "cold"
    enable(glance, "cold:file, fast:file", fast=glance.images, cold=cold)
    restart(glance)
    image_id = upload(glance, b"cold")

    cold.rename(tmp_path / "away")
    cold.write_text("")
    enable(glance, "fast:file, cold:file", fast=glance.images, cold=cold)
    restart(glance)

    assert "The store 'cold' cannot be used and is left out" in log(glance)
    assert read(glance, upload(glance, b"fast")) == b"fast"
    assert glance.request("GET", f"/v2/images/{image_id}/file").status == 503

    cold.unlink()
    (tmp_path / "away").rename(cold)
    restart(glance)
    assert read(glance, image_id) == b"cold"
