"""Rows to records and back. The order of the columns is that of the views in the migrations."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flux.codec import Payload
from flux.domain import (
    Child,
    EventRecord,
    Execution,
    ExecutionEventType,
    ExecutionState,
    LogLine,
    PendingWait,
    Wait,
    WaitKind,
    WorkflowRef,
    WorkflowSpec,
    WorkflowVersion,
)
from flux.store.driver import Row
from flux.store.records import WorkerRecord

EVENT_COLUMNS = 16
"""Columns of an event in the statements of `executions.sql`."""

_STATES = {state.value: state for state in ExecutionState}
_TYPES = {kind.value: kind for kind in ExecutionEventType}
_NAMES = {kind: name for name, kind in _TYPES.items()}
_ref = lru_cache(maxsize=4096)(WorkflowRef)


@dataclass(slots=True)
class Standing:
    """An execution while a change to it is worked out; the store's own columns included.

    Attributes:
        dispatch: `ready`, `held`, `idle` or `done`.
        open_tasks: names of started and unfinished tasks, a line each, newest last.
        revision: of the row it was read from or written to last.
        before: `settled()` as it is in the database.
        forsaken: children whose end it does not wait for any more, until `flux.store.family` has dealt with them.
    """

    serial: int
    id: str
    namespace: str
    workflow: str
    state: ExecutionState
    input: Payload
    output: Payload | None
    version: int
    digest: str
    generation: int
    owner: str
    created_at: int
    updated_at: int
    started_at: int | None
    finished_at: int | None
    last_seq: int
    open_tasks: str
    parent_id: str
    parent_call: str
    dispatch: str
    not_before: int
    deaths: int
    last_ordinal: int
    open_waits: int
    attention: bool
    revision: int
    before: tuple[object, ...] = ()
    forsaken: tuple[str, ...] = ()

    @classmethod
    def of(cls, row: Row) -> Standing:
        """From a row of `execution_view`."""
        serial, id_, namespace, workflow, state, data, encoding, preview, output, out_encoding, out_preview, *rest = row
        shown = None if output is None else Payload(output, out_encoding, out_preview)
        given = Payload(data, encoding, preview)
        standing = cls(serial, id_, namespace, workflow, _STATES[state], given, shown, *rest)
        standing.before = standing.settled()
        return standing

    def execution(self) -> Execution:
        """What others see of it."""
        return Execution(
            self.id,
            _ref(self.namespace, self.workflow),
            self.state,
            self.input,
            self.output,
            self.version,
            self.digest,
            self.generation,
            self.owner,
            self.created_at,
            self.updated_at,
            self.started_at,
            self.finished_at,
            self.last_seq,
            self.open_tasks.rpartition("\n")[2],
            self.parent_id,
            self.parent_call,
        )

    def advance_values(self) -> dict[str, Any]:
        """Values of `advance_execution`."""
        return {
            "updated_at": self.updated_at,
            "last_seq": self.last_seq,
            "last_ordinal": self.last_ordinal,
            "open_waits": self.open_waits,
            "open_tasks": self.open_tasks,
            "serial": self.serial,
            "revision": self.revision,
        }

    def settle_values(self) -> dict[str, Any]:
        """Values of `settle_execution`."""
        return {
            **self.advance_values(),
            **payload_values("output", self.output),
            "state": self.state.value,
            "version": self.version,
            "digest": self.digest,
            "generation": self.generation,
            "owner": self.owner,
            "dispatch": self.dispatch,
            "not_before": self.not_before,
            "deaths": self.deaths,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "attention": int(self.attention),
        }

    def settled(self) -> tuple[object, ...]:
        """Everything but what `advance_execution` writes: the wide update is needed when it changes."""
        return (
            self.state,
            self.output,
            self.dispatch,
            self.generation,
            self.owner,
            self.not_before,
            self.attention,
            self.started_at,
            self.finished_at,
            self.version,
            self.digest,
            self.deaths,
        )


def execution(row: Row) -> Execution:
    """From a row of `execution_view`."""
    return Standing.of(row).execution()


def execution_values(new: Execution) -> dict[str, Any]:
    """Values of `insert_execution`, of an execution that nobody holds."""
    return {
        "id": new.id,
        "namespace": new.ref.namespace,
        "workflow": new.ref.name,
        "state": ExecutionState.CREATED.value,
        "version": new.version,
        "digest": new.digest,
        "parent_id": new.parent_id,
        "parent_call": new.parent_call,
        "generation": 0,
        "owner": new.owner,
        "dispatch": "ready",
        "created_at": new.created_at,
        "updated_at": new.created_at,
        "not_before": new.created_at,
    }


def payload_values(column: str, payload: Payload | None) -> dict[str, Any]:
    """Values of the three columns of a payload."""
    if payload is None:
        return {column: None, f"{column}_encoding": None, f"{column}_preview": None}
    return {column: payload.data, f"{column}_encoding": payload.encoding, f"{column}_preview": payload.preview}


def event(row: Row) -> EventRecord:
    """From the columns of an event."""
    kind, source_id, name, time, id_, data, encoding, preview, *rest = row
    seq, ordinal, position, parent, digest, location, wait, wait_id = rest
    return EventRecord(
        _TYPES[kind],
        source_id,
        name,
        time,
        id_,
        None if data is None else Payload(data, encoding or "json", preview or ""),
        seq,
        ordinal,
        position,
        parent,
        digest,
        location,
        None if wait is None else parse_wait(wait),
        wait_id or "",
    )


def event_values(record: EventRecord, execution: int, generation: int, seq: int) -> dict[str, Any]:
    """Values of `insert_event`."""
    payload = record.payload
    return {
        "execution": execution,
        "seq": seq,
        "generation": generation,
        "ordinal": record.ordinal,
        "type": _NAMES[record.type],
        "source_id": record.source_id,
        "name": record.name,
        "time": record.time,
        "id": record.id,
        "payload": None if payload is None else payload.data,
        "payload_encoding": None if payload is None or payload.encoding == "json" else payload.encoding,
        "payload_preview": None if payload is None else payload.preview or None,
        "parent": record.parent,
        "digest": record.digest,
        "location": record.location,
        "wait": None if record.wait is None else dump_wait(record.wait),
        "wait_id": record.wait_id or None,
    }


def stored(record: EventRecord, seq: int, position: int) -> EventRecord:
    """The event with its places."""
    return EventRecord(
        record.type,
        record.source_id,
        record.name,
        record.time,
        record.id,
        record.payload,
        seq,
        record.ordinal,
        position,
        record.parent,
        record.digest,
        record.location,
        record.wait,
        record.wait_id,
    )


def placed(events: Sequence[EventRecord], last_seq: int, position: int) -> tuple[EventRecord, ...]:
    """Events that were stored together, with their places: their last seq and their first position are given."""
    first_seq = last_seq - len(events) + 1
    return tuple(stored(event, first_seq + index, position + index) for index, event in enumerate(events))


def same(sent: EventRecord, found: EventRecord) -> bool:
    """Whether an event that is delivered again is the one that is stored."""
    return sent == stored(found, sent.seq, sent.position)


def dump_wait(wait: Wait) -> str:
    """JSON text of a wait."""
    output, child = wait.output, wait.child
    shown = output and [base64.b64encode(output.data).decode(), output.encoding, output.preview]
    started = child and [child.id, child.ref.namespace, child.ref.name, child.digest, child.detached]
    return json.dumps([wait.id, wait.name, wait.kind.value, wait.wake_at, shown, wait.schema, wait.model, started])


def parse_wait(text: str) -> Wait:
    """The wait of such a text."""
    id_, name, kind, wake_at, shown, schema, model, *more = json.loads(text)
    output = Payload(base64.b64decode(shown[0]), shown[1], shown[2]) if shown else None
    child = _child(*more[0]) if more and more[0] else None
    return Wait(id_, name, WaitKind(kind), wake_at, output, schema, model, child)


def _child(id_: str, namespace: str, name: str, digest: str, detached: bool) -> Child:
    return Child(id_, _ref(namespace, name), digest, detached)


def wait_values(record: EventRecord, wait: Wait, execution: int) -> dict[str, Any]:
    """Values of `open_wait`."""
    return {
        "execution": execution,
        "id": wait.id,
        "source_id": record.source_id,
        "name": wait.name,
        "kind": wait.kind.value,
        "opened_at": record.time,
        "wake_at": wait.wake_at,
        **payload_values("output", wait.output),
        "schema": wait.schema,
        "model": wait.model,
        "child": None if wait.child is None else wait.child.id,
    }


def pending(row: Row) -> PendingWait:
    """From a row of `wait_view`."""
    _, execution_id, namespace, workflow, id_, name, kind, opened_at, wake_at, data, encoding, preview, *rest = row
    schema, model, answered, child = rest
    return PendingWait(
        execution_id,
        _ref(namespace, workflow),
        id_,
        name,
        WaitKind(kind),
        opened_at,
        wake_at,
        None if data is None else Payload(data, encoding, preview),
        schema,
        model,
        bool(answered),
        child or "",
    )


def dump_spec(spec: WorkflowSpec) -> str:
    """JSON text of what is known of a workflow; its fields stay in the order in which they were declared."""
    return json.dumps(
        {
            "attribute": spec.attribute,
            "description": spec.description,
            "input_schema": spec.input_schema,
            "output_schema": spec.output_schema,
            "line": spec.line,
            "tasks": list(spec.tasks),
            "options": spec.options,
        },
        default=_plain,
    )


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not plain JSON")


def version(row: Row) -> WorkflowVersion:
    """From a row of `version_view`."""
    namespace, name, number, digest, text, created_at, path, *_ = row
    spec = json.loads(text)
    spec["tasks"] = tuple(spec["tasks"])
    return WorkflowVersion(WorkflowSpec(namespace, name, **spec), number, digest, created_at, path)


def worker(row: Row) -> WorkerRecord:
    """From a row of `workers`."""
    name, data, registered_at, last_seen = row
    return WorkerRecord(name, json.loads(data), registered_at, last_seen)


def log_line(row: Row) -> LogLine:
    """From a row of the statements in `logs.sql`."""
    id_, time, level, source, text, execution_id, task = row
    return LogLine(time, level, source, text, execution_id, task, id_)
