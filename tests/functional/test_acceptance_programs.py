"""The acceptance examples of the programs (57-65): exact lines, exit codes and pid files, as people of 2011 and 2014 saw them."""

from __future__ import annotations

import io
import os
import shutil
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance.client import Client
from glance.common import exception
from glance.testing.servers import Glance, program, read_pid, wait_until

FORMATS = {"x-image-meta-disk_format": "raw", "x-image-meta-container_format": "bare"}


def run(*command: str, cwd: Path, home: Path | None = None) -> subprocess.CompletedProcess[str]:
    name, *arguments = command
    environment = {**os.environ, "HOME": str(home or cwd)}
    return subprocess.run([program(name), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def prepared(tmp_path: Path) -> Iterator[Glance]:
    """A service that is set up, not started; what a test starts with glance-control is killed afterwards."""
    glance = Glance(tmp_path / "glance", control=True)
    yield glance
    glance.kill()


def registry_answers(glance: Glance) -> bool:
    try:
        return glance.request("GET", "/", service="registry").status == 401
    except OSError:
        return False


def test_57_to_59_registry_started_stopped_restarted_then_lines_of_2011(prepared: Glance, tmp_path: Path) -> None:
    sample = tmp_path / "etc" / "glance.conf.sample"
    sample.parent.mkdir()
    shutil.copy(prepared.conf("registry"), sample)
    pid_file = prepared.run_directory / "glance-registry.pid"

    def control(*arguments: str) -> str:
        done = run("glance-control", "--pid-file", str(pid_file), "registry", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert control("start", "etc/glance.conf.sample") == f"Starting glance-registry with {sample}\n"
    wait_until(lambda: registry_answers(prepared), "the registry to answer")
    first = read_pid(pid_file)

    restarted = control("restart", "etc/glance.conf.sample")
    assert restarted == f"Stopping glance-registry  pid: {first}  signal: 15\nStarting glance-registry with {sample}\n"
    wait_until(lambda: registry_answers(prepared), "the registry to answer again")
    second = read_pid(pid_file)

    assert control("stop") == f"Stopping glance-registry  pid: {second}  signal: 15\n"
    assert not pid_file.exists()
    wait_until(lambda: not registry_answers(prepared), "the registry to end")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("foo", "start"), "Unknown server 'glance-foo' specified. Please specify all, or one of the servers: api, registry"),
        (("api", "bogus"), "Unknown command bogus specified. Please specify a command in this list: start, stop, shutdown, restart, reload"),
        ((), "Usage: glance-control [options] SERVER COMMAND [CONFPATH]"),
    ],
    ids=["server", "command", "nothing"],
)
def test_60_glance_control_with_wrong_words_then_says_which_are_right(tmp_path: Path, arguments: tuple[str, ...], expected: str) -> None:
    done = run("glance-control", *arguments, cwd=tmp_path)

    assert done.returncode == 1
    assert expected.lower() in (done.stdout + done.stderr).lower()


def test_61_glance_api_without_any_configuration_then_one_line_and_exit_1(tmp_path: Path) -> None:
    done = run("glance-api", cwd=tmp_path, home=Path("/nonexistent"))

    assert done.returncode == 1
    assert done.stderr == "ERROR: Unable to locate any configuration file. Cannot load application glance-api\n"


SEED_API = """\
[DEFAULT]
debug = True
bind_host = 127.0.0.1
bind_port = {glance.api_port}
registry_host = 127.0.0.1
registry_port = {glance.registry_port}
registry_shared_secret = {glance.registry_secret}
sql_connection = sqlite:///{glance.database}
default_store = file
image_cache_dir = {home}/image-cache/
log_file = {home}/api.log
[paste_deploy]
flavor =
[glance_store]
stores = glance.store.filesystem.Store
filesystem_store_datadir = {glance.images}/
"""

SEED_REGISTRY = """\
[DEFAULT]
debug = True
bind_host = 127.0.0.1
bind_port = {glance.registry_port}
registry_shared_secret = {glance.registry_secret}
sql_connection = sqlite:///{glance.database}
default_store = file
log_file = {home}/registry.log
[paste_deploy]
flavor =
"""


def test_62_glance_control_with_the_files_of_2014_then_starts_and_keeps_images_from_others(prepared: Glance, tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".glance").mkdir(parents=True)
    for name, content in (("glance-api", SEED_API), ("glance-registry", SEED_REGISTRY)):
        (home / ".glance" / f"{name}.conf").write_text(content.format(glance=prepared, home=home))

    for server in ("glance-registry", "glance-api"):
        done = run("glance-control", "--pid-dir", str(prepared.run_directory), server, "start", cwd=home)
        assert done.returncode == 0, done.stdout + done.stderr
    prepared.await_answers()
    headers = {**FORMATS, "Content-Type": "application/octet-stream"}
    answer = prepared.request("POST", "/v1/images", headers, b"abc")

    assert answer.status == 201
    file = prepared.images / answer.json["image"]["id"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


def test_63_db_sync_twice_then_succeeds_twice(prepared: Glance, tmp_path: Path) -> None:
    prepared.database.unlink(missing_ok=True)

    for _ in range(2):
        done = run("glance-manage", "--config-file", str(prepared.conf("registry")), "-v", "db_sync", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert prepared.database.exists()


def test_64_client_class_asked_for_images_then_gives_a_list_of_dictionaries(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance()
    classic = {"x-image-meta-name": "U", "x-image-meta-type": "kernel", "x-image-meta-is-public": "on", "Content-Type": "application/octet-stream"}
    assert glance.request("POST", "/images/", classic, b"*" * 5120).status == 201

    for root in ("", "/v1"):
        [image] = Client("127.0.0.1", glance.api_port, doc_root=root).get_images()
        assert (image["name"], image["size"]) == ("U", 5120)


def test_65_client_class_driven_like_the_command_line_of_2011_then_each_step_works(glance: Glance) -> None:
    client = Client("127.0.0.1", glance.api_port)
    meta = {"name": "x-of-2011", "disk_format": "raw", "container_format": "bare", "is_public": True, "properties": {"distro": "U"}}

    added = client.add_image(meta, io.BytesIO(b"*" * 5120))
    assert (added["status"], added["size"]) == ("active", 5120)
    assert added["id"] in {one["id"] for one in client.get_images(filters={"name": "x-of-2011"})}
    shown = client.get_image_meta(added["id"])
    assert (shown["name"], shown["is_public"], shown["properties"]) == ("x-of-2011", True, {"distro": "U"})
    _, chunks = client.get_image(added["id"])
    assert b"".join(chunks) == b"*" * 5120
    assert client.update_image(added["id"], {"name": "y-of-2011"})["name"] == "y-of-2011"
    assert client.delete_image(added["id"]) is True
    with pytest.raises(exception.NotFound):
        client.delete_image(added["id"])
