"""glance-scrubber, and the service itself, with real processes: deletes that were delayed end, or are taken back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from glance.testing.servers import PATIENCE, Glance, program, read_pid, wait_until

DELAYED = {"delayed_delete": True, "recovery_interval": 0.2}
TOGETHER = "ERROR: The restore and daemon options should not be set together. Please use either of them in one request.\n"


@pytest.fixture
def glance(fresh_glance: Callable[..., Glance]) -> Glance:
    """A service that leaves it to glance-scrubber to erase."""
    return fresh_glance(api_options={"DEFAULT": DELAYED})


def new(glance: Glance) -> str:
    """The id of an image with data."""
    body = json.dumps({"disk_format": "raw", "container_format": "bare"}).encode()
    image_id = str(glance.request("POST", "/v2/images", {"Content-Type": "application/json"}, body).json["id"])
    assert glance.request("PUT", f"/v2/images/{image_id}/file", {"Content-Type": "application/octet-stream"}, b"data").status == 204
    return image_id


def deleted(glance: Glance) -> str:
    """The id of an image whose delete was delayed."""
    image_id = new(glance)
    assert glance.request("DELETE", f"/v2/images/{image_id}").status == 204
    return image_id


def status(glance: Glance, image_id: str) -> str:
    return str(glance.request("HEAD", f"/v1/images/{image_id}").header("x-image-meta-status"))


def kept(glance: Glance) -> set[str]:
    return {path.name for path in glance.images.iterdir()}


def command(glance: Glance, arguments: Sequence[str]) -> list[str]:
    return [program("glance-scrubber"), "--config-file", str(glance.conf("api")), *arguments]


def scrub(glance: Glance, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(glance, arguments), capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def daemon(glance: Glance) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(command(glance, ["--daemon"]), stdout=subprocess.DEVNULL) as child:
        try:
            yield child
        finally:
            child.kill()


def test_scrubber_when_run_once_then_erases_what_has_waited_long_enough(glance: Glance) -> None:
    image_id, other = deleted(glance), new(glance)
    glance.add_options("api", {"DEFAULT": {"scrub_time": 3600}})
    assert scrub(glance).returncode == 0
    assert (status(glance, image_id), kept(glance)) == ("pending_delete", {image_id, other})
    glance.add_options("api", {"DEFAULT": {"scrub_time": 0}})
    assert scrub(glance).returncode == 0
    assert (status(glance, image_id), kept(glance)) == ("deleted", {other})
    assert scrub(glance).returncode == 0


def test_scrubber_when_the_data_are_gone_already_then_the_image_is_deleted(glance: Glance) -> None:
    image_id = deleted(glance)
    (glance.images / image_id).unlink()
    assert scrub(glance).returncode == 0
    assert status(glance, image_id) == "deleted"


def test_scrubber_when_the_store_fails_then_the_image_waits_for_the_next_time(glance: Glance) -> None:
    image_id = deleted(glance)
    away = glance.directory / "away"
    (glance.images / image_id).rename(away)
    (glance.images / image_id).mkdir()
    assert scrub(glance).returncode == 0
    assert status(glance, image_id) == "pending_delete"
    (glance.images / image_id).rmdir()
    away.rename(glance.images / image_id)
    wait_until(lambda: status(glance, image_id) == "deleted", "the service to try again")
    assert kept(glance) == set()


def test_scrubber_when_it_goes_on_then_erases_what_comes_until_it_is_told_to_end(glance: Glance) -> None:
    glance.add_options("api", {"DEFAULT": {"wakeup_time": 1}})
    with daemon(glance) as child:
        for _ in range(2):
            image_id = deleted(glance)
            wait_until(lambda gone=image_id: status(glance, gone) == "deleted", "the scrubber")
        assert kept(glance) == set()
        child.send_signal(signal.SIGTERM)
        assert child.wait(PATIENCE) == 0


def test_scrubber_when_the_registry_is_away_then_tells_and_goes_on_later(glance: Glance) -> None:
    image_id = deleted(glance)
    glance.add_options("api", {"DEFAULT": {"wakeup_time": 1}})
    os.kill(glance.pid("registry"), signal.SIGTERM)
    wait_until(lambda: glance.exit_code("registry") is not None, "the end of the registry")
    once = scrub(glance)
    assert (once.returncode, once.stderr) == (1, "ERROR: The image registry does not answer; try again later.\n")
    with daemon(glance):
        wait_until(lambda: "Nothing was erased" in glance.logs(), "the scrubber to tell")
        glance.kill()
        glance.start()
        wait_until(lambda: status(glance, image_id) == "deleted", "the scrubber")


def test_restore_when_the_data_are_kept_then_active_again(glance: Glance) -> None:
    image_id = deleted(glance)
    done = scrub(glance, "--restore", image_id)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Image {image_id} is active again.\n", "")
    assert glance.request("GET", f"/v2/images/{image_id}/file").body == b"data"
    assert scrub(glance).returncode == 0
    assert kept(glance) == {image_id}


@pytest.mark.parametrize("erased", [True, False])
def test_restore_when_there_is_nothing_to_restore_then_says_so(glance: Glance, erased: bool) -> None:
    image_id = deleted(glance) if erased else new(glance)
    assert scrub(glance).returncode == 0
    done = scrub(glance, "--restore", image_id)
    state = "deleted" if erased else "active"
    expected = f"ERROR: Image {image_id} is {state}: only an image that is pending_delete can be restored.\n"
    assert (done.returncode, done.stderr) == (1, expected)
    assert scrub(glance, "--restore", "nope").returncode == 1


def test_restore_with_daemon_then_refused(glance: Glance) -> None:
    image_id = deleted(glance)
    done = scrub(glance, "-D", "--restore", image_id)
    assert (done.returncode, done.stderr) == (1, TOGETHER)
    assert status(glance, image_id) == "pending_delete"


def test_service_when_it_knows_the_delay_then_it_erases_by_itself(fresh_glance: Callable[..., Glance]) -> None:
    glance = fresh_glance(api_options={"DEFAULT": {**DELAYED, "scrub_time": 1}})
    image_id = deleted(glance)
    wait_until(lambda: status(glance, image_id) == "deleted", "the service")
    assert kept(glance) == set()


def test_control_when_it_starts_the_scrubber_then_that_goes_on(glance: Glance) -> None:
    def control(*words: str) -> subprocess.CompletedProcess[str]:
        line = [program("glance-control"), "--pid-dir", str(glance.run_directory), *words]
        return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)

    started = control("scrubber", "start", str(glance.directory))
    assert (started.returncode, started.stdout) == (0, f"Starting glance-scrubber with {glance.conf('api')}\n")
    pid = read_pid(glance.run_directory / "glance-scrubber.pid")
    try:
        image_id = deleted(glance)
        os.kill(pid, 0)
        assert control("scrubber", "status").stdout == f"glance-scrubber (pid {pid}) is running...\n"
        reloaded = control("scrubber", "reload", str(glance.directory))
        assert (reloaded.returncode, reloaded.stderr) == (1, "Reload of glance-scrubber not supported\n")
        assert control("scrubber", "restart", str(glance.directory)).returncode == 0
        wait_until(lambda: status(glance, image_id) == "deleted", "the scrubber")
    finally:
        assert control("scrubber", "shutdown").returncode == 0
