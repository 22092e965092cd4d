"""The service and a small model of it agree, whatever is called in whatever order (tests/properties/machine.py).

Both runs try the same sequences each time, so that a failure is due to the change at hand. To look for others, set ``derandomize`` to False: what
fails then says how to repeat it.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import Service
from tests.web import Web, web

__all__ = ["web"]

SHORT = settings(
    max_examples=60,
    stateful_step_count=40,
    derandomize=True,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate, Phase.shrink),
)
LONG = settings(SHORT, max_examples=300, stateful_step_count=80, print_blob=True)


@pytest.mark.timeout(900)  # seconds, most of which a failure takes until its sequence is a short one
def test_service_after_any_sequence_of_calls_agrees_with_its_model(web: Web) -> None:
    run_state_machine_as_test(lambda: Service(web), settings=SHORT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_service_after_many_long_sequences_of_calls_agrees_with_its_model(web: Web) -> None:
    run_state_machine_as_test(lambda: Service(web), settings=LONG)
