import asyncio

import pytest

from flux.clock import MICROSECOND, SystemClock
from flux.domain import (
    EventRecord,
    Execution,
    ExecutionEventType,
    ExecutionState,
    Wait,
    WaitKind,
    WorkflowRef,
)
from flux.scheduling.timers import Timers
from flux.store import Append, Store

START = 1_800_000_000 * MICROSECOND


class HandClock(SystemClock):
    """Time that moves when told."""

    def __init__(self) -> None:
        self.time = START
        self.sleeping: list[tuple[int, asyncio.Event]] = []
        self.slept = asyncio.Event()

    def now(self) -> int:
        return self.time

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self.sleeping.append((self.time + round(seconds * MICROSECOND), awake))
        self.slept.set()
        await awake.wait()

    def advance(self, seconds: float) -> None:
        self.time += int(seconds * MICROSECOND)
        for when, awake in self.sleeping:
            if when <= self.time:
                awake.set()


@pytest.fixture
def clock():
    return HandClock()


@pytest.fixture
async def store(clock):
    opened = await Store.open("sqlite:///:memory:", clock=clock)
    yield opened
    await opened.close()


async def sleeping_execution(store: Store, clock: HandClock, seconds: float) -> str:
    execution = Execution("e1", WorkflowRef("default", "nap"), ExecutionState.CREATED)
    await store.executions.create(execution)
    claim = await store.executions.claim("e1", "w1")
    wait = Wait("s-1", "sleep", WaitKind.TIMER, wake_at=clock.now() + int(seconds * MICROSECOND))
    event = EventRecord(ExecutionEventType.TASK_WAITING, "s-1", "sleep", clock.now(), "ev", ordinal=1, wait=wait)
    await store.executions.append(Append("e1", claim.execution.generation, (event,), release=True))
    return "e1"


async def test_due_waits_make_their_execution_ready(store, clock):
    woken: list[int] = []
    timers = Timers(store, clock, lambda: woken.append(clock.now()))
    await sleeping_execution(store, clock, 60)
    assert await timers.tick() == START + 60 * MICROSECOND
    assert woken == [] and await store.executions.ready() == []
    clock.advance(60)
    assert await timers.tick() is None
    assert woken == [clock.now()]
    assert [one.id for one in await store.executions.ready()] == ["e1"]


async def test_requeues_that_back_off_are_due_too(store, clock):
    woken: list[int] = []
    timers = Timers(store, clock, lambda: woken.append(clock.now()))
    await store.executions.create(Execution("e1", WorkflowRef("default", "x"), ExecutionState.CREATED))
    claim = await store.executions.claim("e1", "w1")
    await store.executions.requeue([("e1", claim.execution.generation)], not_before=clock.now() + MICROSECOND)
    await timers.tick()
    clock.advance(1)
    await timers.tick()
    assert woken == [clock.now()]


async def test_a_nearer_time_cuts_the_sleep_short(store, clock):
    due = asyncio.Event()
    timers = Timers(store, clock, due.set)
    running = asyncio.create_task(timers.run())
    try:
        await asyncio.wait_for(clock.slept.wait(), 5)
        clock.slept.clear()
        await sleeping_execution(store, clock, 2)
        timers.replan()
        await asyncio.wait_for(clock.slept.wait(), 5)
        clock.advance(2)
        await asyncio.wait_for(due.wait(), 5)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
