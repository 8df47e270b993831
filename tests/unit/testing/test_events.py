"""Events in a form that asserts and failure messages like."""

from __future__ import annotations

from flux import task, workflow
from flux.domain import ExecutionEventType
from flux.tasks import pause
from flux.testing import Events, FluxEnv


@task
async def fetch(city: str) -> str:
    return f"sunny in {city}"


@task
async def store(text: str) -> int:
    return len(text)


@workflow
async def report(ctx) -> int:
    text = await fetch("Paris")
    await pause("editor")
    return await store(text)


def finished(env: FluxEnv) -> Events:
    env.answer("editor", "fine")
    return env.run(report).events


def test_they_are_chosen_by_task_pause_workflow_and_type(env: FluxEnv) -> None:
    events = finished(env)
    assert events.of(fetch).types == events.of("fetch").types == ["TASK_STARTED", "TASK_COMPLETED"]
    assert events.of("editor").types == ["TASK_STARTED", "TASK_PAUSED", "TASK_RESUMED", "TASK_COMPLETED"]
    assert events.of(report).types[0] == "WORKFLOW_STARTED"
    assert events.of(ExecutionEventType.TASK_COMPLETED, "TASK_FAILED").values == ["sunny in Paris", "fine", 14]
    assert events.of("fetch", store).lines == [
        "TASK_STARTED fetch",
        "TASK_COMPLETED fetch",
        "TASK_STARTED store",
        "TASK_COMPLETED store",
    ]
    assert events.of("nothing").types == []


def test_they_say_what_completed_in_which_order(env: FluxEnv) -> None:
    assert finished(env).completed == ["fetch", "pause", "store"]


def test_they_are_a_sequence(env: FluxEnv) -> None:
    events = finished(env)
    assert events[0].type == "WORKFLOW_STARTED"
    assert isinstance(events[1:3], Events)
    assert [event.seq for event in events[1:3]] == [2, 3]
    assert len(list(events)) == len(events)


def test_they_print_as_a_table(env: FluxEnv) -> None:
    events = finished(env)
    lines = str(events.of(store)).splitlines()
    assert lines == [
        " 13  TASK_STARTED    store  {'text': 'sunny in Paris'}",
        " 14  TASK_COMPLETED  store  14",
    ]
    assert repr(events[:0]) == "<no events>"
    assert repr(events).startswith("<events:\n  1  WORKFLOW_STARTED")


def test_long_values_are_cut_and_take_one_line(env: FluxEnv) -> None:
    env.fake(fetch, "line\n" * 50)
    (shown,) = [line for line in str(finished(env)).splitlines() if "TASK_COMPLETED" in line and "fetch" in line]
    assert shown.endswith("…")
    assert len(shown) < 120
