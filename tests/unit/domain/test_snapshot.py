"""The state of an execution at any point of its history."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flux import task, workflow
from flux.domain import Execution, ExecutionState, WaitKind
from flux.domain.snapshot import snapshot
from flux.domain.transitions import fold
from flux.store import Append, Store
from flux.tasks import parallel, pause, sleep


@task
async def step(number: int) -> int:
    return number * 10


@task.with_options(retry_max_attempts=1, retry_delay=5, fallback=lambda number: -number)
async def unsteady(number: int) -> int:
    raise ValueError(number)


@workflow.with_options(name="order")
async def order(ctx):
    await step(1)
    await unsteady(2)
    await parallel(step(3), step(4))
    await sleep(60)
    answer = await pause("approval", output={"total": 30})
    return [answer, await step(5)]


@pytest.fixture
async def history(lab):
    await lab.until_done(order)
    lab.answer("approval", "yes")
    await lab.run(order)
    return list(lab.log)


NOW = Execution("e1", order.ref, ExecutionState.COMPLETED, created_at=1)


def at(history, type, name):
    """How it stood behind the first event of that type and name."""
    seq = next(event.seq for event in history if (event.type, event.name) == (type, name))
    return snapshot(NOW, history[:seq])


async def test_before_its_first_event():
    found = snapshot(NOW, [])
    assert (found.execution.state, found.execution.last_seq, found.tasks, found.waits) == (
        ExecutionState.CREATED,
        0,
        (),
        (),
    )


async def test_the_end(lab, history):
    found = snapshot(NOW, history)
    assert (found.execution.state, found.waits) == (ExecutionState.COMPLETED, ())
    assert lab.codec.decode(found.execution.output) == ["yes", 50]
    assert found.execution.finished_at == history[-1].time
    assert [(one.name, one.state) for one in found.tasks] == [
        ("step", "completed"),
        ("unsteady", "completed"),
        ("parallel", "completed"),
        ("step", "completed"),
        ("step", "completed"),
        ("sleep", "completed"),
        ("pause", "completed"),
        ("step", "completed"),
    ]
    first = found.tasks[0]
    assert (lab.codec.decode(first.arguments), lab.codec.decode(first.value)) == ({"number": 1}, 10)
    assert first.location.rpartition(":")[0].endswith("test_snapshot.py")
    assert found.tasks[1].attempts == 2
    assert found.tasks[3].parent == found.tasks[2].id


async def test_a_back_off(history):
    found = at(history, "TASK_RETRY_FAILED", "unsteady")
    assert (found.execution.state, found.tasks[-1].state, found.tasks[-1].attempts) == ("RUNNING", "waiting", 1)
    assert [(wait.kind, wait.name) for wait in found.waits] == [(WaitKind.BACKOFF, "unsteady")]
    running = at(history, "TASK_RETRY_STARTED", "unsteady")
    assert (running.waits, running.execution.current_task) == ((), "unsteady")
    assert (running.tasks[-1].state, running.tasks[-1].attempts) == ("running", 2)


async def test_a_pause_and_its_answer(lab, history):
    found = at(history, "WORKFLOW_PAUSED", "order")
    (wait,) = found.waits
    assert (found.execution.state, wait.name, wait.answered) == (ExecutionState.PAUSED, "approval", False)
    assert lab.codec.decode(found.execution.output) == {"total": 30}
    answered = snapshot(NOW, history[: found.execution.last_seq + 1])
    assert [wait.answered for wait in answered.waits] == [True]
    assert at(history, "TASK_RESUMED", "pause").waits == ()


async def test_what_had_not_ended_when_the_execution_did(lab, history):
    cut = [event for event in history if event.name in ("order", "step")][:2]
    ended = replace(lab.event("WORKFLOW_FAILED"), type=history[-1].type.WORKFLOW_FAILED)
    found = snapshot(NOW, [*cut, ended])
    assert [one.state for one in found.tasks] == ["unfinished"]


async def test_every_point_is_as_the_store_had_it(history):
    """Events one by one into a real store: state, output, open waits and times are those of the fold."""
    store = await Store.open("sqlite:///:memory:")
    claim = await store.executions.create_owned(replace(NOW, state=ExecutionState.CREATED), "local:here:1")
    kept = []
    for event in history:
        numbered = replace(event, ordinal=len(kept) + 1, seq=0)
        kept += (await store.executions.append(Append("e1", claim.execution.generation, [numbered]))).events
        stored = await store.executions.get("e1")
        found = snapshot(NOW, kept)
        assert found.execution.state is stored.state is fold(kept)
        if stored.state.is_terminal or stored.state is ExecutionState.PAUSED:
            assert found.execution.output == stored.output
        assert found.execution.finished_at == stored.finished_at
        assert (found.execution.last_seq, found.execution.started_at) == (stored.last_seq, stored.started_at)
        assert list(found.waits) == await store.waits.pending("e1")
    await store.close()
