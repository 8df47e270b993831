"""`call` without a server: children run in the same process, each an execution of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial

import pytest
from pydantic import BaseModel, Field

from flux import ExecutionContext, call, task, workflow
from flux.clock import SystemClock
from flux.codec import Codec
from flux.domain import ExecutionState
from flux.errors import (
    ConflictError,
    ExecutionCancelledError,
    ExecutionError,
    ExecutionTimeoutError,
    InvalidInputError,
    NonDeterminismError,
    NotPausedError,
    RetryError,
    StoreError,
    UsageError,
    WaitAmbiguousError,
    WaitNotFoundError,
    WorkflowNotFoundError,
)
from flux.local.host import LocalHost
from flux.local.journal import LocalJournal
from flux.store import Store
from flux.tasks import Graph, parallel, pause, sleep


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
async def store():
    store = await Store.open("sqlite:///:memory:")
    yield store
    await store.close()


@pytest.fixture
def host(store):
    return LocalHost(store, Codec("pkl", b"key"), SystemClock())


def types(ctx: ExecutionContext) -> list[str]:
    return [str(event.type) for event in ctx.events]


@task
async def double(number: int) -> int:
    return 2 * number


@task
async def fail(message: str) -> None:
    raise ValueError(message)


@workflow
async def twice(ctx: ExecutionContext[int]):
    return await double(ctx.input)


@workflow.with_options(namespace="math")
async def broken(ctx):
    await fail("no luck")


@workflow
async def asks(ctx: ExecutionContext[str]):
    return [ctx.input, await pause("approval", output={"for": ctx.input})]


@workflow
async def parent(ctx):
    return [await call(twice, ctx.input), await call("twice", ctx.input + 1)]


async def children_of(store, ctx):
    return await store.executions.children(ctx.execution_id)


async def test_a_child_is_an_execution_of_its_own(store, host):
    ctx = await host.start(parent, 3)
    assert ctx.output == [6, 8]
    first, second = await children_of(store, ctx)
    assert (first.state, str(first.ref)) == (ExecutionState.COMPLETED, "default/twice")
    assert len({ctx.execution_id, first.id, second.id}) == 3
    assert first.parent_id == ctx.execution_id
    started = next(event for event in ctx.events if event.type == "TASK_STARTED")
    assert started.name == "call_workflow_default/twice"
    assert started.value == {"workflow": "default/twice"}
    assert first.parent_call == started.source_id
    assert types(ctx) == [
        "WORKFLOW_STARTED",
        *("TASK_STARTED", "TASK_WAITING", "TASK_CHILD_COMPLETED", "TASK_COMPLETED") * 2,
        "WORKFLOW_COMPLETED",
    ]
    assert [event.value for event in ctx.events if event.type == "TASK_COMPLETED"] == [6, 8]


def test_without_a_server_and_through_the_public_door():
    ctx = parent.run(1)
    assert ctx.output == [2, 4]
    assert parent.run(execution_id=ctx.execution_id).output == [2, 4]


async def test_several_arguments_are_a_list_and_none_is_none(host):
    @workflow
    async def echo(ctx):
        return ctx.input

    @workflow
    async def calls(ctx):
        return [
            await call(echo),
            await call(echo, 1, 2),
            await call(echo, input={"a": 1}),
            await call("default/echo", [1]),
        ]

    assert (await host.start(calls, None)).output == [None, [1, 2], {"a": 1}, [1]]


async def test_wrong_calls(host):
    @workflow
    async def wrong(ctx):
        with pytest.raises(UsageError):
            await call(double, 1)
        with pytest.raises(UsageError):
            await call("a/b/c")
        with pytest.raises(UsageError):
            await call(twice, 1, input=2)
        with pytest.raises(UsageError):
            await call(twice, 1, mode="later")
        return "fine"

    assert (await host.start(wrong, None)).output == "fine"


async def test_children_run_side_by_side(store, host):
    arrived = asyncio.Barrier(6)

    @workflow
    async def meets(ctx):
        async with asyncio.timeout(10):
            await arrived.wait()
        return ctx.input

    @task
    async def calls(number):
        return await call(meets, number)

    @workflow
    async def all_at_once(ctx):
        graph = Graph("g")
        graph.add_node("a", lambda _: call(meets, "a")).add_node("b", lambda _: call(meets, "b"))
        graph.add_node("end", lambda a, b: _sum(a, b))
        graph.add_edge("a", "end").add_edge("b", "end").start_with("a").start_with("b").end_with("end")
        return await parallel(call(meets, 1), call(meets, 2), calls.map([3, 4]), graph(None))

    async def _sum(a, b):
        return a + b

    ctx = await host.start(all_at_once, None)
    assert ctx.output == [1, 2, [3, 4], "ab"]
    assert len(await children_of(store, ctx)) == 6


async def test_children_of_children(store, host):
    @workflow
    async def factorial(ctx: ExecutionContext[int]):
        return 1 if ctx.input < 2 else ctx.input * await call("default/factorial", ctx.input - 1)

    ctx = await host.start(factorial, 5)
    assert ctx.output == 120
    assert (await store.executions.list()).total == 5


# -- failures


async def test_a_failure_of_the_child_is_the_calls(store, host):
    @workflow
    async def catches(ctx):
        try:
            await call(broken)
        except ExecutionError as error:
            return [type(error.inner_exception).__name__, str(error), error.inner_exception.args[0]]

    ctx = await host.start(catches, None)
    (child,) = await children_of(store, ctx)
    kind, text, message = ctx.output
    assert (kind, message) == ("ValueError", "no luck")
    assert child.id in text
    assert "math/broken" in text
    assert child.state is ExecutionState.FAILED
    assert types(ctx)[3:5] == ["TASK_CHILD_FAILED", "TASK_FAILED"]


async def test_an_uncaught_failure_fails_the_parent(host):
    @workflow
    async def raises(ctx):
        raise KeyError("own")

    @task.with_options(retry_max_attempts=1, retry_delay=0.01)
    async def stubborn():
        raise ValueError("again")

    @workflow
    async def retries(ctx):
        await stubborn()

    @workflow
    async def careless(ctx):
        await call(ctx.input)

    ctx = await host.start(careless, "raises")
    assert isinstance(ctx.output, ExecutionError)
    assert isinstance(ctx.output.inner_exception, KeyError)
    assert isinstance((await host.start(careless, "retries")).output.inner_exception, RetryError)


async def test_each_attempt_of_a_task_starts_a_child_of_its_own(store, host):
    @task.with_options(retry_max_attempts=2, retry_delay=0.01)
    async def tries():
        return await call(broken)

    @workflow
    async def insists(ctx):
        await tries()

    ctx = await host.start(insists, None)
    assert ctx.has_failed
    assert len({child.id for child in await children_of(store, ctx)}) == 3


class Order(BaseModel):
    total: int = Field(gt=0)


@dataclass
class Parcel:
    weight: float


@workflow
async def typed(ctx: ExecutionContext[Order]):
    return [type(ctx.input).__name__, ctx.input.total]


@workflow
async def ships(ctx: ExecutionContext[Parcel]):
    return ctx.input.weight


async def test_the_childs_type_is_built_from_what_the_parent_gives(host):
    @workflow
    async def calls(ctx):
        return [await call(typed, {"total": 3}), await call(typed, Order(total=4)), await call(ships, Parcel(1.5))]

    assert (await host.start(calls, None)).output == [["Order", 3], ["Order", 4], 1.5]


async def test_an_input_that_does_not_fit_starts_nothing(store, host):
    @workflow
    async def calls(ctx):
        await call(typed, {"total": 0})

    ctx = await host.start(calls, None)
    assert isinstance(ctx.output.inner_exception, InvalidInputError)
    assert ctx.output.inner_exception.errors[0]["loc"] == ["total"]
    assert await children_of(store, ctx) == []
    assert "TASK_WAITING" not in types(ctx)


async def test_a_workflow_that_nobody_knows(store, host):
    @workflow
    async def calls(ctx):
        await call("elsewhere/unknown")

    ctx = await host.start(calls, None)
    assert isinstance(ctx.output.inner_exception, WorkflowNotFoundError)
    assert "elsewhere/unknown" in str(ctx.output)
    assert await children_of(store, ctx) == []


async def test_a_timeout_cancels_the_child(store, host):
    cleaned = []

    @workflow
    async def slow(ctx):
        try:
            await sleep(60)
        finally:
            cleaned.append(ctx.execution_id)

    @workflow
    async def impatient(ctx):
        await call(slow, timeout=0.05)

    ctx = await host.start(impatient, None)
    assert isinstance(ctx.output, ExecutionTimeoutError)
    (child,) = await children_of(store, ctx)
    assert child.state is ExecutionState.CANCELLED
    assert cleaned == [child.id]


async def test_a_detached_child_is_left_alone(store, host):
    @workflow
    async def starts(ctx):
        return await call(twice, 4, mode="async")

    ctx = await host.start(starts, None)
    (child,) = await children_of(store, ctx)
    assert ctx.output == child.id
    assert child.state is ExecutionState.COMPLETED
    assert types(ctx)[2:5] == ["TASK_WAITING", "TASK_CHILD_STARTED", "TASK_COMPLETED"]


async def test_a_child_that_diverges_is_told(host):
    numbers = iter(range(100))

    @workflow
    async def fickle(ctx):
        await double(next(numbers))
        return await pause("go")

    @workflow
    async def calls(ctx):
        return await call(fickle)

    ctx = await host.start(calls, None)
    with pytest.raises(NonDeterminismError):
        await host.answer(calls, ctx.execution_id, None, None)
    assert host.sessions == {}


# -- paused


@workflow
async def delegates(ctx):
    return await call(asks, "it")


async def test_a_paused_child_pauses_its_parent_and_gets_the_answer(store, host):
    ctx = await host.start(delegates, None)
    assert ctx.is_paused
    assert ctx.output == {"for": "it"}
    assert types(ctx)[-1] == "WORKFLOW_PAUSED"
    (child,) = await children_of(store, ctx)
    assert child.state is ExecutionState.PAUSED

    ctx = await host.answer(delegates, ctx.execution_id, "yes", None)
    assert ctx.output == ["it", "yes"]
    assert types(ctx)[3:] == [
        *("WORKFLOW_PAUSED", "WORKFLOW_RESUMED", "TASK_CHILD_COMPLETED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"),
    ]
    assert (await store.executions.get(child.id)).state is ExecutionState.COMPLETED


async def test_an_answer_to_the_child_itself_takes_its_parent_along(store, host):
    ctx = await host.start(delegates, None)
    (child,) = await children_of(store, ctx)
    answered = await host.answer(asks, child.id, "yes", None)
    assert answered.output == ["it", "yes"]
    assert (await store.executions.get(ctx.execution_id)).state is ExecutionState.COMPLETED


def test_answers_through_the_public_door():
    ctx = delegates.run()
    assert ctx.is_paused
    assert delegates.resume(ctx.execution_id, "yes").output == ["it", "yes"]
    ctx = delegates.run()
    assert delegates.run(execution_id=ctx.execution_id).output == ["it", None]


@workflow
async def two_ask(ctx):
    return await parallel(call(asks, "a"), call("asks", "b"), pause("own"), double(1))


async def test_several_that_ask_are_told_apart(store, host):
    ctx = await host.start(two_ask, None)
    assert ctx.is_paused
    with pytest.raises(WaitAmbiguousError) as caught:
        await host.answer(two_ask, ctx.execution_id, "x", None)
    assert len(caught.value.waits) == 3
    with pytest.raises(WaitAmbiguousError):
        await host.proceed(two_ask, ctx.execution_id)
    first, _ = await children_of(store, ctx)
    with pytest.raises(WaitAmbiguousError):
        await host.answer(two_ask, ctx.execution_id, "x", "approval")
    ctx = await host.answer(two_ask, ctx.execution_id, "A", first.id)
    assert ctx.is_paused
    ctx = await host.answer(two_ask, ctx.execution_id, "mine", "own")
    assert ctx.is_paused
    with pytest.raises(WaitNotFoundError):
        await host.answer(two_ask, ctx.execution_id, "again", "own")
    ctx = await host.answer(two_ask, ctx.execution_id, "B", None)
    assert ctx.output == [["a", "A"], ["b", "B"], "mine", 2]
    with pytest.raises(ConflictError):
        await host.answer(two_ask, ctx.execution_id, "more", None)


async def test_a_pause_deep_below(store, host):
    @workflow
    async def above(ctx):
        return ["above", await call(delegates)]

    ctx = await host.start(above, None)
    assert ctx.is_paused
    ctx = await host.answer(above, ctx.execution_id, "deep", None)
    assert ctx.output == ["above", ["it", "deep"]]


async def test_an_answer_that_does_not_fit_the_childs_type_changes_nothing(store, host):
    @workflow
    async def strict(ctx):
        return (await pause("order", schema=Order)).total

    @workflow
    async def calls(ctx):
        return await call(strict)

    ctx = await host.start(calls, None)
    with pytest.raises(InvalidInputError):
        await host.answer(calls, ctx.execution_id, {"total": 0}, None)
    assert (await host.answer(calls, ctx.execution_id, {"total": 5}, None)).output == 5


async def test_siblings_of_a_paused_child_go_on(store, host):
    @workflow
    async def works(ctx):
        await sleep(0.01)
        return "done"

    @workflow
    async def both(ctx):
        return await parallel(call(asks, "x"), call(works))

    ctx = await host.start(both, None)
    assert ctx.is_paused
    states = {str(child.ref): child.state for child in await children_of(store, ctx)}
    assert states == {"default/asks": ExecutionState.PAUSED, "default/works": ExecutionState.COMPLETED}
    assert (await host.answer(both, ctx.execution_id, 1, None)).output == [["x", 1], "done"]


# -- cancelled


async def test_who_cancels_a_parent_cancels_its_children_first(store, host):
    order = []
    begun = asyncio.Event()

    @task
    async def undo():
        order.append("undone")

    @workflow
    async def endless(ctx):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await undo()

    @workflow
    async def outer(ctx):
        try:
            await call(endless)
        except asyncio.CancelledError:
            order.append("told")
            raise

    running = asyncio.create_task(host.start(outer, None))
    await begun.wait()
    (parent_id,) = [one for one, session in host.sessions.items() if session.workflow is outer]
    await host.cancel(outer, parent_id)
    ctx = await running
    assert ctx.is_cancelled
    assert order == ["undone", "told"]
    (child,) = await children_of(store, ctx)
    assert child.state is ExecutionState.CANCELLED
    assert types(ctx)[3:] == ["WORKFLOW_CANCELLING", "TASK_CHILD_CANCELLED", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]


async def test_cancelling_what_is_paused_below(store, host):
    ctx = await host.start(delegates, None)
    ctx = await host.cancel(delegates, ctx.execution_id)
    assert ctx.is_cancelled
    (child,) = await children_of(store, ctx)
    assert child.state is ExecutionState.CANCELLED
    history = [str(event.type) for event in await store.executions.history(child.id)]
    assert history[-3:] == ["WORKFLOW_CANCELLING", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]
    assert types(ctx)[-4:] == [
        *("WORKFLOW_CANCELLING", "TASK_CHILD_CANCELLED", "TASK_CANCELLED", "WORKFLOW_CANCELLED"),
    ]


async def test_a_child_that_somebody_cancels_fails_the_call(store, host):
    ctx = await host.start(delegates, None)
    (child,) = await children_of(store, ctx)
    assert (await host.cancel(asks, child.id)).is_cancelled
    ctx = await host.proceed(delegates, ctx.execution_id)
    assert ctx.has_failed
    assert isinstance(ctx.output.inner_exception, ExecutionCancelledError)
    with pytest.raises(ConflictError):
        await host.answer(delegates, ctx.execution_id, 1, None)


async def test_the_timeout_of_a_parent_cancels_its_child(store, host):
    @workflow
    async def endless(ctx):
        await asyncio.Event().wait()

    @workflow.with_options(timeout=0.1)
    async def hurried(ctx):
        await call(endless)

    ctx = await host.start(hurried, None)
    assert isinstance(ctx.output, ExecutionTimeoutError)
    (child,) = await children_of(store, ctx)
    assert child.state is ExecutionState.CANCELLED


@pytest.mark.parametrize("durability", ["strict", "relaxed"])
async def test_durability_makes_no_difference(host, durability):
    @workflow.with_options(durability=durability)
    async def parent_of_many(ctx):
        return [await call(twice, number) for number in range(5)]

    assert (await host.start(parent_of_many, None)).output == [0, 2, 4, 6, 8]


async def test_a_failing_branch_cancels_the_children_of_its_siblings(store, host):
    @workflow
    async def slow(ctx):
        await asyncio.Event().wait()

    @workflow
    async def races(ctx):
        await parallel(call(slow), fail("first"))

    ctx = await host.start(races, None)
    assert ctx.has_failed
    (child,) = await children_of(store, ctx)
    assert child.state is ExecutionState.CANCELLED


def test_nobody_is_asked():
    ctx = parent.run(1)
    with pytest.raises(ConflictError):
        parent.resume(ctx.execution_id, 1)
    assert NotPausedError.status == 409


async def test_an_error_around_a_child_ends_all(store):
    class Broken(LocalJournal):
        """Refuses what children write."""

        def append(self, events, *, release=False):
            if not self.of_child:
                return super().append(events, release=release)
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreError("the disk is full"))
            return refused

        def __init__(self, store, execution, told):
            super().__init__(store, execution, told)
            self.of_child = bool(execution.parent_id)

    host = LocalHost(store, Codec("pkl", b"key"), SystemClock(), journal=partial(Broken, store))
    with pytest.raises(StoreError, match="the disk is full"):
        await asyncio.wait_for(host.start(parent, 1), 20)
    assert host.sessions == {}
