"""The order of events, for each way a task can go."""

from __future__ import annotations

import asyncio
import time

import pytest

from flux import task, workflow
from flux.clock import SystemClock
from flux.engine import branches
from flux.errors import ExecutionError, ExecutionTimeoutError, RetryError
from flux.tasks import parallel, pause, pipeline, sleep
from flux.testing import FakeClock


@task
async def double(x: int) -> int:
    return x * 2


@task
def increment(x: int) -> int:
    return x + 1


@task
async def boom() -> None:
    raise ValueError("kaboom")


def between(lab) -> list[str]:
    """The log without the workflow's own first and last event, `TASK_` cut off."""
    return [text.removeprefix("TASK_") for text in lab.shown[1:-1]]


async def test_one_task(lab):
    @workflow
    async def w(ctx):
        return await double(ctx.input)

    session = await lab.run(w, 21)
    assert session.context.output == 42
    assert lab.types == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"]
    assert lab.codec.decode(lab.log[1].payload) == {"x": 21}
    assert [event.seq for event in session.context.events] == [1, 2, 3, 4]


async def test_a_sync_body_runs_in_a_thread_and_leaves_the_loop_free(lab):
    beats = []

    @task
    def block() -> str:
        deadline = time.monotonic() + 5
        while len(beats) < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        return "done"

    @workflow
    async def w(ctx):
        async def beat():
            while len(beats) < 3:
                beats.append(1)
                await asyncio.sleep(0)

        return (await asyncio.gather(block(), beat()))[0]

    assert (await lab.run(w)).context.output == "done"
    assert len(beats) == 3


async def test_failure_without_handlers(lab):
    @workflow
    async def w(ctx):
        await boom()

    session = await lab.run(w)
    assert lab.types == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_FAILED", "WORKFLOW_FAILED"]
    assert isinstance(session.context.output, ExecutionError)
    assert isinstance(session.context.output.inner_exception, ValueError)
    assert "kaboom" in str(session.context.output)


def flaky(failures: int, **options):
    left = [failures]

    @task.with_options(retry_delay=1, **options)
    async def load(x: int = 7) -> str:
        if left[0]:
            left[0] -= 1
            raise OSError(f"{left[0]} left")
        return "loaded"

    return load


async def test_retry_then_success(lab):
    load = flaky(2, retry_max_attempts=3)

    @workflow
    async def w(ctx):
        return await load()

    session = await lab.until_done(w)
    assert session.context.output == "loaded"
    assert between(lab) == [
        "STARTED load",
        "RETRY_FAILED load",
        "RETRY_STARTED load",
        "RETRY_FAILED load",
        "RETRY_STARTED load",
        "RETRY_COMPLETED load",
        "COMPLETED load",
    ]
    first = lab.codec.decode(lab.log[2].payload)
    assert first["current_attempt"] == 0
    assert first["original_attempt"] is True
    assert first["max_attempts"] == 3


async def test_retries_exhausted(lab):
    load = flaky(9, retry_max_attempts=1)

    @workflow
    async def w(ctx):
        return await load()

    session = await lab.until_done(w)
    error = session.context.output
    assert isinstance(error.inner_exception, RetryError)
    assert isinstance(error.inner_exception.inner_exception, OSError)
    assert (error.inner_exception.attempts, error.inner_exception.delay) == (1, 1)
    assert between(lab) == [
        "STARTED load",
        "RETRY_FAILED load",
        "RETRY_STARTED load",
        "RETRY_FAILED load",
        "FAILED load",
    ]


async def test_a_resumed_back_off_waits_only_for_what_remains(lab):
    load = flaky(1, retry_max_attempts=1)

    @workflow
    async def w(ctx):
        return await load()

    session = await lab.run(w)
    assert session.context.state == "RUNNING"
    failed = lab.log[-1]
    assert failed.wait is not None
    assert failed.wait.wake_at == pytest.approx(failed.time + 1_000_000, abs=1000)
    lab.clock.advance(2)
    session = await lab.run(w)
    assert session.context.output == "loaded"


