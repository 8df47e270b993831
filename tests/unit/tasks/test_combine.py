"""`parallel` and `pipeline`."""

from __future__ import annotations

import asyncio

import pytest

from flux import task, workflow
from flux.errors import UsageError
from flux.tasks import parallel, pipeline, progress


@task
async def double(x):
    return 2 * x


async def outcome(lab, make):
    @workflow
    async def w(ctx):
        return await make()

    return (await lab.run(w)).context.output


async def test_calls_beyond_the_cap_begin_when_a_place_is_free(lab):
    @task
    async def work(x):
        for _ in range(9 - 2 * x):
            await asyncio.sleep(0)
        return x

    assert await outcome(lab, lambda: parallel(*(work(x) for x in range(4)), max_concurrent=2)) == [0, 1, 2, 3]
    running, most = 0, 0
    for event in lab.log:
        if event.name == "work":
            running += 1 if event.type == "TASK_STARTED" else -1
            most = max(most, running)
    assert most == 2


async def test_nothing_begins_behind_a_failure(lab):
    @task
    async def bad():
        raise ValueError("no")

    error = await outcome(lab, lambda: parallel(bad(), *(double(x) for x in range(50)), max_concurrent=1))
    assert isinstance(error.inner_exception, ValueError)
    assert "TASK_STARTED double" not in lab.shown


async def test_nothing_gives_nothing(lab):
    assert await outcome(lab, parallel) == []


async def test_whatever_can_be_awaited_runs_side_by_side(lab):
    async def plain(x):
        return x + 1

    async def body():
        begun = asyncio.ensure_future(double(4))
        return await parallel(plain(1), double(2), begun)

    assert await outcome(lab, body) == [2, 4, 8]


@pytest.mark.parametrize("wrong", [double, 3, lambda: double(1)])
async def test_what_was_not_called_is_refused_by_name(lab, wrong):
    error = await outcome(lab, lambda: parallel(double(1), wrong))
    assert isinstance(error, UsageError)
    assert repr(wrong) in str(error)
    assert lab.types == ["WORKFLOW_STARTED", "WORKFLOW_FAILED"]


async def test_two_thousand_at_once_run_and_replay(lab, new_lab):
    @workflow
    async def w(ctx):
        return sum(await parallel(*(double(x) for x in range(2000))))

    total = (await lab.run(w)).context.output
    again = new_lab()
    again.log = lab.log[: len(lab.log) // 2]
    assert (await again.run(w)).context.output == total == 2 * sum(range(2000))


async def test_plain_functions_stand_in_a_pipeline(lab):
    assert await outcome(lab, lambda: pipeline(double, lambda x: x + 1, double, input=3)) == 14
    assert lab.codec.decode(lab.log[1].payload) == {"tasks": ["double", "<lambda>", "double"], "input": 3}


async def test_an_empty_pipeline_gives_its_input(lab):
    assert await outcome(lab, lambda: pipeline(input=3)) == 3


async def test_progress_is_streamed_while_the_code_runs_and_never_in_a_replay(lab):
    class Thing:
        pass

    @task
    async def work():
        await progress({"done": 1})
        await progress(Thing())

    @workflow
    async def w(ctx):
        await progress("begins")
        await work()

    await lab.run(w)
    assert lab.progress[:2] == ['"begins"', '{"done": 1}'] and "Thing" in lab.progress[2]
    assert "TASK_PROGRESS" not in lab.types
    del lab.log[-1]
    await lab.run(w)
    assert len(lab.progress) == 3
