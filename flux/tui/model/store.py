"""The truth the screens show: a fold of list answers and live events, bounded in memory."""

from __future__ import annotations

from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from flux.domain.events import HUMAN_WAITS, ExecutionEventType, ExecutionState
from flux.tui.model.format import ref_of
from flux.tui.model.ring import Ring
from flux.wire.models import (
    EventModel,
    ExecutionDetail,
    ExecutionPage,
    ExecutionSummary,
    LiveEvent,
    LogModel,
    PendingWaitModel,
    ReloadModel,
    WorkerModel,
    WorkflowSummary,
)

EVENT_LIMIT = 50_000
LOG_LIMIT = 20_000
EXECUTION_LIMIT = 5_000
STREAM_LIMIT = 5_000
_ARCHIVES = 8


class Topic(StrEnum):
    """What a change concerns; screens redraw what they show of it."""

    EXECUTIONS = "executions"
    EVENTS = "events"
    WAITS = "waits"
    WORKFLOWS = "workflows"
    WORKERS = "workers"
    LOGS = "logs"
    RELOADS = "reloads"
    CONNECTION = "connection"
    GAP = "gap"


_WAIT_CHANGES = frozenset(
    {
        ExecutionEventType.WORKFLOW_PAUSED,
        ExecutionEventType.WORKFLOW_RESUMING,
        ExecutionEventType.WORKFLOW_RESUMED,
        ExecutionEventType.WORKFLOW_CANCELLING,
        ExecutionEventType.TASK_PAUSED,
        ExecutionEventType.TASK_RESUMED,
        ExecutionEventType.TASK_RESUME_REJECTED,
        ExecutionEventType.TASK_WAITING,
        ExecutionEventType.TASK_CHILD_COMPLETED,
        ExecutionEventType.TASK_CHILD_FAILED,
        ExecutionEventType.TASK_CHILD_CANCELLED,
    }
)
"""Events after which the list of open waits must be asked for again (its schemas do not travel live)."""


@dataclass(frozen=True, slots=True)
class Connection:
    """How the stream of live events stands.

    Attributes:
        attempts: reconnects tried since it broke.
        retry_at: when the next try is due.
        since: when the data shown was last known to be right.
    """

    connected: bool = False
    ever: bool = False
    attempts: int = 0
    error: str = ""
    retry_at: datetime | None = None
    since: datetime | None = None


@dataclass(slots=True)
class Loaded:
    """Which lists have had a first answer, and what failed at the last one."""

    executions: bool = False
    waits: bool = False
    workflows: bool = False
    logs: bool = False
    error: str = ""


