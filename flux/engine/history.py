"""What an execution's log says about its calls, indexed for replay."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from flux.codec import Payload
from flux.domain import EventRecord, ExecutionEventType
from flux.engine.release import CANCEL_MARK

_T = ExecutionEventType
HASH = 17
"""Characters of a call id behind the name: an underscore and 16 digits."""
ROLLED_BACK = frozenset({_T.TASK_ROLLBACK_COMPLETED, _T.TASK_ROLLBACK_FAILED})
FAILURES = frozenset({_T.TASK_RETRY_FAILED, _T.TASK_FALLBACK_STARTED, _T.TASK_GIVEN_UP})
"""Behind these another attempt, the fallback or the rollback is what goes on."""
STRIKES = frozenset({_T.WORKFLOW_CANCELLING, _T.WORKFLOW_TIMED_OUT})
OUTCOMES = frozenset({_T.TASK_COMPLETED, _T.TASK_FAILED, _T.TASK_CANCELLED})
_OF_TASKS = frozenset(type for type in _T if type.startswith("TASK_"))


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

    def failed_after(self, record: EventRecord) -> bool:
        """Whether what ran at `record` has failed since, and something else followed: it is not run again."""
        return any(step.type in FAILURES and step.seq > record.seq for step in self.steps)

    def last(self, *types: ExecutionEventType) -> EventRecord | None:
        """The newest step of one of these types."""
        return next((step for step in reversed(self.steps) if step.type in types), None)


class History:
    """The log of an execution up to now.

    Attributes:
        calls: by call id.
        answers: `WORKFLOW_RESUMING` and `TASK_CHILD_*` events by the id of the wait they answer, in order.
        reopened: how often somebody has reopened it after a failure.
        replayable: ids of calls that replay must meet, those with outcomes in the order of their
            outcomes. A call inside a finished call is not among them: its body does not run again.
        in_flight: ids of calls without an outcome whose body runs again.
        struck: the event with which the body was cancelled, by request or by the workflow's timeout.
        enclosing: those of `in_flight` with recorded calls inside: their body must run for replay to
            meet these, so they are not held back.
    """

    def __init__(self, records: Sequence[EventRecord]) -> None:
        self.records = list(records)
        self.calls: dict[str, RecordedCall] = {}
        self.being_rolled_back: dict[str, EventRecord] = {}
        self.answers: dict[str, list[EventRecord]] = {}
        self.started: EventRecord | None = None
        self.timed_out: EventRecord | None = None
        self.cancelling: EventRecord | None = None
        self.struck: EventRecord | None = None
        self.reopened = 0
        for record in self.records:
            self._index(record)
        self.replayable = list(self._recorded_order())
        self.in_flight = [
            call_id
            for call_id, call in self.calls.items()
            if call.outcome is None and not self._inside_finished(call.first)
        ]

    @cached_property
    def names(self) -> dict[str, str]:
        """What the ids of calls begin with, by what they end with: names as they are recorded, by their hashes."""
        return {call_id[-HASH:]: call_id[:-HASH] for call_id in self.calls}

    @property
    def cancelled(self) -> dict[str, float]:
        """Those of `replayable` that were cancelled, and how many seconds after their beginning."""
        found = {}
        for call_id in self.replayable:
            call = self.calls.get(call_id)
            if call is not None and call.outcome is not None and call.outcome.type is _T.TASK_CANCELLED:
                found[call_id] = (call.outcome.time - call.first.time) / 1e6
        return found

    @property
    def before_cancel(self) -> set[str]:
        """Those of `in_flight` and `replayable` that had been made, and had not ended, when the body was cancelled."""
        struck = self.struck
        if struck is None:
            return set()
        return {call_id for call_id in (*self.in_flight, *self.replayable) if self._was_running(call_id, struck)}

    def _was_running(self, call_id: str, struck: EventRecord) -> bool:
        call = self.calls.get(call_id)
        if call is None or call.first.seq > struck.seq:
            return False
        return call.outcome is None or call.outcome.seq > struck.seq

    def newest_answer(self) -> Payload | None:
        """The answer that has ended the newest pause; None when it has ended by itself."""
        for record in reversed(self.records):
            if record.type is _T.WORKFLOW_RESUMING:
                return record.payload
            if record.type is _T.WORKFLOW_PAUSED:
                break
        return None

    def _recorded_order(self) -> Iterator[str]:
        for record in self.records:
            if record.type in OUTCOMES:
                call = self.calls[record.source_id]
                if call.outcome is record and not self._inside_finished(call.first):
                    yield record.source_id
            elif record is self.struck:
                yield CANCEL_MARK

    @property
    def enclosing(self) -> set[str]:
        """See the class."""
        parents = {call.first.parent for call in self.calls.values()}
        return parents.intersection(self.in_flight)

    def inside(self, call_id: str) -> set[str]:
        """Ids of the recorded calls that were made inside a call, at any depth."""
        return {found for found in self.calls if call_id in self._around(found)}

    def _around(self, call_id: str) -> Iterator[str]:
        """Ids of the recorded calls around a call, innermost first."""
        while (call := self.calls.get(call_id)) is not None and (call_id := call.first.parent):
            yield call_id

    def _index(self, record: EventRecord) -> None:
        if record.wait_id:
            self.answers.setdefault(record.wait_id, []).append(record)
        if record.type in _OF_TASKS:
            self._index_call(record)
        elif record.type is _T.WORKFLOW_STARTED:
            self.started = record
        elif record.type in STRIKES:
            self.struck = self.struck or record
            self.timed_out = record if record.type is _T.WORKFLOW_TIMED_OUT else self.timed_out
            self.cancelling = record if record.type is _T.WORKFLOW_CANCELLING else self.cancelling
        elif record.type is _T.WORKFLOW_REOPENED:
            self.reopened += 1

    def _index_call(self, record: EventRecord) -> None:
        call = self.calls.get(record.source_id)
        if call is None:
            call = self.calls[record.source_id] = RecordedCall(record)
        if record.type in OUTCOMES:
            call.outcome = record
        elif record.type is _T.TASK_ROLLBACK_STARTED and call.outcome is not None:
            # Cancelled, and its rollback has not ended yet: it has to be done again.
            self.being_rolled_back[call.first.source_id] = call.outcome
            call.outcome = None
        elif record.type in ROLLED_BACK and record.source_id in self.being_rolled_back:
            call.outcome = self.being_rolled_back.pop(record.source_id)
        elif record.type is not _T.TASK_STARTED:
            call.steps.append(record)

    def _inside_finished(self, record: EventRecord) -> bool:
        parent = record.parent
        while parent:
            enclosing = self.calls.get(parent)
            if enclosing is None:
                return False
            if enclosing.outcome is not None or enclosing.failed_after(record):
                return True
            parent = enclosing.first.parent
        return False
