"""Runs in a test: to their end at once, whatever they wait for, in sync and async tests alike."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow
from flux.errors import ExecutionError, ExecutionTimeoutError, InvalidInputError, NonDeterminismError, UsageError
from flux.output_storage import LocalFileStorage, OutputStorageReference
from flux.tasks import now, parallel, pause, sleep
from flux.testing import HANG, FluxEnv

DAY = timedelta(days=1)


class Order(BaseModel):
    item: str
    pieces: int = Field(default=1, ge=1)


@task
async def price(item: str) -> float:
    return 9.5


@task
def total(pieces: int, each: float) -> float:
    return pieces * each


@workflow
async def buy(ctx: ExecutionContext[Order]) -> float:
    return await total(ctx.input.pieces, await price(ctx.input.item))


def test_a_run_ends_at_once(env: FluxEnv) -> None:
    run = env.run(buy, {"item": "lamp", "pieces": 2})
    assert run.has_succeeded
    assert run.output == run.result() == 19
    assert run.events.completed == ["price", "total"]
    assert run.context.input == Order(item="lamp", pieces=2)
    assert run.workflow is buy


async def test_in_an_async_test_it_is_awaited(env: FluxEnv) -> None:
    run = await env.run(buy, {"item": "lamp"})
    assert run.output == 9.5


async def test_runs_side_by_side_share_the_clock(env: FluxEnv) -> None:
    @workflow
    async def nap(ctx: ExecutionContext[int]) -> datetime:
        await sleep(timedelta(days=ctx.input))
        return await now()

    short, long = await asyncio.gather(env.run(nap, 1), env.run(nap, 3))
    assert (short.elapsed, long.elapsed) == (DAY, 3 * DAY)
    assert long.output - short.output == 2 * DAY


async def test_a_run_that_is_not_awaited_says_so(env: FluxEnv) -> None:
    run = env.run(buy, {"item": "lamp"})
    assert repr(run) == "<run of buy, not begun>"
    with pytest.raises(UsageError, match="not been awaited"):
        _ = run.output
    with pytest.raises(UsageError, match="not been awaited"):
        run.cancel()
    assert (await run).output == 9.5


def test_a_wrong_input_is_refused(env: FluxEnv) -> None:
    with pytest.raises(InvalidInputError):
        env.run(buy, {"item": "lamp", "pieces": 0})


def test_a_task_is_no_workflow_to_run(env: FluxEnv) -> None:
    with pytest.raises(UsageError, match="<task price> is no workflow"):
        env.run(price, "lamp")  # type: ignore[arg-type]  # that is the point
    assert env.runs == []


def test_nothing_is_written_where_the_test_stands(env: FluxEnv, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    env.run(buy, {"item": "lamp"})
    assert list(tmp_path.iterdir()) == []


def test_files_of_an_output_storage_are_thrown_away() -> None:
    @task.with_options(output_storage=LocalFileStorage())
    async def render() -> str:
        return "a long text"

    @workflow
    async def w(ctx) -> str:
        text: str = await render()
        await pause("go")
        return text

    with FluxEnv() as env:
        run = env.run(w)
        (kept,) = [value for value in run.events.values if isinstance(value, OutputStorageReference)]
        file = Path(kept.metadata["path"])
        assert file.exists()
        assert run.answer(None).result() == "a long text"
    assert not file.parent.parent.exists()


def test_values_can_be_held_to_json() -> None:
    @workflow
    async def w(ctx) -> object:
        return object()

    with FluxEnv(serializer="json") as env:
        assert "$" in str(env.run(w).output)


def test_the_clock_begins_where_it_is_told_to() -> None:
    @workflow
    async def moment(ctx) -> datetime:
        return await now()

    start = datetime(2031, 12, 31, tzinfo=UTC)
    with FluxEnv(start=start) as env:
        assert env.now == env.run(moment).output == start


# -- everything that waits for time -----------------------------------------------------------


def test_sleeps_are_skipped(env: FluxEnv) -> None:
    @workflow
    async def w(ctx) -> None:
        await sleep(0.25)
        await sleep(3 * DAY)

    before = env.now
    run = env.run(w)
    assert run.elapsed == env.now - before == 3 * DAY + timedelta(seconds=0.25)


def test_delays_before_retries_are_skipped(env: FluxEnv) -> None:
    @task.with_options(retry_max_attempts=3, retry_delay=60, retry_backoff=2)
    async def flaky() -> str: ...

    @workflow
    async def w(ctx) -> str:
        return await flaky()

    fake = env.fake(flaky, ConnectionError("down"), ConnectionError("down"), "up")
    assert env.run(w).result() == "up"
    assert [time - fake.times[0] for time in fake.times] == [timedelta(), timedelta(minutes=1), timedelta(minutes=3)]


def test_timeouts_of_tasks_are_skipped_to(env: FluxEnv) -> None:
    @task.with_options(timeout=600)
    async def slow() -> None: ...

    @workflow
    async def w(ctx) -> None:
        await slow()

    env.fake(slow, HANG)
    run = env.run(w)
    assert isinstance(run.output, ExecutionTimeoutError)
    assert run.elapsed == timedelta(minutes=10)


def test_the_timeout_of_a_workflow_is_skipped_to(env: FluxEnv) -> None:
    @workflow.with_options(timeout=3600)
    async def w(ctx) -> None:
        await sleep(DAY)

    run = env.run(w)
    assert isinstance(run.output, ExecutionTimeoutError)
    assert run.elapsed == timedelta(hours=1)


def test_the_grace_of_failing_branches_goes_by_the_clock(env: FluxEnv) -> None:
    @workflow
    async def both(ctx) -> None:
        await parallel(sleep(DAY), price("lamp"))

    env.fake(price, ValueError("no lamp"))
    run = env.run(both)
    assert isinstance(run.output.inner_exception, ValueError)
    assert run.elapsed == timedelta(seconds=2)
    assert run.events.of("sleep").types[-1] == "TASK_CANCELLED"


def test_real_work_is_waited_for_and_takes_no_time(env: FluxEnv) -> None:
    done = []

    @task
    async def awaiting() -> None:
        await asyncio.sleep(0.02)
        done.append("async")

    @task
    def blocking() -> None:
        done.append("sync")

    @workflow.with_options(timeout=60)
    async def w(ctx) -> None:
        await awaiting()
        await blocking()

    run = env.run(w)
    assert run.has_succeeded
    assert done == ["async", "sync"]
    assert run.elapsed == timedelta()


# -- secrets and configs -----------------------------------------------------------------------


@task.with_options(secret_requests=["API_KEY"], config_requests=["limits"])
async def call_api(secrets: dict[str, str], config: dict[str, Any]) -> list[object]:
    return [secrets["API_KEY"][-4:], config["limits"]["rows"]]


@workflow
async def uses_api(ctx) -> list[object]:
    first = await call_api()
    await pause("go")
    return [first, await call_api()]


def test_tasks_get_their_secrets_and_configs() -> None:
    with FluxEnv(secrets={"API_KEY": "hunter-2001"}, configs={"limits": {"rows": 10}}) as env:
        run = env.run(uses_api)
        env.secrets["API_KEY"] = "hunter-2002"
        env.configs["limits"]["rows"] = 20
        assert run.answer(None).result() == [["2001", 10], ["2002", 20]]


def test_missing_ones_are_named(env: FluxEnv) -> None:
    env.configs["limits"] = {"rows": 1}
    error = env.run(uses_api).output
    assert str(error.inner_exception) == "The following secrets were not found: ['API_KEY']"
    env.secrets["API_KEY"] = "hunter-2001"
    assert env.run(uses_api).is_paused
    del env.secrets["API_KEY"], env.configs["limits"]
    assert env.run(uses_api).has_failed


def test_fakes_are_given_what_they_name() -> None:
    with FluxEnv(secrets={"API_KEY": "hunter-2001"}, configs={"limits": {"rows": 10}}) as env:
        env.fake(call_api, "plain", lambda secrets: len(secrets["API_KEY"]))
        env.answer("go", None)
        assert env.run(uses_api).result() == ["plain", 11]


def test_a_secret_is_nowhere_in_the_saved_history(tmp_path) -> None:
    @task.with_options(secret_requests=["API_KEY"])
    async def leak(secrets: dict[str, str]) -> str:
        return f"the key is {secrets['API_KEY']}"

    @workflow
    async def w(ctx) -> str:
        return await leak()

    file = tmp_path / "leak.json"
    with FluxEnv(secrets={"API_KEY": "hunter-2001"}) as env:
        env.run(w).save(file)
        assert "hunter" not in file.read_text()
        assert env.replay(w, file).result() == "the key is hunter-2001"


# -- saved histories ---------------------------------------------------------------------------


@workflow
async def subscription(ctx) -> list[object]:
    paid = await price(ctx.input)
    await sleep(30 * DAY)
    return [paid, await pause("renew", output={"paid": paid})]


@workflow
async def another_order(ctx) -> list[object]:
    await sleep(30 * DAY)
    return [await price(ctx.input), await pause("renew")]


def test_a_saved_history_is_replayed_and_carried_on(env: FluxEnv, tmp_path) -> None:
    file = tmp_path / "renewal.json"
    env.run(subscription, "magazine").save(file)
    with FluxEnv(start=datetime(2020, 1, 1, tzinfo=UTC)) as later:
        real = later.fake(price, AssertionError("the price is recorded"))
        run = later.replay(subscription, file)
        assert run.waiting_for == ["renew"]
        assert run.output == {"paid": 9.5}
        assert later.now == env.now
        assert run.answer(True).result() == [9.5, True]
        assert real.calls == []
        assert [event.seq for event in run.events] == list(range(1, len(run.events) + 1))


def test_a_saved_history_is_held_against_changed_code(env: FluxEnv, tmp_path) -> None:
    file = tmp_path / "renewal.json"
    env.run(subscription, "magazine").save(file)
    with pytest.raises(NonDeterminismError, match="sleep"):
        env.replay(another_order, str(file))


def test_a_finished_history_is_replayed_with_its_end(env: FluxEnv, tmp_path) -> None:
    @workflow
    async def cheap(ctx: ExecutionContext[Order]) -> float:
        await total(ctx.input.pieces, await price(ctx.input.item))
        raise ValueError("too dear")

    file = tmp_path / "buy.json"
    env.run(buy, {"item": "lamp"}).save(file)
    assert env.replay(buy, file).output == 9.5
    with pytest.raises(NonDeterminismError):
        env.replay(cheap, file)


def test_what_is_no_history_is_refused(env: FluxEnv, tmp_path) -> None:
    file = tmp_path / "notes.json"
    file.write_text("{}")
    with pytest.raises(UsageError, match="not a saved history"):
        env.replay(buy, file)


def test_values_of_every_kind_survive_the_file(env: FluxEnv, tmp_path) -> None:
    @workflow
    async def w(ctx) -> object:
        value = await price("lamp")
        return [value, await pause("go")]

    value = {"when": env.now, "set": {1, 2}, "odd": ExecutionError, "order": Order(item="lamp")}
    env.fake(price, value)
    file = tmp_path / "odd.json"
    env.run(w).save(file)
    with FluxEnv() as later:
        assert later.replay(w, file).answer("on").result() == [value, "on"]
