"""Errors are made as the documented system makes them, and say what happened."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flux import errors
from flux.errors import (
    BudgetExceededError,
    ExecutionContextNotFoundError,
    ExecutionError,
    ExecutionTimedOut,
    ExecutionTimeoutError,
    FluxError,
    PauseRequested,
    RetryError,
    WorkflowNotFoundError,
)

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, FluxError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_can_be_made_bare_and_has_a_sentence(kind):
    error = kind()
    assert len(str(error).split()) > 2
    assert error.code == error.code.lower() and 400 <= error.status < 600


def test_errors_of_executions():
    inner = ValueError("kaboom")
    assert ExecutionError(inner).inner_exception is inner
    assert (str(ExecutionError(inner)), str(ExecutionError(message="so it is"))) == ("ValueError: kaboom", "so it is")
    retry = RetryError(inner, 3, 1, 2)
    assert (retry.inner_exception, retry.attempts, retry.delay, retry.backoff) == (inner, 3, 1, 2)
    late = ExecutionTimeoutError("Task", "slow", "slow_1", 1)
    assert (late.type, late.name, late.id, late.timeout) == ("Task", "slow", "slow_1", 1)
    assert str(late) == "Task slow (slow_1) timed out (1s)."
    assert ExecutionTimedOut is ExecutionTimeoutError
    with pytest.raises(ExecutionError, match="too much"):
        raise BudgetExceededError("too much")


def test_errors_that_name_something():
    assert "'shop/order'" in str(WorkflowNotFoundError("shop/order"))
    assert "'e1'" in str(ExecutionContextNotFoundError("e1"))
    wake_at = datetime(2026, 1, 2, tzinfo=UTC)
    pause = PauseRequested("ask", output=1, wake_at=wake_at, wake_on_complete="e2")
    assert (pause.name, pause.output, pause.wake_at, pause.wake_on_complete) == ("ask", 1, wake_at, "e2")
