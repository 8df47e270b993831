"""Going on from edited source: a move, recorded when all that was recorded has been met again, and never before."""

from __future__ import annotations

import pytest

from flux.domain import Module
from flux.engine.loader import load
from flux.engine.source import bundle_of
from flux.errors import NonDeterminismError
from flux.local import resume, run

SOURCE = """
from flux import task, workflow
from flux.tasks import pause

done = []

@task
async def step(number):
    done.append(number)
    return number

@workflow
async def flow(ctx):
    first = await step(1)
    answer = await pause("go")
    return [first, answer, "one"]
"""
LONGER = SOURCE.replace('"one"', 'await step(2), "two"')
ANOTHER_FIRST = SOURCE.replace("await step(1)", "await step(7)")


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "home"))


@pytest.fixture
def code(tmp_path):
    """Loads a version of the file and gives its module."""
    return lambda source: load(bundle_of("moved", {"moved": Module(str(tmp_path / "moved.py"), source)}))


def moves(ctx):
    return [event.value for event in ctx.events if event.type == "WORKFLOW_MOVED"]


def test_a_move_is_recorded_before_anything_new(code):
    paused = run(code(SOURCE).flow)
    module = code(LONGER)
    ctx = resume(module.flow, paused.execution_id, "yes")
    assert ctx.output == [1, "yes", 2, "two"]
    assert module.done == [2]
    types = [str(event.type) for event in ctx.events]
    at = types.index("WORKFLOW_MOVED")
    assert types[at - 1] == "WORKFLOW_RESUMED"
    assert set(types[at + 1 :]) == {"TASK_RESUMED", "TASK_STARTED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"}


def test_each_move_says_from_where_to_where(code):
    looping = SOURCE.replace("answer = await", 'await pause("once more")\n    answer = await')
    paused = run(code(looping).flow)
    again = resume(code(looping.replace('"one"', '"two"')).flow, paused.execution_id, 1)
    ctx = resume(code(looping.replace('"one"', '"three"')).flow, paused.execution_id, 2)
    assert again.is_paused
    assert ctx.output == [1, 2, "three"]
    first, second = moves(ctx)
    assert first["to"] == second["from"]
    assert len({first["from"], first["to"], second["to"]}) == 3


def test_the_same_source_is_no_move(code):
    paused = run(code(SOURCE).flow)
    assert moves(resume(code(SOURCE).flow, paused.execution_id, "yes")) == []


def test_code_that_diverges_moves_nothing_and_runs_nothing(code):
    paused = run(code(SOURCE).flow)
    module = code(ANOTHER_FIRST)
    with pytest.raises(NonDeterminismError) as caught:
        resume(module.flow, paused.execution_id, "yes")
    assert "its argument `number` was 1 and is 7" in caught.value.cause
    assert module.done == []
    ctx = run(code(SOURCE).flow, execution_id=paused.execution_id)
    assert (ctx.output, moves(ctx)) == ([1, "yes", "one"], [])


def test_code_that_diverges_answers_no_pause_by_the_way(code):
    paused = run(code(SOURCE).flow)
    with pytest.raises(NonDeterminismError, match="was 1 and is 7"):
        run(code(ANOTHER_FIRST).flow, execution_id=paused.execution_id)
    assert resume(code(SOURCE).flow, paused.execution_id, "yes").output == [1, "yes", "one"]


def test_code_that_fits_goes_on_with_none(code):
    paused = run(code(SOURCE).flow)
    assert run(code(LONGER).flow, execution_id=paused.execution_id).output == [1, None, 2, "two"]


def test_code_without_source_is_no_version_to_move_to(code):
    """Typed at a prompt: nobody could say later what it was."""
    paused = run(code(SOURCE).flow)
    names = {"__name__": "typed"}
    exec(compile(LONGER, "<stdin>", "exec"), names)
    ctx = resume(names["flow"], paused.execution_id, "yes")
    assert ctx.output == [1, "yes", 2, "two"]
    assert moves(ctx) == []
