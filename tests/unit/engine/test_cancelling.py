"""Cancellation: asked for, it cleans up and rolls back; unasked, it is a failure."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from flux import task, workflow
from flux.domain import ExecutionEventType, ExecutionState
from flux.engine import cancellation
from flux.errors import ExecutionError, ExecutionTimeoutError
from flux.tasks import parallel, pause, sleep
from flux.testing import FakeClock

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


async def test_a_body_that_ignores_its_cancellation_is_ended(lab, monkeypatch):
    monkeypatch.setattr(cancellation, "CLEANUP_LIMIT", 0.05)
    refused = []

    @workflow
    async def w(ctx):
        while True:
            try:
                await note("again")
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                refused.append(True)

    session = await lab.run(w, during=cancel_once_started(lab, "note"))
    assert session.context.is_cancelled
    assert refused == [True]
    assert lab.types[-1] == "WORKFLOW_CANCELLED"


async def test_a_pause_in_the_cleanup_is_not_waited_for(lab, monkeypatch):
    monkeypatch.setattr(cancellation, "CLEANUP_LIMIT", 0.05)

    @workflow
    async def w(ctx):
        try:
            await work("k")
        finally:
            await pause("nobody can answer this any more")

    session = await lab.run(w, during=cancel_once_started(lab))
    assert session.context.is_cancelled
    assert "WORKFLOW_PAUSED" not in lab.types


async def test_a_timeout_does_not_interrupt_the_cleanup_of_a_cancel(lab):
    lab.clock = FakeClock()
    cleaned = []

    @workflow.with_options(timeout=60)
    async def w(ctx):
        try:
            await work("k")
        finally:
            lab.clock.advance(61)
            await asyncio.sleep(0.01)
            cleaned.append(await note("cleaned"))

    session = await lab.run(w, during=cancel_once_started(lab))
    assert session.context.is_cancelled
    assert cleaned == ["cleaned"]


async def test_a_cancel_does_not_interrupt_the_cleanup_of_a_timeout(lab):
    lab.clock = FakeClock()
    cleaned = []

    @workflow.with_options(timeout=60)
    async def w(ctx):
        try:
            async with asyncio.timeout(20):
                await note("before")
                lab.clock.advance(61)
                await asyncio.Event().wait()
        finally:
            lab.session.cancel(lab.cancel())
            await asyncio.sleep(0.01)
            cleaned.append(await note("cleaned"))

    session = await lab.run(w)
    assert cleaned == ["cleaned"]
    assert session.context.is_cancelled


async def test_cleanup_behind_a_timeout_goes_on_after_a_crash(lab):
    @workflow.with_options(timeout=60)
    async def w(ctx):
        try:
            await sleep(3600)
        finally:
            await note("first")
            await note("second")

    lab.clock = FakeClock()
    await lab.run(w)
    lab.clock.advance(61)
    lab.crash_after = len(lab.log) + 4
    await lab.run(w)
    assert lab.types[-4:] == ["WORKFLOW_TIMED_OUT", "TASK_CANCELLED", "TASK_STARTED", "TASK_COMPLETED"]
    lab.crash_after, lab.stale = None, False
    session = await lab.run(w)
    assert isinstance(session.context.output, ExecutionTimeoutError)
    assert lab.shown.count("TASK_COMPLETED note") == 2
    assert lab.types.count("WORKFLOW_TIMED_OUT") == 1


async def test_a_body_is_cancelled_where_it_was_even_when_it_gets_there_slowly(lab):
    @workflow.with_options(timeout=60)
    async def w(ctx):
        await note("before")
        await asyncio.sleep(0.01)
        await sleep(3600)

    lab.clock = FakeClock()
    await lab.run(w)
    lab.clock.advance(61)
    lab.crash_after = len(lab.log) + 2
    await lab.run(w)
    assert lab.types[-2:] == ["WORKFLOW_TIMED_OUT", "TASK_CANCELLED"]
    lab.crash_after, lab.stale = None, False
    session = await lab.run(w)
    assert isinstance(session.context.output, ExecutionTimeoutError)
    assert session.divergence is None


async def test_every_task_in_flight_shows_its_cancellation_once(lab):
    lab.clock = FakeClock()
    undone.clear()

    @workflow
    async def w(ctx):
        await asyncio.gather(work("a"), work("b"), parallel(work("c"), sleep(60)))

    # Local: while only the sleep is open the execution stays, however late the cancel comes.
    session = await lab.run(w, during=cancel_once_started(lab, "sleep"), local=True)
    assert session.context.is_cancelled
    assert sorted(undone) == ["a", "b", "c"]
    cancelled = [event.name for event in lab.log if event.type == "TASK_CANCELLED"]
    assert sorted(cancelled) == ["parallel", "sleep", "work", "work", "work"]


async def test_a_slow_rollback_is_not_cut_off_by_a_quick_one(lab):
    done = []

    async def slow_undo() -> None:
        await asyncio.sleep(0.02)
        done.append(await note("undone"))

    slow = work.with_options(rollback=slow_undo)

    @workflow
    async def w(ctx):
        await asyncio.gather(work("quick"), slow("slow"))

    session = await lab.run(w, during=cancel_once_started(lab))
    assert session.context.is_cancelled
    assert done == ["undone"]
    assert lab.types.count("TASK_ROLLBACK_COMPLETED") == 2


async def test_what_the_cleanup_shields_is_recorded(lab):
    @workflow
    async def w(ctx):
        try:
            await work("k")
        finally:
            await asyncio.shield(note("shielded"))

    session = await lab.run(w, during=cancel_once_started(lab))
    assert session.context.is_cancelled
    assert lab.shown[-2:] == ["TASK_COMPLETED note", "WORKFLOW_CANCELLED w"]


async def test_the_request_waits_for_its_turn_behind_delivered_outcomes(lab):
    """What the code has been given before it was cancelled, it is given in a replay too."""

    @workflow
    async def w(ctx):
        seen.clear()
        try:
            while True:
                seen.append(await note("step"))
        except asyncio.CancelledError:
            seen.append(await note("cleaning"))
            await note("cleaned")
            raise

    seen: list[str] = []

    def during(session):
        append = session.journal.append

        def counting(events, *, release=False):
            if len(lab.log) > 8 and "WORKFLOW_CANCELLING" not in lab.types:
                session.cancel(lab.cancel())
            return append(events, release=release)

        session.journal.append = counting

    await lab.run(w, during=during)
    first = list(seen)
    assert first[-1] == "cleaning"
    last = max(index for index, kind in enumerate(lab.types) if kind == "TASK_COMPLETED")
    lab.log = lab.log[:last]
    session = await lab.run(w)
    assert session.divergence is None
    assert session.context.is_cancelled
    assert seen == first


async def test_a_reopened_execution_has_been_asked_to_end_all_the_same(lab):
    """The request came too late to be noticed: the body had failed by then."""

    @workflow
    async def w(ctx):
        await note("before")
        await note("behind the request")
        raise ValueError("kaboom")

    await lab.run(w)
    request = lab.event(ExecutionEventType.WORKFLOW_CANCELLING)
    lab.log.insert(3, request)
    lab.log.append(lab.event(ExecutionEventType.WORKFLOW_REOPENED))
    lab.log = [replace(event, seq=index + 1) for index, event in enumerate(lab.log)]
    session = await lab.run(w, state=ExecutionState.CREATED)
    assert session.divergence is None
    assert session.context.is_cancelled
