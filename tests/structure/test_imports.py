"""The rooms know only what they may know (docs/architecture.md)."""

from __future__ import annotations

import subprocess
import sysconfig
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_imports_then_keep_every_contract() -> None:
    lint_imports = Path(sysconfig.get_path("scripts")) / "lint-imports"

    done = subprocess.run([lint_imports], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
