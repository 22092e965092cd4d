"""glance-control where something is in the way: a pid file that tells nothing, a full disk, what a server waits for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.namespaces import needs_namespaces
from tests.functional.control_site import Site


def test_pid_file_when_it_is_empty_then_no_process_is_meant(site: Site) -> None:
    site.pids.mkdir()
    site.pid_file().touch()
    assert site.run("api", "status") == (3, ["glance-api is stopped"], [])
    assert site.run("api", "stop") == (0, ["No glance-api running"], [])
    assert site.run("api", "start") == (0, ["Starting glance-api"], [])
    site.await_event("runs")
    assert site.run("api", "status") == (0, [f"glance-api (pid {site.pid()}) is running..."], [])


def test_pid_file_when_written_then_its_content_is_on_the_disk_before_its_name(tmp_path: Path) -> None:
    """A power loss after the renaming, before the writing, would leave an empty file."""
    trace = tmp_path / "trace"
    script = f"from glance.server.pidfile import *; PidFile(Path({str(tmp_path / 'x.pid')!r}), 'x').write(Process.current())"
    command = ["strace", "-f", "-o", str(trace), "-y", "-e", "trace=fsync,fdatasync,rename", sys.executable, "-c", script]
    subprocess.run(command, check=True, timeout=60)
    calls = [line.split(maxsplit=1)[1].partition("(")[0] for line in trace.read_text().splitlines() if ".x.pid." in line]
    assert calls == ["fsync", "rename"]


@pytest.mark.parametrize("options", ["size=4k", "nr_inodes=2"])
def test_start_when_the_disk_of_pid_files_is_full_then_says_so(site: Site, options: str) -> None:
    needs_namespaces()
    site.pids.mkdir()
    fill = 'mount -t tmpfs -o "$0" tmpfs "$1" && head -c 4096 /dev/zero > "$1/fill" && shift && exec "$@"'
    site.prefix = ("unshare", "-rm", "sh", "-c", fill, options, str(site.pids))
    complaint = f"unable to launch glance-api. Got error: [Errno 28] No space left on device: '{site.pid_file()}'"
    assert site.run("api", "start") == (1, ["Starting glance-api"], [complaint])
    assert site.events("runs") == []


def test_start_when_the_server_does_not_serve_in_time_then_says_so(site: Site) -> None:
    config = site.config("waits 0")
    status, lines, complaints = site.run("api", "start", "--await-child", "1", config)
    assert (status, lines) == (0, [f"Starting glance-api with {config}"])
    assert complaints == [f"glance-api (pid {site.pid()}) does not serve yet; its log says what it waits for"]
    (site.bin / "go").touch()
    site.await_event("runs")
