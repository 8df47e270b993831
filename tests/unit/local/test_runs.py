"""`wf.run()` and its relatives, on the real store in a fresh home."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel, Field

from flux import ExecutionContext, task, workflow
from flux.clock import SystemClock
from flux.codec import Codec
from flux.domain import ExecutionState
from flux.errors import (
    ExecutionContextNotFoundError,
    ExecutionFinishedError,
    ExecutionOwnedError,
    ExecutionTimeoutError,
    InvalidInputError,
    NonDeterminismError,
    UsageError,
    WaitAmbiguousError,
)
from flux.local.host import LocalHost
from flux.local.journal import LocalJournal
from flux.store import Store
from flux.tasks import parallel, pause, sleep
from flux.testing import FakeClock


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


class Approval(BaseModel):
    approved: bool
    amount: int = Field(gt=0)


@task
async def greet(name: str) -> str:
    return f"Hello, {name}"


@workflow
async def hello(ctx: ExecutionContext[str]):
    return await greet(ctx.input)


@workflow
async def approve(ctx: ExecutionContext[int]):
    before = await greet("before")
    answer = await pause("approval", output={"order": ctx.input}, schema=Approval)
    return [before, answer.amount]


@workflow
async def two_pauses(ctx):
    return await parallel(pause("a"), pause("b"))


def test_a_run_is_durable_and_described(home):
    ctx = hello.run("World")
    assert ctx.has_succeeded
    assert ctx.succeeded
    assert ctx.output == "Hello, World"
    assert ctx.current_worker == "local"
    assert [str(event.type) for event in ctx.events] == [
        "WORKFLOW_STARTED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "WORKFLOW_COMPLETED",
    ]
    with closing(sqlite3.connect(home / "flux.db")) as database:
        assert database.execute("select count(*) from events").fetchone() == (4,)
    assert (home / ".gitignore").read_text() == "*\n"


def test_a_failure_does_not_raise():
    @workflow
    async def fails(ctx):
        raise ValueError("kaboom")

    ctx = fails.run()
    assert ctx.has_failed
    assert "kaboom" in str(ctx.output)


def test_pause_and_resume():
    paused = approve.run(7)
    assert paused.is_paused
    assert paused.output == {"order": 7}
    done = approve.resume(paused.execution_id, {"approved": True, "amount": 3})
    assert done.output == ["Hello, before", 3]
    assert done.execution_id == paused.execution_id
    assert [str(event.type) for event in done.events][6:10] == [
        "WORKFLOW_RESUMING",
        "WORKFLOW_RESUME_SCHEDULED",
        "WORKFLOW_RESUME_CLAIMED",
        "WORKFLOW_RESUMED",
    ]


def test_a_wrong_answer_changes_nothing():
    paused = approve.run(7)
    with pytest.raises(InvalidInputError) as caught:
        approve.resume(paused.execution_id, {"approved": True, "amount": 0})
    assert caught.value.errors[0]["loc"] == ["amount"]
    assert approve.resume(paused.execution_id, {"approved": True, "amount": 1}).has_succeeded


def test_several_pauses_want_a_name():
    paused = two_pauses.run()
    with pytest.raises(WaitAmbiguousError, match=r"a .*b "):
        two_pauses.resume(paused.execution_id, 1)
    with pytest.raises(WaitAmbiguousError, match=r"a .*b "):
        two_pauses.run(execution_id=paused.execution_id)
    assert two_pauses.resume(paused.execution_id, 2, wait="b").is_paused
    assert two_pauses.resume(paused.execution_id, 1, wait="a").output == [1, 2]


def test_run_with_an_id_continues():
    with pytest.raises(ExecutionContextNotFoundError):
        hello.run(execution_id="nope")
    done = hello.run("x")
    again = hello.run(execution_id=done.execution_id)
    assert again.output == "Hello, x"
    assert len(again.events) == len(done.events)
    with pytest.raises(ExecutionFinishedError):
        hello.resume(done.execution_id, 1)

    @workflow
    async def waiter(ctx):
        return [await pause("go")]

    assert waiter.run(execution_id=waiter.run().execution_id).output == [None]


def test_bad_input_is_refused_before_anything_runs(home):
    @workflow
    async def typed(ctx: ExecutionContext[Approval]):
        return ctx.input.amount

    assert typed.run({"approved": True, "amount": 2}).output == 2
    with pytest.raises(InvalidInputError) as caught:
        typed.run({"approved": True, "amount": "many"})
    assert caught.value.errors[0]["loc"] == ["amount"]


async def test_inside_a_running_loop():
    with pytest.raises(UsageError, match="running event loop"):
        hello.run("x")
    assert (await hello.run_async("y")).output == "Hello, y"
    paused = await approve.run_async(1)
    assert (await approve.resume_async(paused.execution_id, {"approved": True, "amount": 9})).has_succeeded


async def test_code_that_somebody_executes_is_no_import():
    cell = compile("hello.run('x')", "<cell>", "exec")
    with pytest.raises(UsageError, match="running event loop"):
        exec(cell, {"__name__": "cell", "hello": hello})


async def test_concurrent_runs_share_one_database():
    contexts = await asyncio.gather(*(hello.run_async(str(index)) for index in range(8)))
    assert [ctx.output for ctx in contexts] == [f"Hello, {index}" for index in range(8)]


def interrupted(body: Callable[[], Any]) -> str:
    """Run `body` in a process of its own that ends hard; the id of the execution it left behind."""
    pid = os.fork()
    if pid == 0:
        try:
            body()
        finally:
            os._exit(9)
    os.waitpid(pid, 0)
    with closing(sqlite3.connect(os.environ["FLUX_HOME"] + "/flux.db")) as database:
        return database.execute("select id from executions order by created_at desc").fetchone()[0]


def test_an_execution_of_a_dead_process_goes_on(tmp_path):
    ledger = tmp_path / "ledger"

    @task
    async def note(text: str) -> str:
        with ledger.open("a") as file:
            file.write(text + "\n")
        return text

    @task
    async def die_once() -> None:
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            os._exit(9)

    @workflow
    async def w(ctx):
        first = await note("first")
        await die_once()
        return [first, await note("second")]

    execution_id = interrupted(lambda: w.run())
    ctx = w.run(execution_id=execution_id)
    assert ctx.output == ["first", "second"]
    assert ledger.read_text() == "first\nsecond\n"


def test_an_interrupted_sleep_is_waited_for():
    @workflow
    async def w(ctx):
        await sleep(1.5)
        return "awake"

    def die_asleep() -> None:
        threading.Timer(0.4, lambda: os._exit(9)).start()
        w.run()

    ctx = w.run(execution_id=interrupted(die_asleep))
    assert ctx.output == "awake"
    assert [str(event.type) for event in ctx.events].count("TASK_WAITING") == 1


def test_an_answer_to_an_execution_of_a_dead_process(tmp_path):
    @task
    async def die_once() -> str:
        if not (tmp_path / "died").exists():
            (tmp_path / "died").touch()
            await asyncio.sleep(0.2)
            os._exit(9)
        return "survived"

    @workflow
    async def w(ctx):
        return await parallel(pause("a"), die_once())

    execution_id = interrupted(lambda: w.run())
    assert w.resume(execution_id, "answer").output == ["answer", "survived"]


def test_an_execution_of_a_living_process_is_left_alone(tmp_path):
    @task
    async def hold() -> str:
        (tmp_path / "held").touch()
        while not (tmp_path / "go").exists():
            await asyncio.sleep(0.01)
        return "done"

    @workflow
    async def w(ctx):
        return (await parallel(pause("a", timeout=0.9), hold(), raise_on_error=False))[1]

    pid = os.fork()
    if pid == 0:
        try:
            w.run()
        finally:
            os._exit(0)
    while not (tmp_path / "held").exists():
        time.sleep(0.01)
    with closing(sqlite3.connect(os.environ["FLUX_HOME"] + "/flux.db")) as database:
        ((execution_id,),) = database.execute("select id from executions")
    for refused in (lambda: w.run(execution_id=execution_id), lambda: w.resume(execution_id, 1)):
        with pytest.raises(ExecutionOwnedError, match=f"local:.*:{pid}"):
            refused()
    (tmp_path / "go").touch()
    os.waitpid(pid, 0)
    assert w.run(execution_id=execution_id).output == "done"


async def test_a_running_execution_is_not_taken_twice():
    started = asyncio.Event()
    ids: list[str] = []

    @workflow
    async def slow(ctx):
        ids.append(ctx.execution_id)
        started.set()
        await sleep(0.2)
        return 1

    running = asyncio.create_task(slow.run_async())
    await started.wait()
    with pytest.raises(ExecutionOwnedError):
        await slow.run_async(execution_id=ids[0])
    assert (await running).output == 1


def test_changed_code_that_diverges_raises_and_leaves_the_execution_as_it_was():
    paused = approve.run(1)

    @workflow.with_options(name="approve")
    async def changed(ctx):
        await greet("something else")
        return await pause("approval")

    with pytest.raises(NonDeterminismError, match="greet"):
        changed.resume(paused.execution_id, {"approved": True, "amount": 1})
    assert approve.run(execution_id=paused.execution_id).state is ExecutionState.COMPLETED


async def test_a_host_takes_its_journal_and_the_bodies_of_tasks_from_outside():
    appended: list[str] = []

    class Watched(LocalJournal):
        def append(self, events, *, release=False):
            appended.extend(str(event.type) for event in events)
            return super().append(events, release=release)

    class Replaced:
        def task(self, attempt, body):
            async def other():
                return f"{attempt.task.name}{attempt.args} instead of {await body()}"

            return other

        def workflow(self, session, body):
            async def other():
                return f"{session.workflow.name}: {await body()}"

            return other

    store = await Store.open("sqlite:///:memory:")
    host = LocalHost(store, Codec(), SystemClock(), journal=partial(Watched, store), substitute=Replaced())
    ctx = await host.start(hello, "Ada")
    await store.close()
    assert ctx.output == "hello: greet('Ada',) instead of Hello, Ada"
    assert appended == ["WORKFLOW_STARTED", "TASK_STARTED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"]


async def test_a_host_cancels_what_waits_and_what_it_runs():
    started = asyncio.Event()

    @task
    async def forever() -> None:
        started.set()
        await asyncio.Event().wait()

    @workflow
    async def endless(ctx):
        await forever()

    store = await Store.open("sqlite:///:memory:")
    host = LocalHost(store, Codec(), SystemClock())
    waiting = await host.start(two_pauses, None)
    assert (await host.cancel(two_pauses, waiting.execution_id)).is_cancelled
    assert (await host.cancel(two_pauses, waiting.execution_id)).is_cancelled

    running = asyncio.create_task(host.start(endless, None))
    await started.wait()
    (execution_id,) = host.sessions
    await host.cancel(endless, execution_id)
    assert (await running).is_cancelled
    assert host.sessions == {}
    with pytest.raises(ExecutionFinishedError):
        await host.cancel(hello, (await host.start(hello, "Ada")).execution_id)
    await store.close()


async def test_waking_a_waiting_execution_lets_time_do_its_part():
    @workflow
    async def impatient(ctx):
        return await pause("answer", timeout=60)

    store, clock = await Store.open("sqlite:///:memory:"), FakeClock()
    host = LocalHost(store, Codec(), clock)
    ctx = await host.start(impatient, None)
    assert (await host.wake(impatient, ctx.execution_id)).is_paused
    clock.advance(61)
    ctx = await host.wake(impatient, ctx.execution_id)
    assert isinstance(ctx.output, ExecutionTimeoutError)
    assert (await host.wake(impatient, ctx.execution_id)).has_failed
    await store.close()


def test_runs_share_the_cache_of_their_home():
    ran = []

    @task.with_options(cache=True)
    def add(a, b):
        ran.append((a, b))
        return a + b

    @workflow
    async def adds(ctx):
        return await add(*ctx.input)

    assert [adds.run([1, 2]).output, adds.run([1, 2]).output, adds.run([1, 3]).output] == [3, 3, 4]
    assert ran == [(1, 2), (1, 3)]


def test_the_default_timeout_counts_in_local_runs(monkeypatch):
    monkeypatch.setenv("FLUX_WORKERS__DEFAULT_TIMEOUT", "0.05")

    @task
    async def slow():
        await asyncio.Event().wait()

    @workflow
    async def patient(ctx):
        await slow()

    output = patient.run().output
    assert isinstance(output, ExecutionTimeoutError) and output.timeout == 0.05
