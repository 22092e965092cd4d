"""glance-control and a server that takes its time to end: what it still answers keeps its registry, and a new one is started beside it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.testing.servers import PATIENCE, Glance, program, wait_until
from tests.functional.control_site import Site

RAW = b'{"disk_format": "raw", "container_format": "bare"}'
DATA = b"0123456789" * 1000


@pytest.fixture
def running(site: Site) -> tuple[int, int]:
    """The API, which does not end, and its registry."""
    site.config("deaf 0", "glance-api.conf")
    site.config("serves 0", "glance-registry.conf")
    assert site.run("all", "start", ".")[0] == 0
    site.await_event("runs")
    site.await_event("runs", "registry")
    return site.pid("api"), site.pid("registry")


def waited(site: Site, pid: int) -> list[str]:
    return [
        f"Waited 15 seconds for pid {pid} ({site.pid_file()}) to die; giving up",
        "glance-registry is left as it is: glance-api may need it until it has ended",
    ]


def test_stop_when_the_api_has_not_ended_then_keeps_its_registry_until_it_has(site: Site, running: tuple[int, int]) -> None:
    api, registry = running
    with site.begin("all", "stop") as interrupted:
        wait_until((site.pids / "glance-api.pid.ending").exists, "the wait for the API")
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(PATIENCE) == 128 + signal.SIGINT
    begun = time.monotonic()
    assert site.run("all", "stop") == (1, ["No glance-api running"], waited(site, api))
    assert time.monotonic() - begun >= 15
    goes_on = ["glance-api is stopped", f"glance-api (pid {api}) was told to end, and has not ended yet"]
    assert site.run("all", "status") == (3, [*goes_on, f"glance-registry (pid {registry}) is running..."], [])
    assert site.events("signal", "registry") == []
    os.kill(api, signal.SIGKILL)
    assert site.run("all", "shutdown") == (0, ["No glance-api running", f"Stopping glance-registry  pid: {registry}  signal: 15"], [])
    assert site.run("all", "status") == (3, ["glance-api is stopped", "glance-registry is stopped"], [])
    assert list(site.pids.iterdir()) == []


def test_restart_when_the_api_has_not_ended_then_a_new_one_is_started_and_the_registry_goes_on(site: Site, running: tuple[int, int]) -> None:
    api, registry = running
    status, lines, complaints = site.run("all", "restart", ".")
    assert (status, complaints) == (1, waited(site, api))
    assert lines == [
        f"Stopping glance-api  pid: {api}  signal: 15",
        f"Starting glance-api with {site.directory / 'glance-api.conf'}",
        f"glance-registry appears to already be running: {site.pid_file('registry')}",
    ]
    assert site.pid() != api
    assert site.run("all", "status") == (
        0,
        [
            f"glance-api (pid {site.pid()}) is running...",
            f"glance-api (pid {api}) was told to end, and has not ended yet",
            f"glance-registry (pid {registry}) is running...",
        ],
        [],
    )


@pytest.mark.parametrize("command", ["restart", "reload"])
def test_command_when_the_pid_file_of_the_registry_is_refused_then_the_api_is_served_as_usual(site: Site, command: str) -> None:
    api, _registry = site.config("serves 0", "glance-api.conf"), site.config("serves 0", "glance-registry.conf")
    site.run("all", "start", ".")
    site.await_event("runs")
    old = site.pid()
    site.pid_file("registry").write_text("root:x:0:0")
    refusal = f"Refusing pid file {site.pid_file('registry')}: it names no process"
    status, lines, complaints = site.run("all", command, ".")
    number = 15 if command == "restart" else 1
    assert (status, lines) == (1, [f"Stopping glance-api  pid: {old}  signal: {number}", f"Starting glance-api with {api}"])
    assert complaints[0] == refusal
    assert site.run("all", "status") == (1, [f"glance-api (pid {site.pid()}) is running..."], [refusal])


def test_stop_when_the_pid_file_of_the_api_is_refused_then_says_that_the_registry_is_kept(site: Site, running: tuple[int, int]) -> None:
    _api, registry = running
    site.pid_file().write_text("root:x:0:0")
    refusal = f"Refusing pid file {site.pid_file()}: it names no process"
    assert site.run("all", "stop") == (1, [], [refusal, waited(site, 0)[1]])
    assert site.run("all", "status") == (1, [f"glance-registry (pid {registry}) is running..."], [refusal])


@pytest.fixture
def glance(tmp_path: Path) -> Iterator[Glance]:
    with Glance(tmp_path / "glance", control=True) as glance:
        yield glance


def test_restart_and_stop_when_an_upload_takes_longer_then_it_is_answered_and_others_are_served_meanwhile(glance: Glance) -> None:
    def begin(*words: str | Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([program("glance-control"), "--pid-dir", glance.run_directory, "all", *words])

    def image() -> dict[str, object]:
        document: dict[str, object] = glance.request("GET", f"/v2/images/{created.json['id']}").json
        return document

    def listens() -> bool:
        try:
            glance.connect().close()
        except ConnectionError:
            return False
        return True

    created = glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, RAW)
    upload = glance.connection("api", PATIENCE)
    upload.putrequest("PUT", f"/v2/images/{created.json['id']}/file")
    upload.putheader("Content-Type", "application/octet-stream")
    upload.putheader("Content-Length", str(len(DATA)))
    upload.endheaders(DATA[:10])
    wait_until(lambda: image()["status"] == "saving", "the upload to begin")
    old = glance.pid("api")

    with begin("restart", glance.directory) as restarting:
        assert restarting.wait(PATIENCE) == 1
    glance.await_answers()
    assert (image()["status"], glance.pid("api") != old) == ("saving", True)
    with begin("stop") as stopping:
        wait_until(lambda: not listens(), "the new API to end")
        upload.send(DATA[10:])
        assert upload.getresponse().status == 204
        assert stopping.wait(PATIENCE) == 0

    glance.start()
    assert (image()["status"], image()["size"]) == ("active", len(DATA))
