"""Executions and their events."""

from __future__ import annotations

import asyncio
import builtins
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from flux.clock import Clock
from flux.domain import Claim, EventRecord, Execution, ExecutionEventType, ExecutionState, PendingWait
from flux.errors import (
    ConflictError,
    ExecutionFinishedError,
    FluxError,
    StaleClaimError,
    WaitAnsweredError,
    WaitNotFoundError,
)
from flux.records import record
from flux.store import rows, rules
from flux.store.committer import Committer, Operation
from flux.store.driver import Driver, Transaction
from flux.store.family import Family
from flux.store.ledger import Ledger
from flux.store.listing import COUNT_LIMIT, ExecutionReads
from flux.store.records import Append, Appended
from flux.store.rows import Standing

__all__ = ["COUNT_LIMIT", "Executions"]

T = TypeVar("T")
_E = ExecutionEventType
_S = ExecutionState
_CANCELLED = frozenset({_S.CANCELLING, _S.CANCELLED})


@record
class _Delivery:
    """A batch of events, split into what is stored already and what is new."""

    known: tuple[EventRecord, ...]
    new: Sequence[EventRecord]


@record
class _Change:
    """What an append has done.

    Attributes:
        position: of the first new event.
        duplicate: nothing, all of it had been stored before.
        family: has settled it, when it concerns a parent or children.
    """

    standing: Standing
    delivery: _Delivery
    position: int = 0
    duplicate: bool = False
    family: Family | None = None

    def appended(self) -> Appended:
        """The answer for who wants to know all of it."""
        standing, delivery = self.standing, self.delivery
        if self.family is not None:
            return self.family.appended(delivery.known)
        events = (*delivery.known, *rows.placed(delivery.new, standing.last_seq, self.position))
        return Appended(standing.execution(), events, standing.dispatch == "ready", self.duplicate)

    def first_seq(self) -> int:
        """The seq of the first event."""
        if self.delivery.known:
            return self.delivery.known[0].seq
        if self.family is not None:
            own = self.family.changes[0]
            return own.execution.last_seq - len(own.events) + 1
        return self.standing.last_seq - len(self.delivery.new) + 1


