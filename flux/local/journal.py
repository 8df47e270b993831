"""The journal of a local run: straight into the store, in the calling thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flux.domain import EventRecord, Execution
from flux.store import Append, Store


class LocalJournal:
    """Appends to one execution that this process owns."""

    def __init__(self, store: Store, execution: Execution) -> None:
        self._record = store.executions.record
        self._id = execution.id
        self._generation = execution.generation

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """See `flux.engine.ports.Journal.append`; often it is done when it returns."""
        return self._record(Append(self._id, self._generation, events, release))

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Nobody listens to a local run's progress."""
