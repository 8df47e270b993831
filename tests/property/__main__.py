"""A short run of the state machine, the same each time: `python -m tests.property`.

Hypothesis draws from the constants of all modules that are loaded, so a process of its own is what keeps the
examples the same, whatever else is tested beside.
"""

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from .machine import Engine

run_state_machine_as_test(
    Engine,
    settings=settings(
        max_examples=25,
        stateful_step_count=20,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    ),
)
