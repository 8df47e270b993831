"""Whatever happens in whatever order: the log stays dense and the state is a fold over it."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState, Wait, WaitKind, WorkflowRef
from flux.domain.transitions import fold
from flux.errors import FluxError
from flux.store import Append, Store
from flux.testing.clock import FakeClock

E = ExecutionEventType
TYPES = st.sampled_from([kind for kind in E if kind is not E.TASK_PROGRESS])
ACTION = st.one_of(
    st.tuples(st.just("append"), st.integers(0, 1), st.lists(TYPES, min_size=1, max_size=4), st.booleans()),
    st.tuples(st.just("again"), st.integers(0, 1)),
    st.tuples(st.just("stale"), st.integers(0, 1), TYPES),
    st.tuples(st.just("server"), st.integers(0, 1), TYPES),
    st.tuples(st.just("claim"), st.integers(0, 1)),
    st.tuples(st.just("answer"), st.integers(0, 1)),
    st.tuples(st.just("cancel"), st.integers(0, 1)),
    st.tuples(st.just("requeue"), st.integers(0, 1)),
)
STEPS = st.lists(st.lists(ACTION, min_size=1, max_size=5), max_size=12)


class World:
    """Two executions and everybody who writes to them; keeps what each was last acknowledged."""

    def __init__(self, stores: list[Store]) -> None:
        self.stores = stores
        self.numbers = itertools.count(1)
        self.generation = {0: 1, 1: 1}
        self.ordinal = {0: 0, 1: 0}
        self.last: dict[int, Append] = {}
        self.acknowledged: dict[str, int] = {}
        self.ended: dict[str, ExecutionState] = {}

    def event(self, type: ExecutionEventType, ordinal: int = 0) -> EventRecord:
        number = next(self.numbers)
        source = f"call-{number % 3}"
        waits = type in (E.TASK_PAUSED, E.TASK_WAITING)
        kind = WaitKind.INPUT if type is E.TASK_PAUSED else WaitKind.TIMER
        wait = Wait(source, source, kind, wake_at=1 if kind is WaitKind.TIMER else None) if waits else None
        return EventRecord(type, source, "task", number, f"event-{number}", ordinal=ordinal, wait=wait)

    def act(self, action: tuple, store: Store):
        verb, which, *details = action
        execution_id = f"execution-{which}"
        executions = store.executions
        if verb == "append":
            types, release = details
            batch = []
            for type in types:
                self.ordinal[which] += 1
                batch.append(self.event(type, self.ordinal[which]))
            self.last[which] = Append(execution_id, self.generation[which], batch, release)
            return executions.append(self.last[which])
        if verb == "again" and which in self.last:
            return executions.append(self.last[which])
        if verb == "stale":
            return executions.append(Append(execution_id, self.generation[which] - 1, [self.event(details[0], 1)]))
        if verb == "server":
            return executions.append(Append(execution_id, self.generation[which], [self.event(details[0])]))
        if verb == "answer":
            return executions.answer(execution_id, self.event(E.WORKFLOW_RESUMING), None)
        if verb == "cancel":
            cancelling, cancelled = self.event(E.WORKFLOW_CANCELLING), self.event(E.WORKFLOW_CANCELLED)
            return executions.cancel(execution_id, [cancelling], [cancelling, cancelled])
        if verb == "requeue":
            return executions.requeue([(execution_id, self.generation[which])])
        return executions.claim(execution_id, "worker", [self.event(E.WORKFLOW_CLAIMED)])

    async def check(self) -> None:
        for which in (0, 1):
            store = self.stores[which % len(self.stores)]
            execution = await store.executions.get(f"execution-{which}")
            history = await store.executions.history(execution.id)
            assert [event.seq for event in history] == list(range(1, len(history) + 1))
            assert execution.last_seq == len(history) >= self.acknowledged.get(execution.id, 0)
            assert execution.state is fold(history)
            pairs = [event.id for event in history]
            assert len(set(pairs)) == len(pairs)
            self.acknowledged[execution.id] = len(history)
            if execution.generation != self.generation[which]:
                self.generation[which], self.ordinal[which] = execution.generation, 0
            before = self.ended.get(execution.id)
            if before in (ExecutionState.COMPLETED, ExecutionState.CANCELLED):
                assert execution.state is before
            self.ended[execution.id] = execution.state
            pending = await store.waits.pending(execution.id)
            assert not (pending and execution.state.is_terminal)


@pytest.mark.parametrize("processes", [1, 2])
@given(steps=STEPS)
@settings(max_examples=40, deadline=None)
def test_any_interleaving_keeps_the_log_dense_and_the_state_a_fold(processes, steps):
    async def run(folder: str) -> None:
        url = "sqlite:///:memory:" if processes == 1 else f"sqlite:///{Path(folder) / 'flux.db'}"
        stores = [await Store.open(url, clock=FakeClock(), synchronous="normal") for _ in range(processes)]
        world = World(stores)
        try:
            for which in (0, 1):
                new = Execution(f"execution-{which}", WorkflowRef("a", "b"), ExecutionState.CREATED)
                await stores[0].executions.create_owned(new, "worker")
            for step in steps:
                calls = [world.act(action, stores[n % processes]) for n, action in enumerate(step)]
                outcomes = await asyncio.gather(*calls, return_exceptions=True)
                for outcome in outcomes:
                    assert not isinstance(outcome, BaseException) or isinstance(outcome, FluxError), outcome
                await world.check()
        finally:
            for store in stores:
                await store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(run(folder))
