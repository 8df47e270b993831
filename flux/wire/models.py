"""Request and response bodies of the HTTP API, shared by server, client and dashboard.

Values are plain JSON on the wire; what only dill can carry is `{"$type", "preview"}`. Times are
ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from flux.domain.events import ExecutionEventType, ExecutionState, WaitKind
from flux.domain.execution import LOCAL
from flux.domain.verdict import Outcome

Json = Any
RunMode = Literal["sync", "async", "stream"]


class Wire(BaseModel):
    """Base of all bodies: unknown members are ignored by readers.

    Code that reads JSON may go on with `body["state"]`.
    """

    model_config = ConfigDict(use_enum_values=False, extra="ignore")

    def __getitem__(self, name: str) -> Any:
        """The member of that name. Raises `KeyError`."""
        if name not in type(self).model_fields:
            raise KeyError(name)
        return getattr(self, name)


class Problem(Wire):
    """An error as RFC 9457 `application/problem+json`, with a stable `code` and what to do next."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    hint: str = ""
    instance: str = ""


class EventModel(Wire):
    """One event of an execution. `child_id` is the execution that it has started, "" for most."""

    type: ExecutionEventType
    source_id: str
    name: str
    value: Json = None
    time: datetime
    id: str
    seq: int
    parent: str = ""
    location: str = ""
    child_id: str = ""


class ExecutionSummary(Wire):
    """An execution without its events.

    `output` is the final output, `{"type", "message", …}` of the failure, or what the open pause shows.
    `parent_id` is the execution that has started this one, `parent_call` the call there.
    """

    execution_id: str
    namespace: str
    workflow: str
    state: ExecutionState
    version: int = 0
    input: Json = None
    output: Json = None
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    current_task: str = ""
    worker: str = ""
    events_count: int = 0
    parent_id: str = ""
    parent_call: str = ""
    workflow_id: str = ""
    workflow_name: str = ""
    workflow_namespace: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it belongs to somebody's own process: the server shows it, and never runs it."""
        return self.worker.startswith(LOCAL) and not self.state.is_terminal


class ChildModel(Wire):
    """An execution that another one has started, by the call of that id."""

    execution_id: str
    namespace: str
    workflow: str
    state: ExecutionState
    call: str


class ExecutionDetail(ExecutionSummary):
    """An execution with its events, if they were asked for, and the first hundred that it has started."""

    events: list[EventModel] = Field(default_factory=list)
    children: list[ChildModel] = Field(default_factory=list)


class ExecutionPage(Wire):
    """Newest executions first; `next_cursor` asks for older ones."""

    executions: list[ExecutionSummary]
    next_cursor: str | None = None
    total: int = 0


class EventPage(Wire):
    """Events of one execution in order."""

    events: list[EventModel]


class PendingWaitModel(Wire):
    """An open wait. `input_schema` is the JSON schema of the answer, None when anything will do.

    `child_id` is the child execution that a wait of kind `child` is for.
    """

    execution_id: str
    namespace: str = ""
    workflow: str = ""
    id: str
    name: str
    kind: WaitKind
    since: datetime
    wakes_at: datetime | None = None
    output: Json = None
    input_schema: dict[str, Any] | None = None
    answered: bool = False
    child_id: str = ""


class TaskModel(Wire):
    """One call of a task at some point of its execution.

    Attributes:
        state: `running`, `waiting`, `completed`, `failed`, `cancelled`, or `unfinished` when the execution ended first.
        attempts: how often its body has been begun.
    """

    id: str
    name: str
    state: Literal["running", "waiting", "completed", "failed", "cancelled", "unfinished"]
    parent: str = ""
    location: str = ""
    attempts: int = 1
    started_at: datetime
    ended_at: datetime | None = None
    arguments: Json = None
    value: Json = None


class ExecutionSnapshot(ExecutionSummary):
    """How an execution stood behind one of its events.

    Attributes:
        at: the seq of that event. of: how many events it has now.
        tasks: calls made until then, in the order of their beginning. waits: what was open then.
    """

    at: int
    of: int
    event: EventModel
    tasks: list[TaskModel] = Field(default_factory=list)
    waits: list[PendingWaitModel] = Field(default_factory=list)


class WorkflowSummary(Wire):
    """A workflow and its current version."""

    namespace: str
    name: str
    version: int
    description: str = ""
    path: str = ""
    line: int = 0
    digest: str = ""
    created_at: datetime | None = None


