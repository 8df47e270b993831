"""A short run of the state machine; `tests/long` has the long one."""

from hypothesis import HealthCheck, settings

from .machine import Engine

TestEngine = Engine.TestCase
TestEngine.settings = settings(
    max_examples=25,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
