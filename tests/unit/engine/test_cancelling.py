"""Cancellation: asked for, it cleans up and rolls back; unasked, it is a failure."""

from __future__ import annotations

import asyncio

from flux import task, workflow
from flux.domain import ExecutionEventType, ExecutionState
from flux.errors import ExecutionError
from flux.tasks import pause, sleep

undone: list[str] = []


def undo(key: str) -> None:
    undone.append(key)


@task.with_options(rollback=undo)
async def work(key: str) -> None:
    await asyncio.Event().wait()


@task
async def note(text: str) -> str:
    return text


def cancel_once_started(lab, name="work"):
    """Ask for the cancellation as soon as the named task's body has begun."""

    def during(session):
        async def watch():
            while not any(event.name == name for event in lab.log):
                await asyncio.sleep(0.001)
            session.cancel(lab.cancel())

        tasks.append(asyncio.create_task(watch()))

    tasks: list[asyncio.Task[None]] = []
    return during


async def test_a_running_task_is_cancelled_and_rolled_back(lab):
    undone.clear()
    done = []

    @workflow
    async def w(ctx):
        await note("finished before")
        try:
            await work("k")
        except asyncio.CancelledError:
            done.append(await note("cleaning"))
            raise

    session = await lab.run(w, during=cancel_once_started(lab))
    assert session.context.is_cancelled
    assert undone == ["k"]
    assert done == ["cleaning"]
    assert lab.types[lab.types.index("WORKFLOW_CANCELLING") :] == [
        "WORKFLOW_CANCELLING",
        "TASK_CANCELLED",
        "TASK_ROLLBACK_STARTED",
        "TASK_ROLLBACK_COMPLETED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "WORKFLOW_CANCELLED",
    ]


async def test_a_body_that_returns_after_the_request_is_completed(lab):
    @workflow
    async def w(ctx):
        try:
            await work("k")
        except asyncio.CancelledError:
            return "anyway"

    session = await lab.run(w, during=cancel_once_started(lab))
    assert session.context.has_succeeded
    assert session.context.output == "anyway"


async def test_a_waiting_execution_is_replayed_to_its_wait_and_cancelled_there(lab):
    seen = []

    @workflow
    async def w(ctx):
        await note("before")
        try:
            await pause("approval")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    await lab.run(w)
    assert seen == []
    lab.cancel()
    session = await lab.run(w)
    assert session.context.is_cancelled
    assert seen == ["cancelled"]
    assert lab.types[-3:] == ["WORKFLOW_CANCELLING", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]


async def test_a_sleeping_execution_can_be_cancelled(lab):
    @workflow
    async def w(ctx):
        await sleep(3600)

    await lab.run(w)
    lab.cancel()
    assert (await lab.run(w)).context.is_cancelled


async def test_a_cancel_before_the_first_activation(lab):
    @workflow
    async def w(ctx):
        await work("k")

    lab.cancel()
    session = await lab.run(w, state=ExecutionState.CANCELLING)
    assert session.context.is_cancelled
    assert lab.types[-1] == ExecutionEventType.WORKFLOW_CANCELLED


async def test_an_unasked_cancelled_error_is_a_failure(lab):
    @workflow
    async def w(ctx):
        raise asyncio.CancelledError

    session = await lab.run(w)
    assert session.context.has_failed
    assert "CancelledError" in str(session.context.output)


async def test_a_task_that_raises_cancelled_error_by_itself_fails(lab):
    @task
    async def odd():
        raise asyncio.CancelledError

    @workflow
    async def w(ctx):
        await odd()

    session = await lab.run(w)
    assert session.context.has_failed
    assert isinstance(session.context.output, ExecutionError)
