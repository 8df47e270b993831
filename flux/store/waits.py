"""Open waits: what executions wait for, and when their time comes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from flux.clock import Clock
from flux.domain import Execution, PendingWait
from flux.store import rows, rules
from flux.store.committer import Committer
from flux.store.driver import Driver, Transaction
from flux.store.ledger import Ledger


class Waits:
    """Open waits; appended events open, answer and close them (`flux.store.ledger`)."""

    def __init__(self, driver: Driver, committer: Committer, ledger: Ledger, clock: Clock) -> None:
        self._driver = driver
        self._sql = driver.statements
        self._submit = committer.submit
        self._clock = clock
        self._ledger = ledger

    async def pending(self, execution_id: str) -> list[PendingWait]:
        """What an execution waits for, oldest first, then what the children that it waits for do.

        Nothing for an unknown id.
        """
        found = await self._driver.get(self._sql["family_waits"], {"execution_id": execution_id})
        return [rows.pending(row) for row in found]

    async def get(self, execution_id: str, wait: str) -> PendingWait:
        """An open wait by id or name. Raises `WaitNotFoundError` or `WaitAmbiguousError`."""
        return rules.find_wait(await self.pending(execution_id), wait, execution_id)

    async def open(self, limit: int = 500, human: bool = False) -> list[PendingWait]:
        """Open waits of all executions, oldest first; with `human` only those that a person ends."""
        statement = self._sql["oldest_human_waits" if human else "oldest_waits"]
        return [rows.pending(row) for row in await self._driver.read(statement, {"limit": limit})]

    async def next_wake(self) -> int | None:
        """When something happens by itself: a wait of an idle execution ends, or a requeued one may start.

        Microseconds UTC, in the past when it is overdue; None when nothing is planned.
        """
        waits = await self._driver.get(self._sql["next_wake"], {})
        queue = await self._driver.get(self._sql["next_ready"], {"now": self._clock.now()})
        return min((when for (when,) in (*waits, *queue)), default=None)

    async def due(self, now: int) -> list[str]:
        """Ids of idle executions with a wait that has ended by `now`."""
        return [execution_id for (execution_id,) in await self._driver.get(self._sql["due_executions"], {"now": now})]

    async def wake(self, now: int) -> list[Execution]:
        """Make the due executions ready and return them; those that only waited in the queue are not among them."""
        if not (due := await self.due(now)):
            return []
        return await self._submit(partial(self._wake, due))

    async def _wake(self, execution_ids: Sequence[str], transaction: Transaction) -> list[Execution]:
        woken = []
        for execution_id in execution_ids:
            standing = await self._ledger.lock(transaction, execution_id)
            if standing.dispatch == "idle":
                self._ledger.wake(standing)
                await self._ledger.settle(transaction, standing)
                woken.append(standing.execution())
        return woken
