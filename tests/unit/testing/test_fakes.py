"""Fakes: found by task or name, giving values, errors and functions in order, keeping what they are given."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from flux import ExecutionContext, TaskMetadata, task, workflow
from flux.errors import ExecutionError, RetryError, UsageError
from flux.tasks import uuid4
from flux.testing import HANG, FluxEnv
from flux.testing.pacing import Pacer


@task
async def charge(amount: float, currency: str = "EUR") -> str:
    raise AssertionError("money was taken")


@workflow
async def pay(ctx: ExecutionContext[float]) -> str:
    return await charge(ctx.input)


def test_a_value_is_given_each_time(env: FluxEnv) -> None:
    fake = env.fake(charge, "receipt")
    assert [env.run(pay, amount).output for amount in (1, 2)] == ["receipt", "receipt"]
    assert fake.calls == [{"amount": 1}, {"amount": 2}]
    assert repr(fake) == "<fake charge: 2 calls>"


def test_without_an_outcome_it_gives_none(env: FluxEnv) -> None:
    env.fake(charge)
    assert env.run(pay, 1).result() is None


def test_outcomes_come_in_order_and_the_last_one_stays(env: FluxEnv) -> None:
    env.fake(charge, "first", ValueError("second"), "third")
    runs = [env.run(pay, 1) for _ in range(4)]
    assert [run.output for run in runs if run.has_succeeded] == ["first", "third", "third"]
    assert str(runs[1].output) == "ValueError: second"


@pytest.mark.parametrize("outcome", [KeyError("k"), KeyError])
def test_errors_are_raised(env: FluxEnv, outcome: object) -> None:
    env.fake(charge, outcome)
    error = env.run(pay, 1).output
    assert isinstance(error, ExecutionError)
    assert isinstance(error.inner_exception, KeyError)


def test_functions_are_called_with_the_arguments(env: FluxEnv) -> None:
    async def slowly(amount: float, currency: str = "EUR") -> str:
        await asyncio.sleep(0)
        return f"slowly {amount} {currency}"

    env.fake(charge, lambda amount: f"{amount} taken", slowly)
    assert [env.run(pay, 7).output, env.run(pay, 8).output] == ["7.0 taken", "slowly 8.0 EUR"]


def test_a_task_is_found_by_its_name(env: FluxEnv) -> None:
    @task.with_options(name="load_{table}")
    async def load(table: str) -> str: ...

    @workflow
    async def w(ctx) -> list[str]:
        return [await load("orders"), await load("items")]

    env.fake("load_{table}", "some")
    env.fake("load_items", "items")
    assert env.run(w).result() == ["some", "items"]


def test_a_task_is_found_with_other_options_and_as_a_method(env: FluxEnv) -> None:
    class Bank:
        @task
        async def debit(self, amount: float) -> str: ...

    @workflow
    async def w(ctx) -> list[str]:
        return [await charge.with_options(retry_max_attempts=1)(1), await Bank().debit(2)]

    charged, debited = env.fake(charge, "charged"), env.fake(Bank.debit, lambda self, amount: f"debited {amount}")
    assert env.run(w).result() == ["charged", "debited 2"]
    assert (charged.calls, debited.calls) == ([{"amount": 1}], [{"amount": 2}])


def test_the_newest_fake_plays(env: FluxEnv) -> None:
    env.fake(charge, "old")
    env.fake("charge", "new")
    assert env.run(pay, 1).output == "new"


def test_retries_fallbacks_and_events_stay_those_of_the_task(env: FluxEnv) -> None:
    @task.with_options(retry_max_attempts=1, fallback=lambda: "later")
    async def ship() -> str: ...

    @workflow
    async def w(ctx) -> str:
        return await ship()

    fake = env.fake(ship, ConnectionError("no carrier"))
    run = env.run(w)
    assert run.result() == "later"
    assert len(fake.calls) == 2
    assert fake.times[1] - fake.times[0] == timedelta(seconds=1)
    assert run.events.of(ship).types == [
        "TASK_STARTED",
        "TASK_RETRY_FAILED",
        "TASK_RETRY_STARTED",
        "TASK_RETRY_FAILED",
        "TASK_FALLBACK_STARTED",
        "TASK_FALLBACK_COMPLETED",
        "TASK_COMPLETED",
    ]


def test_an_error_given_again_and_again_is_the_inner_one(env: FluxEnv) -> None:
    env.fake("charge", ConnectionError("down"))

    @workflow
    async def w(ctx) -> str:
        return await charge.with_options(retry_max_attempts=5)(1)

    error = env.run(w).output
    assert isinstance(error.inner_exception, RetryError)
    assert isinstance(error.inner_exception.inner_exception, ConnectionError)


def test_what_flux_injects_reaches_the_functions_that_take_it(env: FluxEnv) -> None:
    @task.with_options(metadata=True)
    async def keyed(amount: float, metadata: TaskMetadata) -> str: ...

    @workflow
    async def w(ctx) -> list[str]:
        return [await keyed(1), await keyed(2), await keyed(["no", "signature"])]

    env.fake(
        keyed,
        lambda amount: f"{amount}",
        lambda amount, metadata: f"{amount} {metadata.task_name}",
        set,
    )
    assert env.run(w).result() == ["1", "2 keyed", {"no", "signature"}]


def test_built_ins_are_tasks_too(env: FluxEnv) -> None:
    @workflow
    async def w(ctx) -> object:
        return await uuid4()

    env.fake(uuid4, "the same id")
    assert env.run(w).result() == "the same id"


async def test_what_hangs_for_ever_is_given_up(env: FluxEnv) -> None:
    env.fake(charge, HANG)
    env._bench._pacer = Pacer(env._clock, lambda: env._bench.host.sessions, stalled_after=0.01)
    with pytest.raises(UsageError, match="waits for something that never comes") as caught:
        await env.run(pay, 1)
    assert "HANG" in caught.value.hint
    assert repr(HANG) == "HANG"
