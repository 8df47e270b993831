"""Families at random: whatever happens to parents and children, and in whatever order, nobody is forgotten."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field

import pytest

from flux.domain import Child, EventRecord, Execution, ExecutionEventType, ExecutionState, Wait, WaitKind, WorkflowRef
from flux.domain.transitions import fold
from flux.errors import ConflictError, NotFoundError
from flux.store import Append, Store

E = ExecutionEventType
S = ExecutionState
ENDS = (E.WORKFLOW_COMPLETED, E.WORKFLOW_FAILED, E.WORKFLOW_CANCELLED)
REF = WorkflowRef("shop", "order")


@dataclass
class Held:
    """What a worker has of an execution: it knows the answers that have come, and takes them up at once."""

    id: str
    generation: int
    cancelling: bool
    open: dict[str, WaitKind]
    ordinals: itertools.count = field(default_factory=lambda: itertools.count(1))


@dataclass
class World:
    """A store, workers that do anything at all, and what must be true between their steps."""

    store: Store
    random: random.Random
    held: dict[str, Held] = field(default_factory=dict)
    sent: list[Append] = field(default_factory=list)
    detached: set[str] = field(default_factory=set)
    ids: itertools.count = field(default_factory=lambda: itertools.count(1))

    def event(self, kind, source, ordinal=0, **more) -> EventRecord:
        return EventRecord(kind, source, source, 1, f"event-{next(self.ids)}", ordinal=ordinal, **more)

    async def all(self) -> list[Execution]:
        return list((await self.store.executions.list(limit=500)).items)

    # what can happen

    async def step(self) -> None:
        deeds = [self.claim, self.claim, self.work, self.work, self.work, self.release, self.redeliver]
        deeds += [self.answer, self.cancel, self.lose] if self.random.random() < 0.4 else []
        await self.random.choice(deeds)()

    async def claim(self) -> None:
        ready = await self.store.executions.ready(50)
        if ready:
            await self.take(self.random.choice(ready).id)

    async def take(self, execution_id: str) -> Held:
        claim = await self.store.executions.claim(execution_id, "ada", [self.event(E.WORKFLOW_CLAIMED, execution_id)])
        waits = [wait for wait in await self.store.waits.pending(execution_id) if wait.execution_id == execution_id]
        held = Held(execution_id, claim.execution.generation, claim.execution.state is S.CANCELLING, {})
        self.held[execution_id] = held
        begins = E.WORKFLOW_STARTED if claim.execution.started_at is None else E.WORKFLOW_RESUMED
        events = [self.event(begins, execution_id, next(held.ordinals))]
        for wait in waits:
            if held.cancelling:
                assert wait.answered or not wait.child, "it was woken before its children had ended"
            if wait.answered or held.cancelling:
                kind = E.TASK_CANCELLED if held.cancelling else E.TASK_COMPLETED
                events.append(self.event(kind, wait.id, next(held.ordinals)))
            else:
                held.open[wait.id] = wait.kind
        await self.append(held, events, release=held.cancelling, end=E.WORKFLOW_CANCELLED if held.cancelling else None)
        return held

    async def append(self, held: Held, events, release=False, end=None) -> None:
        if end is not None:
            events = [*events, self.event(end, held.id, next(held.ordinals))]
        append = Append(held.id, held.generation, tuple(events), release=release or end is not None)
        self.sent = [*self.sent[-5:], append]
        await self.store.executions.append(append)
        if append.release:
            self.held.pop(held.id, None)

    async def work(self) -> None:
        if not self.held:
            return
        held = self.random.choice(list(self.held.values()))
        kind = self.random.choice(["child", "child", "detached", "pause", "give up", "end", "end"])
        call = f"call-{next(self.ids)}"
        if kind in ("child", "detached") and next(self.ids) < 400:
            wait = Wait(call, call, WaitKind.CHILD, child=Child(f"of-{call}", REF, "d1", kind == "detached"))
            held.open[call] = WaitKind.CHILD
            if kind == "detached":
                self.detached.add(f"of-{call}")
            await self.append(held, [self.event(E.TASK_WAITING, call, next(held.ordinals), wait=wait)])
        elif kind == "pause":
            wait = Wait(call, call, WaitKind.INPUT)
            held.open[call] = WaitKind.INPUT
            await self.append(held, [self.event(E.TASK_PAUSED, call, next(held.ordinals), wait=wait)])
        elif kind == "give up" and held.open:
            given = self.random.choice(list(held.open))
            del held.open[given]
            await self.append(held, [self.event(E.TASK_CANCELLED, given, next(held.ordinals))])
        elif kind == "end":
            await self.append(held, [], end=self.random.choice(ENDS[:2]))

    async def release(self) -> None:
        if not self.held:
            return
        held = self.random.choice(list(self.held.values()))
        if held.open:
            asks = WaitKind.INPUT in held.open.values()
            events = [self.event(E.WORKFLOW_PAUSED, held.id, next(held.ordinals))] if asks else []
            await self.append(held, events, release=True)
        else:
            await self.append(held, [], end=E.WORKFLOW_COMPLETED)

    async def redeliver(self) -> None:
        for append in self.sent:
            try:
                assert (await self.store.executions.append(append)).duplicate
            except ConflictError:
                continue  # its claim is over

    async def answer(self) -> None:
        one = self.random.choice(await self.all())
        waits = [wait for wait in await self.store.waits.pending(one.id) if wait.kind is WaitKind.INPUT]
        wanted = self.random.choice([None, *(wait.id for wait in waits)])
        try:
            await self.store.executions.answer(one.id, self.event(E.WORKFLOW_RESUMING, one.id), wanted)
        except (ConflictError, NotFoundError):
            return

    async def cancel(self) -> None:
        one = self.random.choice(await self.all())
        asked, done = self.event(E.WORKFLOW_CANCELLING, one.id), self.event(E.WORKFLOW_CANCELLED, one.id)
        try:
            await self.store.executions.cancel(one.id, [asked], [asked, done])
        except ConflictError:
            return

    async def lose(self) -> None:
        if self.held:
            held = self.held.pop(self.random.choice(list(self.held)))
            await self.store.executions.requeue([(held.id, held.generation)])

    # what must be true

    async def check(self) -> None:
        everybody = {one.id: one for one in await self.all()}
        ready = {one.id for one in await self.store.executions.ready(500)}
        waits = [wait for wait in await self.store.waits.open(5000) if not wait.answered]
        below = {wait.child: wait.execution_id for wait in waits if wait.child}
        for one in everybody.values():
            history = await self.store.executions.history(one.id)
            assert fold(history) is one.state
            assert [event.seq for event in history] == list(range(1, len(history) + 1))
            kinds = [event.type for event in history]
            assert all(kinds.count(kind) <= 1 for kind in (*ENDS, E.WORKFLOW_CANCELLING))
        for child_id, parent_id in below.items():
            assert not everybody[child_id].state.is_terminal, "its end has not been told"
            assert everybody[child_id].parent_id == parent_id
        for one in everybody.values():
            if one.parent_id and one.id not in below and one.id not in self.detached:
                assert one.state.is_terminal or one.state is S.CANCELLING, "nobody wants it any more"
            idle = not one.state.is_terminal and one.id not in ready and one.id not in self.held
            own = [wait for wait in waits if wait.execution_id == one.id]
            asks = any(wait.kind is WaitKind.INPUT for wait in own)
            paused = any(everybody[wait.child].state is S.PAUSED for wait in own if wait.child)
            children = [wait.child for wait in own if wait.child]
            if idle:
                assert own, "nothing will ever wake it"
                if one.state is S.CANCELLING:
                    assert children, "it should be ending"
                else:
                    assert (one.state is S.PAUSED) == (asks or paused)

    async def finish(self) -> None:
        """Everybody ends when all that is asked is answered and all that is ready runs to its end."""
        for _ in range(2000):
            for held in list(self.held.values()):
                await self.append(held, [], end=E.WORKFLOW_CANCELLED if held.cancelling else E.WORKFLOW_COMPLETED)
            asked = [wait for wait in await self.store.waits.open(5000) if wait.kind is WaitKind.INPUT]
            for wait in asked:
                if not wait.answered:
                    event = self.event(E.WORKFLOW_RESUMING, wait.execution_id)
                    try:
                        await self.store.executions.answer(wait.execution_id, event, wait.id)
                    except (ConflictError, NotFoundError):
                        continue
            ready = await self.store.executions.ready(500)
            if not ready and not self.held:
                break
            for one in ready:
                if one.id in {ready.id for ready in await self.store.executions.ready(500)}:
                    await self.take(one.id)
        assert {one.state.is_terminal for one in await self.all()} == {True}


@pytest.mark.parametrize("seed", range(30))
async def test_nobody_is_forgotten(seed):
    store = await Store.open("sqlite:///:memory:")
    world = World(store, random.Random(seed))
    for number in range(2):
        await store.executions.create(Execution(f"root-{number}", REF, S.CREATED, digest="d1"))
    for _ in range(80):
        await world.step()
        await world.check()
    await world.finish()
    await world.check()
    await store.close()
