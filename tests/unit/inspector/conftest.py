from __future__ import annotations

from pathlib import Path

import pytest

from tests.disk_images import REAL


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What qemu-img makes."""
    directory: Path = tmp_path_factory.mktemp("images")
    return {name: make(directory) for name, make in REAL.items()}
