"""Retries: another attempt behind a failed one, after a growing delay that outlives a crash."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from flux.domain import EventRecord, ExecutionEventType, Wait, WaitKind
from flux.engine.frame import current_frame, entered
from flux.errors import ExecutionError, RetryError

if TYPE_CHECKING:
    from flux.engine.options import TaskOptions
    from flux.engine.policies import Attempted

_T = ExecutionEventType
MAX_DELAY = 600.0
"""Seconds a back-off never exceeds."""

Body = Callable[[], Awaitable[Any]]


def with_retries(attempt: Attempted, body: Body) -> Body:
    """Repeat a failing body; every attempt is recorded."""
    if not attempt.task.options.retry_max_attempts:
        return body

    async def retried() -> Any:
        options, recorder = attempt.task.options, attempt.session.recorder
        number, error = _recorded_attempt(attempt)
        while number <= options.retry_max_attempts:
            if error is not None and not _in_flight(attempt, number):
                await _back_off(attempt, number)
                recorder.note_call(_T.TASK_RETRY_STARTED, attempt.call, _attempt_payload(attempt, number))
            try:
                value = await _attempted(body, number)
            except Exception as failure:
                error = failure
                await _record_failure(attempt, number, failure)
                number += 1
                continue
            if number:
                recorder.note_call(
                    _T.TASK_RETRY_COMPLETED, attempt.call, _attempt_payload(attempt, number, output=value)
                )
            return value
        raise RetryError(error, options.retry_max_attempts, options.retry_delay, options.retry_backoff)

    return retried


async def _attempted(body: Body, number: int) -> Any:
    """One attempt. Calls in it are told from those of other attempts, which replay does not repeat."""
    if not number:
        return await body()
    with entered(current_frame().within(str(number))):
        return await body()


def delay_before(options: TaskOptions, number: int) -> float:
    """Seconds to wait before retry `number` (1 is the first)."""
    return float(min(options.retry_delay * options.retry_backoff ** (number - 1), MAX_DELAY))


def _recorded_attempt(attempt: Attempted) -> tuple[int, BaseException | None]:
    """Number of the attempt to make next, and the error of the one before it, as the history has them."""
    failed = _recorded_failures(attempt)
    if not failed:
        return 0, None
    value = attempt.session.recorder.decode(failed[-1].payload)
    error = value.get("error") if isinstance(value, dict) else None
    return len(failed), error if isinstance(error, BaseException) else ExecutionError(None, str(error))


def _recorded_failures(attempt: Attempted) -> list[EventRecord]:
    recorded = attempt.session.history.calls.get(attempt.call.id)
    return [step for step in recorded.steps if step.type is _T.TASK_RETRY_FAILED] if recorded else []


def _in_flight(attempt: Attempted, number: int) -> bool:
    """Whether an earlier activation has begun this very attempt."""
    recorded = attempt.session.history.calls.get(attempt.call.id)
    begun = sum(step.type is _T.TASK_RETRY_STARTED for step in recorded.steps) if recorded else 0
    return begun == number


async def _back_off(attempt: Attempted, number: int) -> None:
    """Wait before a retry: until the recorded time if an earlier activation has begun to wait."""
    failed = _recorded_failures(attempt)
    begun = failed[-1].wait if len(failed) == number else None
    await attempt.session.until(begun or _backoff_wait(attempt, number))


def _backoff_wait(attempt: Attempted, number: int) -> Wait:
    wake_at = attempt.session.clock.now() + int(delay_before(attempt.task.options, number) * 1e6)
    return Wait(attempt.call.id, attempt.call.name, WaitKind.BACKOFF, wake_at)


async def _record_failure(attempt: Attempted, number: int, error: Exception) -> None:
    last = number >= attempt.task.options.retry_max_attempts
    wait = None if last else _backoff_wait(attempt, number + 1)
    payload = _attempt_payload(attempt, number, error=error)
    await attempt.session.recorder.commit_call(_T.TASK_RETRY_FAILED, attempt.call, payload, wait)


def _attempt_payload(attempt: Attempted, number: int, **more: Any) -> Any:
    options = attempt.task.options
    value = {
        "current_attempt": number,
        "max_attempts": options.retry_max_attempts,
        "current_delay": delay_before(options, number) if number else 0,
        "backoff": options.retry_backoff,
    }
    if not number:
        value["original_attempt"] = True
    return attempt.session.recorder.encode_step(value | more)
