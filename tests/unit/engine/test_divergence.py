"""Code that asks for something else than its history has: found before any new side effect."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from flux import task, workflow
from flux.domain import WaitKind
from flux.engine import release
from flux.tasks import Graph, parallel, pause

ran: list[str] = []


@task
async def charge(amount: int) -> int:
    ran.append(f"charge {amount}")
    return amount


@task
async def tax(amount: int) -> int:
    ran.append(f"tax {amount}")
    return amount


@workflow.with_options(name="order")
async def recorded(ctx):
    await charge(7)
    await charge(8)
    return await pause("approval")


@workflow.with_options(name="order")
async def calls_another_task(ctx):
    await charge(7)
    await tax(8)
    return await pause("approval")


@workflow.with_options(name="order")
async def changes_an_argument(ctx):
    await charge(7)
    await charge(9)
    return await pause("approval")


@workflow.with_options(name="order")
async def drops_a_call(ctx):
    await charge(8)
    return "early"


@workflow.with_options(name="order")
async def pauses_first(ctx):
    await pause("earlier")
    await charge(7)
    await charge(8)
    return await pause("approval")


@workflow.with_options(name="order")
async def fails_early(ctx):
    raise RuntimeError("before anything")


BROKEN = [calls_another_task, changes_an_argument, drops_a_call, pauses_first, fails_early]


@pytest.mark.parametrize("changed", BROKEN, ids=lambda changed: changed.func.__name__)
async def test_changed_code_parks_without_a_side_effect(lab, changed):
    await lab.run(recorded)
    events = len(lab.log)
    lab.answer("approval", True)
    ran.clear()
    session = await lab.run(changed)
    assert ran == []
    assert session.divergence is not None
    assert session.context.is_paused
    assert lab.types[events:] == ["WORKFLOW_RESUMING", "WORKFLOW_PAUSED"]
    wait = lab.log[-1].wait
    assert wait is not None
    assert wait.kind is WaitKind.DIVERGENCE


async def test_the_error_names_both_calls_and_their_lines(lab):
    await lab.run(recorded)
    lab.answer("approval", True)
    error = (await lab.run(calls_another_task)).divergence
    assert error is not None
    assert error.recorded == "charge(amount=8) (event 4)"
    assert error.attempted == "tax(amount=8)"
    assert error.recorded_at.split(":")[0].endswith("test_divergence.py")
    assert error.attempted_at.split(":")[0].endswith("test_divergence.py")
    assert error.recorded_at != error.attempted_at
    assert error.cause


async def test_a_local_run_leaves_no_trace_of_it(lab):
    await lab.run(recorded)
    events = len(lab.log)
    session = await lab.run(calls_another_task, local=True)
    assert session.divergence is not None
    assert len(lab.log) == events


async def test_the_old_code_goes_on_afterwards(lab):
    await lab.run(recorded)
    await lab.run(calls_another_task, local=True)
    lab.answer("approval", "yes")
    assert (await lab.run(recorded)).context.output == "yes"


async def test_added_calls_behind_the_history_are_no_divergence(lab):
    await lab.run(recorded)
    lab.answer("approval", "yes")

    @workflow.with_options(name="order")
    async def longer(ctx):
        await charge(7)
        await charge(8)
        return [await pause("approval"), await tax(1)]

    assert (await lab.run(longer)).context.output == ["yes", 1]


async def test_swapped_gather_arguments_are_no_divergence(lab):
    @workflow.with_options(name="both")
    async def one(ctx):
        await asyncio.gather(charge(1), tax(2))
        return await pause("p")

    @workflow.with_options(name="both")
    async def other(ctx):
        await asyncio.gather(tax(2), charge(1))
        return await pause("p")

    await lab.run(one)
    lab.answer("p", 5)
    ran.clear()
    assert (await lab.run(other)).context.output == 5
    assert ran == []


async def test_replay_waits_for_what_is_not_flux(lab):
    @workflow.with_options(name="raw")
    async def w(ctx):
        await charge(1)
        await asyncio.sleep(0.05)
        await charge(2)
        return await pause("p")

    await lab.run(w)
    lab.answer("p", 3)
    assert (await lab.run(w)).context.output == 3


# -- the likely cause ------------------------------------------------------------------------------


@task
async def send(text: str, at: object = None) -> None: ...


@task
async def tick() -> None: ...


@task
async def tock() -> None: ...


def order(body):
    """A workflow of a body that ends in a pause."""

    async def func(ctx):
        await body(ctx)
        return await pause("approval")

    return workflow.with_options(name="order")(func)


async def parting(lab, before, now):
    """The error when an execution of `before` goes on with `now`."""
    await lab.run(order(before))
    lab.answer("approval", True)
    error = (await lab.run(order(now), local=True)).divergence
    assert error is not None
    return error


async def three(ctx):
    await charge(1)
    await charge(2)
    await tax(3)


async def one_more(ctx):
    await charge(1)
    await charge(1)
    await charge(2)
    await tax(3)


async def another_one(ctx):
    await charge(1)
    await send("hello")
    await charge(2)
    await tax(3)


async def one_less(ctx):
    await charge(1)
    await tax(3)


async def swapped(ctx):
    await charge(2)
    await charge(1)
    await tax(3)


async def renamed(ctx):
    await charge(1)
    await charge(2)
    await charge.with_options(name="levy")(3)


async def inside(ctx):
    @task
    async def both() -> None:
        await charge(1)
        await charge(2)

    await both()
    await tax(3)


async def nothing(ctx): ...


async def raises(ctx):
    await charge(1)
    raise LookupError("no such order")


@pytest.mark.parametrize(
    ("now", "attempted", "cause"),
    [
        (
            one_more,
            "charge(amount=1)",
            "charge is called more often with these arguments than recorded (1 times)",
        ),
        (
            another_one,
            "send(text='hello')",
            "a call of send was added before charge, or charge was replaced by it",
        ),
        (
            one_less,
            "tax(amount=3)",
            "the call of charge was removed, or now comes behind tax, which is event 6",
        ),
        (
            swapped,
            "charge(amount=2)",
            "the call of charge was removed, or now comes behind charge, which is event 4",
        ),
        (
            renamed,
            "levy(amount=3)",
            "the task tax was renamed to levy, or replaced by it",
        ),
        (
            inside,
            "both()",
            "a call of both was added before charge, or charge was replaced by it",
        ),
        (
            nothing,
            "pause(name='approval')",
            "the call of charge was removed, or now comes behind pause, which is event 8",
        ),
        (
            raises,
            "the end, FAILED, LookupError: no such order",
            "the code raises before it comes to the call of charge",
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_the_likely_cause(lab, now, attempted, cause):
    error = await parting(lab, three, now)
    assert (error.attempted, error.cause) == (attempted, cause)
    assert error.attempted_at.rpartition(":")[0].endswith("test_divergence.py")
    text = str(error)
    assert all(part in text for part in (error.recorded, error.recorded_at, attempted, error.attempted_at, cause))


async def test_calls_without_arguments_are_no_renamed_ones(lab):
    async def before(ctx):
        await tick()

    async def now(ctx):
        await tock()

    error = await parting(lab, before, now)
    assert error.cause == "a call of tock was added before tick, or tick was replaced by it"


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        (("a", 1), ("b", 1), "its argument `text` was 'a' and is 'b'"),
        (("a", 1), ("b", 2), "its argument `text` was 'a' and is 'b'; its argument `at` was 1 and is 2"),
        (("a",), ("a", 2), "its argument `at` was None and is 2"),
        (
            ("a", "2026-01-31T08:00:00"),
            ("a", "2026-02-01T08:00:00"),
            "which looks like the time (use `await now()`)",
        ),
        (
            ("a", "0b7f3c52-6a4e-4f6e-9a4b-1c2d3e4f5a6b"),
            ("a", "9a7f3c52-6a4e-4f6e-9a4b-1c2d3e4f5a6b"),
            "which looks like chance (use `await uuid4()`, `randint()` or `choice()`)",
        ),
        (("a", 0.7267345619862), ("a", 0.1267345619862), "which looks like chance"),
        (("a", object()), ("a", 1), "the call of send has other arguments, or another number of them"),
    ],
)
async def test_changed_arguments_are_named(lab, before, now, told):
    async def earlier(ctx):
        await send(*before)

    async def later(ctx):
        await send(*now)

    assert told in (await parting(lab, earlier, later)).cause


async def test_another_number_of_branches(lab):
    async def before(ctx):
        await parallel(charge(1), charge(2))

    async def now(ctx):
        await parallel(charge(1), charge(2), charge(3))

    error = await parting(lab, before, now)
    assert error.cause == "the call of parallel has other arguments, or another number of them"


async def test_code_that_reads_the_clock_is_told_where(lab):
    @workflow.with_options(name="order")
    async def reads_the_clock(ctx):
        await send("hello", datetime.now(UTC).isoformat())
        return await pause("approval")

    await lab.run(reads_the_clock)
    lab.answer("approval", True)
    error = (await lab.run(reads_the_clock, local=True)).divergence
    assert error is not None
    assert "`datetime.now(UTC)` (test_divergence.py:" in error.cause
    assert "use `await now()`) anew at each replay" in error.cause


async def test_an_argument_that_nobody_can_show_is_shown_by_its_type(lab):
    class Odd:
        def __repr__(self):
            raise RuntimeError("no text")

    async def before(ctx):
        await send("a")

    async def now(ctx):
        await send("a", Odd())

    error = await parting(lab, before, now)
    assert error.attempted == "send(text='a', at='<Odd>')"
    assert error.cause == "its argument `at` was None and is '<Odd>'"


async def test_a_branch_that_is_all_right_is_not_blamed(lab):
    """It has come to a call that is new to the history; the other branch has left it."""

    def order(amount):
        async def quick():
            await tax(1)
            await tick()

        async def other():
            await tax(2)
            await charge(amount)

        @workflow.with_options(name="order")
        async def w(ctx):
            await asyncio.gather(quick(), other())

        return w

    await lab.run(order(7))
    lab.log = [event for event in lab.log if event.name != "tick" and event.type != "WORKFLOW_COMPLETED"]
    error = (await lab.run(order(8), local=True)).divergence
    assert error is not None
    assert error.attempted == "charge(amount=8)"
    assert error.cause == "its argument `amount` was 7 and is 8"


# -- no false alarm --------------------------------------------------------------------------------


async def mixed(*steps):
    return await asyncio.gather(*(step() for step in steps))


def reordered(name, combine):
    """Two workflows that combine the same two branches in different orders."""

    async def left():
        await charge(1)
        return await charge(2)

    async def right():
        await tax(1)
        return await tax(2)

    def make(branches):
        @workflow.with_options(name=name)
        async def w(ctx):
            await combine(*branches)
            return await pause("p")

        return w

    return make((left, right)), make((right, left))


async def grouped(*steps):
    async with asyncio.TaskGroup() as group:
        for step in steps:
            group.create_task(step())


@pytest.mark.parametrize("combine", [mixed, grouped], ids=lambda combine: combine.__name__)
async def test_reordered_branches_are_no_divergence(lab, combine):
    before, now = reordered("w", combine)
    await lab.run(before)
    lab.answer("p", 5)
    ran.clear()
    session = await lab.run(now)
    assert (session.divergence, session.context.output, ran) == (None, 5, [])


async def test_branches_that_finish_in_another_order_are_no_divergence(lab):
    """`parallel`, `map` and a graph: what was quick is slow when the execution goes on."""
    slow: set[int] = {1}

    @task
    async def work(number: int) -> int:
        ran.append(f"work {number}")
        await asyncio.sleep(0.02 if number in slow else 0)
        return number

    @workflow
    async def w(ctx):
        found = await parallel(work(1), work(2))
        found += await work.map([1, 2])
        graph = Graph("g").add_node("a", work).add_node("b", tax).add_node("c", charge)
        graph.add_edge("a", "b").start_with("a").start_with("c").end_with("b")
        found.append(await graph(1))
        found.append(await pause("p"))
        return found + await parallel(work(2), work(1))

    await lab.run(w)
    slow = {2}
    for cut in range(1, len(lab.log)):
        again = type(lab)(lab.codec, lab.clock, list(lab.log[:cut]))
        again_session = await again.run(w)
        assert again_session.divergence is None, f"after {cut} events"
    lab.answer("p", 9)
    assert (await lab.run(w)).context.output == [1, 2, 1, 2, 1, 9, 2, 1]


async def test_code_that_awaits_something_else_for_long_has_diverged(lab, monkeypatch):
    monkeypatch.setattr(release, "OUTSIDE_GRACE", 0.05)

    @workflow.with_options(name="order")
    async def waits_elsewhere(ctx):
        await asyncio.get_running_loop().create_future()

    await lab.run(recorded)
    lab.answer("approval", True)
    ran.clear()
    session = await lab.run(waits_elsewhere)
    assert session.divergence is not None
    assert session.context.is_paused
    assert ran == []