async def test_a_crash_in_the_middle_of_a_back_off_waits_only_for_what_remains(lab):
    load = flaky(1, retry_max_attempts=1)
    lab.clock = FakeClock()

    @workflow
    async def w(ctx):
        return await asyncio.gather(load(), asyncio.sleep(600))

    crashed = asyncio.create_task(lab.run(w))
    while "TASK_RETRY_FAILED" not in lab.types:
        await asyncio.sleep(0.001)
    crashed.cancel()
    await asyncio.gather(crashed, return_exceptions=True)
    lab.clock.advance(0.7)

    @workflow
    async def w(ctx):
        return await load()

    again = asyncio.create_task(lab.run(w))
    while not lab.clock.sleeping:
        await asyncio.sleep(0.001)
    lab.clock.advance(0.25)
    await asyncio.sleep(0.01)
    assert "TASK_RETRY_STARTED" not in lab.types
    lab.clock.advance(0.1)
    assert (await again).context.output == "loaded"


async def test_fallback_replaces_the_value(lab):
    async def instead(x: int = 7) -> str:
        return f"instead of {x}"

    load = flaky(9, fallback=instead)

    @workflow
    async def w(ctx):
        return await load(3)

    session = await lab.run(w)
    assert session.context.output == "instead of 3"
    assert between(lab) == [
        "STARTED load",
        "FALLBACK_STARTED load",
        "FALLBACK_COMPLETED load",
        "COMPLETED load",
    ]


async def test_rollback_runs_when_the_fallback_fails_too(lab):
    undone = []

    def broken() -> None:
        raise RuntimeError("no luck")

    load = flaky(9, fallback=broken, rollback=lambda: undone.append(True))

    @workflow
    async def w(ctx):
        return await load()

    session = await lab.run(w)
    assert undone == [True]
    assert isinstance(session.context.output.inner_exception, RuntimeError)
    assert between(lab) == [
        "STARTED load",
        "FALLBACK_STARTED load",
        "FALLBACK_FAILED load",
        "GIVEN_UP load",
        "ROLLBACK_STARTED load",
        "ROLLBACK_COMPLETED load",
        "FAILED load",
    ]


async def test_a_failing_rollback_never_replaces_the_error(lab):
    def undo(x: int = 0) -> None:
        raise RuntimeError("cannot undo")

    load = flaky(9, rollback=undo)

    @workflow
    async def w(ctx):
        return await load(1)

    session = await lab.run(w)
    assert isinstance(session.context.output.inner_exception, OSError)
    assert between(lab) == [
        "STARTED load",
        "GIVEN_UP load",
        "ROLLBACK_STARTED load",
        "ROLLBACK_FAILED load",
        "FAILED load",
    ]


@pytest.mark.parametrize("kind", ["async", "sync"])
async def test_timeout(lab, kind):
    release = asyncio.Event()

    @task.with_options(timeout=0.02)
    async def hang() -> None:
        await release.wait()

    @task.with_options(timeout=0.02)
    def block() -> None:
        time.sleep(0.2)

    @workflow
    async def w(ctx):
        await (hang() if kind == "async" else block())

    session = await lab.run(w)
    assert isinstance(session.context.output, ExecutionTimeoutError)
    assert session.context.output.timeout == 0.02
    assert lab.types == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_FAILED", "WORKFLOW_FAILED"]


async def test_nested_tasks(lab):
    @task
    async def outer(x: int) -> int:
        return await double(x) + 1

    @workflow
    async def w(ctx):
        return await outer(4)

    assert (await lab.run(w)).context.output == 9
    assert between(lab) == ["STARTED outer", "STARTED double", "COMPLETED double", "COMPLETED outer"]
    assert lab.log[2].parent == lab.log[1].source_id


async def test_parallel_keeps_the_order_of_its_arguments(lab):
    @workflow
    async def w(ctx):
        return await parallel(double(1), increment(1), double(1))

    assert (await lab.run(w)).context.output == [2, 2, 2]
    assert between(lab)[0] == "STARTED parallel"
    assert between(lab)[-1] == "COMPLETED parallel"


async def test_parallel_failure_lets_siblings_finish(lab):
    @workflow
    async def w(ctx):
        return await parallel(boom(), double(2))

    session = await lab.run(w)
    assert isinstance(session.context.output.inner_exception, ValueError)
    assert "COMPLETED double" in between(lab)
    assert between(lab)[-1] == "FAILED parallel"


