"""glance-control where something is in the way: a pid file that tells nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
