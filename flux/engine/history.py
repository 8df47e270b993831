"""What an execution's log says about its calls, indexed for replay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from flux.domain import EventRecord, ExecutionEventType

_T = ExecutionEventType
OUTCOMES = frozenset({_T.TASK_COMPLETED, _T.TASK_FAILED, _T.TASK_CANCELLED})


@dataclass(slots=True)
class RecordedCall:
    """Everything recorded about one call.

    Attributes:
        first: its first event (what a divergence report shows).
        outcome: the event that ended it, or None while in flight.
        steps: its other events in order (attempts, waits, fallback, rollback).
    """

    first: EventRecord
    outcome: EventRecord | None = None
    steps: list[EventRecord] = field(default_factory=list)

    def has(self, type: ExecutionEventType) -> bool:
        """Whether a step of this type is recorded."""
        return any(step.type is type for step in self.steps)

    def last(self, *types: ExecutionEventType) -> EventRecord | None:
        """The newest step of one of these types."""
        return next((step for step in reversed(self.steps) if step.type in types), None)


class History:
    """The log of an execution up to now.

    Attributes:
        calls: by call id.
        answers: `WORKFLOW_RESUMING` events by the id of the wait they answer, in order.
        replayable: ids of calls that replay must meet, those with outcomes in the order of their
            outcomes. A call inside a finished call is not among them: its body does not run again.
        in_flight: ids of calls without an outcome whose body runs again.
        enclosing: those of `in_flight` with recorded calls inside: their body must run for replay to
            meet these, so they are not held back.
    """

    def __init__(self, records: Sequence[EventRecord]) -> None:
        self.records = list(records)
        self.calls: dict[str, RecordedCall] = {}
        self.answers: dict[str, list[EventRecord]] = {}
        self.started: EventRecord | None = None
        for record in self.records:
            self._index(record)
        self.replayable = [
            record.source_id for record in self.records if record.type in OUTCOMES and not self._inside_finished(record)
        ]
        self.in_flight = [
            call_id
            for call_id, call in self.calls.items()
            if call.outcome is None and not self._inside_finished(call.first)
        ]

    @property
    def cancelled(self) -> list[str]:
        """Those of `replayable` that the code itself cancelled."""
        return [call_id for call_id in self.replayable if self._outcome_type(call_id) is _T.TASK_CANCELLED]

    def _outcome_type(self, call_id: str) -> ExecutionEventType | None:
        outcome = self.calls[call_id].outcome
        return outcome.type if outcome else None

    @property
    def enclosing(self) -> set[str]:
        """See the class."""
        parents = {call.first.parent for call in self.calls.values()}
        return parents.intersection(self.in_flight)

    def _index(self, record: EventRecord) -> None:
        if record.type is _T.WORKFLOW_RESUMING:
            self.answers.setdefault(record.wait_id, []).append(record)
        elif record.type is _T.WORKFLOW_STARTED:
            self.started = record
        elif record.type.startswith("TASK_"):
            self._index_call(record)

    def _index_call(self, record: EventRecord) -> None:
        call = self.calls.get(record.source_id)
        if call is None:
            call = self.calls[record.source_id] = RecordedCall(record)
        if record.type in OUTCOMES:
            call.outcome = record
        elif record.type is not _T.TASK_STARTED:
            call.steps.append(record)

    def _inside_finished(self, record: EventRecord) -> bool:
        parent = record.parent
        while parent:
            enclosing = self.calls.get(parent)
            if enclosing is None:
                return False
            if enclosing.outcome is not None:
                return True
            parent = enclosing.first.parent
        return False
