import pytest
from fastmcp.exceptions import ToolError

NAMES = {
    "list_workflows",
    "get_workflow_details",
    "upload_workflow",
    "execute_workflow_sync",
    "execute_workflow_async",
    "get_execution_status",
    "cancel_execution",
    "resume_workflow_sync",
    "resume_workflow_async",
}


async def approve(run):
    if run.answer is None:
        await run.start()
        await run.pause("approval", output={"amount": 3}, schema={"type": "object"})
    else:
        await run.complete(run.answer)


async def call(agent, tool, **arguments):
    """The plain result of a tool."""
    result = (await agent.call_tool(tool, arguments)).structured_content
    return result["result"] if set(result) == {"result"} else result


async def test_nine_tools_that_describe_themselves(agent):
    tools = {tool.name: tool for tool in await agent.list_tools()}
    assert set(tools) == NAMES
    for tool in tools.values():
        assert tool.description
        assert tool.output_schema
        assert all(parameter.get("description") for parameter in tool.input_schema["properties"].values()), tool.name
    assert tools["execute_workflow_sync"].input_schema["required"] == ["workflow"]
    assert {name for name, tool in tools.items() if tool.annotations.read_only_hint} == {
        "list_workflows",
        "get_workflow_details",
        "get_execution_status",
    }


async def test_workflows_are_listed_and_shown(agent, publish):
    await publish(input_schema={"type": "string"}, description="Greets.")
    await publish("order", "shop")
    assert [one["name"] for one in await call(agent, "list_workflows")] == ["hello", "order"]
    assert [one["name"] for one in await call(agent, "list_workflows", namespace="shop")] == ["order"]
    details = await call(agent, "get_workflow_details", workflow="hello")
    assert (details["description"], details["input_schema"], details["source"]) == (
        "Greets.",
        {"type": "string"},
        "x = 1",
    )


async def test_a_file_is_uploaded_and_its_workflow_run(agent, worker):
    (uploaded,) = await call(agent, "upload_workflow", source="x = 1", filename="hello.py")
    assert (uploaded["namespace"], uploaded["name"], uploaded["version"]) == ("default", "hello", 1)
    report = await call(agent, "execute_workflow_sync", workflow="hello", input="Joe")
    assert (report["state"], report["output"], report["waits"]) == ("COMPLETED", "Hello, Joe", [])


async def test_an_earlier_version_can_be_run(agent, worker, publish):
    await publish()
    await publish(source="x = 2")
    report = await call(agent, "execute_workflow_sync", workflow="hello", input="Joe", version=1)
    assert report["version"] == 1


async def test_async_answers_at_once_and_status_follows(agent, worker, flux, publish):
    await publish()
    started = await call(agent, "execute_workflow_async", workflow="default/hello", input="Joe")
    await flux.executions.wait_until_settled(started["execution_id"])
    status = await call(agent, "get_execution_status", execution_id=started["execution_id"])
    assert (status["state"], status["output"], status["events"]) == ("COMPLETED", "Hello, Joe", [])
    detailed = await call(agent, "get_execution_status", execution_id=started["execution_id"], detailed=True)
    assert detailed["events"][-1]["type"] == "WORKFLOW_COMPLETED"


async def test_a_pause_shows_what_it_waits_for_and_is_answered(agent, worker, publish):
    await publish()
    worker.scripts["hello"] = approve
    paused = await call(agent, "execute_workflow_sync", workflow="hello")
    assert (paused["state"], paused["output"]) == ("PAUSED", {"amount": 3})
    (wait,) = paused["waits"]
    assert (wait["name"], wait["input_schema"]) == ("approval", {"type": "object"})
    done = await call(agent, "resume_workflow_sync", execution_id=paused["execution_id"], input={"ok": True})
    assert (done["state"], done["output"]) == ("COMPLETED", {"ok": True})


async def test_an_answer_without_waiting(agent, worker, flux, publish):
    await publish()
    worker.scripts["hello"] = approve
    paused = await call(agent, "execute_workflow_sync", workflow="hello")
    arguments = {"execution_id": paused["execution_id"], "input": {"n": 7}, "wait": "approval"}
    await call(agent, "resume_workflow_async", **arguments)
    assert (await flux.executions.wait_until_settled(paused["execution_id"])).state == "COMPLETED"


async def test_cancel(agent, publish):
    await publish()
    started = await call(agent, "execute_workflow_async", workflow="hello")
    cancelled = await call(agent, "cancel_execution", execution_id=started["execution_id"])
    assert cancelled["state"] == "CANCELLED"


async def test_a_failed_run_is_a_result_not_a_tool_error(agent, worker, publish):
    await publish()

    async def break_down(run):
        await run.start()
        await run.fail(ValueError("kaboom"))

    worker.scripts["hello"] = break_down
    report = await call(agent, "execute_workflow_sync", workflow="hello")
    assert (report["state"], report["output"]["message"]) == ("FAILED", "kaboom")


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("execute_workflow_sync", {"workflow": "nope"}, "workflow_not_found"),
        ("get_workflow_details", {"workflow": "hello", "version": 9}, "version_not_found"),
        ("get_execution_status", {"execution_id": "nope"}, "execution_not_found"),
        ("resume_workflow_sync", {"execution_id": "nope"}, "execution_not_found"),
        ("execute_workflow_async", {"workflow": "a/b/c"}, "usage_error"),
    ],
)
async def test_errors_are_tool_errors_with_code_and_hint(agent, publish, tool, arguments, code):
    await publish()
    with pytest.raises(ToolError) as caught:
        await agent.call_tool(tool, arguments)
    assert str(caught.value).startswith(f"{code}: ")
    if code == "workflow_not_found":
        assert "\nHint: " in str(caught.value)


async def test_wrong_arguments_are_refused(agent):
    with pytest.raises(ToolError, match="workflow"):
        await agent.call_tool("execute_workflow_sync", {"input": 1})
