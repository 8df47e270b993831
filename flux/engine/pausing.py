"""How a pause is recorded, answered, refused and ended."""

from __future__ import annotations

import json
from typing import Any

from flux.domain import EventRecord, ExecutionEventType, Wait
from flux.engine.frame import Frame
from flux.engine.types import coerce_answer
from flux.errors import InvalidInputError

_T = ExecutionEventType


async def wait_for_answer(frame: Frame, wait: Wait, model: Any) -> tuple[bool, Any]:
    """Open the wait, and come back with (True, answer), or (False, None) when its time is up.

    An answer that the model refuses after all (validated elsewhere by an older rule) reopens the wait.
    """
    recorder = frame.session.recorder
    wait = await _open(frame, wait)
    while True:
        event = await frame.session.wait(wait)
        if event is None:
            return False, None
        errors, value = _read(frame, wait, model, event)
        if not errors:
            recorder.note_step(_T.TASK_RESUMED, frame, {"name": wait.name, "input": value})
            return True, value
        await recorder.commit_step(_T.TASK_RESUME_REJECTED, frame, wait, {"name": wait.name, "errors": errors})


async def _open(frame: Frame, wait: Wait) -> Wait:
    """Record the wait, or take the one that an earlier activation has recorded."""
    recorded = frame.session.history.calls.get(frame.call_id)
    opened = recorded.last(_T.TASK_PAUSED) if recorded else None
    if opened is not None and opened.wait is not None:
        return opened.wait
    await frame.session.recorder.commit_step(_T.TASK_PAUSED, frame, wait, wait.name)
    return wait


def _read(frame: Frame, wait: Wait, model: Any, event: EventRecord) -> tuple[list[dict[str, Any]], Any]:
    """(errors, value) of an answer."""
    schema = json.loads(wait.schema) if wait.schema else None
    try:
        return [], coerce_answer(model, schema, frame.session.recorder.decode(event.payload))
    except InvalidInputError as error:
        return error.errors, None
