"""How events travel to the journal."""

from __future__ import annotations

import asyncio

from flux import ExecutionContext, task, workflow
from flux.domain import Execution, ExecutionState
from flux.domain import ExecutionEventType as E
from flux.engine import quiet
from flux.engine.session import Session


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
