"""How an execution stood at any point of its history: a fold over the events up to there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from flux.codec import Payload
from flux.domain.events import HUMAN_WAITS, EventRecord, ExecutionEventType, ExecutionState, WaitKind
from flux.domain.execution import Execution, PendingWait
from flux.domain.transitions import next_state

_T = ExecutionEventType
_OUTCOMES = {_T.TASK_COMPLETED: "completed", _T.TASK_FAILED: "failed", _T.TASK_CANCELLED: "cancelled"}


@dataclass(frozen=True, slots=True)
class TaskSnapshot:
    """One call of a task. Times are microseconds UTC.

    Attributes:
        state: `running`, `waiting`, `completed`, `failed`, `cancelled`, or `unfinished` when the execution ended first.
        attempts: how often its body has been begun.
        arguments: what it was called with, as far as that was recorded.
        value: its result, or its failure.
    """

    id: str
    name: str
    state: str
    parent: str = ""
    location: str = ""
    attempts: int = 1
    started_at: int = 0
    ended_at: int | None = None
    arguments: Payload | None = None
    value: Payload | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An execution behind one of its events.

    Attributes:
        execution: as it stood; `last_seq` is the seq of that event. Who held it then is not known.
        tasks: all calls made until then, in the order of their beginning.
        waits: what was open then, oldest first.
    """

    execution: Execution
    tasks: tuple[TaskSnapshot, ...] = ()
    waits: tuple[PendingWait, ...] = ()


def snapshot(execution: Execution, events: Sequence[EventRecord]) -> Snapshot:
    """How an execution stood behind the last of `events`, which are its first ones.

    Args:
        execution: as it stands now; what never changes is taken from it.

    Example:
        >>> from flux.domain.workflow import WorkflowRef
        >>> now = Execution("e1", WorkflowRef("default", "hello"), ExecutionState.COMPLETED)
        >>> begun = EventRecord(ExecutionEventType.WORKFLOW_STARTED, "hello_e1", "hello", 1, "x", seq=1)
        >>> snapshot(now, [begun]).execution.state
        <ExecutionState.RUNNING: 'RUNNING'>
    """
    fold = _Fold(execution)
    for event in events:
        fold.take(event)
    return fold.result()


@dataclass(slots=True)
class _Fold:
    """What the events so far have made of an execution."""

    origin: Execution
    state: ExecutionState = ExecutionState.CREATED
    started_at: int | None = None
    end: EventRecord | None = None
    last: EventRecord | None = None
    tasks: dict[str, TaskSnapshot] = field(default_factory=dict)
    waits: dict[str, PendingWait] = field(default_factory=dict)
    openers: dict[str, str] = field(default_factory=dict)

    def take(self, event: EventRecord) -> None:
        """Let one more event happen."""
        self.last = event
        if event.type.startswith("WORKFLOW_"):
            self._take_workflow(event)
        else:
            self._take_task(event)
        self._take_wait(event)

    def result(self) -> Snapshot:
        """How it stands."""
        last = self.last
        waits = tuple(self.waits.values())
        execution = replace(
            self.origin,
            state=self.state,
            output=self.end.payload if self.end else _shown(waits),
            owner="",
            updated_at=last.time if last else self.origin.created_at,
            started_at=self.started_at,
            finished_at=self.end.time if self.end else None,
            last_seq=last.seq if last else 0,
            current_task=next((task.name for task in reversed(self.tasks.values()) if task.state == "running"), ""),
        )
        return Snapshot(execution, tuple(self.tasks.values()), waits)

    def _take_workflow(self, event: EventRecord) -> None:
        before, self.state = self.state, next_state(self.state, event.type)
        if event.type is _T.WORKFLOW_STARTED and self.started_at is None:
            self.started_at = event.time
        if self.state.is_terminal and not before.is_terminal:
            self.end = event
            self.waits.clear()
            for task in self.tasks.values():
                if task.ended_at is None:
                    self.tasks[task.id] = replace(task, state="unfinished")
        elif not self.state.is_terminal:
            self.end = None

    def _take_task(self, event: EventRecord) -> None:
        task = self.tasks.get(event.source_id)
        if task is None:
            arguments = event.payload if event.type is _T.TASK_STARTED else None
            task = TaskSnapshot(
                event.source_id,
                event.name,
                "running",
                event.parent,
                event.location,
                started_at=event.time,
                arguments=arguments,
            )
        self.tasks[task.id] = _moved_on(task, event)

    def _take_wait(self, event: EventRecord) -> None:
        """Open, answer or close waits, as the store does."""
        if event.wait is not None:
            self._open(event)
        elif event.wait_id:
            if (wait := self.waits.get(event.wait_id)) is not None:
                self.waits[wait.id] = replace(wait, answered=True)
        elif event.type in (_T.WORKFLOW_MOVED, _T.WORKFLOW_REOPENED):
            self._close(wait.id for wait in self.waits.values() if wait.kind is WaitKind.DIVERGENCE)
        else:
            self._close(id for id in self.waits if self.openers[id] == event.source_id)

    def _close(self, wait_ids: Iterable[str]) -> None:
        for wait_id in list(wait_ids):
            del self.waits[wait_id]

    def _open(self, event: EventRecord) -> None:
        wait = event.wait
        if wait is None or self.state.is_terminal:
            return
        self.openers[wait.id] = event.source_id
        opened_at = self.waits[wait.id].opened_at if wait.id in self.waits else event.time
        self.waits[wait.id] = PendingWait(
            self.origin.id,
            self.origin.ref,
            wait.id,
            wait.name,
            wait.kind,
            opened_at,
            wait.wake_at,
            wait.output,
            wait.schema,
            wait.model,
            child=wait.child.id if wait.child else "",
        )


def _moved_on(task: TaskSnapshot, event: EventRecord) -> TaskSnapshot:
    """A task behind one more of its events."""
    if (ended := _OUTCOMES.get(event.type)) is not None:
        return replace(task, state=ended, ended_at=event.time, value=event.payload)
    if task.ended_at is not None:
        return task  # its rollback
    attempts = task.attempts + (event.type is _T.TASK_RETRY_STARTED)
    return replace(task, state="running" if event.wait is None else "waiting", attempts=attempts)


def _shown(waits: Iterable[PendingWait]) -> Payload | None:
    """What a paused execution shows: its divergence, else its oldest open question."""
    human = [wait for wait in waits if wait.kind in HUMAN_WAITS and not wait.answered]
    first = next((wait for wait in human if wait.kind is WaitKind.DIVERGENCE), human[0] if human else None)
    return first.output if first else None
