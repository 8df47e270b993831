"""How an execution stood behind one of its events, as people read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flux.cli.options import Format
from flux.cli.render import fields, put, put_json
from flux.wire.divergence import place

if TYPE_CHECKING:
    from flux.wire.models import EventModel, ExecutionSnapshot, TaskModel


def show_moment(stood: ExecutionSnapshot, format: Format) -> None:
    """Print a snapshot: state, values, and every call with what had come of it."""
    if format == "json":
        return put_json(stood)
    ref = f"{stood.namespace}/{stood.workflow}"
    event = stood.event
    fields(
        {
            "execution": stood.execution_id,
            "workflow": f"{ref} (version {stood.version})" if stood.version else ref,
            "at": f"event {stood.at} of {stood.of}: {event.type} {event.name}, {clock(event)}",
            "state": stood.state,
            "input": shown(stood.input),
            "output": shown(stood.output),
        }
    )
    for wait in stood.waits:
        named = wait.kind if wait.kind == wait.name else f"{wait.kind} {wait.name}"
        put(f"waits for  {named}{' (answered)' if wait.answered else ''}")
    depths: dict[str, int] = {}
    for task in stood.tasks:
        depths[task.id] = depths.get(task.parent, -1) + 1
        put(_call(task, depths[task.id]))
    return None


def _call(task: TaskModel, depth: int) -> str:
    arguments = task.arguments if isinstance(task.arguments, dict) else {}
    listed = ", ".join(f"{name}={shown(value)}" for name, value in arguments.items())
    result = f" → {shown(_failure(task.value))}" if task.ended_at is not None and task.state != "cancelled" else ""
    again = f" (attempt {task.attempts})" if task.attempts > 1 else ""
    where = place(task.location, Path.cwd())
    return f"{task.state:<10} {'  ' * depth}{task.name}({listed}){result}{again}  {where}".rstrip()


def _failure(value: Any) -> Any:
    """Of a failure its type and message only."""
    if isinstance(value, dict) and {"type", "message"} <= set(value):
        return f"{value['type']}: {value['message']}"
    return value


def clock(event: EventModel) -> str:
    """The local time of an event, to the millisecond."""
    return event.time.astimezone().strftime("%H:%M:%S.%f")[:-3]


def shown(value: Any) -> str:
    """A value as JSON; None as nothing."""
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