class Store:
    """All view state that comes from the server.

    Example:
        >>> store = Store()
        >>> store.set_workers([WorkerModel(name="w1", online=True, slots=4)])
        >>> [worker.name for worker in store.workers.values()]
        ['w1']
    """

    def __init__(self) -> None:
        self.executions: dict[str, ExecutionSummary] = {}
        self.order: list[tuple[float, str]] = []
        self.states: Counter[ExecutionState] = Counter()
        self.total = 0
        self.cursor: str | None = None
        self.histories: OrderedDict[str, list[EventModel]] = OrderedDict()
        self.stale_histories: set[str] = set()
        self.waits: list[PendingWaitModel] = []
        self.wait_names: dict[str, str] = {}
        self.workflows: dict[str, WorkflowSummary] = {}
        self.last_runs: dict[str, ExecutionSummary] = {}
        self.workers: dict[str, WorkerModel] = {}
        self.logs: Ring[LogModel] = Ring(LOG_LIMIT)
        self.archives: OrderedDict[str, list[LogModel]] = OrderedDict()
        self.stream: Ring[LiveEvent] = Ring(STREAM_LIMIT)
        self.reloads: dict[str, ReloadModel] = {}
        self.last_reload: ReloadModel | None = None
        self.connection = Connection()
        self.loaded = Loaded()
        self.last_event_id: int | None = None
        self.applied = 0
        self._last_log_id = 0
        self._events_held = 0

    # live events

    def apply(self, message: LiveEvent) -> set[Topic]:
        """Take in one live event; says what changed. Delivering one twice changes nothing."""
        self.applied += 1
        if message.id > (self.last_event_id or 0):
            self.last_event_id = message.id
        topics: set[Topic] = set()
        match message.kind:
            case "event":
                topics = self._apply_event(message)
            case "log" if message.log is not None:
                topics = {Topic.LOGS} if self.add_log(message.log) else set()
            case "workflow" if message.workflow is not None:
                topics = self._apply_workflow(message.workflow, message.deleted)
            case "worker" if message.worker is not None:
                topics = self._apply_worker(message.worker, message.deleted)
            case "reload" if message.reload is not None:
                topics = self.add_reload(message.reload)
            case "gap":
                topics = {Topic.GAP}
        if message.kind not in ("worker", "gap"):
            self.stream.append(message)
        return topics

    def _apply_event(self, message: LiveEvent) -> set[Topic]:
        topics: set[Topic] = set()
        if message.execution is not None:
            self.put_execution(message.execution)
            topics |= {Topic.EXECUTIONS, Topic.WORKFLOWS}
        event = message.event
        if event is not None:
            if message.execution is not None and self._add_event(message.execution.execution_id, event):
                topics.add(Topic.EVENTS)
            if event.type in _WAIT_CHANGES:
                topics.add(Topic.WAITS)
        if message.execution is not None and message.execution.state.is_terminal:
            topics |= self._drop_waits(message.execution.execution_id)
        return topics

    def _add_event(self, execution_id: str, event: EventModel) -> bool:
        history = self.histories.get(execution_id)
        if history is None:
            return False
        last = history[-1].seq if history else 0
        if event.seq <= last:
            return False
        if event.seq > last + 1:
            self.stale_histories.add(execution_id)
        history.append(event)
        self._events_held += 1
        self._trim_events(keep=execution_id)
        return True

    def _drop_waits(self, execution_id: str) -> set[Topic]:
        kept = [wait for wait in self.waits if wait.execution_id != execution_id]
        if len(kept) == len(self.waits):
            return set()
        self.waits = kept
        return {Topic.WAITS}

    def _apply_workflow(self, workflow: WorkflowSummary, deleted: bool) -> set[Topic]:
        ref = ref_of(workflow.namespace, workflow.name)
        if deleted:
            self.workflows.pop(ref, None)
        else:
            self.workflows[ref] = workflow
        return {Topic.WORKFLOWS}

    def _apply_worker(self, worker: WorkerModel, deleted: bool) -> set[Topic]:
        if deleted:
            self.workers.pop(worker.name, None)
        else:
            self.workers[worker.name] = worker
        return {Topic.WORKERS}

    # executions

    def put_execution(self, execution: ExecutionSummary) -> None:
        """Keep the newer of what is known and what is given."""
        known = self.executions.get(execution.execution_id)
        if known is None:
            insort(self.order, (-execution.created_at.timestamp(), execution.execution_id))
            self.total += 1
        elif (known.events_count, known.updated_at) > (execution.events_count, execution.updated_at):
            return
        else:
            self.states[known.state] -= 1
        self.executions[execution.execution_id] = execution
        self.states[execution.state] += 1
        self._note_run(execution)
        if len(self.order) > EXECUTION_LIMIT:
            self._forget_oldest()

    def _note_run(self, execution: ExecutionSummary) -> None:
        ref = ref_of(execution.namespace, execution.workflow)
        last = self.last_runs.get(ref)
        if last is None or last.execution_id == execution.execution_id or last.created_at <= execution.created_at:
            self.last_runs[ref] = execution

    def _forget_oldest(self) -> None:
        for index in range(len(self.order) - 1, -1, -1):
            execution_id = self.order[index][1]
            if self.executions[execution_id].state.is_terminal:
                break
        else:
            index = len(self.order) - 1
        _, execution_id = self.order.pop(index)
        self.states[self.executions.pop(execution_id).state] -= 1

    def set_executions(self, page: ExecutionPage, *, older: bool = False) -> None:
        """Take in a page of the list; `older` when it continues an earlier one."""
        for execution in page.executions:
            self.put_execution(execution)
        if older or self.cursor is None or not self.loaded.executions:
            self.cursor = page.next_cursor
        self.total = max(page.total, len(self.order))
        self.loaded.executions = True

    def set_detail(self, detail: ExecutionDetail) -> None:
        """Take in an execution with its whole history."""
        self.put_execution(detail)
        history = self.histories.pop(detail.execution_id, [])
        self._events_held -= len(history)
        newest = detail.events[-1].seq if detail.events else 0
        merged = [*detail.events, *(event for event in history if event.seq > newest)]
        self.histories[detail.execution_id] = merged
        self.stale_histories.discard(detail.execution_id)
        self._events_held += len(merged)
        self._trim_events(keep=detail.execution_id)

    def _trim_events(self, keep: str) -> None:
        while self._events_held > EVENT_LIMIT and len(self.histories) > 1:
            oldest = next(key for key in self.histories if key != keep)
            self._events_held -= len(self.histories.pop(oldest))
        if self._events_held > EVENT_LIMIT:
            history = self.histories[keep]
            excess = self._events_held - EVENT_LIMIT
            del history[:excess]
            self._events_held -= excess

    # the other lists

    def set_waits(self, waits: Sequence[PendingWaitModel]) -> None:
        """Replace the list of open waits."""
        self.waits = sorted(waits, key=lambda wait: wait.since)
        self.wait_names = {wait.execution_id: wait.name for wait in self.waits if not wait.answered}
        for wait in (one for one in self.waits if one.child_id):
            if asked := [below.name for below in self.waits_of(wait.child_id) if below.kind in HUMAN_WAITS]:
                self.wait_names[wait.execution_id] = asked[0]
        self.loaded.waits = True

    def set_workflows(self, workflows: Iterable[WorkflowSummary]) -> None:
        """Replace the catalog."""
        self.workflows = {ref_of(workflow.namespace, workflow.name): workflow for workflow in workflows}
        self.loaded.workflows = True

    def set_workers(self, workers: Iterable[WorkerModel]) -> None:
        """Replace the workers."""
        self.workers = {worker.name: worker for worker in workers}

    def add_log(self, log: LogModel) -> bool:
        """Append a line unless it is known already."""
        if log.id:
            if log.id <= self._last_log_id:
                return False
            self._last_log_id = log.id
        for row in log.text.splitlines() or [""]:
            self.logs.append(log if row == log.text else log.model_copy(update={"text": row}))
        return True

    def add_logs(self, logs: Iterable[LogModel]) -> None:
        """Take in what `GET /logs` answered."""
        for log in logs:
            self.add_log(log)
        self.loaded.logs = True

    def set_archive(self, execution_id: str, logs: Iterable[LogModel]) -> None:
        """Keep what one execution wrote before its lines came live."""
        rows = [log.model_copy(update={"text": row}) for log in logs for row in log.text.splitlines() or [""]]
        self.archives[execution_id] = rows
        while len(self.archives) > _ARCHIVES:
            self.archives.popitem(last=False)

    def logs_of(self, execution_id: str) -> list[LogModel]:
        """Lines of one execution, oldest first."""
        archive = self.archives.get(execution_id, [])
        known = archive[-1].id if archive else 0
        fresh = [log for log in self.logs if log.execution_id == execution_id and (not log.id or log.id > known)]
        return [*archive, *fresh]

    @property
    def last_log_id(self) -> int:
        """Id of the newest line that came from the server."""
        return self._last_log_id

    def add_reload(self, reload: ReloadModel) -> set[Topic]:
        """Take in the result of checking a file; an older one than known is ignored."""
        known = self.reloads.get(reload.path)
        if known is not None and (known.time > reload.time or known == reload):
            return set()
        self.reloads[reload.path] = reload
        if self.last_reload is None or reload.time >= self.last_reload.time:
            self.last_reload = reload
        return {Topic.RELOADS}

    # questions

    def history(self, execution_id: str) -> list[EventModel] | None:
        """Events of an execution whose detail was fetched, else None."""
        return self.histories.get(execution_id)

    def waits_for(self, execution_id: str) -> str:
        """What an execution waits for, by the name its code gave, or ""."""
        return self.wait_names.get(execution_id, "")

    def waits_of(self, execution_id: str) -> list[PendingWaitModel]:
        """Open waits of one execution, then those of the children that it waits for."""
        own = [wait for wait in self.waits if wait.execution_id == execution_id]
        below = [wait.child_id for wait in own if wait.child_id and not wait.answered]
        return [*own, *(wait for child_id in below for wait in self.waits_of(child_id))]

    def broken(self) -> list[ReloadModel]:
        """Files that do not load now, newest first."""
        found = [reload for reload in self.reloads.values() if reload.status == "broken"]
        return sorted(found, key=lambda reload: reload.time, reverse=True)

    def count(self, *states: ExecutionState) -> int:
        """How many of the known executions are in one of the states."""
        return sum(self.states[state] for state in states)
