"""A scripted server in memory, and agents with real runner processes on it."""

from __future__ import annotations

import asyncio
import hashlib
import textwrap
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flux.codec import Codec, Payload, from_plain
from flux.dispatch.port import (
    Acknowledged,
    Answered,
    Assigned,
    Checkpoint,
    Delivery,
    HistoryPage,
    ProbeResult,
    Progress,
    Registration,
    ReplayResult,
    RunnerDied,
    ValidationResult,
    WorkerPort,
)
from flux.domain import (
    Bundle,
    Claim,
    EventRecord,
    Execution,
    ExecutionEventType,
    ExecutionState,
    Inquiry,
    LogLine,
    Module,
    WorkflowRef,
)
from flux.domain.saved import SavedHistory
from flux.domain.transitions import fold
from flux.domain.verdict import Verdict
from flux.errors import ExecutionContextNotFoundError, StaleClaimError, VersionNotFoundError
from flux.worker.agent import Agent
from flux.worker.process import Limits
from flux.worker.replaying import fetch_history

PATIENCE = 30.0
FLUX = "from flux.engine.task import task\nfrom flux.engine.workflow import workflow\n"


def make_bundle(source: str, name: str = "flows", folder: str = "/srv/app", **siblings: str) -> Bundle:
    """A bundle of one file and its siblings; Flux's names are imported for it in its first lines."""
    texts = {name: FLUX + textwrap.dedent(source)} | {key: textwrap.dedent(text) for key, text in siblings.items()}
    digest = hashlib.sha256(repr(sorted(texts.items())).encode()).hexdigest()
    return Bundle(digest, name, {key: Module(f"{folder}/{key}.py", text) for key, text in texts.items()})


