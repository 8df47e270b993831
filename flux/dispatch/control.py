"""Start, resume and cancel executions, and wait for them: what people and programs ask of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from flux.codec import from_plain
from flux.dispatch.bus import Bus
from flux.dispatch.dispatcher import Dispatcher
from flux.dispatch.port import Answered, CancelRequested
from flux.dispatch.presence import Presence
from flux.dispatch.records import Recorder, is_settled
from flux.dispatch.validation import Validator
from flux.domain import (
    Execution,
    ExecutionEventType,
    ExecutionState,
    PendingWait,
    WaitKind,
    WorkflowRef,
)
from flux.errors import ExecutionContextNotFoundError
from flux.store import Store


class Executions:
    """Commands on executions. Everything goes to the store first and to the bus after the commit.

    Example:
        execution = await executions.start(WorkflowRef.parse("hello"), "Joe")
        execution = await executions.settled(execution)
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        dispatcher: Dispatcher,
        presence: Presence,
        validator: Validator,
        recorder: Recorder,
    ) -> None:
        self._store = store
        self._bus = bus
        self._dispatcher = dispatcher
        self._presence = presence
        self._validator = validator
        self._recorder = recorder

    async def start(
        self, ref: WorkflowRef, value: Any, *, version: int | None = None, idempotency_key: str = ""
    ) -> Execution:
        """Start a workflow with a plain JSON input.

        The same idempotency key gives the earlier execution again. Raises `WorkflowNotFoundError`,
        `VersionNotFoundError` and `InvalidInputError`.
        """
        found = await self._store.catalog.get(ref, version)
        payload = from_plain(value)
        await self._validator.input(found, value, payload)
        now = self._recorder.clock.now()
        execution = Execution(
            id=self._recorder.ids(),
            ref=ref,
            state=ExecutionState.CREATED,
            input=payload,
            version=found.version,
            digest=found.digest,
            created_at=now,
            updated_at=now,
        )
        return await self._dispatcher.submit(execution, idempotency_key, found.spec.options.get("requests"))

    async def resume(
        self, execution_id: str, value: Any, *, wait: str | None = None, ref: WorkflowRef | None = None
    ) -> Execution:
        """Answer a wait of an execution with a plain JSON value.

        Without `wait` (id or name) it answers the only open one. Raises `InvalidInputError` (the execution
        stays paused) and the conflicts of an execution that takes no answer.
        """
        execution = await self.get(execution_id, ref)
        execution_id = execution.id
        payload = from_plain(value)
        chosen = pick_wait(await self._store.waits.pending(execution_id), wait)
        if chosen is not None:
            await self._validator.answer(chosen, execution.digest, value, payload)
            wait = chosen.id
        event = self._recorder.event(ExecutionEventType.WORKFLOW_RESUMING, execution, payload=payload)
        appended, _ = await self._store.executions.answer(execution_id, event, wait)
        execution = appended.execution
        self._bus.committed(execution, appended.events)
        if appended.ready:
            self._dispatcher.offer(execution)
        elif execution.owner:
            self._presence.deliver(execution.owner, Answered(execution_id, appended.events[-1]))
        return execution

    async def cancel(self, execution_id: str, *, ref: WorkflowRef | None = None) -> Execution:
        """Ask an execution to stop; asking twice changes nothing.

        One that nobody has begun is CANCELLED at once. Raises `ExecutionFinishedError`.
        """
        execution = await self.get(execution_id, ref)
        execution_id = execution.id
        cancelling = self._recorder.event(ExecutionEventType.WORKFLOW_CANCELLING, execution)
        cancelled = self._recorder.event(ExecutionEventType.WORKFLOW_CANCELLED, execution)
        appended = await self._store.executions.cancel(execution_id, [cancelling], immediate=[cancelling, cancelled])
        execution = appended.execution
        if not appended.duplicate:
            self._bus.committed(execution, appended.events)
            if appended.ready:
                self._dispatcher.offer(execution)
            elif execution.owner:
                self._presence.deliver(execution.owner, CancelRequested(execution_id, appended.events[0]))
        return execution

    async def get(self, execution_id: str, ref: WorkflowRef | None = None) -> Execution:
        """The execution with that id, or with an id that begins like that; with `ref` only one of that workflow.

        Raises `ExecutionContextNotFoundError`, or `ConflictError` when several begin like that.
        """
        execution = await self._store.executions.find(execution_id)
        if ref is not None and execution.ref != ref:
            raise ExecutionContextNotFoundError(execution_id, f"Execution '{execution_id}' is not one of '{ref}'.")
        return execution

    def settled(
        self, execution: Execution, done: Callable[[Execution], bool] = is_settled
    ) -> asyncio.Future[Execution]:
        """The execution once it is finished or paused (or `done` says so); cancel it to stop waiting.

        `execution` must be as just returned by a command of this class, with no `await` in between. The
        future fails with `ServerUnavailableError` when the server goes away first.
        """
        if not done(execution):
            return self._bus.until(execution.id, done)
        future: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        future.set_result(execution)
        return future

    async def wait_until_settled(self, execution_id: str, done: Callable[[Execution], bool] = is_settled) -> Execution:
        """As `settled`, for an execution of which nothing is known yet."""
        waiting = self._bus.until(execution_id, done)
        try:
            execution = await self._store.executions.get(execution_id)
            return execution if done(execution) else await waiting
        finally:
            waiting.cancel()


def pick_wait(waits: Sequence[PendingWait], wanted: str | None) -> PendingWait | None:
    """The wait that an answer is for, if that is clear: by id, by name, or the only open one for a person."""
    open_ones = [wait for wait in waits if not wait.answered]
    if wanted:
        found = [wait for wait in open_ones if wait.id == wanted] or [w for w in open_ones if w.name == wanted]
    else:
        found = [wait for wait in open_ones if wait.kind is WaitKind.INPUT]
    return found[0] if len(found) == 1 else None
