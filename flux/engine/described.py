"""Executions as JSON describes them to people, as contexts again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flux.clock import to_micros
from flux.codec import Codec, Payload, from_plain
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState
from flux.domain.workflow import DEFAULT_NAMESPACE, WorkflowRef
from flux.engine.context import ExecutionContext
from flux.errors import ExecutionError, UsageError


def context_of(document: str | bytes | Mapping[str, Any]) -> ExecutionContext[Any]:
    """See `ExecutionContext.from_json`.

    Example:
        >>> ctx = context_of({"execution_id": "e1", "workflow": "hello", "state": "COMPLETED", "output": 3})
        >>> ctx.workflow_namespace, ctx.output, ctx.has_succeeded
        ('default', 3, True)
    """
    try:
        found = document if isinstance(document, Mapping) else json.loads(document)
        records = [_event(event, seq) for seq, event in enumerate(found.get("events") or (), 1)]
        return ExecutionContext(_execution(found, len(records)), Codec(), records)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"This describes no execution: {type(error).__name__}: {error}.") from None


def _execution(found: Mapping[str, Any], last_seq: int) -> Execution:
    namespace = found.get("workflow_namespace") or found.get("namespace") or DEFAULT_NAMESPACE
    name = found.get("workflow_name") or found["workflow"]
    version = str(found.get("workflow_id") or "").rpartition("/")[2]
    state = ExecutionState(found["state"])
    return Execution(
        id=found["execution_id"],
        ref=WorkflowRef(namespace, name),
        state=state,
        input=from_plain(found.get("input")),
        output=_output(found.get("output"), failed=state is ExecutionState.FAILED),
        version=int(version) if version.isdigit() else 0,
        owner=found.get("current_worker") or "",
        last_seq=last_seq,
    )


def _output(value: Any, *, failed: bool) -> Payload | None:
    if failed and isinstance(value, Mapping) and "message" in value:
        return Codec().encode(ExecutionError(None, f"{value.get('type', 'Error')}: {value['message']}"))
    return None if value is None else from_plain(value)


def _event(found: Mapping[str, Any], seq: int) -> EventRecord:
    value = found.get("value")
    return EventRecord(
        ExecutionEventType(found["type"]),
        found.get("source_id", ""),
        found.get("name", ""),
        to_micros(datetime.fromisoformat(found["time"])),
        found.get("id", ""),
        None if value is None else from_plain(value),
        seq=found.get("seq", seq),
    )
