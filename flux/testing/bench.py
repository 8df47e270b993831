"""What the runs of one environment share, and the steps that carry them on."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flux.clock import MICROSECOND
from flux.codec import Codec
from flux.domain import EventRecord, Execution, ExecutionState, PendingWait
from flux.domain.saved import SavedHistory
from flux.engine.dryrun import dry_run
from flux.engine.ports import Journal, Surroundings
from flux.engine.workflow import Workflow
from flux.errors import UsageError
from flux.local.host import LocalHost
from flux.local.journal import LocalJournal, Told
from flux.local.owners import this_process
from flux.store import Append, Store
from flux.testing.answers import UNANSWERED, Answers, resolved
from flux.testing.clock import FakeClock
from flux.testing.events import Events
from flux.testing.fakes import Fakes
from flux.testing.given import Given
from flux.testing.pacing import Pacer
from flux.testing.points import Crash, Trap
from flux.testing.standing import Standings
from flux.testing.traps import Traps

if TYPE_CHECKING:
    from flux.engine.policies import Attempted, Body
    from flux.engine.session import Session

KEY = b"flux.testing"
"""Signs values that only dill can carry, and seals what contains a secret: the next test can read saved histories."""

Act = Callable[[LocalHost], Awaitable[object]]


class Bench:
    """A store in memory and a local host on it: the same code that `wf.run()` uses, on a fake clock.

    It opens with its first step.

    Attributes:
        standings: where each execution stands.
    """

    def __init__(
        self, clock: FakeClock, fakes: Fakes, answers: Answers, given: Given, serializer: Literal["pkl", "json"]
    ) -> None:
        self.clock = clock
        self._fakes = fakes
        self._answers = answers
        self._given = given
        self._codec = Codec(serializer, KEY)
        self.standings = Standings(lambda: self.store, self._codec, fakes.code_of)
        self._home = Path(tempfile.gettempdir()) / f"flux-testing-{uuid.uuid4().hex}"
        self._store: Store | None = None
        self._host: LocalHost | None = None
        self._pacer = Pacer(clock, lambda: self.host.sessions)
        self.traps = Traps(clock, lambda: self.host, self.standings.root)

    # -- steps ------------------------------------------------------------------------------------

    async def step(self, execution_id: str, act: Act, traps: Sequence[Trap] = ()) -> None:
        """Carry an execution on until it ends, waits for a person or crashes.

        Raises `UsageError` when it never comes to the point of a trap.
        """
        await self._open()
        await self._given.keep(self.store)
        crashed = False
        try:
            async with self._pacer, self.traps.laid(execution_id, traps):
                await act(self.host)
                await self._answer(execution_id)
        except Crash:
            crashed = True
        except BaseException:
            if execution_id in self.standings.known:
                await self.standings.note(execution_id)
            raise
        await self.standings.note(execution_id, crashed)
        self._check_sprung(execution_id, traps)

    async def look(self, execution_id: str, act: Act) -> None:
        """Do something with an execution that does not carry it on."""
        await self._open()
        known = self.standings.known.get(execution_id)
        await act(self.host)
        await self.standings.note(execution_id, known is not None and known.crashed)

    async def go_on(self, execution_id: str) -> None:
        """Take up an execution whose process is gone, and what it has started, unless all wait for a person."""
        workflow = self.standings.workflows[execution_id]
        if self.standings.known[execution_id].context.has_finished:
            await self.host.proceed(workflow, execution_id)  # what it has left running goes on
        elif not await self.standings.is_at_rest(execution_id):
            await self.host.wake(workflow, execution_id)

    async def let_pass(self, duration: timedelta) -> None:
        """Let time pass for all that waits, timer by timer."""
        target = self.clock.now() + duration // timedelta(microseconds=1)
        while (due := await self.store.waits.next_wake()) is not None and due <= target:
            self._move_to(due)
            woken = await self.store.waits.wake(self.clock.now())
            if not woken:
                break  # what is due has no process that could take it up
            for execution in woken:
                await self.host.wake(self.standings.workflow_of(execution), execution.id)
                root = await self.standings.root(execution)
                await self._answer(root)
                await self.standings.note(root)
        self._move_to(target)

    async def load(self, saved: SavedHistory, execution_id: str) -> None:
        """Take an execution in as it was saved; the clock moves on to its last event."""
        execution = replace(saved.execution, id=execution_id, state=ExecutionState.CREATED, output=None)
        claim = await self.store.executions.create_owned(execution, this_process())
        await self.store.executions.append(
            Append(execution_id, claim.execution.generation, tuple(_renumbered(saved.events)), release=True)
        )
        self._move_to(saved.events[-1].time if saved.events else 0)

    async def replay(self, execution_id: str, workflow: Workflow[Any, Any]) -> None:
        """Replay what an execution has behind it against code, without a side effect.

        Raises `NonDeterminismError` when the code does anything else than is recorded.
        """
        saved = await self.standings.history(execution_id)
        verdict = await dry_run(workflow, saved.execution, saved.events, codec=self._codec, clock=self.clock)
        if verdict.error is not None:
            raise verdict.error
        if not verdict.is_consistent:
            raise AssertionError(f"The replay of '{execution_id}' is {verdict.outcome}: {verdict.detail}.")

    async def close(self) -> None:
        """Throw the store away, and the files of output storages, for which the folder is made."""
        shutil.rmtree(self._home, ignore_errors=True)
        self._fakes.workflows.clear()
        if self._store is not None:
            store, self._store, self._host = self._store, None, None
            await store.close()

    # -- parts ------------------------------------------------------------------------------------

    @property
    def host(self) -> LocalHost:
        """Who runs the executions."""
        assert self._host is not None, "opened by the first step"
        return self._host

    @property
    def store(self) -> Store:
        """Where they are kept."""
        assert self._store is not None, "opened by the first step"
        return self._store

    async def _open(self) -> None:
        if self._host is None:
            self._store = await Store.open(
                "sqlite:///:memory:", clock=self.clock, synchronous="normal", secrets_key=lambda: KEY
            )
            self._host = LocalHost(
                self._store,
                self._codec,
                self.clock,
                journal=self._journal,
                substitute=self,
                surroundings=Surroundings(str(self._home)),
                known=self._fakes.workflows,
            )

    def _journal(self, execution: Execution, told: Told) -> Journal:
        return self.traps.journal(execution, LocalJournal(self.store, execution, told))

    def task(self, attempt: Attempted, body: Body) -> Body:
        """What runs for an attempt of a task."""
        return self.traps.task(attempt, self._fakes.task(attempt, body))

    def workflow(self, session: Session, body: Body) -> Body:
        """What runs for a workflow."""
        return self._fakes.workflow(session, body)

    async def _answer(self, execution_id: str) -> None:
        """Give the answers that are queued for the pauses it stands at."""
        while (await self.host.context(execution_id)).is_paused:
            taken = self._answers.take(await self.standings.pauses(execution_id))
            if taken is None:
                return
            wait, answer = taken
            if answer is UNANSWERED:
                await self.let_pass(self._time_left(wait))
            else:
                shown = None if wait.output is None else self._codec.decode(wait.output)
                value = resolved(answer, shown)
                await self.host.answer(self.standings.workflows[execution_id], execution_id, value, wait.id)

    def _time_left(self, wait: PendingWait) -> timedelta:
        if wait.wake_at is None:
            raise UsageError(
                f"The pause '{wait.name}' is left unanswered, but has no timeout: it would wait for ever.",
                hint=f"Give it one, `pause({wait.name!r}, timeout=…)`, or queue an answer.",
            )
        return timedelta(microseconds=max(0, wait.wake_at - self.clock.now()))

    def _move_to(self, moment: int) -> None:
        self.clock.advance(max(0, moment - self.clock.now()) / MICROSECOND)

    def _check_sprung(self, execution_id: str, traps: Sequence[Trap]) -> None:
        context = self.standings.known[execution_id].context
        for trap in traps:
            if not trap.sprung:
                raise UsageError(
                    f"{trap.option}={trap.point!r}: the run '{execution_id}' never came to that point. "
                    f"It is {context.state} after {len(context.events)} events:\n{Events(context.events)}"
                )


def _renumbered(events: Sequence[EventRecord]) -> Iterator[EventRecord]:
    """Events of several claims as those of one."""
    ordinal = 0
    for event in events:
        if event.ordinal:
            ordinal += 1
        yield replace(event, ordinal=ordinal if event.ordinal else 0)
