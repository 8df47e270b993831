"""Hosts local executions: owns them in the store, runs their sessions, hands back contexts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from flux.clock import Clock, SystemClock
from flux.codec import Codec, Payload, Redactor
from flux.domain import (
    Claim,
    EventRecord,
    Execution,
    ExecutionEventType,
    ExecutionState,
    PendingWait,
    WaitKind,
    WorkflowRef,
)
from flux.engine.context import ExecutionContext
from flux.engine.ports import Journal, Surroundings, ValueCodec
from flux.engine.session import Session
from flux.engine.types import coerce_answer, coerce_input, resolve_model
from flux.engine.workflow import Workflow
from flux.errors import ConflictError, ExecutionOwnedError, InvalidInputError, WaitNotFoundError
from flux.local.household import Household, running
from flux.local.journal import LocalJournal, Told
from flux.local.opening import open_store
from flux.local.owners import lives, this_process
from flux.local.source import LOCAL, recorded_digest, source_digest
from flux.store import Store, StoreDesk
from flux.store.rules import choose_wait

if TYPE_CHECKING:
    from flux.engine.policies import Substitute

_T = ExecutionEventType
_redactor = Redactor()
"""Knows the secrets that this process has met."""
_NOWHERE = Surroundings()


@asynccontextmanager
async def open_host() -> AsyncIterator[LocalHost]:
    """A host on the configured store, for the time of one run."""
    from flux.config import load_settings

    settings = load_settings({})
    clock = SystemClock()
    async with open_store(settings, clock) as store:
        # This process can read them all; what it has been given by an earlier run stays known too.
        _redactor.learn((await store.secrets.redactor()).values)
        codec = Codec(settings.serializer, settings.signing_key(), _redactor)
        yield LocalHost(store, codec, clock, surroundings=Surroundings(settings.home, settings.workers.default_timeout))


class LocalHost:
    """Starts, continues and answers executions in this process.

    It owns what it runs as `local:host:pid`, so that a server on the same database shows such
    executions but never dispatches them.

    Args:
        journal: makes what writes the events of one execution, and is handed whom to tell what that means for
            others; the store's unless given.
        substitute: see `Session`.
        surroundings: see `Session`.
        known: workflows that are found by their names before those that are defined in this process.

    Attributes:
        sessions: the activations that run here now, by execution id.
    """

    def __init__(
        self,
        store: Store,
        codec: ValueCodec,
        clock: Clock,
        *,
        journal: Callable[[Execution, Told], Journal] | None = None,
        substitute: Substitute | None = None,
        surroundings: Surroundings = _NOWHERE,
        known: Collection[Workflow[Any, Any]] = (),
    ) -> None:
        self._store = store
        self._codec = codec
        self._clock = clock
        self._journal = journal or partial(LocalJournal, store)
        self._substitute = substitute
        self._surroundings = surroundings
        self._known = known
        self.sessions: dict[str, Session] = {}
        self._households: list[Household] = []
        self._owner = this_process()

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
        with self._household() as household:
            household.begin(workflow, claim)
            return await self._outcome(household, execution.id)

    async def proceed(self, workflow: Workflow[Any, Any], execution_id: str) -> ExecutionContext[Any]:
        """Continue an execution: an interrupted one from where it stood, a paused one with None.

        Edited code that would diverge raises before the None is recorded: nobody has said it.
        Of a finished one only what it has started and left running goes on.
        """
        execution = await self._store.executions.get(execution_id)
        if execution.state.is_terminal:
            return await self._go_on(workflow, execution)
        await self._free(execution)
        waits = await self._store.waits.pending(execution_id)
        asked = [wait for wait in waits if wait.kind is WaitKind.INPUT and not wait.answered]
        if len(asked) > 1 or (asked and execution.state is ExecutionState.PAUSED):
            await self._check_moved(workflow, execution)
            return await self.answer(workflow, execution_id, None, None)
        return await self._go_on(workflow, execution)

    async def _check_moved(self, workflow: Workflow[Any, Any], execution: Execution) -> None:
        """Raise `NonDeterminismError` when other code than the recorded one would leave the history."""
        history = await self._store.executions.history(execution.id)
        if source_digest(workflow) in (LOCAL, recorded_digest(execution, history)):
            return
        from flux.engine.dryrun import dry_run  # only code that has been edited needs it

        verdict = await dry_run(workflow, execution, history, codec=self._codec, clock=self._clock)
        if verdict.error is not None:
            raise verdict.error

    async def wake(self, workflow: Workflow[Any, Any], execution_id: str) -> ExecutionContext[Any]:
        """Take up an execution that waits, or whose process is gone, and run it as far as it goes now."""
        execution = await self._store.executions.get(execution_id)
        if execution.state.is_terminal:
            return await self._context(execution)
        await self._free(execution)
        return await self._go_on(workflow, execution)

    async def cancel(self, workflow: Workflow[Any, Any], execution_id: str) -> ExecutionContext[Any]:
        """Ask an execution to stop. One that nobody runs is brought to its end; one that runs here is told.

        Raises `ExecutionFinishedError` when it has completed or failed.
        """
        asked = self._event(_T.WORKFLOW_CANCELLING, workflow.ref)
        appended = await self._store.executions.cancel(execution_id, [asked])
        session = self.sessions.get(execution_id)
        if session is None:
            return await self.wake(workflow, execution_id)
        for household in self._households:
            if execution_id in household:
                household.follow(appended.changes)
        return session.context

    async def answer(
        self, workflow: Workflow[Any, Any], execution_id: str, input: Any, wait: str | None
    ) -> ExecutionContext[Any]:
        """Answer a pause of an execution, or of its children, and go on; a wrong answer raises and changes nothing."""
        payload = await self._payload(input)
        executions = self._store.executions
        execution = asking = await executions.get(execution_id)
        await self._free(execution)
        with self._household() as household:
            household.know(execution.ref, workflow)
            chosen = await self._choose(execution_id, wait)
            if chosen is not None:
                self._validate(chosen, payload)
                wait = chosen.id
            if chosen is not None and chosen.execution_id != execution_id:
                household.find(chosen.ref)
                asking = await executions.get(chosen.execution_id)
                await self._free(asking)
            event = self._event(_T.WORKFLOW_RESUMING, asking.ref, payload)
            appended, _ = await executions.answer(asking.id, event, wait)
            await self._take_up(household, appended.execution, execution_id)
            return await self._outcome(household, execution_id)

    async def _choose(self, execution_id: str, wait: str | None) -> PendingWait | None:
        """The wait that an answer means, if that is clear; the store says what is wrong with it."""
        waits = await self._store.waits.pending(execution_id)
        try:
            return choose_wait(waits, wait, execution_id)
        except (ConflictError, WaitNotFoundError):
            return None

    async def context(self, execution_id: str) -> ExecutionContext[Any]:
        """Where an execution stands by its record. Raises `ExecutionContextNotFoundError`."""
        return await self._context(await self._store.executions.get(execution_id))

    async def _payload(self, given: Any) -> Payload:
        """What a person has given, sealed if it contains a secret of the store."""
        return self._codec.guard(self._codec.encode(given), await self._store.secrets.redactor())

    def _validate(self, wait: PendingWait, payload: Payload) -> None:
        import json

        schema = json.loads(wait.schema) if wait.schema else None
        coerce_answer(resolve_model(wait.model, self._codec), schema, self._codec.decode(payload))

    async def _go_on(self, workflow: Workflow[Any, Any], execution: Execution) -> ExecutionContext[Any]:
        with self._household() as household:
            household.know(execution.ref, workflow)
            await self._take_up(household, execution, execution.id)
            return await self._outcome(household, execution.id)

    async def _take_up(self, household: Household, execution: Execution, top: str) -> None:
        """Run an execution and what lives below `top`; one that is being cancelled, after its children have ended."""
        below = [child async for child in self._left_behind(top)]
        for child in below:
            household.find(child.ref)
        later = below and execution.state is ExecutionState.CANCELLING
        if not (later or execution.state.is_terminal):
            claim = await self._store.executions.claim(execution.id, self._owner, household.claiming(execution))
            household.begin(household.find(execution.ref), claim)
        for child in below:
            household.take(child)

    async def _left_behind(self, execution_id: str) -> AsyncIterator[Execution]:
        """The executions below one that somebody has to take up: neither paused nor run by anybody."""
        for child in await self._store.executions.live_children(execution_id):
            if child.state is not ExecutionState.PAUSED and not _is_owned(child):
                await self._store.executions.requeue([(child.id, child.generation)])
                yield child

    async def _free(self, execution: Execution) -> None:
        """Take an execution back from an owner that is gone; raises when the owner lives."""
        if _is_owned(execution):
            raise ExecutionOwnedError(
                f"Execution '{execution.id}' is running in {execution.owner}.",
                hint="Wait for it to end, or cancel it there.",
            )
        await self._store.executions.requeue([(execution.id, execution.generation)])

    @contextmanager
    def _household(self) -> Iterator[Household]:
        household = Household(self._store, self._clock, self._owner, self.sessions, self._activate)
        for workflow in self._known:
            household.know(workflow.ref, workflow)
        self._households.append(household)
        try:
            yield household
        finally:
            self._households.remove(household)

    def _activate(self, household: Household, workflow: Workflow[Any, Any], claim: Claim) -> Session:
        digest = source_digest(workflow)
        execution = replace(claim.execution, digest=recorded_digest(claim.execution, claim.history))
        return Session(
            workflow,
            execution,
            claim.history,
            journal=self._journal(execution, household.follow),
            codec=self._codec,
            clock=self._clock,
            desk=StoreDesk(self._store),
            local=True,
            moved_to=digest if digest not in (LOCAL, execution.digest) else "",
            substitute=self._substitute,
            surroundings=self._surroundings,
            adopt=household.adopt,
        )

    async def _outcome(self, household: Household, execution_id: str) -> ExecutionContext[Any]:
        """The execution as it stands when nothing of the household goes on by itself."""
        await household.rest()
        if household.alone and execution_id in household.contexts:
            return household.contexts[execution_id]
        context = await self._context(await self._store.executions.get(execution_id))
        with suppress(InvalidInputError):  # of a history that other code has made
            context._set_input(coerce_input(household.find(context.ref), context.input))
        if context.is_paused:
            asked = [wait for wait in await self._store.waits.pending(execution_id) if wait.kind is WaitKind.INPUT]
            context._show(asked[0].output if asked else None)
        return context

    async def _context(self, execution: Execution) -> ExecutionContext[Any]:
        history = await self._store.executions.history(execution.id)
        return ExecutionContext(execution, self._codec, list(history))

    def _event(self, type: ExecutionEventType, ref: WorkflowRef, payload: Payload | None = None) -> EventRecord:
        return EventRecord(type, "local", ref.name, self._clock.now(), uuid.uuid4().hex[:16], payload)


def _is_owned(execution: Execution) -> bool:
    return execution.id in running or bool(execution.owner and lives(execution.owner))
