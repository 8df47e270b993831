"""The journal of a local run: straight into the store, in the calling thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flux.domain import EventRecord, Execution
from flux.store import Append, Appended, Store


class LocalJournal:
    """Appends to one execution that this process owns."""

    def __init__(self, store: Store, execution: Execution) -> None:
        self._store = store
        self._id = execution.id
        self._generation = execution.generation

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """See `flux.engine.ports.Journal.append`."""
        return asyncio.ensure_future(self._append(tuple(events), release))

    async def _append(self, events: tuple[EventRecord, ...], release: bool) -> int:
        appended: Appended = await self._store.executions.append(Append(self._id, self._generation, events, release))
        return appended.events[0].seq if appended.events else 0

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Nobody listens to a local run's progress."""