class WorkflowDetail(WorkflowSummary):
    """A workflow with its schemas and source."""

    id: str = ""
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    tasks: list[str] = Field(default_factory=list)
    options: dict[str, Any] = Field(default_factory=dict)
    source: str = ""


class ModuleUpload(Wire):
    """One source file of a publication."""

    path: str
    source: str
    package: bool = False


class WorkflowManifest(Wire):
    """One workflow of a publication, found by importing the file on the client's side."""

    namespace: str = "default"
    name: str
    attribute: str = ""
    description: str = ""
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    line: int = 0
    tasks: list[str] = Field(default_factory=list)
    options: dict[str, Any] = Field(default_factory=dict)


class Publication(Wire):
    """Source with its manifest, as `flux workflow register` and `flux dev` send it."""

    entry: str
    modules: dict[str, ModuleUpload]
    workflows: list[WorkflowManifest]


class CheckedExecution(Wire):
    """What came of replaying one execution's history against code.

    Attributes:
        outcome: `ends`, `goes_on`, `waits`, `diverges`, `undecided` or `unloadable`.
        detail: one sentence. location: `file:line` of the call that comes next.
        divergence: `recorded`, `recorded_at`, `attempted`, `attempted_at`, `cause`, when it diverges.
    """

    execution_id: str
    version: int = 0
    state: ExecutionState
    outcome: Outcome
    detail: str = ""
    location: str = ""
    divergence: dict[str, str] = Field(default_factory=dict)


class CheckReport(Wire):
    """What code would do with the histories of a workflow's executions, newest first.

    Attributes:
        version: of the code that was checked; 0 for source that came with the request.
        diverging: how many of `executions` would diverge.
    """

    namespace: str
    workflow: str
    version: int = 0
    path: str = ""
    diverging: int = 0
    executions: list[CheckedExecution] = Field(default_factory=list)
    next_cursor: str | None = None


class WorkerModel(Wire):
    """A worker and what it is doing."""

    name: str
    online: bool
    slots: int = 0
    running: int = 0
    runtime: dict[str, str] = Field(default_factory=dict)
    resources: dict[str, float] = Field(default_factory=dict)
    packages: dict[str, str] = Field(default_factory=dict)
    labels: dict[str, str] = Field(default_factory=dict)
    embedded: bool = False
    last_seen: datetime | None = None
    registered_at: datetime | None = None


class LogModel(Wire):
    """One captured line."""

    id: int = 0
    time: datetime
    level: str
    source: str
    text: str
    execution_id: str = ""
    task: str = ""


class LogPage(Wire):
    """Captured lines in order."""

    lines: list[LogModel]


class LiveEvent(Wire):
    """One message of the firehose `GET /events`.

    Attributes:
        kind: `event` (an execution's event), `progress`, `log`, `workflow` (a version was published or
            deleted), `worker` (a worker came, went or changed), `reload` (a watched file was checked),
            or `gap` (messages were dropped for a slow reader: refetch).
        execution: the execution after the event (for `event`).
    """

    id: int
    kind: Literal["event", "progress", "log", "workflow", "worker", "reload", "gap"]
    execution: ExecutionSummary | None = None
    event: EventModel | None = None
    log: LogModel | None = None
    workflow: WorkflowSummary | None = None
    worker: WorkerModel | None = None
    reload: ReloadModel | None = None
    deleted: bool = False


class ReloadModel(Wire):
    """What came of checking one watched file after a save.

    Attributes:
        status: `checking`, `ok` or `broken`.
        changes: one short sentence each (`shop/order v5: +1 task, input schema changed`).
        error: `SyntaxError: '(' was never closed`; sticky until the file is fixed.
        took_ms: from the save to the new version serving.
    """

    path: str
    status: Literal["checking", "ok", "broken"]
    changes: list[str] = Field(default_factory=list)
    error: str = ""
    traceback: str = ""
    line: int = 0
    took_ms: float = 0
    time: datetime
    serving: str = ""


class Health(Wire):
    """Liveness: the process answers."""

    status: Literal["healthy"] = "healthy"
    database: bool = True
    version: str


class Ready(Wire):
    """Readiness: the store answers and, where one is expected, a worker is online."""

    status: Literal["ready", "starting"]
    database: bool
    workers: int = 0


class RunUpdate(Wire):
    """Data of `workflow.execution.*` messages of a run's stream."""

    execution_id: str
    state: ExecutionState
    output: Json = None
    timestamp: datetime


LiveEvent.model_rebuild()
