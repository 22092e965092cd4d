"""glance-manage in this process."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from glance.cmd import manage

Manage = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Manage]:
    """Carries out a command line in a directory of its own; returns exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    umask = os.umask(0o022)

    def run(*words: str) -> tuple[int, str, str]:
        try:
            status = manage.main(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
        return (status, *capsys.readouterr())

    yield run
    os.umask(umask)