class ScriptedPort(WorkerPort):
    """Keeps what a server would keep, and lets tests wait until it looks as they expect.

    Attributes:
        refusals: raised by the next checkpoints, one each.
    """

    def __init__(self) -> None:
        self.bundles: dict[str, Bundle] = {}
        self.executions: dict[str, Execution] = {}
        self.events: dict[str, list[EventRecord]] = {}
        self.released: list[str] = []
        self.checkpoints: list[Checkpoint] = []
        self.refusals: list[Exception] = []
        self.registrations: list[Registration] = []
        self.heartbeats: list[tuple[str, ...]] = []
        self.lines: list[LogLine] = []
        self.progressed: list[Progress] = []
        self.deaths: list[RunnerDied] = []
        self.validations: dict[str, tuple[dict[str, object], ...]] = {}
        self.probes: dict[str, ProbeResult] = {}
        self.replays: dict[str, tuple[Verdict, ...]] = {}
        self.pages: list[int] = []
        self.left: list[str] = []
        self.asked: list[Inquiry] = []
        self.kept: dict[str, Payload] = {}
        self.codec = Codec()
        self._queue: asyncio.Queue[Delivery | Exception] = asyncio.Queue()
        self._changed = asyncio.Condition()

    # -- what tests do --------------------------------------------------------------------------

    def deliver(self, delivery: Delivery | Exception) -> None:
        """Hand something to the agent; an exception breaks the connection."""
        self._queue.put_nowait(delivery)

    def submit(self, bundle: Bundle, name: str, value: Any = None, execution_id: str = "") -> str:
        """A new execution of a workflow in `bundle`, offered to the agent."""
        execution_id = execution_id or f"e{len(self.executions) + 1}"
        self.bundles[bundle.digest] = bundle
        self.executions[execution_id] = Execution(
            execution_id, WorkflowRef("default", name), ExecutionState.CREATED, from_plain(value), digest=bundle.digest
        )
        self.events[execution_id] = []
        self.offer(execution_id)
        return execution_id

    def offer(self, execution_id: str) -> None:
        """Offer an execution (again)."""
        self.deliver(Assigned(execution_id, self.executions[execution_id].digest))

    def answer(self, execution_id: str, value: Any, wait: str) -> Answered:
        """Record an answer as the server does."""
        event = EventRecord(
            ExecutionEventType.WORKFLOW_RESUMING, "server", "", 0, f"a{wait}", self.codec.encode(value), wait_id=wait
        )
        return Answered(execution_id, self._append(execution_id, [event])[0])

    async def until(self, condition: Callable[[], Any]) -> Any:
        """Wait until the condition holds; its value comes back."""
        async with asyncio.timeout(PATIENCE), self._changed:
            return await self._changed.wait_for(condition)

    async def finished(self, execution_id: str) -> Any:
        """Wait for the end of an execution; its output comes back (an exception when it failed)."""
        last = await self.until(lambda: self.ending(execution_id))
        return None if last.payload is None else self.codec.decode(last.payload)

    def ending(self, execution_id: str) -> EventRecord | None:
        """The last event of a finished execution."""
        history = self.events[execution_id]
        return history[-1] if history and self.state(execution_id).is_terminal else None

    def state(self, execution_id: str) -> ExecutionState:
        """Where it stands."""
        return fold(self.events[execution_id])

    def types(self, execution_id: str) -> list[str]:
        """The types of its events."""
        return [str(event.type) for event in self.events[execution_id]]

    def texts(self, execution_id: str | None = None) -> list[str]:
        """Captured lines, of all or of one execution."""
        return [line.text for line in self.lines if execution_id in (None, line.execution_id)]

    # -- what the agent does --------------------------------------------------------------------

    async def register(self, registration: Registration) -> None:
        self.registrations.append(registration)
        await self._tell()

    async def deliveries(self, worker: str) -> AsyncIterator[Delivery]:
        while True:
            delivery = await self._queue.get()
            if isinstance(delivery, Exception):
                raise delivery
            yield delivery

    async def claim(self, worker: str, execution_id: str) -> Claim:
        execution = self.executions[execution_id]
        if execution.owner or self.state(execution_id).is_terminal:
            raise StaleClaimError(f"{execution_id} is held by {execution.owner}")
        claimed = replace(
            execution,
            owner=worker,
            generation=execution.generation + 1,
            state=self.state(execution_id),
            last_seq=len(self.events[execution_id]),
        )
        self.executions[execution_id] = claimed
        return Claim(claimed, tuple(self.events[execution_id]))

    async def checkpoint(self, worker: str, batch: Checkpoint) -> Acknowledged:
        if self.refusals:
            refusal = self.refusals.pop(0)
            await self._tell()
            raise refusal
        execution = self.executions[batch.execution_id]
        if execution.generation != batch.generation or execution.owner != worker:
            raise StaleClaimError(f"{batch.execution_id} has generation {execution.generation}")
        self.checkpoints.append(batch)
        first = len(self.events[batch.execution_id]) + 1
        self._append(batch.execution_id, batch.events)
        if batch.release:
            self.released.append(batch.execution_id)
            self.executions[batch.execution_id] = replace(execution, owner="")
        await self._tell()
        return Acknowledged(batch.execution_id, batch.events[-1].ordinal if batch.events else 0, first)

    async def bundle(self, worker: str, digest: str) -> Bundle:
        if digest not in self.bundles:
            raise VersionNotFoundError(digest)
        return self.bundles[digest]

    async def heartbeat(self, worker: str, running: Sequence[str]) -> None:
        self.heartbeats.append(tuple(running))
        await self._tell()

    async def progress(self, worker: str, progress: Progress) -> None:
        self.progressed.append(progress)
        await self._tell()

    async def logs(self, worker: str, lines: Sequence[LogLine]) -> None:
        self.lines.extend(lines)
        await self._tell()

    async def ask(self, worker: str, execution_id: str, inquiry: Inquiry) -> Mapping[str, Payload]:
        self.asked.append(inquiry)
        if inquiry.value is not None:
            self.kept |= dict.fromkeys(inquiry.names, inquiry.value)
            return {}
        return {name: self.kept[name] for name in inquiry.names if name in self.kept}

    async def died(self, worker: str, death: RunnerDied) -> None:
        self.deaths.append(death)
        for execution_id in death.execution_ids:
            self.executions[execution_id] = replace(self.executions[execution_id], owner="")
        await self._tell()

    async def validated(self, worker: str, result: ValidationResult) -> None:
        self.validations[result.request_id] = result.errors
        await self._tell()

    async def probed(self, worker: str, result: ProbeResult) -> None:
        self.probes[result.request_id] = result
        await self._tell()

    async def history(self, worker: str, execution_id: str, after: int = 0) -> HistoryPage:
        if execution_id not in self.executions:
            raise ExecutionContextNotFoundError(execution_id)
        events = self.events[execution_id]
        state = self.state(execution_id)
        execution = replace(self.executions[execution_id], state=state, last_seq=len(events))
        self.pages.append(after)
        return HistoryPage(execution, tuple(events[after : after + 3]))

    async def replayed(self, worker: str, result: ReplayResult) -> None:
        self.replays[result.request_id] = result.verdicts
        await self._tell()

    async def history_of(self, execution_id: str) -> SavedHistory:
        """What a replay gets of an execution."""
        return await fetch_history(self, "w1", execution_id)

    async def leave(self, worker: str) -> None:
        self.left.append(worker)
        await self._tell()

    def _append(self, execution_id: str, events: Sequence[EventRecord]) -> list[EventRecord]:
        history = self.events[execution_id]
        numbered = [replace(event, seq=len(history) + index + 1) for index, event in enumerate(events)]
        history.extend(numbered)
        return numbered

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@pytest.fixture
def bundle() -> Callable[..., Bundle]:
    return make_bundle


@pytest.fixture
async def port() -> ScriptedPort:
    return ScriptedPort()


@pytest.fixture
async def start(port: ScriptedPort, tmp_path: Path) -> AsyncIterator[Callable[..., Agent]]:
    """Starts agents on `port`; they are stopped after the test."""
    running: list[tuple[Agent, asyncio.Task[None]]] = []

    def start_one(**options: Any) -> Agent:
        options = {"name": "w1", "runner_processes": 1, "cwd": str(tmp_path), "limits": Limits(), **options}
        agent = Agent(port, **options)
        running.append((agent, asyncio.get_running_loop().create_task(agent.run())))
        return agent

    yield start_one
    for agent, task in running:
        if not task.done():
            async with asyncio.timeout(PATIENCE):
                await agent.stop()
        await task
