"""What can happen to an execution, and the record of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TypedDict

from flux.clock import as_utc
from flux.codec import Payload
from flux.domain.workflow import WorkflowRef
from flux.records import record

__all__ = [
    "HUMAN_WAITS",
    "TERMINAL_STATES",
    "Child",
    "EventRecord",
    "ExecutionEvent",
    "ExecutionEventType",
    "ExecutionState",
    "PausedEventValue",
    "Wait",
    "WaitKind",
    "as_utc",
]


class ExecutionState(StrEnum):
    """Where an execution stands; a fold over its events (see `flux.domain.transitions`)."""

    CREATED = "CREATED"
    SCHEDULED = "SCHEDULED"
    CLAIMED = "CLAIMED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    RESUMING = "RESUMING"
    RESUME_SCHEDULED = "RESUME_SCHEDULED"
    RESUME_CLAIMED = "RESUME_CLAIMED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELLED = "CANCELLED"

    @property
    def is_terminal(self) -> bool:
        """Finished for good (`FAILED` reopens only by a person's recorded command)."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({ExecutionState.COMPLETED, ExecutionState.FAILED, ExecutionState.CANCELLED})


class ExecutionEventType(StrEnum):
    """The types of events in an execution's log; the value of each is its name."""

    WORKFLOW_SCHEDULED = "WORKFLOW_SCHEDULED"
    WORKFLOW_CLAIMED = "WORKFLOW_CLAIMED"
    WORKFLOW_STARTED = "WORKFLOW_STARTED"
    WORKFLOW_COMPLETED = "WORKFLOW_COMPLETED"
    WORKFLOW_FAILED = "WORKFLOW_FAILED"
    WORKFLOW_PAUSED = "WORKFLOW_PAUSED"
    WORKFLOW_RESUMING = "WORKFLOW_RESUMING"
    WORKFLOW_RESUME_SCHEDULED = "WORKFLOW_RESUME_SCHEDULED"
    WORKFLOW_RESUME_CLAIMED = "WORKFLOW_RESUME_CLAIMED"
    WORKFLOW_RESUMED = "WORKFLOW_RESUMED"
    WORKFLOW_CANCELLING = "WORKFLOW_CANCELLING"
    WORKFLOW_CANCELLED = "WORKFLOW_CANCELLED"
    WORKFLOW_REOPENED = "WORKFLOW_REOPENED"
    WORKFLOW_MOVED = "WORKFLOW_MOVED"
    WORKFLOW_TIMED_OUT = "WORKFLOW_TIMED_OUT"

    TASK_STARTED = "TASK_STARTED"
    TASK_COMPLETED = "TASK_COMPLETED"
    TASK_FAILED = "TASK_FAILED"
    TASK_CANCELLED = "TASK_CANCELLED"
    TASK_PAUSED = "TASK_PAUSED"
    TASK_RESUMED = "TASK_RESUMED"
    TASK_RESUME_REJECTED = "TASK_RESUME_REJECTED"
    TASK_WAITING = "TASK_WAITING"
    TASK_CHILD_STARTED = "TASK_CHILD_STARTED"
    TASK_CHILD_COMPLETED = "TASK_CHILD_COMPLETED"
    TASK_CHILD_FAILED = "TASK_CHILD_FAILED"
    TASK_CHILD_CANCELLED = "TASK_CHILD_CANCELLED"
    TASK_PROGRESS = "TASK_PROGRESS"
    TASK_CACHE_HIT = "TASK_CACHE_HIT"
    TASK_RETRY_STARTED = "TASK_RETRY_STARTED"
    TASK_RETRY_COMPLETED = "TASK_RETRY_COMPLETED"
    TASK_RETRY_FAILED = "TASK_RETRY_FAILED"
    TASK_FALLBACK_STARTED = "TASK_FALLBACK_STARTED"
    TASK_FALLBACK_COMPLETED = "TASK_FALLBACK_COMPLETED"
    TASK_FALLBACK_FAILED = "TASK_FALLBACK_FAILED"
    TASK_GIVEN_UP = "TASK_GIVEN_UP"
    TASK_ROLLBACK_STARTED = "TASK_ROLLBACK_STARTED"
    TASK_ROLLBACK_COMPLETED = "TASK_ROLLBACK_COMPLETED"
    TASK_ROLLBACK_FAILED = "TASK_ROLLBACK_FAILED"


class WaitKind(StrEnum):
    """What an execution can wait for."""

    INPUT = "input"
    TIMER = "timer"
    BACKOFF = "backoff"
    CHILD = "child"
    DIVERGENCE = "divergence"


HUMAN_WAITS = frozenset({WaitKind.INPUT, WaitKind.DIVERGENCE})
"""Waits that make an execution PAUSED; the others leave it RUNNING without a slot."""


@dataclass(frozen=True, slots=True)
class Child:
    """The child execution that an event starts by opening a wait for it; its input is the event's payload.

    Attributes:
        id: of the child execution; follows from its parent and the call, so that it can be started only once.
        digest: the code it runs, when the parent's process knows it; "" for the current version of the catalog.
        detached: nobody waits for its end: the wait is over when it has started.
    """

    id: str
    ref: WorkflowRef
    digest: str = ""
    detached: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Something an execution waits for.

    An event that carries a wait opens it; the next event with the same `source_id` closes it.

    Attributes:
        id: addressable id, unique in the execution; the call id of the waiting task.
        name: the name given by the user (`pause("approval")`), or of the waiting task.
        kind: what it waits for.
        wake_at: microseconds UTC at which it ends by itself; None when only an answer ends it.
        output: what `pause(output=)` shows to the person.
        schema: JSON schema (text) of the answer, or "" when any value will do.
        model: `module:qualname` of the pydantic model or dataclass behind the schema, or "".
        child: the child execution that it waits for.
    """

    id: str
    name: str
    kind: WaitKind
    wake_at: int | None = None
    output: Payload | None = None
    schema: str = ""
    model: str = ""
    child: Child | None = None


@record
class EventRecord:
    """One event as it is stored and shipped: values stay encoded.

    Attributes:
        type: what happened.
        source_id: call id for task events, worker name or execution id for workflow events.
        name: task or workflow name.
        time: microseconds since the epoch, UTC.
        id: unique id of the event.
        payload: the event's value, or None.
        seq: 1..n in its execution, dense; 0 until the store has assigned it.
        ordinal: n-th event sent by one owner of the execution (with its generation it makes
            redelivery harmless); 0 for events the server appends itself.
        position: place in the commit order of all executions; 0 until the store has assigned it.
        parent: call id of the enclosing task, or "".
        digest: digest of the call's arguments, or "".
        location: `file:line` of the call, or "".
        wait: the wait this event opens.
        wait_id: the wait this event answers (`WORKFLOW_RESUMING`, `TASK_CHILD_*`), or "".
    """

    type: ExecutionEventType
    source_id: str
    name: str
    time: int
    id: str
    payload: Payload | None = None
    seq: int = 0
    ordinal: int = 0
    position: int = 0
    parent: str = ""
    digest: str = ""
    location: str = ""
    wait: Wait | None = None
    wait_id: str = ""


class PausedEventValue(TypedDict):
    """The value of a `WORKFLOW_PAUSED` event: the name of the pause, and what it shows."""

    name: str
    output: Any


@dataclass(slots=True)
class ExecutionEvent:
    """One event as users see it in `ctx.events`, its value decoded.

    Example:
        >>> [event.type for event in ctx.events if event.name == "charge"]  # doctest: +SKIP
        [<ExecutionEventType.TASK_STARTED: 'TASK_STARTED'>, ...]
    """

    type: ExecutionEventType
    source_id: str
    name: str
    value: Any = None
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = ""
    seq: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; `time` as ISO 8601, `value` as it is."""
        return {
            "type": str(self.type),
            "source_id": self.source_id,
            "name": self.name,
            "value": self.value,
            "time": self.time.isoformat(),
            "id": self.id,
            "seq": self.seq,
        }
