"""Executions for scripts: read from the configured store, kept when they come from elsewhere."""

from __future__ import annotations

import pytest

from flux import ContextManager, ExecutionContext, ExecutionState, task, workflow
from flux.errors import ExecutionContextNotFoundError, UsageError
from flux.tasks import pause


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FLUX_HOME", str(tmp_path))


@task
async def greet(name: str) -> tuple[str, str]:
    return "Hello", name


@workflow
async def hello(ctx: ExecutionContext[str]):
    return await greet(ctx.input)


@workflow.with_options(namespace="shop")
async def ask(ctx):
    return await pause("ask", output={"price": 3})


def test_an_execution_is_read_with_its_values_and_events():
    ctx = hello.run("Ada")
    found = ContextManager.create().get(ctx.execution_id)
    assert (found.output, found.input, found.state) == (("Hello", "Ada"), "Ada", ExecutionState.COMPLETED)
    assert [event.id for event in found.events] == [event.id for event in ctx.events]
    assert found.workflow_id == ctx.workflow_id


def test_an_unknown_one_is_an_error():
    with pytest.raises(ExecutionContextNotFoundError, match="nope"):
        ContextManager.create().get("nope")


def test_lists_are_newest_first_and_filtered():
    first, second, third = hello.run("a"), ask.run(), hello.run("b")
    manager = ContextManager.create()
    assert [ctx.execution_id for ctx in manager.list()] == [one.execution_id for one in (third, second, first)]
    assert [ctx.output for ctx in manager.list(workflow="hello", limit=1)] == [("Hello", "b")]
    assert [ctx.output for ctx in manager.list(state="PAUSED")] == [{"price": 3}]
    assert [ctx.execution_id for ctx in manager.list(namespace="shop")] == [second.execution_id]


async def test_inside_of_a_running_loop_too():
    ctx = await hello.run_async("Ada")
    assert ContextManager.create().get(ctx.execution_id).has_succeeded


def test_what_is_stored_already_stays_as_it_is():
    ctx = hello.run("Ada")
    assert ContextManager.create().save(ctx).output == ("Hello", "Ada")


def test_a_finished_execution_from_elsewhere_is_kept(tmp_path, monkeypatch):
    document = hello.run("Ada").to_json()
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "another"))
    manager = ContextManager.create()
    saved = manager.save(ExecutionContext.from_json(document))
    found = manager.get(saved.execution_id)
    assert (found.state, found.output, found.input) == (ExecutionState.COMPLETED, ["Hello", "Ada"], "Ada")
    assert [str(event.type) for event in found.events] == [
        "WORKFLOW_STARTED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "WORKFLOW_COMPLETED",
    ]


def test_an_open_execution_from_elsewhere_is_refused(tmp_path, monkeypatch):
    document = ask.run().to_json()
    monkeypatch.setenv("FLUX_HOME", str(tmp_path / "another"))
    with pytest.raises(UsageError, match="is PAUSED: only finished ones"):
        ContextManager.create().save(ExecutionContext.from_json(document))


def test_workflows_do_not_open_the_store():
    @workflow
    async def looks(ctx):
        return ContextManager.create().get(ctx.execution_id)

    assert "used from outside" in str(looks.run().output)