async def test_siblings_that_do_not_finish_in_time_are_cancelled(lab, monkeypatch):
    monkeypatch.setattr(branches, "GRACE", 0.05)

    @task
    async def endless() -> None:
        await asyncio.Event().wait()

    @task
    async def fails_later() -> None:
        await asyncio.sleep(0.01)
        raise LookupError("second")

    @workflow
    async def w(ctx):
        return await parallel(endless(), fails_later(), boom())

    session = await lab.run(w)
    assert isinstance(session.context.output.inner_exception, ValueError)
    assert between(lab)[-4:] == ["FAILED boom", "FAILED fails_later", "CANCELLED endless", "FAILED parallel"]


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("waiting", [lambda: pause("p"), lambda: sleep(3600)])
async def test_a_sibling_that_only_waits_does_not_put_a_failure_off(lab, monkeypatch, waiting, local):
    monkeypatch.setattr(branches, "GRACE", 0.05)
    lab.clock = SystemClock()

    @workflow
    async def w(ctx):
        return await parallel(waiting(), boom())

    session = await lab.run(w, local=local)
    assert isinstance(session.context.output.inner_exception, ValueError)
    assert [type.removeprefix("TASK_") for type in lab.types[-3:]] == ["CANCELLED", "FAILED", "WORKFLOW_FAILED"]


async def test_the_failure_that_is_recorded_first_is_raised(lab):
    @task
    async def fails(after: float) -> None:
        await asyncio.sleep(after)
        raise LookupError(str(after))

    @workflow
    async def w(ctx):
        try:
            await fails.map([0.03, 0.01, 0.02])
        except ExecutionError as error:
            return str(error.inner_exception)

    assert (await lab.run(w)).context.output == "0.01"
    again = lab.log[: lab.types.index("WORKFLOW_COMPLETED")]
    lab.log = again
    assert (await lab.run(w)).context.output == "0.01"


async def test_parallel_can_collect_failures(lab):
    @workflow
    async def w(ctx):
        return await parallel(boom(), double(2), raise_on_error=False)

    assert (await lab.run(w)).context.output == [None, 4]


async def test_pipeline_passes_each_output_on(lab):
    @workflow
    async def w(ctx):
        return await pipeline(double, increment, double, input=ctx.input)

    assert (await lab.run(w, 3)).context.output == 14


async def test_map_and_starmap(lab):
    @task
    async def add(a: int, b: int) -> int:
        return a + b

    @workflow
    async def w(ctx):
        return [await double.map([1, 2, 3], max_concurrent=2), await add.starmap([(1, 2), (3, 4)])]

    assert (await lab.run(w)).context.output == [[2, 4, 6], [3, 7]]


async def test_names_may_refer_to_arguments(lab):
    @task.with_options(name="load_{table}")
    async def load(table: str) -> str:
        return table

    @workflow
    async def w(ctx):
        return [await load("a"), await load(table="b")]

    await lab.run(w)
    assert between(lab)[::2] == ["STARTED load_a", "STARTED load_b"]


async def test_a_task_can_be_a_method(lab):
    class Shop:
        def __init__(self, rate: int) -> None:
            self.rate = rate

        @task
        async def price(self, amount: int) -> int:
            return amount * self.rate

    @workflow
    async def w(ctx):
        shop = Shop(3)
        return [await shop.price(2), *await shop.price.map([1, 2])]

    assert (await lab.run(w)).context.output == [6, 3, 6]


async def test_metadata_is_injected(lab):
    @task.with_options(metadata=True)
    async def who(metadata=None):
        return metadata.task_name

    @workflow
    async def w(ctx):
        return await who()

    assert (await lab.run(w)).context.output == "who"


async def test_a_result_that_cannot_be_stored_names_the_forgotten_await(lab):
    @task
    async def careless():
        return double(1)

    @workflow
    async def w(ctx):
        return await careless()

    session = await lab.run(w)
    assert "was an `await` forgotten?" in str(session.context.output)


async def test_an_exit_in_user_code_is_its_own_failure(lab):
    @task
    async def leave() -> None:
        raise SystemExit(3)

    @workflow
    async def w(ctx):
        await leave()

    session = await lab.run(w)
    assert session.context.has_failed
    assert "SystemExit(3)" in str(session.context.output)


async def test_a_workflow_timeout_fails_the_execution(lab):
    @workflow.with_options(timeout=30)
    async def w(ctx):
        await asyncio.Event().wait()

    session = await lab.run(w)
    assert isinstance(session.context.output, ExecutionTimeoutError)
    assert session.context.output.type == "Workflow"


async def test_calling_a_task_outside_of_a_workflow_says_so():
    with pytest.raises(ExecutionError, match="inside a workflow"):
        await double(1)
