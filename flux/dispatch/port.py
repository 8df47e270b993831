"""The one narrow port between a worker agent and the server.

Two adapters implement it: `flux.server.port` by direct calls (embedded agents) and
`flux.worker.remote` over HTTP and SSE. One contract test runs on both.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from flux.codec import Payload
from flux.domain import Bundle, Claim, EventRecord, Execution, Inquiry, LogLine, Manifest
from flux.domain.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Registration:
    """What a worker says of itself when it registers.

    Attributes:
        name: unique among the workers of a server.
        slots: executions it runs at once.
        runtime: os and Python versions. packages: name → version. resources: cpu, memory, disk, gpus.
    """

    name: str
    slots: int = 100
    runtime: dict[str, str] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    resources: dict[str, float] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    pid: int = 0


@dataclass(frozen=True, slots=True)
class Assigned:
    """An execution waits to be claimed by this worker."""

    execution_id: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answered:
    """A wait of an execution that this worker holds has been answered (`WORKFLOW_RESUMING`)."""

    execution_id: str
    event: EventRecord


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Cancel an execution that this worker holds (`WORKFLOW_CANCELLING`)."""

    execution_id: str
    event: EventRecord


@dataclass(frozen=True, slots=True)
class Prewarm:
    """A new version was published: have a runner ready for it."""

    digest: str


@dataclass(frozen=True, slots=True)
class ValidationRequested:
    """Validate a value against the types of a workflow's code; answer with `WorkerPort.validated`.

    Attributes:
        kind: "input" of the workflow, or "answer" to a wait with this `schema` and `model`.
    """

    request_id: str
    digest: str
    namespace: str
    name: str
    kind: str
    value: Payload
    schema: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class ProbeRequested:
    """Import this source in a fresh runner and answer with `WorkerPort.probed`.

    The runner that succeeds stays: it is the first one of the version that is then published.
    """

    request_id: str
    bundle: Bundle
    cwd: str = ""


@dataclass(frozen=True, slots=True)
class ReplayRequested:
    """Say what this source would do with the histories of these executions; answer with `WorkerPort.replayed`.

    They are replayed in a runner of their own, without a side effect. The worker fetches the histories
    with `WorkerPort.history`.
    """

    request_id: str
    bundle: Bundle
    execution_ids: tuple[str, ...]
    cwd: str = ""


Delivery = Assigned | Answered | CancelRequested | Prewarm | ValidationRequested | ProbeRequested | ReplayRequested


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """New events of one execution, sent by its owner.

    Attributes:
        generation: of the claim; an older one than the store's is refused (`StaleClaimError`).
        events: in order, each with its ordinal; delivering them twice changes nothing.
        release: the owner lets go of the execution (finished, paused, sleeping).
    """

    execution_id: str
    generation: int
    events: tuple[EventRecord, ...]
    release: bool = False


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The checkpoint is durable. `first_seq` is the seq of its first event."""

    execution_id: str
    ordinal: int
    first_seq: int


@dataclass(frozen=True, slots=True)
class Progress:
    """An ephemeral value of a running task; streamed, never stored. `value` is plain JSON text."""

    execution_id: str
    source_id: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """Answer to a `ValidationRequested`: empty `errors` means valid."""

    request_id: str
    errors: tuple[dict[str, object], ...] = ()


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Answer to a `ProbeRequested`: the manifest, or the error with its place in the source."""

    request_id: str
    manifest: Manifest = field(default_factory=Manifest)
    error: str = ""
    traceback: str = ""
    path: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """Answer to a `ReplayRequested`: a verdict for each of its executions, in their order."""

    request_id: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some events of an execution, in order, and the execution as it stands behind all of them.

    Empty `events` mean that there are no more.
    """

    execution: Execution
    events: tuple[EventRecord, ...]


@dataclass(frozen=True, slots=True)
class RunnerDied:
    """A runner died with these executions in it; the server requeues or fails them.

    Attributes:
        reason: exit code or signal, or the blocking stack, for people.
        alone: the execution was the only one in its runner (such deaths count towards its cap).
    """

    execution_ids: tuple[str, ...]
    generations: tuple[int, ...]
    reason: str
    alone: bool


class WorkerPort(Protocol):
    """What a worker agent asks of the server; every method may raise `FluxError`."""

    async def register(self, registration: Registration) -> None:
        """Announce the worker; again after a lost connection."""
        ...

    def deliveries(self, worker: str) -> AsyncIterator[Delivery]:
        """Work for this worker until the connection ends."""
        ...

    async def claim(self, worker: str, execution_id: str) -> Claim:
        """Take an execution. Raises `StaleClaimError` when somebody else has it."""
        ...

    async def checkpoint(self, worker: str, batch: Checkpoint) -> Acknowledged:
        """Make events durable. Raises `StaleClaimError` for a stale generation."""
        ...

    async def bundle(self, worker: str, digest: str) -> Bundle:
        """The source of a version. Raises `VersionNotFoundError`."""
        ...

    async def ask(self, worker: str, execution_id: str, inquiry: Inquiry) -> Mapping[str, Payload]:
        """What an execution that this worker holds asks for. Raises `StaleClaimError` when it does not hold it."""
        ...

    async def heartbeat(self, worker: str, running: Sequence[str]) -> None:
        """Extend the lease of the worker and of what it runs."""
        ...

    async def progress(self, worker: str, progress: Progress) -> None:
        """Stream an ephemeral value."""
        ...

    async def logs(self, worker: str, lines: Sequence[LogLine]) -> None:
        """Keep captured output."""
        ...

    async def died(self, worker: str, death: RunnerDied) -> None:
        """Report a dead runner."""
        ...

    async def validated(self, worker: str, result: ValidationResult) -> None:
        """Answer a validation request."""
        ...

    async def probed(self, worker: str, result: ProbeResult) -> None:
        """Answer a probe request."""
        ...

    async def history(self, worker: str, execution_id: str, after: int = 0) -> HistoryPage:
        """The next events of an execution beyond `after`, for a replay. Raises `ExecutionContextNotFoundError`."""
        ...

    async def replayed(self, worker: str, result: ReplayResult) -> None:
        """Answer a replay request."""
        ...

    async def leave(self, worker: str) -> None:
        """The worker goes away; what it still holds goes back to the queue."""
        ...
