"""Tasks as functions and methods, their injected arguments, their time-outs, many calls at once."""

from __future__ import annotations

import asyncio
import inspect
import threading
from dataclasses import dataclass

import pytest

from flux import ExecutionContext, TaskMetadata, task, workflow
from flux.engine.ports import Surroundings
from flux.errors import ExecutionTimeoutError, UsageError


class Shop:
    def __init__(self, name):
        self._name = name

    @task.with_options(name="sell_{self._name}")
    async def sell(self, item, price=1):
        return f"{self._name} sells {item} for {price}"

    @task
    def count(self, item):
        return len(item)

    @staticmethod
    @task
    async def price(item):
        return len(item)

    @classmethod
    @task
    async def made(cls, name):
        return cls(name)._name

    @task.with_options(fallback=lambda self, item: f"{self._name} has no {item}")
    async def find(self, item):
        raise LookupError(item)


@dataclass(frozen=True)
class Box:
    size: int

    @task
    async def holds(self, n):
        return n < self.size


async def outcome(lab, make, input=None):
    @workflow
    async def w(ctx: ExecutionContext):
        return await make(ctx)

    return (await lab.run(w, input)).context.output


async def test_tasks_work_as_methods(lab):
    shop = Shop("Otto")

    async def body(ctx):
        return [
            await shop.sell("tea", price=3),
            await shop.count.map(["a", "bc"]),
            await shop.sell.with_options(name="offer")("ink"),
            await Shop.sell(shop, "pen"),
            await Shop.price("tea"),
            await shop.made("Ida"),
            await shop.find("oil"),
        ]

    assert await outcome(lab, body) == [
        "Otto sells tea for 3",
        [1, 2],
        "Otto sells ink for 1",
        "Otto sells pen for 1",
        3,
        "Ida",
        "Otto has no oil",
    ]
    started = [event for event in lab.log if event.type == "TASK_STARTED"]
    assert [event.name for event in started][:2] == ["sell_Otto", "count"]
    assert lab.codec.decode(started[0].payload) == {"item": "tea", "price": 3}
    shown = [lab.codec.decode(event.payload) for event in started]
    assert not [arguments for arguments in shown if {"self", "cls"} & arguments.keys()]
    assert str(inspect.signature(shop.sell)) == "(item, price=1)"


async def test_the_instance_counts_in_the_identity_by_what_it_holds(lab, new_lab):
    async def body(ctx):
        small, large = Box(1), Box(9)
        boxes = (small, large) if ctx.input == "small first" else (large, small)
        return dict(zip("ab", await asyncio.gather(*(box.holds(5) for box in boxes)), strict=True))

    await outcome(lab, body, "small first")
    ids = [event.source_id for event in lab.log if event.type == "TASK_STARTED"]
    other = new_lab()
    await outcome(other, body, "large first")
    assert [event.source_id for event in other.log if event.type == "TASK_STARTED"] == ids[::-1]


async def test_metadata_names_the_call(lab):
    @task.with_options(metadata=True, name="pay_{amount}")
    async def pay(amount, metadata: TaskMetadata):
        return [metadata.task_id, metadata.task_name]

    assert await outcome(lab, lambda ctx: pay(3)) == [lab.log[1].source_id, "pay_3"]
    assert lab.codec.decode(lab.log[1].payload) == {"amount": 3}


async def test_the_wait_for_a_sync_body_ends_on_time(lab):
    leave = threading.Event()

    @task.with_options(timeout=0.05)
    def stuck():
        leave.wait(30)
        return "late"

    try:
        error = await outcome(lab, lambda ctx: stuck())
    finally:
        leave.set()
    assert isinstance(error, ExecutionTimeoutError)
    assert error.timeout == 0.05
    assert lab.types[-2:] == ["TASK_FAILED", "WORKFLOW_FAILED"]


async def test_the_default_timeout_is_for_tasks_without_their_own(lab):
    @task
    async def slow():
        await asyncio.Event().wait()

    @task.with_options(timeout=0.04)
    async def patient():
        await asyncio.Event().wait()

    async def body(ctx):
        found = []
        for call in (slow, patient):
            try:
                await call()
            except ExecutionTimeoutError as error:
                found.append(error.timeout)
        return found

    lab.surroundings = Surroundings(default_timeout=0.03)
    assert await outcome(lab, body) == [0.03, 0.04]


@pytest.mark.parametrize(("cap", "peak"), [(None, 6), (2, 2), (1, 1), (99, 6)])
async def test_map_keeps_the_order_and_the_cap(lab, cap, peak):
    running, most = 0, 0

    @task
    async def work(x):
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(10 - x):
            await asyncio.sleep(0)
        running -= 1
        return x * x

    assert await outcome(lab, lambda ctx: work.map(range(6), max_concurrent=cap)) == [0, 1, 4, 9, 16, 25]
    assert most == peak


async def test_map_takes_whatever_can_be_iterated(lab):
    @task
    async def add(x, y=0):
        return x + y

    async def body(ctx):
        return [
            await add.map([]),
            await add.map(x for x in (1, 2)),
            await add.starmap((x, 10) for x in (1, 2)),
            await add.starmap([]),
            await add.map({3: "a"}),
            await add.starmap([[5], (6, 7)]),
        ]

    assert await outcome(lab, body) == [[], [1, 2], [11, 12], [], [3], [5, 13]]


async def test_map_collects_failures_as_holes(lab):
    @task
    async def half(x):
        if x % 2:
            raise ValueError(x)
        return x // 2

    assert await outcome(lab, lambda ctx: half.map(range(5), raise_on_error=False)) == [0, None, 1, None, 2]
    assert lab.types.count("TASK_FAILED") == 2


async def test_behind_a_failure_nothing_new_begins(lab):
    @task
    async def work(x):
        if x == 1:
            raise ValueError(x)
        return x

    error = await outcome(lab, lambda ctx: work.map(range(100), max_concurrent=2))
    assert isinstance(error.inner_exception, ValueError)
    assert lab.types.count("TASK_STARTED") < 6


@pytest.mark.parametrize("cap", [0, -1])
async def test_a_cap_that_lets_nothing_run_is_refused(lab, cap):
    error = await outcome(lab, lambda ctx: task(len).map(["a"], max_concurrent=cap))
    assert isinstance(error, UsageError)


async def test_thousands_of_calls_run_and_replay(lab, new_lab):
    @task
    async def square(x):
        return x * x

    @workflow
    async def w(ctx):
        return sum(await square.map(range(3_000), max_concurrent=50))

    total = (await lab.run(w)).context.output
    again = new_lab()
    again.log = lab.log[:-1]
    assert (await again.run(w)).context.output == total == sum(x * x for x in range(3_000))
    assert len(again.log) == len(lab.log)
