"""Activations of a workflow on a log in memory: the engine alone, with its real codec and a clock that skips."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from flux.codec import Codec
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState
from flux.domain.transitions import fold
from flux.domain.verdict import Verdict
from flux.engine.dryrun import dry_run
from flux.engine.ports import Desk, EmptyDesk, Surroundings
from flux.engine.session import Session
from flux.engine.workflow import Workflow
from flux.errors import StaleClaimError
from flux.testing import FakeClock


class LogJournal:
    """Commits at the end of the loop pass, in order, as the store does."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.generation = lab.generation

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        loop.call_soon(self._commit, tuple(events), future)
        return future

    def _commit(self, events: tuple[EventRecord, ...], future: asyncio.Future[int]) -> None:
        lab = self.lab
        if future.cancelled():
            return
        crashes = lab.crash_after is not None and len(lab.log) + len(events) > lab.crash_after
        if lab.stale or crashes or self.generation != lab.generation:
            lab.stale |= crashes  # nothing after the crash gets through
            future.set_exception(StaleClaimError())
            return
        first = len(lab.log) + 1
        lab.log.extend(replace(event, seq=first + index) for index, event in enumerate(events))
        future.set_result(first)

    def progress(self, source_id: str, name: str, value: str) -> None:
        self.lab.progress.append(value)


@dataclass
class Lab:
    """One execution: its log, and activations of it."""

    codec: Codec
    clock: FakeClock
    log: list[EventRecord] = field(default_factory=list)
    progress: list[str] = field(default_factory=list)
    generation: int = 0
    crash_after: int | None = None
    stale: bool = False
    surroundings: Surroundings = field(default_factory=Surroundings)
    desk: Desk = field(default_factory=EmptyDesk)
    session: Session | None = None

    async def run(
        self,
        workflow: Workflow[Any, Any],
        input: Any = None,
        *,
        during: Callable[[Session], None] | None = None,
        state: ExecutionState | None = None,
        local: bool = False,
    ) -> Session:
        """Activate the execution once, from its log."""
        self.generation += 1
        execution = Execution(
            "e1", workflow.ref, state or fold(self.log), self.codec.encode(input), generation=self.generation
        )
        self.session = Session(
            workflow,
            execution,
            list(self.log),
            journal=LogJournal(self),
            codec=self.codec,
            clock=self.clock,
            desk=self.desk,
            local=local,
            surroundings=self.surroundings,
        )
        if during is not None:
            during(self.session)
        await asyncio.wait_for(self.session.run(), 20)
        return self.session

    async def dry(self, workflow: Workflow[Any, Any], input: Any = None, **options: Any) -> Verdict:
        """Replay the log without a side effect."""
        execution = Execution("e1", workflow.ref, fold(self.log), self.codec.encode(input), generation=self.generation)
        return await dry_run(workflow, execution, list(self.log), codec=self.codec, clock=self.clock, **options)

    async def until_done(self, workflow: Workflow[Any, Any], input: Any = None) -> Session:
        """Activate again and again, letting timers come due, until it ends or waits for a person."""
        for _ in range(100):
            session = await self.run(workflow, input)
            if session.context.state.is_terminal or session.context.is_paused:
                return session
            wakes = [event.wait.wake_at for event in self.log if event.wait and event.wait.wake_at]
            self.clock.advance(max(0, max(wakes, default=0) - self.clock.now()) / 1e6)
        raise AssertionError("the execution does not end")

    def answer(self, name: str, value: Any) -> EventRecord:
        """Record the answer to the newest wait of that name."""
        wait = next(event.wait for event in reversed(self.log) if event.wait and event.wait.name == name)
        event = self.event(ExecutionEventType.WORKFLOW_RESUMING, value, wait_id=wait.id)
        self.log.append(event)
        return event

    def event(self, type: ExecutionEventType, value: Any = None, wait_id: str = "") -> EventRecord:
        """An event as the server appends it."""
        return EventRecord(
            type,
            "server",
            "w",
            self.clock.now(),
            f"s{len(self.log)}",
            self.codec.encode(value),
            seq=len(self.log) + 1,
            wait_id=wait_id,
        )

    def cancel(self) -> EventRecord:
        """Record a cancel request."""
        event = self.event(ExecutionEventType.WORKFLOW_CANCELLING)
        self.log.append(event)
        return event

    @property
    def shown(self) -> list[str]:
        """The log as short text: `TASK_STARTED fetch`."""
        return [f"{event.type} {event.name}" for event in self.log]

    @property
    def types(self) -> list[str]:
        """The types of the log's events."""
        return [str(event.type) for event in self.log]


@pytest.fixture
def lab() -> Lab:
    return Lab(Codec("pkl", b"test-key"), FakeClock(skip=True))


@pytest.fixture
def new_lab() -> Callable[[], Lab]:
    return lambda: Lab(Codec("pkl", b"test-key"), FakeClock(skip=True))
