"""Code that asks for something else than its history has: found before any new side effect."""

from __future__ import annotations

import asyncio

import pytest

from flux import task, workflow
from flux.domain import WaitKind
from flux.tasks import pause

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
    assert error.recorded.startswith("charge")
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