class Executions(ExecutionReads):
    """Executions and their events. Every write is durable when its call returns.

    An execution is `ready` (waits for an owner), `held`, `idle` (waits for an answer or a time) or `done`.
    Each claim raises its generation, and whoever writes with an older one is refused with `StaleClaimError`.
    """

    def __init__(self, driver: Driver, committer: Committer, ledger: Ledger, clock: Clock) -> None:
        super().__init__(driver, clock)
        self._submit = committer.submit
        self._ledger = ledger
        self._family = partial(Family, ledger, driver.statements, clock)

    # writing

    async def create(self, execution: Execution, idempotency_key: str = "") -> Execution:
        """Store a new execution; it is ready at once.

        With a key that was used before, the earlier execution is returned and nothing is stored. Raises
        `ConflictError` when its id is taken.
        """
        return await self._submit(partial(self._create, execution, idempotency_key))

    async def create_owned(self, execution: Execution, owner: str, events: Sequence[EventRecord] = ()) -> Claim:
        """Store a new execution that `owner` holds from the first moment."""
        return await self._claiming(partial(self._create_owned, execution, owner, events))

    async def claim(self, execution_id: str, owner: str, events: Sequence[EventRecord] = ()) -> Claim:
        """Take a ready execution, append `events` and return it with its whole history.

        An owner that begins with `local:` may take an idle one too: it decides by itself to go on.

        Raises `StaleClaimError` when it is not ready: somebody else has it, or it has nothing to do.
        """
        return await self._claiming(partial(self._claim, execution_id, owner, events))

    def append(self, append: Append) -> asyncio.Future[Appended]:
        """Append events, once: delivering them again gives the same answer and changes nothing.

        Appends are committed in the order of the calls, whether or not they are awaited in between.

        Raises `StaleClaimError` for an old generation, for an owner that has let go, and for other content under
        an ordinal that is stored; `ExecutionFinishedError` for events of the server to a finished execution.
        Events behind one that ends the execution are left out.
        """
        return self._submit(partial(self._append, append))

    def record(self, append: Append) -> asyncio.Future[int]:
        """`append` for an owner in this very process: the result is only the seq of the first event.

        Where nothing else is about to run, the events are committed before it returns.
        """
        return self._submit(partial(self._record, append), alone=True)

    async def answer(self, execution_id: str, event: EventRecord, wait: str | None) -> tuple[Appended, PendingWait]:
        """Record an answer (`WORKFLOW_RESUMING`) to a wait: its id, its name, or None for the only open input.

        What the children of the execution ask counts as asked by itself; the answer is then recorded with the child.

        Raises `ExecutionFinishedError`, `ExecutionCancellingError`, `NotPausedError`, `WaitNotFoundError`,
        `WaitAmbiguousError` or `WaitAnsweredError`.
        """
        return await self._submit(partial(self._answer, execution_id, event, wait))

    async def cancel(
        self, execution_id: str, events: Sequence[EventRecord], immediate: Sequence[EventRecord] = ()
    ) -> Appended:
        """Ask for the end of an execution; asking twice changes nothing.

        The children that it waits for are asked to end too, and before it.

        Args:
            execution_id: which one.
            events: `WORKFLOW_CANCELLING`; its owner (the next one, if nobody holds it) brings it to its end.
            immediate: what to append instead when nothing of it has run yet and nobody holds it.

        Raises `ExecutionFinishedError` when it has completed or failed.
        """
        return await self._submit(partial(self._cancel, execution_id, events, immediate))

    async def requeue(
        self, ids_with_generation: Sequence[tuple[str, int]], not_before: int = 0
    ) -> builtins.list[Execution]:
        """Take executions from an owner that is lost; those that have moved on since are left alone.

        Args:
            ids_with_generation: what the lost owner held.
            not_before: microseconds UTC before which they are not handed out.
        """
        return await self._submit(partial(self._requeue, ids_with_generation, not_before))

    async def crashed(self, execution_id: str, generation: int) -> int:
        """Count a death of the process that ran it; returns how many there were."""
        return await self._submit(partial(self._crashed, execution_id, generation))

    # operations: each runs inside a transaction

    async def _create(self, execution: Execution, key: str, transaction: Transaction) -> Execution:
        created = await self._ledger.create(transaction, execution, key)
        return created if created is not None else await self._earlier(execution, key, transaction)

    async def _earlier(self, execution: Execution, key: str, transaction: Transaction) -> Execution:
        found = await transaction.fetch(self._sql["find_idempotent"], {"key": key}) if key else []
        if not found:
            raise ConflictError(f"An execution with the id '{execution.id}' exists.")
        return rows.execution(found[0])

    async def _create_owned(
        self, execution: Execution, owner: str, events: Sequence[EventRecord], transaction: Transaction
    ) -> tuple[Execution, tuple[EventRecord, ...]]:
        await self._create(execution, "", transaction)
        return await self._claim(execution.id, owner, events, transaction)

    async def _claim(
        self, execution_id: str, owner: str, events: Sequence[EventRecord], transaction: Transaction
    ) -> tuple[Execution, tuple[EventRecord, ...]]:
        standing = await self._ledger.lock(transaction, execution_id)
        if not rules.is_claimable(standing, owner):
            held = f"is held by {standing.owner}" if standing.dispatch == "held" else f"is {standing.dispatch}"
            raise StaleClaimError(f"Execution '{execution_id}' cannot be claimed: it {held}.")
        await self._ledger.hand_over(transaction, standing, owner)
        kept = await self._ledger.record(transaction, standing, events)
        await self._ledger.settle(transaction, standing)
        return standing.execution(), kept

    async def _claiming(self, operation: Operation[tuple[Execution, tuple[EventRecord, ...]]]) -> Claim:
        """Run a claim, then read the history up to it: nothing before it can change any more."""
        execution, kept = await self._submit(operation)
        missing = execution.last_seq - len(kept)
        earlier = await self.history(execution.id, limit=missing) if missing else ()
        return Claim(execution, (*earlier, *kept))

    async def _append(self, append: Append, transaction: Transaction) -> Appended:
        return (await self._change(append, transaction)).appended()

    async def _record(self, append: Append, transaction: Transaction) -> int:
        return (await self._change(append, transaction)).first_seq()

    async def _change(self, append: Append, transaction: Transaction) -> _Change:
        events = rules.until_the_end(append.events)
        standing = self._ledger.recall(append)
        if standing is not None:
            delivery = _Delivery((), events)
        else:
            standing = await self._ledger.lock(transaction, append.execution_id)
            if standing.generation != append.generation:
                raise _stale(standing, append.generation)
            delivery = await self._sort_out(standing, events, transaction)
            _check_writer(standing, delivery.new)
        releases = append.release and standing.dispatch == "held"
        moves = append.version is not None or append.digest is not None
        if not (delivery.new or releases or moves):
            return _Change(standing, delivery, duplicate=True)
        if standing.parent_id and _reopens(standing, delivery.new):
            await self._family(transaction).refuse_consumed(standing)
        position = await self._ledger.write(transaction, standing, delivery.new)
        _move(standing, append)
        await self._dispatch(standing, delivery.new, releases, transaction)
        if Family.concerns(standing):
            family = self._family(transaction)
            await family.settle(standing, rows.placed(delivery.new, standing.last_seq, position))
            return _Change(standing, delivery, family=family)
        await self._ledger.settle(transaction, standing)
        return _Change(standing, delivery, position)

    async def _sort_out(self, standing: Standing, events: Sequence[EventRecord], transaction: Transaction) -> _Delivery:
        """Tell what was delivered before from what is new."""
        again = [event for event in events if 0 < event.ordinal <= standing.last_ordinal]
        if not again:
            return _Delivery((), events)
        values = {"execution": standing.serial, "generation": standing.generation}
        values |= {"first": again[0].ordinal, "last": again[-1].ordinal}
        found = await transaction.fetch(self._sql["delivered_events"], values)
        stored = {event.ordinal: event for event in map(rows.event, found)}
        for event in again:
            if event.ordinal not in stored or not rows.same(event, stored[event.ordinal]):
                raise StaleClaimError(
                    f"Event {event.ordinal} of generation {standing.generation} of execution '{standing.id}' "
                    "was delivered before with another content."
                )
        new = [event for event in events if not 0 < event.ordinal <= standing.last_ordinal]
        return _Delivery(tuple(stored[event.ordinal] for event in again), new)

    async def _dispatch(
        self, standing: Standing, events: Sequence[EventRecord], releases: bool, transaction: Transaction
    ) -> None:
        """Who runs it after the events."""
        if releases or standing.state.is_terminal:
            await self._ledger.release(transaction, standing)
        elif standing.dispatch != "held" and any(
            event.type in (_E.WORKFLOW_MOVED, _E.WORKFLOW_REOPENED) for event in events
        ):
            rules.let_go(standing, ready=True, now=self._clock.now())

    async def _answer(
        self, execution_id: str, event: EventRecord, wait: str | None, transaction: Transaction
    ) -> tuple[Appended, PendingWait]:
        standing = await self._ledger.lock(transaction, execution_id)
        rules.check_answerable(standing)
        chosen = await self._choose(standing, wait, transaction)
        if chosen.execution_id != execution_id:
            standing = await self._ledger.lock(transaction, chosen.execution_id)
            rules.check_answerable(standing)
            source = standing.id if event.source_id == execution_id else event.source_id
            event = replace(event, source_id=source, name=standing.workflow)
        standing.attention |= standing.dispatch == "held"
        kept = await self._ledger.record(transaction, standing, [replace(event, wait_id=chosen.id)])
        self._ledger.wake(standing)
        family = self._family(transaction)
        await family.settle(standing, kept)
        return family.appended(), replace(chosen, answered=True)

    async def _choose(self, standing: Standing, wait: str | None, transaction: Transaction) -> PendingWait:
        found = await transaction.fetch(self._sql["family_waits"], {"execution_id": standing.id})
        try:
            return rules.choose_wait([rows.pending(row) for row in found], wait, standing.id)
        except WaitNotFoundError:
            values = {"execution": standing.serial, "wait_id": wait}
            if await transaction.fetch(self._sql["answering_events"], values):
                raise WaitAnsweredError(f"'{wait}' of execution '{standing.id}' has been answered already.") from None
            raise

    async def _cancel(
        self,
        execution_id: str,
        events: Sequence[EventRecord],
        immediate: Sequence[EventRecord],
        transaction: Transaction,
    ) -> Appended:
        standing = await self._ledger.lock(transaction, execution_id)
        if standing.state in _CANCELLED:
            return Appended(standing.execution(), (), duplicate=True, ready=standing.dispatch == "ready")
        if standing.state.is_terminal:
            raise ExecutionFinishedError(f"Execution '{execution_id}' is {standing.state}: there is nothing to cancel.")
        family = self._family(transaction)
        await family.cancel(standing, events, immediate)
        return family.appended()

    async def _requeue(
        self, ids_with_generation: Sequence[tuple[str, int]], not_before: int, transaction: Transaction
    ) -> builtins.list[Execution]:
        requeued = []
        for execution_id, generation in ids_with_generation:
            try:
                standing = await self._ledger.lock(transaction, execution_id)
            except FluxError:
                continue
            if standing.dispatch == "held" and standing.generation == generation:
                standing.generation += 1
                ready = not await self._family(transaction).ends_later(standing)
                rules.let_go(standing, ready=ready, now=max(not_before, self._clock.now()))
                await self._ledger.settle(transaction, standing)
                requeued.append(standing.execution())
        return requeued

    async def _crashed(self, execution_id: str, generation: int, transaction: Transaction) -> int:
        standing = await self._ledger.lock(transaction, execution_id)
        if standing.generation != generation:
            raise _stale(standing, generation)
        standing.deaths += 1
        await self._ledger.settle(transaction, standing)
        return standing.deaths


def _move(standing: Standing, append: Append) -> None:
    """Let the execution run another version of its code from now on."""
    if append.version is not None:
        standing.version = append.version
    if append.digest is not None:
        standing.digest = append.digest


def _check_writer(standing: Standing, events: Sequence[EventRecord]) -> None:
    """An owner writes while it holds the execution, the server while it is not finished."""
    if not events:
        return
    if standing.dispatch != "held" and any(event.ordinal for event in events):
        raise StaleClaimError(f"Execution '{standing.id}' was let go of: it takes no more events of that owner.")
    if standing.state.is_terminal and not _reopens(standing, events):
        raise ExecutionFinishedError(f"Execution '{standing.id}' is {standing.state}: it takes no more events.")


def _reopens(standing: Standing, events: Sequence[EventRecord]) -> bool:
    return standing.state is _S.FAILED and any(event.type is _E.WORKFLOW_REOPENED for event in events)


def _stale(standing: Standing, generation: int) -> StaleClaimError:
    return StaleClaimError(
        f"Execution '{standing.id}' has been claimed since: its generation is {standing.generation}, not {generation}."
    )
