"""Carrying a run on: answers, time, crashes' aftermath, cancels; and what it says about itself."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from pydantic import BaseModel

from flux import task, workflow
from flux.errors import (
    ExecutionError,
    ExecutionFinishedError,
    ExecutionTimeoutError,
    InvalidInputError,
    NonDeterminismError,
    NotPausedError,
    UsageError,
    WaitAmbiguousError,
)
from flux.tasks import parallel, pause, sleep
from flux.testing import UNANSWERED, FluxEnv

DAY = timedelta(days=1)


class Decision(BaseModel):
    approve: bool


@task
async def remind(person: str) -> None: ...


@workflow
async def approval(ctx) -> str:
    decision = await pause("approval", output={"amount": 840}, schema=Decision, timeout=7 * DAY)
    return "paid" if decision.approve else "refused"


@workflow
async def two(ctx) -> list[str]:
    return await parallel(pause("legal"), pause("finance"))


@workflow
async def nagging(ctx) -> str:
    async def nag() -> None:
        while True:
            await sleep(DAY)
            await remind("Ada")

    reminders = asyncio.create_task(nag())
    answer: str = await pause("reply", timeout=10 * DAY)
    reminders.cancel()
    return answer


# -- answers ---------------------------------------------------------------------------------


def test_a_pause_is_answered(env: FluxEnv) -> None:
    run = env.run(approval)
    assert run.is_paused
    assert run.waiting_for == ["approval"]
    assert run.output == {"amount": 840}
    assert repr(run) == "<run of approval: PAUSED after 4 events, waits for approval>"
    assert run.answer({"approve": True}) is run
    assert run.result() == "paid"
    assert run.waiting_for == []


async def test_a_pause_is_answered_in_an_async_test(env: FluxEnv) -> None:
    run = await env.run(approval)
    assert (await run.answer(Decision(approve=False))).output == "refused"


def test_an_answer_that_does_not_fit_is_refused_and_changes_nothing(env: FluxEnv) -> None:
    run = env.run(approval)
    with pytest.raises(InvalidInputError):
        run.answer({"approve": "perhaps"})
    assert run.is_paused
    assert run.answer({"approve": True}).output == "paid"


def test_several_pauses_are_answered_by_name(env: FluxEnv) -> None:
    run = env.run(two)
    assert run.waiting_for == ["legal", "finance"]
    with pytest.raises(WaitAmbiguousError):
        run.answer("yes")
    run.answer("yes", "finance")
    assert run.waiting_for == ["legal"]
    assert run.answer("sure").result() == ["sure", "yes"]
    with pytest.raises((NotPausedError, ExecutionFinishedError)):
        run.answer("again")


def test_queued_answers_are_given_in_order(env: FluxEnv) -> None:
    @workflow
    async def ask_twice(ctx) -> list[object]:
        return [await pause("name"), await pause("name"), await pause("sum", output=[1, 2, 3])]

    env.answer("name", "Ada", "Grace")
    env.answer("sum", sum)
    assert env.run(ask_twice).result() == ["Ada", "Grace", 6]
    assert env.run(ask_twice).waiting_for == ["name"]


def test_a_pause_left_unanswered_runs_into_its_timeout(env: FluxEnv) -> None:
    env.answer("approval", UNANSWERED, {"approve": True})
    run = env.run(approval)
    assert isinstance(run.output, ExecutionTimeoutError)
    assert run.elapsed == 7 * DAY
    assert env.run(approval).result() == "paid"


def test_being_left_alone_comes_after_what_can_be_answered(env: FluxEnv) -> None:
    @workflow
    async def w(ctx) -> list[object]:
        async def first() -> str:
            try:
                await pause("slow", timeout=DAY)
            except ExecutionTimeoutError:
                return "late"
            return "in time"

        return await parallel(first(), pause("quick"))

    env.answer("slow", UNANSWERED)
    env.answer("quick", "here")
    assert env.run(w).result() == ["late", "here"]


def test_a_pause_without_a_timeout_cannot_be_left_unanswered(env: FluxEnv) -> None:
    env.answer("legal", UNANSWERED)
    with pytest.raises(UsageError, match="would wait for ever"):
        env.run(two)


# -- time --------------------------------------------------------------------------------------


def test_time_passes_while_a_person_is_waited_for(env: FluxEnv) -> None:
    reminders = env.fake(remind)
    run = env.run(nagging)
    run.advance(3.5 * DAY)
    assert run.is_paused
    assert len(reminders.calls) == 3
    assert [later - earlier for earlier, later in zip(reminders.times, reminders.times[1:], strict=False)] == [DAY, DAY]
    assert run.answer("here").result() == "here"
    assert len(reminders.calls) == 3


def test_a_pause_times_out_when_its_time_has_passed(env: FluxEnv) -> None:
    run = env.run(approval)
    assert run.advance(6 * DAY).is_paused
    assert isinstance(run.advance(DAY).output, ExecutionTimeoutError)


def test_time_passes_for_the_other_runs_too(env: FluxEnv) -> None:
    first, second = env.run(approval), env.run(approval)
    second.advance(8 * DAY)
    assert first.has_failed
    assert second.has_failed


# -- the other ends -----------------------------------------------------------------------------


def test_a_waiting_run_is_cancelled(env: FluxEnv) -> None:
    run = env.run(two).cancel()
    assert run.is_cancelled
    assert run.events.of("legal").types == ["TASK_STARTED", "TASK_PAUSED", "TASK_CANCELLED"]
    with pytest.raises(AssertionError, match="CANCELLED after"):
        run.result()


def test_what_is_finished_cannot_be_cancelled(env: FluxEnv) -> None:
    env.answer("approval", {"approve": True})
    with pytest.raises(ExecutionFinishedError):
        env.run(approval).cancel()


def test_the_result_of_a_failed_run_is_its_error(env: FluxEnv) -> None:
    @workflow
    async def broken(ctx) -> None:
        raise LookupError("nothing there")

    run = env.run(broken)
    assert repr(run) == "<run of broken: FAILED after 2 events, nothing there>"
    with pytest.raises(LookupError, match="nothing there"):
        run.result()


def test_an_error_says_where_it_was_raised(env: FluxEnv) -> None:
    @task.with_options(retry_max_attempts=1)
    async def divide(a: int, b: int) -> float:
        return a / b

    @workflow
    async def w(ctx) -> float:
        return await divide(1, 0)

    run = env.run(w)
    for _ in range(2):
        with pytest.raises(ExecutionError) as caught:
            run.result()
    (note,) = caught.value.__notes__
    assert "return a / b" in note


# -- replay --------------------------------------------------------------------------------------


def test_a_history_is_replayed_without_running_anything(env: FluxEnv) -> None:
    fake = env.fake(remind)
    run = env.run(nagging)
    run.advance(2 * DAY)
    events = len(run.events)
    assert run.replay() is run
    assert len(run.events) == events
    assert len(fake.calls) == 2
    assert run.answer("here").replay().result() == "here"


def test_a_replay_carries_nothing_on(env: FluxEnv, tmp_path) -> None:
    run = env.run(approval)
    env.answer("approval", {"approve": True})
    assert run.replay().is_paused
    run.save(tmp_path / "waiting.json")
    assert env.replay(approval, tmp_path / "waiting.json").is_paused
    env.answer("reply", "here")
    crashed = env.run(nagging, crash_at=4)
    assert crashed.replay().has_crashed
    assert crashed.proceed().result() == "here"


def test_code_that_reads_the_clock_is_found(env: FluxEnv) -> None:
    @workflow
    async def careless(ctx) -> None:
        await remind(str(time.perf_counter_ns()))

    with pytest.raises(NonDeterminismError, match="remind"):
        env.run(careless).replay()


async def test_other_code_is_held_against_the_history(env: FluxEnv) -> None:
    @workflow
    async def changed(ctx) -> str:
        await remind("Grace")
        return await pause("reply", timeout=10 * DAY)

    run = await env.run(nagging)
    with pytest.raises(NonDeterminismError):
        await run.replay(changed)
    assert (await run.answer("here")).output == "here"
