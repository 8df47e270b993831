"""Waits are futures: siblings run on, the body is dropped quietly, answers arrive once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, Field

from flux import task, workflow
from flux.domain import ExecutionState
from flux.errors import ExecutionTimeoutError
from flux.tasks import parallel, pause, sleep


class Approval(BaseModel):
    approved: bool
    amount: int = Field(gt=0)


@dataclass
class Choice:
    color: str
    count: int = 1


@task
async def note(text: str) -> str:
    return text


async def test_pause_and_resume_in_the_documented_order(lab):
    @workflow
    async def w(ctx):
        before = await note("before")
        answer = await pause("approval", output={"order": 7})
        return [before, answer, await note("after")]

    session = await lab.run(w)
    assert session.context.is_paused
    assert session.context.output == {"order": 7}
    assert lab.types[-3:] == ["TASK_STARTED", "TASK_PAUSED", "WORKFLOW_PAUSED"]
    assert lab.codec.decode(lab.log[-1].payload) == {"name": "approval", "output": {"order": 7}}

    lab.answer("approval", {"fine": True})
    session = await lab.run(w)
    assert session.context.output == ["before", {"fine": True}, "after"]
    assert lab.types[6:] == [
        "WORKFLOW_RESUMING",
        "WORKFLOW_RESUMED",
        "TASK_RESUMED",
        "TASK_COMPLETED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "WORKFLOW_COMPLETED",
    ]


async def test_resuming_without_a_value_returns_none(lab):
    @workflow
    async def w(ctx):
        return [await pause("go")]

    await lab.run(w)
    lab.answer("go", None)
    assert (await lab.run(w)).context.output == [None]


async def test_a_model_is_built_from_the_answer(lab):
    @workflow
    async def w(ctx):
        answer = await pause("approval", schema=Approval)
        return [type(answer).__name__, answer.amount]

    await lab.run(w)
    wait = lab.log[2].wait
    assert wait is not None
    assert '"approved"' in wait.schema
    assert wait.model.endswith(":Approval")
    lab.answer("approval", {"approved": True, "amount": 3})
    assert (await lab.run(w)).context.output == ["Approval", 3]


async def test_a_dataclass_is_built_from_the_answer(lab):
    @workflow
    async def w(ctx):
        answer = await pause("choice", schema=Choice)
        return answer.color, answer.count

    await lab.run(w)
    lab.answer("choice", {"color": "red"})
    assert (await lab.run(w)).context.output == ("red", 1)


async def test_a_pause_that_no_answer_could_be_checked_for_is_never_opened(lab):
    @workflow
    async def w(ctx):
        return await pause("approval", schema={"type": "text"})

    context = (await lab.run(w)).context
    assert "of the schema is wrong" in str(context.output)
    assert "TASK_PAUSED" not in lab.types


async def test_an_answer_the_model_refuses_reopens_the_wait(lab):
    @workflow
    async def w(ctx):
        return (await pause("approval", schema=Approval)).amount

    await lab.run(w)
    lab.answer("approval", {"approved": True, "amount": 0})
    session = await lab.run(w)
    assert session.context.is_paused
    assert "TASK_RESUME_REJECTED" in lab.types
    lab.answer("approval", {"approved": True, "amount": 5})
    session = await lab.run(w)
    assert session.context.output == 5
    assert lab.types.count("TASK_RESUME_REJECTED") == 1


async def test_several_pauses_are_answered_by_name_in_any_order(lab):
    @workflow
    async def w(ctx):
        return await parallel(pause("a"), pause("b"), note("c"))

    session = await lab.run(w)
    assert session.context.is_paused
    lab.answer("b", "B")
    assert (await lab.run(w)).context.is_paused
    lab.answer("a", "A")
    assert (await lab.run(w)).context.output == ["A", "B", "c"]


async def test_siblings_keep_running_while_one_branch_waits(lab):
    @workflow
    async def w(ctx):
        async def work():
            return [await note(str(index)) for index in range(3)]

        return await asyncio.gather(pause("a"), work())

    await lab.run(w)
    assert lab.shown.count("TASK_COMPLETED note") == 3
    assert lab.types[-1] == "WORKFLOW_PAUSED"


async def test_a_pause_neither_cancels_nor_groups_nor_records_in_finally(lab):
    seen = []

    @workflow
    async def w(ctx):
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(pause("a"))
                group.create_task(note("b"))
        except BaseException as error:
            seen.append(type(error).__name__)
            if not isinstance(error, GeneratorExit):
                raise
        finally:
            await note("from finally")

    session = await lab.run(w)
    assert session.context.is_paused
    assert "CancelledError" not in seen
    assert not any(
        event.name == "note" and b"finally" in (event.payload or event).data for event in lab.log if event.payload
    )


async def test_an_answer_that_comes_while_it_runs_is_taken_at_once(lab):
    @workflow
    async def w(ctx):
        async def work():
            while not answered.is_set():
                await note("tick")
            return "worked"

        return await parallel(pause("a"), work())

    answered = asyncio.Event()

    def during(session):
        async def answer():
            while not any(event.wait for event in lab.log):
                await asyncio.sleep(0)
            session.answer(lab.answer("a", 42))
            answered.set()

        background.append(asyncio.create_task(answer()))

    background: list[asyncio.Task[None]] = []
    session = await lab.run(w, during=during)
    assert session.context.output == [42, "worked"]
    assert "WORKFLOW_PAUSED" not in lab.types


async def test_a_pause_can_time_out(lab):
    @workflow
    async def w(ctx):
        try:
            return await pause("approval", timeout=3600)
        except ExecutionTimeoutError as error:
            return f"{error.type} {error.name}"

    await lab.run(w)
    assert lab.types[-1] == "WORKFLOW_PAUSED"
    lab.clock.advance(3601)
    assert (await lab.run(w)).context.output == "Pause approval"


async def test_a_long_sleep_lets_go_and_does_not_start_over(lab):
    @workflow
    async def w(ctx):
        await sleep(3600)
        return await note("awake")

    session = await lab.run(w)
    assert session.context.state is ExecutionState.RUNNING
    assert lab.types[-1] == "TASK_WAITING"
    wake_at = lab.log[-1].wait.wake_at
    lab.clock.advance(1800)
    await lab.run(w)
    assert [event.wait.wake_at for event in lab.log if event.wait] == [wake_at]
    lab.clock.advance(1801)
    assert (await lab.run(w)).context.output == "awake"


async def test_a_local_run_stays_with_its_timers(lab):
    @workflow
    async def w(ctx):
        await sleep(3600)
        return "awake"

    assert (await lab.run(w, local=True)).context.output == "awake"


async def test_a_short_sleep_leaves_no_wait(lab):
    @workflow
    async def w(ctx):
        await sleep(0.9)
        return "awake"

    assert (await lab.run(w)).context.output == "awake"
    assert "TASK_WAITING" not in lab.types


async def test_a_pause_and_a_sleep_side_by_side_show_as_paused(lab):
    @workflow
    async def w(ctx):
        return await parallel(pause("a"), sleep(60))

    assert (await lab.run(w)).context.is_paused
    lab.clock.advance(61)
    assert (await lab.run(w)).context.is_paused
    lab.answer("a", 1)
    assert (await lab.run(w)).context.output == [1, None]


async def test_typed_input_is_built_before_the_body_runs(lab):
    from flux import ExecutionContext

    @workflow
    async def w(ctx: ExecutionContext[Approval]):
        return ctx.input.amount

    assert (await lab.run(w, {"approved": True, "amount": 4})).context.output == 4


@pytest.mark.parametrize("value", [{"approved": "perhaps", "amount": 1}, {"amount": 0}, "text", None])
async def test_a_bad_input_is_refused(lab, value):
    from flux import ExecutionContext

    @workflow
    async def w(ctx: ExecutionContext[Approval]):
        return 1

    session = await lab.run(w, value)
    assert session.context.has_failed
    assert session.context.output.errors
