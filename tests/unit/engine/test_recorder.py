"""How events travel to the journal."""

from __future__ import annotations

import asyncio
import threading

import pytest

from flux import ExecutionContext, task, workflow
from flux.domain import Execution, ExecutionState
from flux.domain import ExecutionEventType as E
from flux.engine import quiet
from flux.engine.session import Session
from flux.tasks import pause


class ReadyJournal:
    """Is through at once, as a local one often is; keeps the types of each append."""

    def __init__(self) -> None:
        self.appends: list[list[E]] = []

    def append(self, events, *, release=False):
        done = asyncio.get_running_loop().create_future()
        done.set_result(1 + sum(map(len, self.appends)))
        self.appends.append([event.type for event in events])
        return done

    def progress(self, source_id, name, value):
        raise NotImplementedError


@task
async def step(number: int) -> int:
    return number


@task
async def say(text: str) -> str:
    return text


class Watched:
    """Keeps the appends of a session, and holds back those for which `late` answers with something to wait for."""

    def __init__(self, late=lambda events: None) -> None:
        self.batches: list[list[str]] = []
        self.late = late

    def __call__(self, session) -> None:
        self.session = session
        append = session.journal.append

        def watched(events, *, release=False):
            self.batches.append([f"{event.type} {event.name}" for event in events])
            wait_for = self.late(events)
            if wait_for is None:
                return append(events, release=release)
            result = asyncio.get_running_loop().create_future()
            wait_for.add_done_callback(lambda _: append(events, release=release).add_done_callback(pass_on(result)))
            return result

        session.journal.append = watched


def pass_on(result):
    return lambda done: result.set_result(done.result())


async def run(flow, lab) -> Session:
    journal = ReadyJournal()
    execution = Execution("e1", flow.ref, ExecutionState.CREATED, lab.codec.encode(None), generation=1)
    session = Session(flow, execution, [], journal=journal, codec=lab.codec, clock=lab.clock)
    await asyncio.wait_for(session.run(), 20)
    assert session.context.has_succeeded
    assert [event.seq for event in session.context.events] == list(range(1, len(session.context.events) + 1))
    return session


async def test_one_task_after_another_costs_one_append_each(lab):
    @workflow
    async def flow(ctx: ExecutionContext):
        return [await step(1), await step(2)]

    session = await run(flow, lab)

    assert session.context.output == [1, 2]
    assert session.journal.appends == [
        [E.WORKFLOW_STARTED, E.TASK_STARTED, E.TASK_COMPLETED],
        [E.TASK_STARTED, E.TASK_COMPLETED],
        [E.WORKFLOW_COMPLETED],
    ]


async def test_branches_that_end_together_share_an_append(lab):
    @workflow
    async def flow(ctx: ExecutionContext):
        return await step.map(range(50))

    session = await run(flow, lab)

    assert session.context.output == list(range(50))
    assert [len(events) for events in session.journal.appends] == [1 + 50 * 2, 1]


async def test_who_is_cancelled_learns_of_it_behind_a_commit_that_was_through_at_once(lab, monkeypatch):
    monkeypatch.setattr(quiet, "LONGEST_TURN", 60.0)

    @task
    async def outer() -> None:
        await step(1)
        asyncio.current_task().cancel()

    @workflow
    async def flow(ctx: ExecutionContext):
        async with asyncio.TaskGroup() as group:
            running = group.create_task(outer())
        return running.cancelled()

    session = await run(flow, lab)

    assert session.context.output is True
    ends = [event for append in session.journal.appends for event in append if event is not E.TASK_STARTED]
    assert ends[-3:] == [E.TASK_COMPLETED, E.TASK_CANCELLED, E.WORKFLOW_COMPLETED]


async def test_a_task_that_goes_on_is_shown(lab):
    shown = asyncio.Event()

    @task
    async def long() -> None:
        await shown.wait()

    @workflow
    async def w(ctx):
        await long()

    running = asyncio.create_task(lab.run(w))
    while "TASK_STARTED long" not in lab.shown:
        await asyncio.sleep(0.001)
    shown.set()
    assert (await running).context.has_succeeded


@pytest.mark.parametrize("durability", ["strict", "relaxed"])
async def test_what_goes_on_before_the_commit(lab, durability):
    durable = asyncio.get_running_loop().create_future()
    watched = Watched(lambda events: durable if any("COMPLETED" in event.type for event in events) else None)
    seen: list[str] = []

    @workflow.with_options(durability=durability)
    async def w(ctx):
        seen.append(await say("a"))
        seen.append(await say("b"))
        return "done"

    running = asyncio.create_task(lab.run(w, during=watched))
    while not watched.batches or (durability == "relaxed" and len(seen) < 2):
        await asyncio.sleep(0.001)
    for _ in range(20):
        await asyncio.sleep(0)
    assert seen == ([] if durability == "strict" else ["a", "b"])
    assert "TASK_COMPLETED" not in lab.types
    durable.set_result(None)
    assert (await running).context.output == "done"


async def test_siblings_do_not_wait_for_each_others_commits(lab):
    durable = asyncio.get_running_loop().create_future()
    held: list[bool] = []

    def first_of_slow(events):
        if any(event.name == "slow" and "COMPLETED" in event.type for event in events) and not held:
            held.append(True)
            return durable
        return None

    @task
    async def slow() -> str:
        return "slow"

    @workflow
    async def w(ctx):
        async def others():
            while not held:
                await asyncio.sleep(0.001)
            for number in range(3):
                seen.append(await say(str(number)))
            durable.set_result(None)

        await asyncio.gather(slow(), others())

    seen: list[str] = []
    assert (await lab.run(w, during=Watched(first_of_slow))).context.has_succeeded
    assert seen == ["0", "1", "2"]


async def test_the_result_of_a_cancelled_sync_body_is_dropped(lab):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    @task
    def blocking() -> str:
        begun.set()
        go_on.wait(10)
        ended.set()
        return "too late"

    @workflow
    async def w(ctx):
        await blocking()

    running = asyncio.create_task(lab.run(w))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    lab.session.cancel(lab.cancel())
    session = await running
    go_on.set()
    assert session.context.is_cancelled
    assert ended.wait(10)
    await asyncio.sleep(0.01)
    assert lab.types[-2:] == ["TASK_CANCELLED", "WORKFLOW_CANCELLED"]
    assert "TASK_COMPLETED" not in lab.types


async def test_an_outcome_behind_a_cancel_is_recorded_and_not_delivered(lab):
    durable = asyncio.get_running_loop().create_future()
    watched = Watched(lambda events: durable if any(event.type == "TASK_COMPLETED" for event in events) else None)
    seen: list[str] = []

    @workflow
    async def w(ctx):
        seen.append(await say("a"))
        await pause("never")

    running = asyncio.create_task(lab.run(w, during=watched))
    while not watched.batches:
        await asyncio.sleep(0.001)
    lab.session.cancel(lab.cancel())
    await asyncio.sleep(0.01)
    durable.set_result(None)
    assert (await running).context.is_cancelled
    assert seen == []
