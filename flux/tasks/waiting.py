"""Waiting for a person or for time, without holding a worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from flux.domain import ExecutionEventType, Wait, WaitKind
from flux.engine.builtin import perform
from flux.engine.calls import caller_location
from flux.engine.frame import Frame, current_frame
from flux.engine.pausing import wait_for_answer
from flux.engine.types import check_schema, json_schema, model_reference
from flux.errors import ExecutionTimeoutError

_T = ExecutionEventType
SHORT_SLEEP = 1.0
"""Seconds below which a sleep stays in memory."""


async def pause(
    name: str,
    output: Any = None,
    schema: Any = None,
    timeout: float | timedelta | None = None,
) -> Any:
    """Wait until a person answers, and return the answer.

    The execution holds no worker while it waits, survives restarts, and can wait for days.

    Args:
        name: what the person sees, and `--wait NAME` addresses.
        output: what the person needs to see in order to decide.
        schema: a pydantic model, a dataclass or a JSON schema; an answer that does not fit is refused
            with its errors and the execution stays paused. With a model or dataclass the answer is
            returned as its instance.
        timeout: seconds after which the wait ends with `ExecutionTimeoutError`.

    Example:
        >>> async def body(ctx):
        ...     answer = await pause("approval", output={"total": 118}, schema=Approval)
        ...     return answer.approved
    """
    model = None if schema is None or isinstance(schema, Mapping) else schema
    document = dict(schema) if isinstance(schema, Mapping) else json_schema(model)

    async def body() -> Any:
        frame = current_frame()
        if model is None and document is not None:
            check_schema(document)
        hide = frame.session.codec.redactor.redact
        wait = Wait(
            id=frame.call_id,
            name=hide(name),
            kind=WaitKind.INPUT,
            wake_at=_wake_at(frame, timeout),
            output=None if output is None else frame.session.codec.encode(output),
            schema=hide(json.dumps(document)) if document else "",
            model=model_reference(model, frame.session.codec) if model is not None else "",
        )
        answered, value = await wait_for_answer(frame, wait, model)
        if not answered:
            raise ExecutionTimeoutError("Pause", name, frame.call_id, _seconds(timeout or 0))
        return value

    return await perform("pause", (name,), {"name": name}, body, caller_location())


async def sleep(duration: float | timedelta) -> None:
    """Sleep durably: from one second on the execution holds no worker and survives restarts.

    Args:
        duration: seconds, or a timedelta.
    """
    seconds = _seconds(duration)

    async def body() -> None:
        frame = current_frame()
        session = frame.session
        recorded = session.history.calls.get(frame.call_id)
        begun = recorded.last(_T.TASK_WAITING) if recorded else None
        wait = begun.wait if begun is not None else None
        if wait is None:
            wait = Wait(frame.call_id, "sleep", WaitKind.TIMER, _wake_at(frame, seconds))
            if seconds >= SHORT_SLEEP:
                await session.recorder.commit_step(_T.TASK_WAITING, frame, wait)
        await session.until(wait)

    await perform("sleep", (seconds,), {"duration": seconds}, body, caller_location())


def _seconds(duration: float | timedelta) -> float:
    return duration.total_seconds() if isinstance(duration, timedelta) else float(duration)


def _wake_at(frame: Frame, timeout: float | timedelta | None) -> int | None:
    if timeout is None:
        return None
    return frame.session.clock.now() + int(_seconds(timeout) * 1_000_000)
