"""Crashes and cancels at a point: everywhere, and with nothing lost."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from flux import task, workflow
from flux.errors import NonDeterminismError, UsageError
from flux.tasks import parallel, pause, sleep
from flux.testing import FluxEnv

DAY = timedelta(days=1)
undone: list[str] = []


@task
async def reserve(item: str) -> str: ...


@task.with_options(retry_max_attempts=2, retry_delay=60)
async def charge(item: str) -> str: ...


@task.with_options(rollback=undone.append)
async def ship(item: str) -> str: ...


@workflow
async def order(ctx) -> list[object]:
    reserved, charged = await parallel(reserve("lamp"), charge("lamp"))
    await sleep(3 * DAY)
    answer = await pause("address")
    return [reserved, charged, answer, await ship("lamp")]


def prepared(env: FluxEnv) -> FluxEnv:
    env.fake(reserve, "reserved")
    env.fake(charge, ConnectionError("busy"), "charged")
    env.fake(ship, "shipped")
    env.answer("address", "12 Lime Street")
    return env


def test_a_crash_after_any_event_changes_nothing() -> None:
    with prepared(FluxEnv()) as env:
        whole = env.run(order)
    assert len(whole.events) > 20
    for number in range(1, len(whole.events) + 1):
        with prepared(FluxEnv()) as env:
            run = env.run(order, crash_at=number)
            assert run.has_crashed
            assert len(run.events) >= number
            run.proceed()
            assert not run.has_crashed
            assert run.result() == whole.result(), f"after a crash behind event {number}"
            assert sorted(run.events.completed) == sorted(whole.events.completed)
            run.replay()


def test_exactly_so_many_events_are_durable(env: FluxEnv) -> None:
    prepared(env)
    for number in (1, 3, 5):
        assert len(env.run(order, crash_at=number).events) == number


def test_a_result_that_is_durable_is_not_computed_again(env: FluxEnv) -> None:
    fake = prepared(env).fake(reserve, "once", "twice")
    before = env.run(order, crash_at=2)
    assert before.events.types == ["WORKFLOW_STARTED", "TASK_STARTED"]
    assert before.proceed().output[0] == "twice"
    fake = env.fake(reserve, "once", "twice")
    env.answer("address", "here")
    done = next(event.seq for event in before.events if event.type == "TASK_COMPLETED")
    after = env.run(order, crash_at=done)
    assert after.events.of(reserve).types == ["TASK_STARTED", "TASK_COMPLETED"]
    assert after.proceed().output[0] == "once"
    assert len(fake.calls) == 1


def test_a_task_that_runs_when_the_process_dies_runs_again(env: FluxEnv) -> None:
    fake = prepared(env).fake(ship, "shipped")
    run = env.run(order, crash_at=ship)
    assert run.events.of(ship).types == ["TASK_STARTED"]
    assert len(fake.calls) == 1
    assert run.proceed().has_succeeded
    assert len(fake.calls) == 2
    assert run.events.of(ship).types == ["TASK_STARTED", "TASK_COMPLETED"]


def test_a_crash_in_the_middle_of_a_wait_leaves_the_rest_of_it(env: FluxEnv) -> None:
    run = prepared(env).run(order, crash_at=2 * DAY)
    assert run.events.of("sleep").types == ["TASK_STARTED", "TASK_WAITING"]
    before = env.now
    run.proceed()
    assert env.now - before == DAY + timedelta(minutes=1)
    assert run.has_succeeded


def test_a_run_crashes_as_often_as_it_is_told_to(env: FluxEnv) -> None:
    run = prepared(env).run(order, crash_at=3)
    assert run.proceed(crash_at=8).has_crashed
    assert run.proceed(crash_at="ship").has_crashed
    assert run.proceed().has_succeeded


def test_a_crash_while_an_answer_is_taken_up_keeps_the_answer(env: FluxEnv) -> None:
    @workflow
    async def w(ctx) -> str:
        return await pause("name")

    run = env.run(w)
    run.answer("Ada", crash_at=len(run.events) + 1)
    assert run.has_crashed
    assert run.proceed().result() == "Ada"


def test_a_point_that_is_never_reached_is_an_error(env: FluxEnv) -> None:
    with pytest.raises(UsageError, match=r"crash_at=99: .* never came to that point.*COMPLETED after") as caught:
        prepared(env).run(order, crash_at=99)
    assert "WORKFLOW_COMPLETED" in str(caught.value)
    with pytest.raises(UsageError, match="cancel_at='shop'"):
        prepared(env).run(order, cancel_at="shop")
    with pytest.raises(UsageError, match="crash_at="):
        prepared(env).run(order, crash_at=9 * DAY)


def test_other_code_goes_on_from_the_history(env: FluxEnv) -> None:
    @workflow
    async def fixed(ctx) -> list[object]:
        reserved, _ = await parallel(reserve("lamp"), charge("lamp"))
        await sleep(3 * DAY)
        return [reserved, "no address needed"]

    @workflow
    async def unlike(ctx) -> str:
        return await reserve("chair")

    run = prepared(env).run(order, crash_at=DAY)
    with pytest.raises(NonDeterminismError):
        run.proceed(unlike)
    assert run.proceed(fixed).result() == ["reserved", "no address needed"]


# -- cancels -----------------------------------------------------------------------------------


def test_a_task_in_flight_is_cancelled_and_rolled_back(env: FluxEnv) -> None:
    undone.clear()
    run = prepared(env).run(order, cancel_at=ship)
    assert run.is_cancelled
    assert undone == ["lamp"]
    assert [line for line in run.events.lines if "ship" in line or "WORKFLOW_C" in line] == [
        "TASK_STARTED ship",
        "WORKFLOW_CANCELLING order",
        "TASK_CANCELLED ship",
        "TASK_ROLLBACK_STARTED ship",
        "TASK_ROLLBACK_COMPLETED ship",
        "WORKFLOW_CANCELLED order",
    ]


def test_a_real_body_gets_the_cancellation_where_it_awaits(env: FluxEnv) -> None:
    seen = []

    @task
    async def upload() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cleaned up")
            raise

    @workflow
    async def w(ctx) -> None:
        await upload()

    assert env.run(w, cancel_at="upload").is_cancelled
    assert seen == ["cleaned up"]


def test_a_sleep_is_cancelled_in_the_middle(env: FluxEnv) -> None:
    run = prepared(env).run(order, cancel_at=2 * DAY)
    assert run.is_cancelled
    assert run.elapsed == 2 * DAY
    assert run.events.of("sleep").types == ["TASK_STARTED", "TASK_WAITING", "TASK_CANCELLED"]


def test_a_cancel_cannot_be_tied_to_a_number_of_events(env: FluxEnv) -> None:
    with pytest.raises(UsageError, match="while it awaits"):
        env.run(order, cancel_at=3)


async def test_cleanup_runs_its_tasks_before_the_end(env: FluxEnv) -> None:
    @workflow
    async def w(ctx) -> None:
        try:
            await sleep(DAY)
        finally:
            await reserve("cleanup")

    env.fake(reserve, "clean")
    run = await env.run(w, cancel_at=timedelta(hours=1))
    assert run.is_cancelled
    assert run.events.completed == ["reserve"]
