"""An execution as the store knows it."""

from __future__ import annotations

from dataclasses import dataclass

from flux.codec import NULL, Payload
from flux.domain.events import EventRecord, ExecutionState, WaitKind
from flux.domain.workflow import WorkflowRef

LOCAL = "local:"
"""How the owner of an execution in somebody's own process begins."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a workflow, without its events. Times are microseconds UTC.

    Attributes:
        digest: the bundle it runs; fixed until somebody moves it.
        generation: grows with every claim; writes of an older one are refused.
        owner: worker name, or `local:host:pid`, or "" while nobody holds it.
        output: final output, the failure, or what the open pause shows.
        last_seq: seq of the newest event.
        current_task: name of the newest unfinished task, for lists.
        parent_id: the execution that has started it, or "".
        parent_call: id of the call there, which is also the id of its wait.
    """

    id: str
    ref: WorkflowRef
    state: ExecutionState
    input: Payload = NULL
    output: Payload | None = None
    version: int = 0
    digest: str = ""
    generation: int = 0
    owner: str = ""
    created_at: int = 0
    updated_at: int = 0
    started_at: int | None = None
    finished_at: int | None = None
    last_seq: int = 0
    current_task: str = ""
    parent_id: str = ""
    parent_call: str = ""

    @property
    def is_local(self) -> bool:
        """Whether it belongs to somebody's own process: a server shows it, and never runs it."""
        return self.owner.startswith(LOCAL)


@dataclass(frozen=True, slots=True)
class PendingWait:
    """An open wait of an execution (see `flux.domain.events.Wait`).

    Attributes:
        opened_at: microseconds UTC.
        answered: an answer is recorded, but the execution has not consumed it yet.
        child: id of the child execution whose end it waits for, or "".
    """

    execution_id: str
    ref: WorkflowRef
    id: str
    name: str
    kind: WaitKind
    opened_at: int
    wake_at: int | None = None
    output: Payload | None = None
    schema: str = ""
    model: str = ""
    answered: bool = False
    child: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run an execution, with all that is needed to do so.

    Attributes:
        execution: as it stands after the claim; its `generation` fences every write.
        history: all events so far, in order.
    """

    execution: Execution
    history: tuple[EventRecord, ...]


@dataclass(frozen=True, slots=True)
class LogLine:
    """One captured line of output.

    Attributes:
        time: microseconds UTC.
        level: DEBUG, INFO, WARNING, ERROR; INFO for stdout and WARNING for stderr.
        source: `stdout`, `stderr`, a logger's name, `server`, `worker` or `dev`.
        execution_id: "" when it belongs to no execution.
        task: name of the task that wrote it, or "".
    """

    time: int
    level: str
    source: str
    text: str
    execution_id: str = ""
    task: str = ""
    id: int = 0
