"""The events that the server itself appends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from flux.clock import Clock
from flux.codec import Payload
from flux.dispatch.port import Answered, CancelRequested
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState
from flux.store import Change

_RESUMING = frozenset(
    {
        ExecutionState.PAUSED,
        ExecutionState.RESUMING,
        ExecutionState.RESUME_SCHEDULED,
        ExecutionState.RESUME_CLAIMED,
    }
)


def new_id() -> str:
    """A random id of 32 hex digits."""
    return uuid.uuid4().hex


def deliveries(change: Change) -> Iterator[Answered | CancelRequested]:
    """What the owner of an execution has to be told of a change that others have made."""
    for event in change.events:
        if event.type is ExecutionEventType.WORKFLOW_CANCELLING:
            yield CancelRequested(change.execution.id, event)
        elif event.wait_id:
            yield Answered(change.execution.id, event)


def is_settled(execution: Execution) -> bool:
    """Finished, or paused for a person: where synchronous callers stop waiting."""
    return execution.state is ExecutionState.PAUSED or execution.state.is_terminal


def is_finished(execution: Execution) -> bool:
    """Finished for good."""
    return execution.state.is_terminal


@dataclass(frozen=True, slots=True)
class Recorder:
    """Makes event records with the injected clock and ids."""

    clock: Clock
    ids: Callable[[], str] = new_id

    def event(
        self,
        type: ExecutionEventType,
        execution: Execution,
        *,
        source_id: str = "",
        payload: Payload | None = None,
    ) -> EventRecord:
        """A workflow event; its source is the execution unless a worker is named."""
        return EventRecord(
            type=type,
            source_id=source_id or execution.id,
            name=execution.ref.name,
            time=self.clock.now(),
            id=self.ids(),
            payload=payload,
        )

    def claiming(self, execution: Execution, worker: str) -> tuple[EventRecord, EventRecord]:
        """What a claim appends: scheduled for the worker, claimed by it."""
        scheduled, claimed = ExecutionEventType.WORKFLOW_SCHEDULED, ExecutionEventType.WORKFLOW_CLAIMED
        if execution.state in _RESUMING:
            scheduled = ExecutionEventType.WORKFLOW_RESUME_SCHEDULED
            claimed = ExecutionEventType.WORKFLOW_RESUME_CLAIMED
        return (
            self.event(scheduled, execution, source_id=worker),
            self.event(claimed, execution, source_id=worker),
        )
