"""`call` on a server: children are dispatched, waited for, answered and cancelled through the API."""

from __future__ import annotations

import asyncio

import pytest

from flux.domain import ExecutionState

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_child_and_its_parent_know_each_other(server):
    parent = await server.run("calls", ["twice", 21])
    assert (parent["state"], parent["output"]) == ("COMPLETED", 42)
    (child,) = await server.children(parent["execution_id"])
    assert (child["workflow"], child["state"]) == ("twice", "COMPLETED")
    seen = await server.get(f"/executions/{child['execution_id']}")
    assert (seen["parent_id"], seen["parent_call"], seen["output"]) == (parent["execution_id"], child["call"], 42)
    assert seen["version"] == 1
    listed = await server.get(f"/executions?parent={parent['execution_id']}")
    assert [one["execution_id"] for one in listed["executions"]] == [child["execution_id"]]
    events = (await server.get(f"/executions/{parent['execution_id']}/events"))["events"]
    (opened,) = [event for event in events if event["child_id"]]
    assert (opened["type"], opened["child_id"]) == ("TASK_WAITING", child["execution_id"])
    started = next(event for event in events if event["type"] == "TASK_STARTED")
    assert (started["name"], started["value"]) == ("call_workflow_default/twice", {"workflow": "default/twice"})
    assert await server.types(parent["execution_id"]) == [
        *("WORKFLOW_STARTED", "TASK_STARTED", "TASK_WAITING", "TASK_CHILD_COMPLETED", "TASK_COMPLETED"),
        "WORKFLOW_COMPLETED",
    ]


async def test_many_children_side_by_side(server):
    parent = await server.run("fan_out", 12)
    assert parent["output"] == [2 * number for number in range(12)]
    assert len(await server.children(parent["execution_id"])) == 12


async def test_children_of_children(server):
    parent = await server.run("deep", 3)
    assert parent["output"] == [3, [2, [1, 42]]]


async def test_a_parent_that_waits_holds_no_slot(server):
    parent = await server.run("calls", ["asks", "x"])
    assert parent["state"] == "PAUSED"
    assert await server.store.executions.held() == []
    waits = await server.get(f"/executions/{parent['execution_id']}/pending")
    assert [(wait["kind"], wait["name"]) for wait in waits] == [
        ("child", "call_workflow_default/asks"),
        ("input", "approve-x"),
    ]
    assert waits[0]["child_id"] == waits[1]["execution_id"]
    await server.post(f"/executions/{parent['execution_id']}/cancel?mode=sync")


async def test_an_answer_to_the_parent_reaches_the_child(server):
    parent = await server.run("calls", ["asks", "x"])
    assert parent["output"] == {"for": "x"}
    path = f"/workflows/calls/resume/{parent['execution_id']}/sync"
    problem = await server.post(path, {"total": 0}, status=422)
    assert problem["errors"][0]["loc"] == ["total"]
    answered = await server.post(path, {"total": 5})
    assert (answered["execution_id"], answered["state"]) == (parent["execution_id"], "COMPLETED")
    assert answered["output"] == ["x", {"total": 5}]
    types = await server.types(parent["execution_id"])
    assert types[3:] == [
        *("WORKFLOW_PAUSED", "WORKFLOW_RESUMED", "TASK_CHILD_COMPLETED", "TASK_COMPLETED", "WORKFLOW_COMPLETED"),
    ]


async def test_several_that_ask(server):
    parent = await server.run("two_ask")
    path = f"/executions/{parent['execution_id']}/resume"
    async with asyncio.timeout(20):
        while len(await server.get(f"/executions/{parent['execution_id']}/pending")) < 4:
            await asyncio.sleep(0.01)
    problem = await server.post(path, {"total": 1}, status=409)
    assert problem["code"] == "wait_ambiguous"
    assert [wait["name"] for wait in problem["waits"]] == ["approve-a", "approve-b"]
    assert {wait["workflow"] for wait in problem["waits"]} == {"default/asks"}
    first, _ = await server.children(parent["execution_id"])
    await server.post(f"{path}?wait=approve-b", {"total": 2})
    await server.post(f"/executions/{first['execution_id']}/resume", {"total": 1})
    await server.until(parent["execution_id"], ExecutionState.COMPLETED)
    done = await server.get(f"/executions/{parent['execution_id']}")
    assert done["output"] == [["a", {"total": 1}], ["b", {"total": 2}]]


