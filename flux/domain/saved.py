"""Histories as files: one execution with its events as JSON, to be kept, read and replayed for ever.

```json
{
"flux_history": 1,
"execution": {"id": "7f3a…", "namespace": "shop", "workflow": "order", "state": "PAUSED", …},
"events": [
{"seq": 1, "type": "WORKFLOW_STARTED", "source": "order_7f3a…", "name": "order", "time": "2026-01-31T08:…", …},
…
]}
```

Each event stands on a line of its own, so that files compare well. A value is `{"json": …}`, with the tags that the
codec puts into JSON, or `{"dill": "<base64>", "preview": "…"}`, or the same with `sealed` when it contains a secret.
Members without a value are left out.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from flux.clock import to_datetime, to_micros
from flux.codec import NULL, Payload
from flux.codec.payload import Encoding
from flux.domain.events import Child, EventRecord, ExecutionEventType, ExecutionState, Wait, WaitKind
from flux.domain.execution import Execution
from flux.domain.workflow import WorkflowRef
from flux.errors import UsageError

_SEPARATORS = (",", ":")
FORMAT = 1
"""Version of the format; every one that was ever written stays readable."""


@dataclass(frozen=True, slots=True)
class SavedHistory:
    """An execution and all its events.

    Example:
        >>> from flux.domain import Execution, ExecutionState, WorkflowRef
        >>> saved = SavedHistory(Execution("e1", WorkflowRef("default", "hello"), ExecutionState.CREATED))
        >>> SavedHistory.parse(saved.text()) == saved
        True
    """

    execution: Execution
    events: tuple[EventRecord, ...] = ()

    def text(self) -> str:
        """The content of the file."""
        lines = ",\n".join(_dumped(_event(event)) for event in self.events)
        head = f'"flux_history": {FORMAT},\n"execution": {_dumped(_execution(self.execution))},'
        return f'{{\n{head}\n"events": [\n{lines}\n]}}\n'

    @classmethod
    def parse(cls, text: str) -> Self:
        """The history in a file. Raises `UsageError` when it is none, or of a version that is not known here."""
        try:
            document = json.loads(text)
            version = document["flux_history"]
        except (ValueError, KeyError, TypeError):
            raise UsageError("This is not a saved history of an execution.") from None
        if version != FORMAT:
            raise UsageError(f"This history is of format {version}; this Flux reads {FORMAT}.", hint="Upgrade Flux.")
        try:
            events = tuple(_read_event(one) for one in document["events"])
            return cls(_read_execution(document["execution"], events), events)
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"The saved history is damaged: {type(error).__name__}: {error}.") from None


def _dumped(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=_SEPARATORS)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=_SEPARATORS)  # lone surrogates, which a file carries as escapes only
    return text


def _execution(one: Execution) -> dict[str, Any]:
    return _present(
        {
            "id": one.id,
            "namespace": one.ref.namespace,
            "workflow": one.ref.name,
            "state": str(one.state),
            "input": _value(one.input),
            "output": _value(one.output),
            "version": one.version,
            "digest": one.digest,
            "generation": one.generation,
            "created_at": _time(one.created_at),
            "updated_at": _time(one.updated_at),
            "started_at": _time(one.started_at),
            "finished_at": _time(one.finished_at),
            "parent_id": one.parent_id,
            "parent_call": one.parent_call,
        }
    )


def _read_execution(one: Mapping[str, Any], events: Sequence[EventRecord]) -> Execution:
    return Execution(
        id=one["id"],
        ref=WorkflowRef(one["namespace"], one["workflow"]),
        state=ExecutionState(one["state"]),
        input=_read_value(one.get("input")) or NULL,
        output=_read_value(one.get("output")),
        version=one.get("version", 0),
        digest=one.get("digest", ""),
        generation=one.get("generation", 0),
        created_at=_read_time(one.get("created_at")) or 0,
        updated_at=_read_time(one.get("updated_at")) or 0,
        started_at=_read_time(one.get("started_at")),
        finished_at=_read_time(one.get("finished_at")),
        last_seq=len(events),
        parent_id=one.get("parent_id", ""),
        parent_call=one.get("parent_call", ""),
    )


def _event(one: EventRecord) -> dict[str, Any]:
    return _present(
        {
            "seq": one.seq,
            "type": str(one.type),
            "source": one.source_id,
            "name": one.name,
            "time": _time(one.time),
            "id": one.id,
            "ordinal": one.ordinal,
            "parent": one.parent,
            "digest": one.digest,
            "location": one.location,
            "value": _value(one.payload),
            "wait": None if one.wait is None else _wait(one.wait),
            "wait_id": one.wait_id,
        }
    )


def _read_event(one: Mapping[str, Any]) -> EventRecord:
    return EventRecord(
        type=ExecutionEventType(one["type"]),
        source_id=one["source"],
        name=one["name"],
        time=_read_time(one.get("time")) or 0,
        id=one.get("id", ""),
        payload=_read_value(one.get("value")),
        seq=one["seq"],
        ordinal=one.get("ordinal", 0),
        parent=one.get("parent", ""),
        digest=one.get("digest", ""),
        location=one.get("location", ""),
        wait=_read_wait(one["wait"]) if "wait" in one else None,
        wait_id=one.get("wait_id", ""),
    )


def _wait(one: Wait) -> dict[str, Any]:
    return _present(
        {
            "id": one.id,
            "name": one.name,
            "kind": str(one.kind),
            "wake_at": _time(one.wake_at),
            "output": _value(one.output),
            "schema": one.schema,
            "model": one.model,
            "child": None if one.child is None else _child(one.child),
        }
    )


def _child(one: Child) -> dict[str, Any]:
    return _present({"id": one.id, "workflow": str(one.ref), "digest": one.digest, "detached": one.detached})


def _read_child(one: Mapping[str, Any]) -> Child:
    ref = WorkflowRef.parse(one["workflow"])
    return Child(one["id"], ref, one.get("digest", ""), one.get("detached", False))


def _read_wait(one: Mapping[str, Any]) -> Wait:
    return Wait(
        id=one["id"],
        name=one["name"],
        kind=WaitKind(one["kind"]),
        wake_at=_read_time(one.get("wake_at")),
        output=_read_value(one.get("output")),
        schema=one.get("schema", ""),
        model=one.get("model", ""),
        child=_read_child(one["child"]) if "child" in one else None,
    )


def _value(payload: Payload | None) -> dict[str, Any] | None:
    if payload is None:
        return None
    shown = {"preview": payload.preview} if payload.preview else {}
    if payload.encoding == "json":
        return {"json": json.loads(payload.data), **shown}
    return {payload.encoding: base64.b64encode(payload.data).decode(), **shown}


def _read_value(value: Mapping[str, Any] | None) -> Payload | None:
    if value is None:
        return None
    preview = value.get("preview", "")
    if "json" in value:
        return Payload(_dumped(value["json"]).encode(), "json", preview)
    encoding: Encoding = "sealed" if "sealed" in value else "dill"
    return Payload(base64.b64decode(value[encoding]), encoding, preview)


def _time(micros: int | None) -> str | None:
    return None if micros is None else to_datetime(micros).isoformat()


def _read_time(text: str | None) -> int | None:
    return None if text is None else to_micros(datetime.fromisoformat(text))


def _present(members: Mapping[str, Any]) -> dict[str, Any]:
    """Without what has no value."""
    return {name: value for name, value in members.items() if value not in (None, "", 0)}
