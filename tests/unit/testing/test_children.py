"""Workflows that call others: in one environment, on one clock, with traps and fakes for the whole family."""

from __future__ import annotations

from datetime import timedelta

import pytest

from flux import call, task, workflow
from flux.errors import ExecutionError, ExecutionTimeoutError, WorkflowNotFoundError
from flux.tasks import parallel, pause, sleep
from flux.testing import HANG, FluxEnv

DAY = timedelta(days=1)
undone: list[str] = []


@task.with_options(retry_max_attempts=2, retry_delay=60, rollback=undone.append)
async def charge(card: str) -> str:
    return f"receipt for {card}"


@workflow.with_options(namespace="billing")
async def billing(ctx) -> list[object]:
    receipt = await charge(ctx.input)
    await sleep(DAY)
    return [receipt, await pause("signature", output=receipt, timeout=5 * DAY)]


@workflow
async def order(ctx) -> list[object]:
    first, _ = await parallel(call(billing, "red"), sleep(2 * DAY))
    return [first, await call("billing/billing", "blue")]


EXPECTED = [["receipt for red", "Ada"], ["receipt for blue", "Grace"]]


def test_children_run_on_the_same_clock(env: FluxEnv) -> None:
    charged = env.fake(charge, ConnectionError("busy"), "receipt")
    run = env.run(order)
    assert run.waiting_for == ["signature"]
    assert run.output == "receipt"
    assert run.elapsed == DAY + timedelta(minutes=1)
    (child,) = run.children
    assert child.is_paused
    assert child.workflow is billing
    assert child.events.of(charge).types[:2] == ["TASK_STARTED", "TASK_RETRY_FAILED"]
    assert len(charged.calls) == 2


def test_answers_reach_the_children(env: FluxEnv) -> None:
    run = env.run(order)
    run.answer("Ada")
    assert run.answer("Grace").result() == EXPECTED
    env.answer("signature", "Ada", "Grace")
    again = env.run(order)
    assert again.result() == EXPECTED
    assert [child.output for child in again.replay().children] == EXPECTED
    assert [one.workflow.name for one in again.family] == ["order", "billing", "billing"]


def test_time_passes_for_children(env: FluxEnv) -> None:
    run = env.run(order).advance(6 * DAY)
    assert isinstance(run.output, ExecutionError)
    assert isinstance(run.children[0].output, ExecutionTimeoutError)


@pytest.mark.parametrize("point", ["charge", charge, timedelta(hours=5)], ids=str)
def test_a_crash_takes_the_family_along(env: FluxEnv, point: object) -> None:
    env.answer("signature", "Ada", "Grace")
    run = env.run(order, crash_at=point)
    assert run.has_crashed
    assert run.proceed().result() == EXPECTED


def test_a_crash_after_any_event_of_the_parent_changes_nothing() -> None:
    with FluxEnv() as env:
        env.answer("signature", "Ada", "Grace")
        events = len(env.run(order).events)
    for number in range(1, events + 1):
        with FluxEnv() as env:
            env.answer("signature", "Ada", "Grace")
            run = env.run(order, crash_at=number)
            assert run.has_crashed
            assert run.proceed().result() == EXPECTED, f"after a crash behind event {number}"


def test_a_crash_leaves_one_child_paused_and_takes_the_other_up(env: FluxEnv) -> None:
    @workflow
    async def resting(ctx) -> str:
        return await pause("left")

    @workflow
    async def busy(ctx) -> str:
        await sleep(DAY)
        return await charge("green")

    @workflow
    async def both(ctx) -> list[str]:
        return await parallel(call(resting), call(busy))

    run = env.run(both, crash_at=timedelta(hours=5))
    assert run.proceed().waiting_for == ["left"]
    assert run.children[1].output == "receipt for green"
    assert run.answer("here").result() == ["here", "receipt for green"]


def test_what_a_finished_parent_has_left_running_is_taken_up(env: FluxEnv) -> None:
    @workflow
    async def later(ctx) -> str:
        await sleep(DAY)
        return "done"

    @workflow
    async def starter(ctx) -> str:
        return await call(later, mode="async")

    with FluxEnv() as whole:
        events = len(whole.run(starter).events)
    run = env.run(starter, crash_at=events)
    assert run.has_succeeded
    assert not run.children[0].has_succeeded
    assert run.proceed().children[0].output == "done"


def test_cancelling_the_parent_cancels_the_child(env: FluxEnv) -> None:
    undone.clear()
    run = env.run(order, cancel_at="charge")
    assert run.is_cancelled
    assert run.children[0].is_cancelled
    assert undone == ["red"]
    waiting = env.run(order)
    assert waiting.cancel().children[0].is_cancelled


# -- fakes ------------------------------------------------------------------------------------


def test_a_child_workflow_is_faked(env: FluxEnv) -> None:
    fake = env.fake(billing, ["red paid"], lambda card: [f"{card} paid"])
    run = env.run(order)
    assert run.result() == [["red paid"], ["blue paid"]]
    assert fake.calls == ["red", "blue"]
    assert fake.times[1] - fake.times[0] == 2 * DAY
    assert run.children[0].events.types == ["WORKFLOW_STARTED", "WORKFLOW_COMPLETED"]


def test_a_workflow_from_elsewhere_is_faked_by_its_name(env: FluxEnv) -> None:
    @workflow
    async def remote(ctx) -> str:
        return await call("warehouse/pick", {"item": ctx.input})

    assert isinstance(env.run(remote, "lamp").output.inner_exception, WorkflowNotFoundError)
    fake = env.fake("warehouse/pick", "picked", ValueError("nothing left"))
    assert env.run(remote, "lamp").result() == "picked"
    assert "nothing left" in str(env.run(remote, "vase").output)
    assert fake.calls == [{"item": "lamp"}, {"item": "vase"}]


def test_a_closed_environment_leaves_no_code_behind() -> None:
    @workflow
    async def remote(ctx) -> str:
        return await call("harbour/load", ctx.input)

    for _ in range(2):
        with FluxEnv() as env:
            env.fake("harbour/load", "loaded")
            assert env.run(remote, "crate").result() == "loaded"
    with FluxEnv() as env:
        assert isinstance(env.run(remote, "crate").output.inner_exception, WorkflowNotFoundError)


def test_a_child_that_hangs_is_timed_out(env: FluxEnv) -> None:
    @workflow
    async def impatient(ctx) -> str:
        return await call(billing, "red", timeout=DAY)

    env.fake(billing, HANG)
    run = env.run(impatient)
    assert isinstance(run.output, ExecutionTimeoutError)
    assert run.elapsed == DAY
    assert run.children[0].is_cancelled


def test_a_report_shows_the_family(env: FluxEnv) -> None:
    env.run(order)
    report = env.report()
    assert "<run of order: PAUSED" in report
    assert "<run of billing: PAUSED" in report
