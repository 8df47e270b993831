"""What lists show: filtered rows, counts, badges."""

from __future__ import annotations

from dataclasses import dataclass

from flux.domain.events import HUMAN_WAITS, ExecutionState
from flux.tui.model.filters import Query, match_execution, match_wait, match_workflow
from flux.tui.model.store import Store
from flux.wire.models import ExecutionSummary, PendingWaitModel, WorkflowSummary

_RUNNING = (
    ExecutionState.CLAIMED,
    ExecutionState.RUNNING,
    ExecutionState.RESUMING,
    ExecutionState.RESUME_SCHEDULED,
    ExecutionState.RESUME_CLAIMED,
    ExecutionState.CANCELLING,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Numbers of the status bar."""

    running: int
    queued: int
    waiting: int
    failed: int
    workers: int
    slots: int
    busy: int


def counts(store: Store) -> Counts:
    """Count what the status bar shows."""
    online = [worker for worker in store.workers.values() if worker.online]
    return Counts(
        running=store.count(*_RUNNING),
        queued=store.count(ExecutionState.CREATED, ExecutionState.SCHEDULED),
        waiting=len(human_waits(store)),
        failed=store.count(ExecutionState.FAILED),
        workers=len(online),
        slots=sum(worker.slots for worker in online),
        busy=sum(worker.running for worker in online),
    )


def human_waits(store: Store) -> list[PendingWaitModel]:
    """Waits that only a person ends, oldest first."""
    return [wait for wait in store.waits if wait.kind in HUMAN_WAITS and not wait.answered]


def executions(store: Store, query: Query) -> list[ExecutionSummary]:
    """Executions that pass, newest first."""
    rows = [store.executions[execution_id] for _, execution_id in store.order]
    return [row for row in rows if match_execution(query, row)] if query else rows


def waits(store: Store, query: Query) -> list[PendingWaitModel]:
    """Open waits that pass: those for a person first, each oldest first."""
    rows = [wait for wait in store.waits if match_wait(query, wait)]
    return sorted(rows, key=lambda wait: (wait.kind not in HUMAN_WAITS, wait.answered, wait.since))


def workflows(store: Store, query: Query) -> list[WorkflowSummary]:
    """Workflows that pass, by name."""
    rows = [workflow for _, workflow in sorted(store.workflows.items())]
    return [row for row in rows if match_workflow(query, row)]


def is_live(state: ExecutionState) -> bool:
    """Not finished."""
    return not state.is_terminal
