"""The journal of a local run: straight into the store, in the calling thread."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextvars import Context

from flux.domain import EventRecord, Execution
from flux.store import Append, Appended, Store


class LocalJournal:
    """Appends to one execution that this process owns."""

    def __init__(self, store: Store, execution: Execution) -> None:
        self._store = store
        self._id = execution.id
        self._generation = execution.generation
        self._neutral = Context()

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """See `flux.engine.ports.Journal.append`."""
        first_seq: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        appended = self._store.executions.append(Append(self._id, self._generation, tuple(events), release))
        appended.add_done_callback(lambda done: _pass_on(done, first_seq), context=self._neutral)
        return first_seq

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Nobody listens to a local run's progress."""


def _pass_on(appended: asyncio.Future[Appended], first_seq: asyncio.Future[int]) -> None:
    if first_seq.done():
        return
    if appended.cancelled():
        first_seq.cancel()
    elif (error := appended.exception()) is not None:
        first_seq.set_exception(error)
    else:
        events = appended.result().events
        first_seq.set_result(events[0].seq if events else 0)
