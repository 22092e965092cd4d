import pytest
from recorder import Recorder


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()
