import pytest

from tests.unit.registry.recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
