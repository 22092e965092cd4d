"""What ``make run`` and ``make stop`` do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from glance.testing.servers import PATIENCE, Glance, free_ports
from tests.functional.control_site import ROOT


class LocalService:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def run(self, command: str, *ports: int) -> subprocess.CompletedProcess[str]:
        options = [f"{name}={port}" for name, port in zip(("--api-port", "--registry-port"), ports, strict=False)]
        words = [sys.executable, ROOT / "tools" / "local_service.py", command, "--dir", self.directory, *options]
        return subprocess.run(words, capture_output=True, text=True, timeout=3 * PATIENCE, check=False)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[LocalService]:
    service = LocalService(tmp_path / "a service")
    yield service
    service.run("stop")


def test_run_when_the_service_answers_then_says_where_and_how_it_is_ended(service: LocalService) -> None:
    api, registry = free_ports(2)
    done = service.run("start", api, registry)
    assert (done.returncode, f"answers on http://127.0.0.1:{api}; its files are under {service.directory}" in done.stdout) == (0, True), done.stderr
    assert f"\nmake stop DIR='{service.directory}' ends it.\n" in done.stdout
    assert service.run("stop").returncode == 0


def test_run_when_another_service_has_the_addresses_then_fails_and_names_them(service: LocalService, tmp_path: Path) -> None:
    with Glance(tmp_path / "other") as other:
        done = service.run("start", other.api_port, other.registry_port)
        assert done.returncode == 1
        assert "answers on" not in done.stdout
        assert f"Could not bind to 127.0.0.1:{other.registry_port} after trying for 30 seconds" in done.stderr
