"""How domain values look in responses: plain dicts of the shapes in `flux.wire.models`.

Dicts instead of models keep the hot routes cheap; a test holds both together.
"""

from __future__ import annotations

import json
from typing import Any

from flux.clock import to_datetime
from flux.codec import NULL, Payload, preview, to_plain
from flux.dispatch.port import Progress
from flux.domain import EventRecord, Execution, LogLine, PendingWait, WorkflowVersion
from flux.domain.snapshot import Snapshot, TaskSnapshot
from flux.domain.verdict import Verdict

LARGE = 32 * 1024
"""Bytes from which a value is only previewed in lists and in the firehose."""


def plain(payload: Payload | None, *, brief: bool = False) -> Any:
    """A payload's value as plain JSON; `brief` shortens large ones to a preview."""
    if payload is None or payload is NULL:
        return None
    if brief and len(payload.data) > LARGE and payload.encoding != "sealed":
        return {"$type": "truncated", "preview": payload.preview or preview(payload)}
    return to_plain(payload)


def execution(one: Execution, *, brief: bool = False) -> dict[str, Any]:
    """`ExecutionSummary`"""
    ref = one.ref
    return {
        "execution_id": one.id,
        "namespace": ref.namespace,
        "workflow": ref.name,
        "state": str(one.state),
        "version": one.version,
        "input": plain(one.input, brief=brief),
        "output": plain(one.output, brief=brief),
        "created_at": to_datetime(one.created_at),
        "updated_at": to_datetime(one.updated_at),
        "started_at": None if one.started_at is None else to_datetime(one.started_at),
        "finished_at": None if one.finished_at is None else to_datetime(one.finished_at),
        "current_task": one.current_task,
        "worker": one.owner,
        "events_count": one.last_seq,
        "parent_id": one.parent_id,
        "parent_call": one.parent_call,
        "workflow_id": str(ref),
        "workflow_name": ref.name,
        "workflow_namespace": ref.namespace,
    }


def event(one: EventRecord, *, brief: bool = False) -> dict[str, Any]:
    """`EventModel`"""
    return {
        "type": str(one.type),
        "source_id": one.source_id,
        "name": one.name,
        "value": plain(one.payload, brief=brief),
        "time": to_datetime(one.time),
        "id": one.id,
        "seq": one.seq,
        "parent": one.parent,
        "location": one.location,
        "child_id": one.wait.child.id if one.wait is not None and one.wait.child is not None else "",
    }


def child(one: Execution) -> dict[str, Any]:
    """`ChildModel`"""
    return {
        "execution_id": one.id,
        "namespace": one.ref.namespace,
        "workflow": one.ref.name,
        "state": str(one.state),
        "call": one.parent_call,
    }


def progress(one: Progress, time: int) -> dict[str, Any]:
    """`EventModel` of an ephemeral progress value."""
    return {
        "type": "TASK_PROGRESS",
        "source_id": one.source_id,
        "name": one.name,
        "value": _json(one.value),
        "time": to_datetime(time),
        "id": "",
        "seq": 0,
        "parent": "",
        "location": "",
        "child_id": "",
    }


def wait(one: PendingWait) -> dict[str, Any]:
    """`PendingWaitModel`"""
    return {
        "execution_id": one.execution_id,
        "namespace": one.ref.namespace,
        "workflow": one.ref.name,
        "id": one.id,
        "name": one.name,
        "kind": str(one.kind),
        "since": to_datetime(one.opened_at),
        "wakes_at": None if one.wake_at is None else to_datetime(one.wake_at),
        "output": plain(one.output),
        "input_schema": _json(one.schema) if one.schema else None,
        "answered": one.answered,
        "child_id": one.child,
    }


def task(one: TaskSnapshot) -> dict[str, Any]:
    """`TaskModel`"""
    return {
        "id": one.id,
        "name": one.name,
        "state": one.state,
        "parent": one.parent,
        "location": one.location,
        "attempts": one.attempts,
        "started_at": to_datetime(one.started_at),
        "ended_at": None if one.ended_at is None else to_datetime(one.ended_at),
        "arguments": plain(one.arguments),
        "value": plain(one.value),
    }


def snapshot(one: Snapshot, newest: EventRecord, total: int) -> dict[str, Any]:
    """`ExecutionSnapshot`"""
    return {
        **execution(one.execution),
        "at": newest.seq,
        "of": total,
        "event": event(newest),
        "tasks": [task(call) for call in one.tasks],
        "waits": [wait(open_wait) for open_wait in one.waits],
    }


def workflow(version: WorkflowVersion) -> dict[str, Any]:
    """`WorkflowSummary`"""
    spec = version.spec
    return {
        "namespace": spec.namespace,
        "name": spec.name,
        "version": version.version,
        "description": spec.description,
        "path": version.path,
        "line": spec.line,
        "digest": version.digest,
        "created_at": to_datetime(version.created_at),
    }


def workflow_detail(version: WorkflowVersion, source: str) -> dict[str, Any]:
    """`WorkflowDetail`"""
    spec = version.spec
    return {
        **workflow(version),
        "id": str(spec.ref),
        "input_schema": spec.input_schema,
        "output_schema": spec.output_schema,
        "tasks": list(spec.tasks),
        "options": dict(spec.options),
        "source": source,
    }


def checked(one: Execution, verdict: Verdict) -> dict[str, Any]:
    """`CheckedExecution`"""
    return {
        "execution_id": one.id,
        "version": one.version,
        "state": str(one.state),
        "outcome": str(verdict.outcome),
        "detail": verdict.detail,
        "location": verdict.location,
        "divergence": dict(verdict.divergence),
    }


def log_line(line: LogLine) -> dict[str, Any]:
    """`LogModel`"""
    return {
        "id": line.id,
        "time": to_datetime(line.time),
        "level": line.level,
        "source": line.source,
        "text": line.text,
        "execution_id": line.execution_id,
        "task": line.task,
    }


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
