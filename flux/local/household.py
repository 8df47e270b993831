"""An execution, its children and theirs, running together in one process until none of them can go on."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, MutableMapping, Sequence
from contextvars import Context
from typing import Any

from flux.clock import Clock
from flux.domain import Claim, EventRecord, Execution, ExecutionEventType, ExecutionState, WorkflowRef
from flux.engine.context import ExecutionContext
from flux.engine.session import Session
from flux.engine.types import coerce_input
from flux.engine.workflow import Workflow, defined
from flux.errors import StaleClaimError, WorkflowNotFoundError
from flux.local.source import source_digest
from flux.store import Change, Store

_T = ExecutionEventType
AnyWorkflow = Workflow[Any, Any]
running: set[str] = set()
"""Executions that this very process runs now."""


class Household:
    """Runs what belongs together, and lets each know what the commits of the others mean for it.

    Args:
        owner: as which it claims.
        sessions: where the activations that run are listed, by execution id.
        activate: makes the activation of a claim.

    Attributes:
        alone: whoever ran here knows all that was recorded with it: nothing came from others so far.
        contexts: of the activations that have ended, by execution id.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        owner: str,
        sessions: MutableMapping[str, Session],
        activate: Callable[[Household, AnyWorkflow, Claim], Session],
    ) -> None:
        self._store = store
        self._clock = clock
        self._owner = owner
        self._sessions = sessions
        self._activate = activate
        self._code: dict[WorkflowRef, AnyWorkflow] = {}
        self._here: set[str] = set()
        self._again: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stirred = asyncio.Event()
        self.alone = True
        self.contexts: dict[str, ExecutionContext[Any]] = {}

    def __contains__(self, execution_id: str) -> bool:
        return execution_id in self._here

    # code

    def find(self, ref: WorkflowRef) -> AnyWorkflow:
        """The workflow of that name: one that runs here, stands beside it, or is defined in this process.

        Raises `WorkflowNotFoundError`.
        """
        found = self._code.get(ref) or self._beside(ref) or defined(ref)
        if found is None:
            error = WorkflowNotFoundError(str(ref), f"Workflow '{ref}' is not known in this process.")
            error.hint = "Import the module that defines it, or pass the workflow itself: `call(workflow, input)`."
            raise error
        return found

    def adopt(self, ref: WorkflowRef, workflow: AnyWorkflow | None, input: Any) -> str:
        """See `flux.engine.ports.Adopt`."""
        found = workflow or self.find(ref)
        coerce_input(found, input)
        self.know(ref, found)
        return source_digest(found)

    def _beside(self, ref: WorkflowRef) -> AnyWorkflow | None:
        for known in self._code.values():
            for value in list(known.func.__globals__.values()):
                if isinstance(value, Workflow) and value.ref == ref:
                    return value
        return None

    def know(self, ref: WorkflowRef, workflow: AnyWorkflow) -> None:
        """Use this workflow wherever one of that name is asked for."""
        self._code[ref] = workflow

    # running

    def begin(self, workflow: AnyWorkflow, claim: Claim) -> None:
        """Run what has been claimed."""
        self.know(claim.execution.ref, workflow)
        self._here.add(claim.execution.id)
        self._spawn(self._run(workflow, claim), None)

    def take(self, execution: Execution) -> None:
        """Claim and run an execution, unless it is here already. Raises `WorkflowNotFoundError`."""
        if execution.id not in self._here:
            workflow = self.find(execution.ref)
            self._here.add(execution.id)
            self._spawn(self._claim(workflow, execution), Context())

    async def rest(self) -> None:
        """Come back when nothing goes on by itself. The first error of any ends all."""
        try:
            while self._tasks:
                await self._stirred.wait()
                self._stirred.clear()
                done = {task for task in self._tasks if task.done()}
                self._tasks -= done
                for task in done:
                    task.result()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def follow(self, changes: Sequence[Change]) -> None:
        """Take in what a commit has done: tell those that run, take what is ready."""
        self.alone = self.alone and len(changes) < 2 and all(event.ordinal for one in changes for event in one.events)
        for change in changes:
            execution = change.execution
            if (session := self._sessions.get(execution.id)) is not None:
                _tell(session, change.events)
            if change.ready:
                self._go_on(execution)

    def _go_on(self, execution: Execution) -> None:
        if execution.id in self._here:
            self._again.add(execution.id)
            return
        try:
            self.take(execution)
        except WorkflowNotFoundError:
            return  # a parent whose code is not at hand: it goes on where somebody runs it

    async def _claim(self, workflow: AnyWorkflow, execution: Execution) -> None:
        try:
            claim = await self._store.executions.claim(execution.id, self._owner, self.claiming(execution))
        except StaleClaimError:
            self._leave(execution)  # it goes on elsewhere, or there is nothing to do
            return
        await self._run(workflow, claim)

    def claiming(self, execution: Execution) -> list[EventRecord]:
        """What is recorded when an answered execution is taken up."""
        if execution.state is not ExecutionState.RESUMING:
            return []
        types = (_T.WORKFLOW_RESUME_SCHEDULED, _T.WORKFLOW_RESUME_CLAIMED)
        now, name = self._clock.now(), execution.ref.name
        return [EventRecord(type, "local", name, now, uuid.uuid4().hex[:16]) for type in types]

    async def _run(self, workflow: AnyWorkflow, claim: Claim) -> None:
        execution = claim.execution
        session = self._sessions[execution.id] = self._activate(self, workflow, claim)
        running.add(execution.id)
        try:
            if claim.history:
                await self._excuse(session)
            await session.run()
        finally:
            del self._sessions[execution.id]
            running.discard(execution.id)
        if session.divergence is not None:
            raise session.divergence
        self.contexts[execution.id] = session.context
        self._leave(execution)

    async def _excuse(self, session: Session) -> None:
        """Do not let an activation wait for children that nobody runs here."""
        for wait in await self._store.waits.pending(session.execution_id):
            if wait.execution_id == session.execution_id and wait.child and wait.child not in self._here:
                session.child_rests(wait.id)

    def _leave(self, execution: Execution) -> None:
        """An execution does not go on here, unless something has come for it meanwhile."""
        self._here.discard(execution.id)
        if execution.id in self._again:
            self._again.discard(execution.id)
            self._spawn(self._retake(execution.id), Context())
        elif (parent := self._sessions.get(execution.parent_id)) is not None:
            parent.child_rests(execution.parent_call)

    async def _retake(self, execution_id: str) -> None:
        self.take(await self._store.executions.get(execution_id))

    def _spawn(self, work: Coroutine[Any, Any, None], context: Context | None) -> None:
        task = asyncio.get_running_loop().create_task(work, context=context)
        task.add_done_callback(lambda _: self._stirred.set())
        self._tasks.add(task)


def _tell(session: Session, events: Iterable[EventRecord]) -> None:
    """Pass on what others have recorded with an execution; its own events it knows."""
    for event in events:
        if event.ordinal:
            continue
        if event.type is _T.WORKFLOW_CANCELLING:
            session.cancel(event)
        elif event.wait_id:
            session.answer(event)
