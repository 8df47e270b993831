"""Parents and children: what a change of one execution does to the others, in the same transaction.

A child is created by the event that opens a wait for it, and its end is recorded with its parent as the answer to that
wait. So there is one child for each call, whatever crashes, and no end gets lost on its way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from flux.clock import Clock
from flux.codec import NULL, Codec, Payload
from flux.domain import Child, EventRecord, Execution, ExecutionEventType, ExecutionState
from flux.domain.execution import LOCAL
from flux.errors import ConflictError, ExecutionContextNotFoundError, WorkflowNotFoundError
from flux.store import rows, rules
from flux.store.driver import Row, Transaction
from flux.store.ledger import Ledger
from flux.store.records import Appended, Change
from flux.store.rows import Standing
from flux.store.statements import Statements

_CODEC = Codec()
_E = ExecutionEventType
_S = ExecutionState
_ENDS = {
    _S.COMPLETED: _E.TASK_CHILD_COMPLETED,
    _S.FAILED: _E.TASK_CHILD_FAILED,
    _S.CANCELLED: _E.TASK_CHILD_CANCELLED,
}
_TOLD = frozenset(
    {
        *(_E.WORKFLOW_PAUSED, _E.WORKFLOW_RESUMING, _E.WORKFLOW_RESUMED, _E.WORKFLOW_CANCELLING),
        *(_E.WORKFLOW_COMPLETED, _E.WORKFLOW_FAILED, _E.WORKFLOW_CANCELLED),
    }
)
"""What a parent has to know of."""


class Family:
    """Settles changes of executions in one transaction, with what they mean for parents and children.

    Attributes:
        changes: what has been settled so far, in order.
    """

    def __init__(self, ledger: Ledger, statements: Statements, clock: Clock, transaction: Transaction) -> None:
        self._ledger = ledger
        self._sql = statements
        self._clock = clock
        self._transaction = transaction
        self.changes: list[Change] = []
        self._next: deque[Callable[[], Awaitable[None]]] = deque()
        self._carrying_on = False

    def appended(self, known: Sequence[EventRecord] = ()) -> Appended:
        """The answer to whoever asked for the first of the changes.

        Args:
            known: events of it that had been stored before.
        """
        own, *others = self.changes
        return Appended(own.execution, (*known, *own.events), ready=own.ready, others=tuple(others))

    @staticmethod
    def concerns(standing: Standing) -> bool:
        """Whether a change of the execution may concern others: it has a parent, or may wait for children."""
        return bool(standing.parent_id or standing.open_waits or standing.forsaken)

    async def settle(self, standing: Standing, events: Sequence[EventRecord]) -> None:
        """Write an execution back after `events`, and carry them on to its family."""
        events = (*events, *await self._rest(standing))
        forsaken, standing.forsaken = standing.forsaken, ()
        await self._ledger.settle(self._transaction, standing)
        self.changes.append(Change(standing.execution(), events, ready=standing.dispatch == "ready"))
        for event in events:
            if event.wait is not None and event.wait.child is not None:
                self._next.append(partial(self._start, standing.id, event, event.wait.child))
        self._next.extend(partial(self._give_up, child) for child in forsaken)
        if standing.parent_id and any(event.type in _TOLD for event in events):
            self._next.append(partial(self._tell, standing.execution()))
        await self._carry_on()

    async def _carry_on(self) -> None:
        """Do what follows, one after the other: families may be deeper than calls can be nested."""
        if self._carrying_on:
            return
        self._carrying_on = True
        while self._next:
            await self._next.popleft()()
        self._carrying_on = False

    async def cancel(self, standing: Standing, events: Sequence[EventRecord], immediate: Sequence[EventRecord]) -> None:
        """Ask an execution to end, and its children before it; `immediate` ends one that nobody has begun."""
        at_once = bool(immediate) and rules.cancels_at_once(standing)
        kept = await self._ledger.record(self._transaction, standing, immediate if at_once else events)
        if standing.state.is_terminal:
            await self._ledger.release(self._transaction, standing)
        standing.attention |= standing.dispatch == "held"
        children = await self._open_children(standing)
        if not children:
            self._ledger.wake(standing)
        elif standing.dispatch == "ready":
            standing.dispatch = "idle"  # it has been woken for something else, and ends after them all the same
        self._next.extend(partial(self._give_up, child) for child in children)
        await self.settle(standing, kept)

    async def ends_later(self, standing: Standing) -> bool:
        """Whether an execution that is being cancelled has children that end before it."""
        return standing.state is _S.CANCELLING and bool(await self._open_children(standing))

    async def refuse_consumed(self, standing: Standing) -> None:
        """Raises `ConflictError` when a parent has been told how the execution ended: that cannot be taken back."""
        parent = await self._find(standing.parent_id)
        if parent is None:
            return
        values = {"execution": parent.serial, "wait_id": standing.parent_call}
        if await self._transaction.fetch(self._sql["answering_events"], values):
            raise ConflictError(
                f"Execution '{standing.id}' cannot be reopened: its parent '{parent.id}' goes by its failure.",
                hint="Reopen or rerun the parent.",
            )

    # children

    async def _start(self, parent_id: str, event: EventRecord, child: Child) -> None:
        """Create the child that an event calls for; what prevents it is the answer to its wait."""
        parent = await self._ledger.lock(self._transaction, parent_id)
        new = _wanted(parent, event, child)
        if not await self._waits_for(parent, new):
            return  # given up by the events behind it
        try:
            new = new if child.digest else await self._current(new)
        except WorkflowNotFoundError as error:
            await self._answer(new, _E.TASK_CHILD_FAILED, _CODEC.encode(error))
            return
        created = await self._ledger.create(self._transaction, new)
        if created is not None:
            self.changes.append(Change(created, ready=True))
        if child.detached:
            await self._answer(new, _E.TASK_CHILD_STARTED, _CODEC.encode(child.id))

    async def _current(self, new: Execution) -> Execution:
        """The execution, bound to the version of its workflow that is current now."""
        names = {"namespace": new.ref.namespace, "name": new.ref.name}
        if found := await self._transaction.fetch(self._sql["current_version"], names):
            version = rows.version(found[0])
            return replace(new, version=version.version, digest=version.digest)
        if await self._transaction.fetch(self._sql["list_versions"], names):
            raise WorkflowNotFoundError(str(new.ref), f"Workflow '{new.ref}' has been deleted.")
        raise WorkflowNotFoundError(str(new.ref))

    async def _give_up(self, child_id: str) -> None:
        """Cancel a child that its parent does not want any more."""
        child = await self._find(child_id)
        if child is None or child.state.is_terminal or child.state is _S.CANCELLING:
            return
        cancelling = self._event(child, _E.WORKFLOW_CANCELLING, 1)
        cancelled = self._event(child, _E.WORKFLOW_CANCELLED, 2)
        await self.cancel(child, [cancelling], [cancelling, cancelled])

    async def _open_children(self, standing: Standing) -> list[str]:
        if not standing.open_waits:
            return []
        found = await self._transaction.fetch(self._sql["open_children"], {"execution": standing.serial})
        return [child for (child,) in found]

    # parents

    async def _tell(self, child: Execution) -> None:
        """Let the parent know that its child has ended, waits for a person, or does so no more."""
        if (kind := _ENDS.get(child.state)) is not None:
            await self._answer(child, kind, child.output)
            return
        parent = await self._find(child.parent_id)
        if parent is None:
            return
        values = _wait_of(parent, child) | {"paused": int(child.state is _S.PAUSED)}
        if await self._transaction.execute(self._sql["mark_child_wait"], values) and parent.dispatch == "idle":
            await self.settle(parent, ())

    async def _answer(self, child: Execution, kind: ExecutionEventType, payload: Payload | None) -> None:
        """Record with the parent what has become of a child, unless it does not wait for it any more."""
        parent = await self._find(child.parent_id)
        if parent is None or not (found := await self._waits_for(parent, child)):
            return
        ((source_id, name),) = found
        event = self._event(parent, kind, 1)
        event = replace(event, source_id=source_id, name=name, payload=payload, wait_id=child.parent_call)
        parent.attention |= parent.dispatch == "held"
        kept = await self._ledger.record(self._transaction, parent, [event])
        if not await self.ends_later(parent):
            self._ledger.wake(parent)
        await self.settle(parent, kept)

    async def _waits_for(self, parent: Standing, child: Execution) -> list[Row]:
        return await self._transaction.fetch(self._sql["child_wait"], _wait_of(parent, child))

    async def _rest(self, standing: Standing) -> tuple[EventRecord, ...]:
        """Show an execution that nobody holds as PAUSED while a child of it waits for a person, and no longer."""
        if standing.dispatch != "idle" or not standing.open_waits or standing.state not in (_S.RUNNING, _S.PAUSED):
            return ()
        found = await self._transaction.fetch(self._sql["resting_waits"], {"execution": standing.serial})
        ((asks, backs_off, child_id),) = found
        if standing.state is _S.RUNNING and child_id is not None and not backs_off:
            return await self._pause(standing, child_id)
        if standing.state is _S.PAUSED and child_id is None and not asks:
            event = self._event(standing, _E.WORKFLOW_RESUMED, 1)
            return await self._ledger.record(self._transaction, standing, [event])
        return ()

    async def _pause(self, standing: Standing, child_id: str) -> tuple[EventRecord, ...]:
        """Record that an execution is paused as its child is, and let it show the same."""
        event = self._event(standing, _E.WORKFLOW_PAUSED, 1)
        child = await self._find(child_id)
        if child is None:
            return await self._ledger.record(self._transaction, standing, [event])
        found = await self._transaction.fetch(self._sql["newest_pause"], {"execution": child.serial})
        for data, encoding, preview in found:
            event = replace(event, payload=Payload(data, encoding or "json", preview or ""))
        kept = await self._ledger.record(self._transaction, standing, [event])
        standing.output = child.output
        return kept

    async def _find(self, execution_id: str) -> Standing | None:
        try:
            return await self._ledger.lock(self._transaction, execution_id)
        except ExecutionContextNotFoundError:
            return None

    def _event(self, standing: Standing, kind: ExecutionEventType, nth: int) -> EventRecord:
        """The n-th event that the store itself adds to an execution now."""
        seq = standing.last_seq + nth
        return EventRecord(kind, standing.id, standing.workflow, self._clock.now(), f"{standing.id}.s{seq}")


def _wanted(parent: Standing, event: EventRecord, child: Child) -> Execution:
    """The child that an event calls for; that of a local run stays with its process."""
    return Execution(
        child.id,
        child.ref,
        _S.CREATED,
        event.payload or NULL,
        digest=child.digest,
        owner=parent.owner if parent.owner.startswith(LOCAL) else "",
        parent_id=parent.id,
        parent_call=event.source_id,
    )


def _wait_of(parent: Standing, child: Execution) -> dict[str, Any]:
    return {"execution": parent.serial, "id": child.parent_call, "child": child.id}
