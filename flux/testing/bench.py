"""What the runs of one environment share, and the steps that carry them on."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flux.clock import MICROSECOND
from flux.codec import Codec
from flux.domain import EventRecord, Execution, ExecutionState, PendingWait, WaitKind
from flux.domain.saved import SavedHistory
from flux.engine.context import ExecutionContext
from flux.engine.dryrun import dry_run
from flux.engine.ports import Journal, Surroundings
from flux.engine.types import coerce_input
from flux.engine.workflow import Workflow, defined
from flux.errors import InvalidInputError, UsageError, WorkflowNotFoundError
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
from flux.testing.traps import Traps

if TYPE_CHECKING:
    from flux.engine.policies import Attempted, Body
    from flux.engine.session import Session

KEY = b"flux.testing"
"""Signs values that only dill can carry, and seals what contains a secret: the next test can read saved histories."""

Act = Callable[[LocalHost], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an execution stands after a step.

    Attributes:
        waits: its open pauses.
        crashed: its process is gone, and nobody has taken it up.
    """

    context: ExecutionContext[Any]
    history: SavedHistory
    waits: tuple[PendingWait, ...] = ()
    crashed: bool = False


class Bench:
    """A store in memory and a local host on it: the same code that `wf.run()` uses, on a fake clock.

    It opens with its first step.

    Attributes:
        workflows: what each execution runs, by its id.
        standings: where each stands, by its id.
    """

    def __init__(self, clock: FakeClock, fakes: Fakes, answers: Answers, given: Given) -> None:
        self.clock = clock
        self.workflows: dict[str, Workflow[Any, Any]] = {}
        self.standings: dict[str, Standing] = {}
        self._fakes = fakes
        self._answers = answers
        self._given = given
        self._codec = Codec("pkl", KEY)
        self._home = Path(tempfile.gettempdir()) / f"flux-testing-{uuid.uuid4().hex}"
        self._store: Store | None = None
        self._host: LocalHost | None = None
        self._pacer = Pacer(clock, lambda: self.host.sessions)
        self.traps = Traps(clock, lambda: self.host)

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
            if execution_id in self.standings:
                await self._note(execution_id)
            raise
        await self._note(execution_id, crashed)
        self._check_sprung(execution_id, traps)

    async def go_on(self, execution_id: str) -> None:
        """Take an execution up whose process is gone; one that waits for a person has nothing to do."""
        if not (await self.host.context(execution_id)).is_paused:
            await self.host.wake(self.workflows[execution_id], execution_id)

    async def let_pass(self, duration: timedelta) -> None:
        """Let time pass for all that waits, timer by timer."""
        target = self.clock.now() + duration // timedelta(microseconds=1)
        while (due := await self.store.waits.next_wake()) is not None and due <= target:
            self._move_to(due)
            for execution in await self.store.waits.wake(self.clock.now()):
                await self.host.wake(self._workflow_of(execution), execution.id)
                root = await self._root(execution)
                await self._answer(root)
                await self._note(root)
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
        saved = await self._saved(execution_id)
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

    async def _saved(self, execution_id: str) -> SavedHistory:
        execution = await self.store.executions.get(execution_id)
        return SavedHistory(execution, tuple(await self.store.executions.history(execution_id)))

    async def _note(self, execution_id: str, crashed: bool = False) -> None:
        """Keep where an execution stands, and its children."""
        saved = await self._saved(execution_id)
        self.workflows.setdefault(execution_id, self._workflow_of(saved.execution))
        for child in children_of(saved):
            await self._note(child)
        waits = [] if saved.execution.state.is_terminal else await self._open_pauses(execution_id)
        places = {event.source_id: place for place, event in enumerate(saved.events)}
        waits.sort(key=lambda wait: places.get(wait.id, len(places)))  # those of one moment too
        context: ExecutionContext[Any] = ExecutionContext(saved.execution, self._codec, list(saved.events))
        with suppress(InvalidInputError):  # of a history that other code has made
            context._set_input(coerce_input(self.workflows[execution_id], context.input))
        if waits and context.is_paused:
            context._show(waits[0].output)  # as `wf.run()` gives it
        self.standings[execution_id] = Standing(context, saved, tuple(waits), crashed)

    def _workflow_of(self, execution: Execution) -> Workflow[Any, Any]:
        known = [workflow for workflow in self._fakes.workflows if workflow.ref == execution.ref]
        found = self.workflows.get(execution.id) or next(iter(known), None) or defined(execution.ref)
        if found is None:
            raise WorkflowNotFoundError(str(execution.ref))
        return found

    async def _root(self, execution: Execution) -> str:
        """Id of the execution that has started this one, or the one before it, and so on."""
        while execution.parent_id:
            execution = await self.store.executions.get(execution.parent_id)
        return execution.id

    async def _answer(self, execution_id: str) -> None:
        """Give the answers that are queued for the pauses it stands at."""
        while (await self.host.context(execution_id)).is_paused:
            taken = self._answers.take(await self._open_pauses(execution_id))
            if taken is None:
                return
            wait, answer = taken
            if answer is UNANSWERED:
                await self.let_pass(self._time_left(wait))
            else:
                shown = None if wait.output is None else self._codec.decode(wait.output)
                value = resolved(answer, shown)
                await self.host.answer(self.workflows[execution_id], execution_id, value, wait.id)

    async def _open_pauses(self, execution_id: str) -> list[PendingWait]:
        pending = await self.store.waits.pending(execution_id)
        return [wait for wait in pending if wait.kind is WaitKind.INPUT and not wait.answered]

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
        context = self.standings[execution_id].context
        for trap in traps:
            if not trap.sprung:
                raise UsageError(
                    f"{trap.option}={trap.point!r}: the run '{execution_id}' never came to that point. "
                    f"It is {context.state} after {len(context.events)} events:\n{Events(context.events)}"
                )


def children_of(saved: SavedHistory) -> list[str]:
    """Ids of the executions that an execution has started, in order."""
    return list(dict.fromkeys(event.wait.child.id for event in saved.events if event.wait and event.wait.child))


def _renumbered(events: Sequence[EventRecord]) -> Iterator[EventRecord]:
    """Events of several claims as those of one."""
    ordinal = 0
    for event in events:
        if event.ordinal:
            ordinal += 1
        yield replace(event, ordinal=ordinal if event.ordinal else 0)
