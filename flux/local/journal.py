"""The journal of a local run: straight into the store, in the calling thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from functools import partial

from flux.domain import EventRecord, Execution
from flux.store import Append, Appended, Change, Store

Told = Callable[[Sequence[Change]], None]


class LocalJournal:
    """Appends to one execution that this process owns.

    Args:
        told: called with what an append has done, when that may concern a parent or children.
    """

    def __init__(self, store: Store, execution: Execution, told: Told | None = None) -> None:
        self._executions = store.executions
        self._id = execution.id
        self._generation = execution.generation
        self._told = told
        self._related = bool(execution.parent_id or execution.last_seq)
        self._neutral = Context()

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """See `flux.engine.ports.Journal.append`; often it is done when it returns."""
        append = Append(self._id, self._generation, events, release)
        if self._told is None or not self._concerns_others(events):
            return self._executions.record(append)
        first_seq: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        appended = self._executions.append(append)
        appended.add_done_callback(partial(self._pass_on, first_seq, self._told), context=self._neutral)
        return first_seq

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Nobody listens to a local run's progress."""

    def _concerns_others(self, events: Sequence[EventRecord]) -> bool:
        """Once it has started a child, every later append may mean something for it."""
        if not self._related:
            self._related = any(event.wait is not None and event.wait.child is not None for event in events)
        return self._related

    @staticmethod
    def _pass_on(first_seq: asyncio.Future[int], told: Told, done: asyncio.Future[Appended]) -> None:
        if first_seq.cancelled() or done.cancelled():
            first_seq.cancel()
        elif (error := done.exception()) is not None:
            first_seq.set_exception(error)
        else:
            appended = done.result()
            told(appended.changes)
            first_seq.set_result(appended.events[0].seq if appended.events else 0)
