"""The rooms know only what they may know, and a program loads only what it is made of (docs/architecture.md)."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from glance.config import setup

ROOT = Path(__file__).parents[2]

#: Makes a service as its program does, and tells which packages were loaded for it.
LOAD = """
import sys
from glance.bootstrap.{name} import {name}_service
from glance.cmd.launch import launch
{name}_service(sys.argv[1:])
print(*sys.modules)
"""

#: What a program with a registry of its own has no use for: each costs time at the start, and memory in every process.
NOT_LOADED = {
    "api": {"alembic", "boto3", "dns", "glance.db", "keystonemiddleware", "oslo_messaging", "prometheus_client", "sqlalchemy", "swiftclient"},
    "registry": {"alembic", "cryptography", "dns", "glance.service.uploading", "jsonschema", "oslo_middleware", "oslo_policy", "prometheus_client"},
}


def test_imports_then_keep_every_contract() -> None:
    lint_imports = Path(sysconfig.get_path("scripts")) / "lint-imports"

    done = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NOT_LOADED)
def test_program_when_it_starts_then_loads_nothing_that_it_has_no_use_for(name: str, tmp_path: Path) -> None:
    list(setup.write(setup.Site(tmp_path)))
    for _ in range(2):  # the first one makes the database
        done = subprocess.run(
            [sys.executable, "-c", LOAD.format(name=name), f"{tmp_path}/glance-{name}.conf"], capture_output=True, text=True, timeout=120, check=True
        )
    assert NOT_LOADED[name].isdisjoint(done.stdout.splitlines()[-1].split())