async def test_a_failure_is_the_calls(server):
    parent = await server.run("explains", ["breaks"])
    assert parent["output"][0] == "ValueError"
    (child,) = await server.children(parent["execution_id"])
    assert child["state"] == "FAILED"
    assert child["execution_id"] in parent["output"][1]
    failed = await server.run("calls", ["breaks"])
    assert failed["state"] == "FAILED"
    assert "no luck" in failed["output"]["message"]


async def test_what_cannot_be_started(server):
    parent = await server.run("explains", ["shop/charge", {"total": 0}])
    assert parent["output"][0] == "InvalidInputError"
    assert "greater than 0" in parent["output"][1]
    assert await server.children(parent["execution_id"]) == []
    parent = await server.run("explains", ["shop/nobody"])
    assert parent["output"][0] == "WorkflowNotFoundError"
    assert await server.children(parent["execution_id"]) == []
    parent = await server.run("calls", ["shop/charge", {"total": 5}])
    assert parent["output"] == "charged 5"


async def test_a_detached_child(server):
    parent = await server.run("sends_off")
    (child,) = await server.children(parent["execution_id"])
    assert parent["output"] == child["execution_id"]
    await server.until(child["execution_id"], ExecutionState.COMPLETED)


async def test_a_timeout_cancels_the_child(server):
    parent = await server.run("out_of_time")
    assert (parent["state"], parent["output"]["type"]) == ("FAILED", "ExecutionTimeoutError")
    (child,) = await server.children(parent["execution_id"])
    await server.until(child["execution_id"], ExecutionState.CANCELLED)


async def test_who_cancels_a_parent_cancels_its_children_first(server):
    parent = await server.run("calls", ["endless"], "async")
    child = await server.begun(parent["execution_id"])
    cancelled = await server.post(f"/workflows/calls/cancel/{parent['execution_id']}?mode=sync")
    assert cancelled["state"] == "CANCELLED"
    assert (await server.store.executions.get(child)).state is ExecutionState.CANCELLED
    types = await server.types(parent["execution_id"])
    assert types[3:] == ["WORKFLOW_CANCELLING", "TASK_CHILD_CANCELLED", "TASK_CANCELLED", "WORKFLOW_CANCELLED"]
    assert (await server.types(child))[-3:] == ["TASK_STARTED", "TASK_COMPLETED", "WORKFLOW_CANCELLED"]
    again = await server.post(f"/workflows/calls/cancel/{parent['execution_id']}?mode=sync")
    assert again["state"] == "CANCELLED"


async def test_cancelling_what_is_paused_below(server):
    parent = await server.run("calls", ["asks", "y"])
    cancelled = await server.post(f"/executions/{parent['execution_id']}/cancel?mode=sync")
    assert cancelled["state"] == "CANCELLED"
    (child,) = await server.children(parent["execution_id"])
    assert child["state"] == "CANCELLED"


async def test_a_runner_that_dies_in_the_child(server, tmp_path):
    parent = await server.run("calls", ["fragile", str(tmp_path / "mark")])
    assert (parent["state"], parent["output"]) == ("COMPLETED", "survived")
    (child,) = await server.children(parent["execution_id"])
    assert (await server.types(child["execution_id"])).count("TASK_COMPLETED") == 1


async def test_a_stream_of_the_parent_goes_on_to_its_end(server):
    async with server.client.stream("POST", "/workflows/calls/run/stream", json=["twice", 2]) as response:
        lines = [line async for line in response.aiter_lines()]
    assert "event: workflow.execution.completed" in lines


async def test_an_answer_that_nobody_has_asked_for(server):
    parent = await server.run("calls", ["twice", 1])
    problem = await server.post(f"/executions/{parent['execution_id']}/resume", 1, status=409)
    assert problem["code"] == "execution_finished"
