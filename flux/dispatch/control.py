"""Start, resume and cancel executions, and wait for them: what people and programs ask of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from flux.codec import from_plain
from flux.dispatch.bus import Bus
from flux.dispatch.dispatcher import Dispatcher
from flux.dispatch.records import Recorder, is_settled
from flux.dispatch.secrecy import Secrecy
from flux.dispatch.validation import Validator
from flux.domain import (
    Execution,
    ExecutionEventType,
    ExecutionState,
    PendingWait,
    WorkflowRef,
)
from flux.errors import ConflictError, ExecutionContextNotFoundError, WaitNotFoundError
from flux.store import Store
from flux.store.rules import choose_wait


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
        validator: Validator,
        recorder: Recorder,
        secrecy: Secrecy,
    ) -> None:
        self._store = store
        self._bus = bus
        self._dispatcher = dispatcher
        self._validator = validator
        self._recorder = recorder
        self._secrecy = secrecy

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
            input=await self._secrecy.payload(payload),
            version=found.version,
            digest=found.digest,
            created_at=now,
            updated_at=now,
        )
        return await self._dispatcher.submit(execution, idempotency_key, found.spec.options.get("requests"))

    async def resume(
        self, execution_id: str, value: Any, *, wait: str | None = None, ref: WorkflowRef | None = None
    ) -> Execution:
        """Answer a wait of an execution, or of its children, with a plain JSON value.

        Without `wait` (id or name) it answers the only open one. Raises `InvalidInputError` (the execution
        stays paused) and the conflicts of an execution that takes no answer.
        """
        execution = asking = await self.get(execution_id, ref)
        payload = from_plain(value)
        chosen = pick_wait(await self._store.waits.pending(execution.id), wait, execution.id)
        if chosen is not None:
            asking = await self._store.executions.get(chosen.execution_id)
            await self._validator.answer(chosen, asking.digest, value, payload)
            wait = chosen.id
        event = self._recorder.event(
            ExecutionEventType.WORKFLOW_RESUMING, asking, payload=await self._secrecy.payload(payload)
        )
        appended, _ = await self._store.executions.answer(asking.id, event, wait)
        self._dispatcher.announce(appended.changes)
        return appended.latest(execution.id) or await self._store.executions.get(execution.id)

    async def cancel(self, execution_id: str, *, ref: WorkflowRef | None = None) -> Execution:
        """Ask an execution to stop, and the children that it waits for; asking twice changes nothing.

        One that nobody has begun is CANCELLED at once. Raises `ExecutionFinishedError`.
        """
        execution = await self.get(execution_id, ref)
        execution_id = execution.id
        cancelling = self._recorder.event(ExecutionEventType.WORKFLOW_CANCELLING, execution)
        cancelled = self._recorder.event(ExecutionEventType.WORKFLOW_CANCELLED, execution)
        appended = await self._store.executions.cancel(execution_id, [cancelling], immediate=[cancelling, cancelled])
        self._dispatcher.announce(appended.changes)
        return appended.latest(execution_id) or appended.execution

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

        A local one is given back as it stands: what brings it on is no part of this server.
        `execution` must be as just returned by a command of this class, with no `await` in between. The
        future fails with `ServerUnavailableError` when the server goes away first.
        """
        if not (done(execution) or execution.is_local):
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


def pick_wait(waits: Sequence[PendingWait], wanted: str | None, execution_id: str) -> PendingWait | None:
    """The wait that an answer is for, if that is clear now; the store decides, and says what is wrong."""
    try:
        return choose_wait(waits, wanted or None, execution_id)
    except (ConflictError, WaitNotFoundError):
        return None
