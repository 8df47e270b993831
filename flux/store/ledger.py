"""Changing an execution inside a transaction: lock it, record events, settle what they made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flux.clock import MICROSECOND, Clock
from flux.codec import Payload
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState
from flux.errors import ExecutionContextNotFoundError, StaleClaimError
from flux.store import rows, rules
from flux.store.driver import Transaction
from flux.store.records import Append
from flux.store.rows import Standing
from flux.store.statements import Statements

_E = ExecutionEventType
_MOVES_ON = frozenset({_E.WORKFLOW_MOVED, _E.WORKFLOW_REOPENED})


KEPT = 1024
"""Executions kept in memory between their changes."""

KEPT_BYTES = 16_384
"""Those with a larger input or output are read again each time."""


WAKE_AGAIN = 10 * MICROSECOND
"""Microseconds after which, at the earliest, a wait that an owner left open although it was due wakes it again."""


class Ledger:
    """The steps that every change of an execution is made of.

    Between `lock` and `settle` nobody else writes; `settle` makes sure of it once more in its statement. An
    execution that was changed a moment ago is not read again: its revision tells whether somebody else (another
    process) has changed it since. An append does not even ask for that: `settle` refuses, and it is done again.
    """

    def __init__(self, statements: Statements, clock: Clock) -> None:
        self._sql = statements
        self._clock = clock
        self._insert_event = statements["insert_event"]
        self._lock = statements["lock_execution"]
        self._load = statements["load_execution"]
        self._kept: dict[str, Standing] = {}
        self._advance = statements["advance_execution"]

    async def lock(self, transaction: Transaction, execution_id: str) -> Standing:
        """The execution as it stands. Raises `ExecutionContextNotFoundError`."""
        found = await transaction.fetch(self._lock, {"id": execution_id})
        if not found:
            raise ExecutionContextNotFoundError(execution_id)
        ((serial, revision),) = found
        kept = self._kept.pop(execution_id, None)
        if kept is not None and kept.revision == revision:
            return kept
        return Standing.of((await transaction.fetch(self._load, {"serial": serial}))[0])

    def recall(self, append: Append) -> Standing | None:
        """The execution as this process has left it, if nothing but `settle` can refuse the append now."""
        kept = self._kept.get(append.execution_id)
        if (
            kept is None
            or kept.dispatch != "held"
            or kept.generation != append.generation
            or not append.events
            or append.events[0].ordinal <= kept.last_ordinal
        ):
            return None
        return self._kept.pop(append.execution_id)

    def forget(self) -> None:
        """Read everything anew: what is kept in memory may not be what is in the database."""
        self._kept.clear()

    async def create(self, transaction: Transaction, execution: Execution, key: str = "") -> Execution | None:
        """Store a new execution, ready for an owner; None when its id or its idempotency key is taken."""
        now = self._clock.now()
        new = rows.execution_values(execution)
        new |= {"idempotency_key": key or None, "not_before": now, "created_at": execution.created_at or now}
        new |= {"updated_at": new["created_at"]}
        inserted = await transaction.fetch(self._sql["insert_execution"], new)
        if not inserted:
            return None
        ((serial,),) = inserted
        given = execution.input
        values = {"serial": serial, "data": given.data, "encoding": given.encoding, "preview": given.preview}
        await transaction.execute(self._sql["insert_input"], values)
        return replace(
            execution, state=ExecutionState.CREATED, created_at=new["created_at"], updated_at=new["created_at"]
        )

    async def record(
        self, transaction: Transaction, standing: Standing, events: Sequence[EventRecord]
    ) -> tuple[EventRecord, ...]:
        """Append events and let them change the execution and its waits; returns them with their places."""
        position = await self.write(transaction, standing, events)
        return rows.placed(events, standing.last_seq, position)

    async def write(self, transaction: Transaction, standing: Standing, events: Sequence[EventRecord]) -> int:
        """`record` for who does not ask for the events: returns the position of the first one."""
        if not events:
            return 0
        serial, generation, first = standing.serial, standing.generation, standing.last_seq + 1
        values = [rows.event_values(event, serial, generation, seq) for seq, event in enumerate(events, first)]
        position = await transaction.insert_many(self._insert_event, values)
        standing.last_seq += len(events)
        for event in events:
            if event.ordinal:
                standing.last_ordinal = event.ordinal
            rules.absorb(standing, event)
            if event.wait is not None or standing.open_waits:
                await self._keep_waits(transaction, standing, event)
            if event.type is _E.WORKFLOW_PAUSED and standing.open_waits:
                await self._show_wait(transaction, standing)
        return position

    async def settle(self, transaction: Transaction, standing: Standing) -> None:
        """Write the execution back."""
        standing.updated_at = max(standing.updated_at, self._clock.now())
        settled = standing.settled()
        if settled == standing.before:
            changed = await transaction.execute(self._advance, standing.advance_values())
        else:
            changed = await transaction.execute(self._sql["settle_execution"], standing.settle_values())
        if not changed:
            raise StaleClaimError(f"Execution '{standing.id}' has been claimed by another owner meanwhile.")
        standing.revision += 1
        standing.before = settled
        self._keep(standing)

    async def release(self, transaction: Transaction, standing: Standing) -> None:
        """Take the execution from its owner; it is ready at once if something has come for it meanwhile."""
        now = self._clock.now()
        answered = due = parked = children = 0
        if standing.open_waits:
            values = {"execution": standing.serial, "now": now}
            ((answered, due, parked, children),) = await transaction.fetch(self._sql["waits_at_release"], values)
        ready = rules.wants_attention(
            standing, answered=bool(answered), due=bool(due), parked=bool(parked), children=bool(children)
        )
        rules.let_go(standing, ready=ready, now=now)

    async def hand_over(self, transaction: Transaction, standing: Standing, owner: str) -> None:
        """Give an execution to an owner, who learns of all that is due by now."""
        rules.hand_over(standing, owner)
        if standing.open_waits:
            values = {"execution": standing.serial, "now": self._clock.now(), "delay": WAKE_AGAIN}
            await transaction.execute(self._sql["postpone_wakes"], values)

    def wake(self, standing: Standing) -> None:
        """Put an idle execution into the queue."""
        if standing.dispatch == "idle":
            standing.dispatch = "ready"
            standing.not_before = self._clock.now()

    def _keep(self, standing: Standing) -> None:
        output = standing.output
        size = len(standing.input.data) + (len(output.data) if output is not None else 0)
        if standing.dispatch == "done" or size > KEPT_BYTES:
            return
        self._kept[standing.id] = standing
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]

    async def _show_wait(self, transaction: Transaction, standing: Standing) -> None:
        """Show what a paused execution asks; the event has it for people only, not with its types."""
        if standing.state is not ExecutionState.PAUSED:
            return
        found = await transaction.fetch(self._sql["shown_wait"], {"execution": standing.serial})
        for output, encoding, preview in found:
            standing.output = None if output is None else Payload(output, encoding, preview)

    async def _keep_waits(self, transaction: Transaction, standing: Standing, event: EventRecord) -> None:
        """Open and close waits as the event says."""
        serial = standing.serial
        if standing.state.is_terminal:
            await self._close(transaction, standing, "close_all_waits")
        elif event.wait is not None:
            await transaction.execute(self._sql["open_wait"], rows.wait_values(event, event.wait, serial))
        elif event.wait_id:
            await transaction.execute(self._sql["answer_wait"], {"execution": serial, "id": event.wait_id})
            return
        elif event.type in _MOVES_ON:
            await transaction.execute(self._sql["close_divergences"], {"execution": serial})
        elif not await self._close(transaction, standing, "close_wait", source_id=event.source_id):
            return
        ((standing.open_waits,),) = await transaction.fetch(self._sql["count_waits"], {"execution": serial})
        if not standing.open_waits and not standing.state.is_terminal:
            standing.output = None

    async def _close(self, transaction: Transaction, standing: Standing, statement: str, **values: str) -> bool:
        """Close waits, and note the children that they were for; false when none was open."""
        closed = await transaction.fetch(self._sql[statement], {"execution": standing.serial, **values})
        standing.forsaken += tuple(child for (child,) in closed if child)
        return bool(closed)
