"""Contexts from the JSON that describes them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from flux import ExecutionContext, task, workflow
from flux.domain import CURRENT_CONTEXT, ExecutionEventType, ExecutionState
from flux.errors import ExecutionError, UsageError
from flux.tasks import pause


@task
async def double(n: int) -> tuple[int, int]:
    return n, 2 * n


@workflow
async def doubles(ctx: ExecutionContext[int]):
    return await double(ctx.input)


@workflow
async def fails(ctx):
    raise LookupError("no")


@workflow
async def asks(ctx):
    return await pause("ask", output={"n": 1})


async def test_what_a_context_describes_comes_back(lab):
    ctx = (await lab.run(doubles, 4)).context
    for document in (ctx.to_json(), ctx.to_json().encode(), ctx.to_dict()):
        back = ExecutionContext.from_json(document)
        assert back.to_dict() == ctx.to_dict()
        assert (back.input, back.output, back.state) == (4, [4, 8], ExecutionState.COMPLETED)
        assert back.events[-1].time == ctx.events[-1].time
    assert ExecutionContext.from_json(ctx.summary()).events == []


async def test_failures_are_exceptions_again(lab):
    back = ExecutionContext.from_json((await lab.run(fails)).context.to_json())
    assert back.has_failed
    assert isinstance(back.output, ExecutionError)
    assert str(back.output) == "LookupError: no"


async def test_paused_ones_show_what_they_ask(lab):
    back = ExecutionContext.from_json((await lab.run(asks)).context.to_json())
    assert back.is_paused
    assert back.output == {"n": 1}
    assert back.events[-1].value == {"name": "ask", "output": {"n": 1}}


def test_answers_of_the_http_api_are_read_too():
    event = {"type": "WORKFLOW_STARTED", "time": "2026-01-02T03:04:05Z", "value": 1, "parent": ""}
    document = {"execution_id": "e1", "namespace": "shop", "workflow": "order", "state": "RUNNING", "events": [event]}
    back = ExecutionContext.from_json(document)
    assert (back.workflow_namespace, back.workflow_name, back.has_started) == ("shop", "order", True)
    assert back.events[0].type is ExecutionEventType.WORKFLOW_STARTED
    assert back.events[0].time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize("document", ["", "[]", "{}", {"execution_id": "e", "workflow": "w", "state": "ODD"}], ids=repr)
def test_what_describes_no_execution_is_refused(document):
    with pytest.raises(UsageError, match="This describes no execution"):
        ExecutionContext.from_json(document)


async def test_the_current_context_is_found_as_in_a_context_variable(lab):
    @workflow
    async def looks(ctx):
        return CURRENT_CONTEXT.get() is ctx and (await ExecutionContext.get()) is ctx

    assert (await lab.run(looks)).context.output is True
    assert CURRENT_CONTEXT.get(None) is None
    with pytest.raises(LookupError):
        CURRENT_CONTEXT.get()
