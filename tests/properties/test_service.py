"""The service and a small model of it agree, whatever is called in whatever order (tests/properties/machine.py).

The short run tries the same sequences each time, so that a failure is due to the change at hand; the long one tries others each time, and says how
to repeat one that fails.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.machine import Service

SHORT = settings(max_examples=40, stateful_step_count=60, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(SHORT, max_examples=40, stateful_step_count=60, derandomize=False, print_blob=True)


def test_service_after_any_sequence_of_calls_agrees_with_its_model() -> None:
    run_state_machine_as_test(Service, settings=SHORT)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_service_after_many_long_sequences_of_calls_agrees_with_its_model() -> None:
    run_state_machine_as_test(Service, settings=LONG)
