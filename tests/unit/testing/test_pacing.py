"""Who moves the clock: on as soon as only time is left, never while something moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flux.testing import FakeClock
from flux.testing.pacing import Pacer


class Activation:
    """What a pacer sees of a session."""

    def __init__(self) -> None:
        self.resting = True
        self.works_outside = False
        self.workflow = type("W", (), {"name": "w"})
        self.failed: list[Exception] = []

    def fail(self, error: Exception) -> None:
        self.failed.append(error)
        self.resting = False


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


async def test_the_clock_moves_from_timer_to_timer_while_all_rests():
    clock, one = FakeClock(start=0), Activation()
    async with Pacer(clock, lambda: {"one": one}):
        for _ in range(3):
            await clock.sleep(3600)
    assert clock.now() == 3 * 3_600_000_000


async def test_it_stands_still_while_one_of_them_moves():
    clock, resting, moving = FakeClock(start=0), Activation(), Activation()
    moving.resting = False
    async with Pacer(clock, lambda: {"a": resting, "b": moving}):
        sleeper = asyncio.create_task(clock.sleep(3600))
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now() == 0
        moving.resting = True
        await sleeper


async def test_it_stands_still_while_none_runs():
    clock, running = FakeClock(start=0), dict[str, Activation]()
    async with Pacer(clock, lambda: running):
        sleeper = asyncio.create_task(clock.sleep(3600))
        for _ in range(100):
            await asyncio.sleep(0)
        assert clock.now() == 0
        running["one"] = Activation()
        await sleeper


async def test_long_work_outside_takes_its_time_from_the_clock():
    clock, busy = FakeClock(start=0), Activation()
    busy.resting, busy.works_outside = False, True
    async with Pacer(clock, lambda: {"one": busy}, patience=0.0):
        await clock.sleep(0.01)
    assert clock.now() >= 10_000


async def test_what_keeps_the_loop_busy_takes_no_time():
    clock, busy = FakeClock(start=0), Activation()
    busy.resting = False
    async with Pacer(clock, lambda: {"one": busy}, patience=0.0):
        sleeper = asyncio.create_task(clock.sleep(3600))
        for _ in range(300):
            await asyncio.sleep(0)
        assert clock.now() == 0
        sleeper.cancel()


async def test_what_waits_for_nothing_is_given_up():
    stuck = Activation()
    async with Pacer(FakeClock(), lambda: {"one": stuck}, stalled_after=0.0):
        await until(lambda: bool(stuck.failed))
    assert "'w' waits for something that never comes" in str(stuck.failed[0])


async def test_it_may_be_entered_twice_and_leaves_nothing_behind():
    clock, one = FakeClock(start=0), Activation()
    pacer = Pacer(clock, lambda: {"one": one})
    async with pacer:
        async with pacer:
            await clock.sleep(60)
        await clock.sleep(60)
    assert clock.now() == 120_000_000
    assert len(asyncio.all_tasks()) == 1
