import asyncio
import gc
from dataclasses import replace

import pytest

from flux.dispatch.bus import Bus, Committed, Gap, Logged, Watermark
from flux.domain import EventRecord, Execution, ExecutionEventType, ExecutionState, LogLine, WorkflowRef
from flux.errors import ServerUnavailableError

EXECUTION = Execution("e1", WorkflowRef("default", "hello"), ExecutionState.RUNNING)


def event(position: int) -> EventRecord:
    return EventRecord(ExecutionEventType.TASK_STARTED, "t", "t", 1, f"id{position}", seq=position, position=position)


async def test_readers_get_what_concerns_them():
    bus = Bus()
    with bus.subscribe() as everything, bus.subscribe("e1") as one, bus.subscribe("e2") as other:
        bus.committed(EXECUTION, (event(1),))
        bus.publish(Logged((LogLine(1, "INFO", "stdout", "hi"),)))
        assert [type(message) for message in await everything.batch()] == [Committed, Logged]
        assert [type(message) for message in await one.batch()] == [Committed]
        assert await other.batch(timeout=0) == []


async def test_slow_reader_gets_a_gap_and_nobody_else_does():
    bus = Bus()
    with bus.subscribe(capacity=2) as slow, bus.subscribe(capacity=100) as quick:
        for position in range(1, 6):
            bus.committed(EXECUTION, (event(position),))
        messages = await slow.batch()
        assert isinstance(messages[0], Gap)
        assert messages[-1].events[0].position == 5
        assert len(await quick.batch()) == 5


async def test_waiter_wakes_at_the_first_commit_that_fits():
    bus = Bus()
    waiting = bus.until("e1", lambda execution: execution.state.is_terminal)
    bus.committed(EXECUTION)
    assert not waiting.done()
    done = replace(EXECUTION, state=ExecutionState.COMPLETED)
    bus.committed(done)
    assert await waiting is done


async def test_cancelled_waiters_are_forgotten():
    bus = Bus()
    waiting = bus.until("e1", lambda execution: True)
    waiting.cancel()
    await asyncio.sleep(0)
    bus.committed(EXECUTION)
    assert bus._waiters == {}


async def test_closing_ends_readers_and_fails_waiters():
    bus = Bus()
    waiting = bus.until("e1", lambda execution: True)
    with bus.subscribe() as subscription:
        bus.close()
        assert await subscription.batch() is None
    with pytest.raises(ServerUnavailableError):
        await waiting
    with pytest.raises(ServerUnavailableError):
        await bus.until("e1", lambda execution: True)
    with bus.subscribe() as late:
        assert await late.batch() is None


async def test_messages_say_up_to_where_nothing_is_missing():
    bus = Bus(position=3)
    with bus.subscribe() as subscription:
        bus.committed(EXECUTION, (event(5),))
        bus.committed(EXECUTION, (event(4),))
        assert [message.reached for message in await subscription.batch()] == [3, 5]


def test_watermark_skips_holes_when_told():
    mark = Watermark()
    for position in (1, 3, 4):
        mark.add(position)
    assert mark.reached == 1 and mark.knows(4) and not mark.knows(2)
    mark.skip_to(2)
    assert mark.reached == 4


async def test_abandoned_readers_are_forgotten():
    bus = Bus()
    bus.subscribe("e1")
    bus.subscribe()
    gc.collect()
    bus.committed(EXECUTION)
    assert not bus._all and not bus._of
