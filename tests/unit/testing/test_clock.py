"""The fake clock: moved by hand, forgetful of who gave up, with timeouts of its own."""

from __future__ import annotations

import asyncio

import pytest

from flux.clock import Clock
from flux.testing import FakeClock


async def settled() -> None:
    """Let callbacks run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_sleepers_wake_in_the_order_of_their_times():
    clock: Clock = FakeClock(start=0)
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in [("b", 2), ("a", 1), ("c", 9)]]
    await settled()
    assert isinstance(clock, FakeClock)
    assert clock.sleeping == 3
    clock.advance(5)
    await settled()
    assert woken == [("a", 5), ("b", 5)]
    assert clock.sleeping == 1
    tasks[2].cancel()


async def test_skipping_moves_to_the_next_sleeper_and_nowhere_without_one():
    clock = FakeClock(start=0)
    clock.skip()
    assert clock.now() == 0
    sleeper = asyncio.create_task(clock.sleep(3))
    await settled()
    clock.skip()
    await sleeper
    assert clock.now() == 3_000_000


async def test_a_sleeper_that_gave_up_is_forgotten():
    clock = FakeClock(start=0)
    sleeper = asyncio.create_task(clock.sleep(3))
    await settled()
    sleeper.cancel()
    await settled()
    assert clock.next_wake is None
    clock.skip()
    assert clock.now() == 0


async def test_a_clock_that_skips_needs_nobody_to_move_it():
    clock = FakeClock(start=0, skip=True)
    await clock.sleep(86_400)
    assert clock.now() == 86_400_000_000


async def test_a_timeout_ends_its_block_when_the_clock_says_so():
    clock = FakeClock()
    block = clock.timeout(30)

    async def body() -> None:
        async with block:
            await asyncio.Event().wait()

    task = asyncio.create_task(body())
    await settled()
    clock.advance(29)
    await settled()
    assert not task.done()
    clock.advance(1)
    with pytest.raises(TimeoutError):
        await task
    assert block.expired()


async def test_a_block_that_ends_in_time_leaves_nothing_behind():
    clock = FakeClock()
    block = clock.timeout(30)
    async with block:
        await asyncio.sleep(0)
    assert not block.expired()
    assert clock.sleeping == 0


async def test_a_block_that_ends_as_the_clock_rings_is_left_alone():
    clock = FakeClock()
    async with clock.timeout(30) as block:
        clock.advance(30)
    await settled()
    assert not block.expired()
