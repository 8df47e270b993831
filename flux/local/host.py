"""Hosts local executions: owns them in the store, runs their sessions, hands back contexts."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from flux.clock import Clock, SystemClock
from flux.codec import Codec, Payload, Redactor, to_plain
from flux.domain import (
    Claim,
    EventRecord,
    Execution,
    ExecutionEventType,
    ExecutionState,
    PendingWait,
    WaitKind,
)
from flux.engine.context import ExecutionContext
from flux.engine.ports import Journal, Surroundings, ValueCodec
from flux.engine.session import Session
from flux.engine.types import check_answer, coerce_input, resolve_model
from flux.engine.workflow import Workflow
from flux.errors import ExecutionOwnedError, InvalidInputError, WaitAmbiguousError
from flux.local.journal import LocalJournal
from flux.local.opening import open_store
from flux.local.source import source_digest
from flux.store import Store, StoreDesk

if TYPE_CHECKING:
    from flux.engine.policies import Substitute

_T = ExecutionEventType
_redactor = Redactor()
"""Knows the secrets that this process has been given."""

_running: set[str] = set()
"""Executions that this very process runs now."""
_NOWHERE = Surroundings()


@asynccontextmanager
async def open_host() -> AsyncIterator[LocalHost]:
    """A host on the configured store, for the time of one run."""
    from flux.config import load_settings

    settings = load_settings({})
    clock = SystemClock()
    async with open_store(settings, clock) as store:
        codec = Codec(settings.serializer, settings.signing_key(), _redactor)
        yield LocalHost(store, codec, clock, surroundings=Surroundings(settings.home, settings.workers.default_timeout))


class LocalHost:
    """Starts, continues and answers executions in this process.

    It owns what it runs as `local:host:pid`, so that a server on the same database shows such
    executions but never dispatches them.

    Args:
        journal: makes what writes the events of one execution; the store's unless given.
        substitute: see `Session`.
        surroundings: see `Session`.

    Attributes:
        sessions: the activations that run here now, by execution id.
    """

    def __init__(
        self,
        store: Store,
        codec: ValueCodec,
        clock: Clock,
        *,
        journal: Callable[[Execution], Journal] | None = None,
        substitute: Substitute | None = None,
        surroundings: Surroundings = _NOWHERE,
    ) -> None:
        self._store = store
        self._codec = codec
        self._clock = clock
        self._journal = journal or partial(LocalJournal, store)
        self._substitute = substitute
        self._surroundings = surroundings
        self.sessions: dict[str, Session] = {}
        self._owner = f"local:{socket.gethostname()}:{os.getpid()}"

    async def start(self, workflow: Workflow[Any, Any], input: Any, execution_id: str = "") -> ExecutionContext[Any]:
        """Begin a new execution, with a new id unless one is given, and run it as far as it goes."""
        coerce_input(workflow, input)
        now = self._clock.now()
        execution = Execution(
            id=execution_id or uuid.uuid4().hex,
            ref=workflow.ref,
            state=ExecutionState.CREATED,
            input=await self._payload(input),
            digest=source_digest(workflow),
            created_at=now,
            updated_at=now,
        )
        claim = await self._store.executions.create_owned(execution, self._owner)
        return await self._run(workflow, claim)

    async def proceed(self, workflow: Workflow[Any, Any], execution_id: str) -> ExecutionContext[Any]:
        """Continue an execution: an interrupted one from where it stood, a paused one with None."""
        execution = await self._store.executions.get(execution_id)
        if execution.state.is_terminal:
            return await self._context(execution)
        await self._free(execution)
        waits = [wait for wait in await self._inputs(execution_id) if not wait.answered]
        if len(waits) > 1:
            raise WaitAmbiguousError([{"id": wait.id, "name": wait.name} for wait in waits])
        if waits and execution.state is ExecutionState.PAUSED:
            return await self.answer(workflow, execution_id, None, waits[0].id)
        return await self._claim_and_run(workflow, execution)

    async def wake(self, workflow: Workflow[Any, Any], execution_id: str) -> ExecutionContext[Any]:
        """Take up an execution that waits, or whose process is gone, and run it as far as it goes now."""
        execution = await self._store.executions.get(execution_id)
        if execution.state.is_terminal:
            return await self._context(execution)
        await self._free(execution)
        return await self._claim_and_run(workflow, execution)

    async def cancel(self, workflow: Workflow[Any, Any], execution_id: str) -> ExecutionContext[Any]:
        """Ask an execution to stop. One that nobody runs is brought to its end; one that runs here is told.

        Raises `ExecutionFinishedError` when it has completed or failed.
        """
        asked = self._event(_T.WORKFLOW_CANCELLING, workflow, "local")
        appended = await self._store.executions.cancel(execution_id, [asked])
        session = self.sessions.get(execution_id)
        if session is None:
            return await self.wake(workflow, execution_id)
        if not appended.duplicate:
            session.cancel(appended.events[0])
        return session.context

    async def answer(
        self, workflow: Workflow[Any, Any], execution_id: str, input: Any, wait: str | None
    ) -> ExecutionContext[Any]:
        """Answer a pause and go on; a wrong answer raises and changes nothing."""
        payload = await self._payload(input)
        await self._free(await self._store.executions.get(execution_id))
        open_waits = await self._inputs(execution_id)
        chosen = [candidate for candidate in open_waits if wait in (None, candidate.id, candidate.name)]
        if len(chosen) == 1:
            self._validate(chosen[0], payload)
        event = self._event(_T.WORKFLOW_RESUMING, workflow, "local", payload)
        await self._store.executions.answer(execution_id, event, wait)
        execution = await self._store.executions.get(execution_id)
        return await self._claim_and_run(workflow, execution, payload)

    async def context(self, execution_id: str) -> ExecutionContext[Any]:
        """Where an execution stands by its record. Raises `ExecutionContextNotFoundError`."""
        return await self._context(await self._store.executions.get(execution_id))

    async def _payload(self, given: Any) -> Payload:
        """What a person has given, sealed if it contains a secret of the store."""
        return self._codec.guard(self._codec.encode(given), await self._store.secrets.redactor())

    async def _inputs(self, execution_id: str) -> list[PendingWait]:
        return [wait for wait in await self._store.waits.pending(execution_id) if wait.kind is WaitKind.INPUT]

    def _validate(self, wait: PendingWait, payload: Payload) -> None:
        import json

        model = resolve_model(wait.model) if wait.model else None
        schema = json.loads(wait.schema) if wait.schema else None
        if errors := check_answer(model, schema, to_plain(self._codec.unsealed(payload))):
            raise InvalidInputError(errors=errors)

    async def _claim_and_run(
        self, workflow: Workflow[Any, Any], execution: Execution, answer: Payload | None = None
    ) -> ExecutionContext[Any]:
        events: Sequence[EventRecord] = ()
        if answer is not None:
            types = (_T.WORKFLOW_RESUME_SCHEDULED, _T.WORKFLOW_RESUME_CLAIMED)
            events = [self._event(type, workflow, "local") for type in types]
        claim = await self._store.executions.claim(execution.id, self._owner, events)
        return await self._run(workflow, claim)

    async def _free(self, execution: Execution) -> None:
        """Take an execution back from an owner that is gone; raises when the owner lives."""
        if execution.id in _running or (execution.owner and self._lives(execution.owner)):
            raise ExecutionOwnedError(
                f"Execution '{execution.id}' is running in {execution.owner}.",
                hint="Wait for it to end, or cancel it there.",
            )
        await self._store.executions.requeue([(execution.id, execution.generation)])

    def _lives(self, owner: str) -> bool:
        _, host, pid = [*owner.split(":"), "", ""][:3]
        if host != socket.gethostname() or not pid.isdigit():
            return True
        if int(pid) == os.getpid():
            return False
        try:
            os.kill(int(pid), 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True

    async def _run(self, workflow: Workflow[Any, Any], claim: Claim) -> ExecutionContext[Any]:
        execution = claim.execution
        digest = source_digest(workflow)
        session = Session(
            workflow,
            execution,
            claim.history,
            journal=self._journal(execution),
            codec=self._codec,
            clock=self._clock,
            desk=StoreDesk(self._store),
            local=True,
            moved_to=digest if digest != _current_digest(claim) else "",
            substitute=self._substitute,
            surroundings=self._surroundings,
        )
        _running.add(execution.id)
        self.sessions[execution.id] = session
        try:
            await session.run()
        finally:
            del self.sessions[execution.id]
            _running.discard(execution.id)
        if session.divergence is not None:
            raise session.divergence
        return session.context

    async def _context(self, execution: Execution) -> ExecutionContext[Any]:
        history = await self._store.executions.history(execution.id)
        return ExecutionContext(execution, self._codec, list(history))

    def _event(
        self, type: ExecutionEventType, workflow: Workflow[Any, Any], source: str, payload: Payload | None = None
    ) -> EventRecord:
        return EventRecord(type, source, workflow.name, self._clock.now(), uuid.uuid4().hex[:16], payload)


def _current_digest(claim: Claim) -> str:
    """The code the execution runs by its record: that of its start, or of its last move."""
    for record in reversed(claim.history):
        if record.type is _T.WORKFLOW_MOVED and record.payload is not None:
            return str(to_plain(record.payload)["to"])
    return claim.execution.digest
