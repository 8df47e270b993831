import asyncio
import json

import pytest

from flux.wire.models import ExecutionDetail, ExecutionSummary


async def test_sync_run_answers_with_the_output(client, worker, publish):
    await publish()
    response = await client.post("/workflows/hello/run/sync", json="Joe")
    assert response.status_code == 200
    body = response.json()
    assert set(body) == set(ExecutionSummary.model_fields)
    assert (body["state"], body["output"], body["input"]) == ("COMPLETED", "Hello, Joe", "Joe")
    assert (body["namespace"], body["workflow"], body["version"]) == ("default", "hello", 1)
    assert ExecutionSummary.model_validate(body).finished_at is not None


async def test_detailed_adds_the_events(client, worker, publish):
    await publish()
    response = await client.post("/workflows/default/hello/run/sync?detailed=true", json="Joe")
    detail = ExecutionDetail.model_validate(response.json())
    assert [str(event.type) for event in detail.events] == [
        "WORKFLOW_SCHEDULED",
        "WORKFLOW_CLAIMED",
        "WORKFLOW_STARTED",
        "TASK_STARTED",
        "TASK_COMPLETED",
        "WORKFLOW_COMPLETED",
    ]
    assert [event.seq for event in detail.events] == [1, 2, 3, 4, 5, 6]


async def test_async_run_answers_at_once(client, publish):
    await publish()
    response = await client.post("/workflows/hello/run/async", json=None)
    assert (response.status_code, response.json()["state"]) == (202, "CREATED")


async def test_failed_run_is_an_answer_not_an_error(client, worker, publish):
    await publish()

    async def break_down(run):
        await run.start()
        await run.fail(ValueError("kaboom"))

    worker.scripts["hello"] = break_down
    response = await client.post("/workflows/hello/run/sync", json=None)
    assert response.status_code == 200
    assert response.json()["output"]["type"] == "ValueError"
    assert response.json()["output"]["message"] == "kaboom"


async def test_sync_returns_on_a_pause_and_resume_goes_on(client, worker, publish):
    await publish()

    async def approve(run):
        if run.answer is None:
            await run.start()
            await run.pause("approval", output={"amount": 3})
        else:
            await run.complete(run.answer)

    worker.scripts["hello"] = approve
    paused = (await client.post("/workflows/hello/run/sync", json=1)).json()
    assert (paused["state"], paused["output"]) == ("PAUSED", {"amount": 3})
    (wait,) = (await client.get(f"/executions/{paused['execution_id']}/pending")).json()
    assert (wait["name"], wait["kind"], wait["output"]) == ("approval", "input", {"amount": 3})
    assert (await client.get("/waits")).json() == [wait]
    response = await client.post(f"/workflows/hello/resume/{paused['execution_id']}/sync", json={"ok": True})
    assert (response.json()["state"], response.json()["output"]) == ("COMPLETED", {"ok": True})
    again = await client.post(f"/executions/{paused['execution_id']}/resume", json=1)
    assert (again.status_code, again.json()["code"]) == (409, "execution_finished")


async def test_several_waits_need_a_name(client, worker, publish):
    await publish()

    async def two(run):
        answers = [e for e in run.claim.history if e.type == "WORKFLOW_RESUMING"]
        if not answers:
            await run.start()
            await run.pause("a", "b")
        else:
            await run.complete([event.wait_id for event in answers])

    worker.scripts["hello"] = two
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    refused = await client.post(f"/executions/{execution_id}/resume?mode=sync", json=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "wait_ambiguous")
    assert {wait["name"] for wait in refused.json()["waits"]} == {"a", "b"}
    accepted = await client.post(f"/executions/{execution_id}/resume?mode=sync&wait=b", json=1)
    assert accepted.json()["output"] == ["b-1"]


async def test_sync_waits_through_a_durable_sleep(client, worker, publish):
    await publish()

    async def nap(run):
        if run.claim.execution.generation == 1:
            await run.start()
            await run.sleep(0.05)
        else:
            await run.complete("rested")

    worker.scripts["hello"] = nap
    response = await client.post("/workflows/hello/run/sync", json=1)
    assert (response.json()["state"], response.json()["output"]) == ("COMPLETED", "rested")


async def test_stream_names_states_and_tasks(client, worker, publish):
    await publish()
    response = await client.post("/workflows/hello/run/stream", json="Joe")
    assert response.headers["content-type"].startswith("text/event-stream")
    frames = [
        dict(line.split(": ", 1) for line in block.splitlines()) for block in response.text.split("\n\n") if block
    ]
    frames = [frame for frame in frames if "event" in frame]
    assert [frame["event"] for frame in frames] == [
        "workflow.execution.created",
        "workflow.execution.scheduled",
        "workflow.execution.claimed",
        "workflow.execution.running",
        "task.started",
        "task.completed",
        "workflow.execution.completed",
    ]
    last = json.loads(frames[-1]["data"])
    assert (last["state"], last["output"]) == ("COMPLETED", "Hello, Joe")
    assert "execution_id" in last and "timestamp" in last
    assert json.loads(frames[-2]["data"])["name"] == "say"


async def test_stream_ends_on_a_pause_and_carries_progress(client, worker, publish, flux):
    from flux.dispatch.port import Progress

    await publish()

    async def pausing(run):
        await run.start()
        await run.worker.port.progress("w1", Progress(run.id, "t-1", "load", "0.5"))
        await run.pause("approval", output="please")

    worker.scripts["hello"] = pausing
    response = await client.post("/workflows/hello/run/stream", json=None)
    progress = '{"type":"TASK_PROGRESS","source_id":"t-1","name":"load","value":0.5'
    assert f"event: task.progress\ndata: {progress}" in response.text
    name, data = response.text.rstrip().splitlines()[-2:]
    assert name == "event: workflow.execution.paused"
    assert '"output":"please"' in data
    (execution,) = (await client.get("/executions")).json()["executions"]
    events = (await client.get(f"/executions/{execution['execution_id']}/events")).json()
    assert "PROGRESS" not in str(events)


async def test_resume_can_stream(client, worker, publish):
    await publish()

    async def approve(run):
        if run.answer is None:
            await run.start()
            await run.pause("approval")
        else:
            await run.complete(run.answer)

    worker.scripts["hello"] = approve
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    response = await client.post(f"/workflows/hello/resume/{execution_id}/stream", json=5)
    assert [line for line in response.text.splitlines() if line.startswith("event: workflow")] == [
        "event: workflow.execution.resuming",
        "event: workflow.execution.resume_scheduled",
        "event: workflow.execution.resume_claimed",
        "event: workflow.execution.completed",
    ]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_cancel_by_workflow(client, worker, publish, method):
    await publish()
    begun = asyncio.Event()

    async def endless(run):
        await run.start()
        begun.set()
        await run.cancelled.wait()
        await run.cancel()

    worker.scripts["hello"] = endless
    execution_id = (await client.post("/workflows/hello/run/async", json=1)).json()["execution_id"]
    await asyncio.wait_for(begun.wait(), 5)
    response = await client.request(method, f"/workflows/hello/cancel/{execution_id}?mode=sync")
    assert (response.status_code, response.json()["state"]) == (200, "CANCELLED")
    again = await client.post(f"/executions/{execution_id}/cancel")
    assert (again.status_code, again.json()["state"]) == (200, "CANCELLED")


async def test_status_belongs_to_the_workflow(client, worker, publish):
    await publish()
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    assert (await client.get(f"/workflows/hello/status/{execution_id}")).json()["state"] == "COMPLETED"
    detailed = (await client.get(f"/workflows/default/hello/status/{execution_id}?detailed=true")).json()
    assert len(detailed["events"]) == 6
    other = await client.get(f"/workflows/other/status/{execution_id}")
    assert (other.status_code, other.json()["code"]) == (404, "execution_not_found")


async def test_versions_are_pinned(client, worker, publish):
    await publish(source="x = 1")
    await publish(source="x = 2")
    assert (await client.post("/workflows/hello/run/sync?version=1", json=1)).json()["version"] == 1
    assert (await client.post("/workflows/hello/run/sync", json=1)).json()["version"] == 2
    missing = await client.post("/workflows/hello/run/sync?version=9", json=1)
    assert (missing.status_code, missing.json()["code"]) == (404, "version_not_found")


async def test_idempotency_key(client, worker, publish):
    await publish()
    key = {"Idempotency-Key": "order-1"}
    first = (await client.post("/workflows/hello/run/sync", json=1, headers=key)).json()
    again = (await client.post("/workflows/hello/run/sync", json=1, headers=key)).json()
    assert (again["execution_id"], again["state"]) == (first["execution_id"], "COMPLETED")
    assert (await client.get("/executions")).json()["total"] == 1


async def test_inputs_are_refused_with_field_errors_before_anything_runs(client, worker, publish):
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    await publish(input_schema=schema)
    worker.refuses["input"] = [{"loc": ["n"], "msg": "Field required", "type": "missing"}]
    response = await client.post("/workflows/hello/run/sync", json={})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert response.json()["errors"] == worker.refuses["input"]
    assert (await client.get("/executions")).json()["total"] == 0


async def test_client_that_goes_away_cancels_nothing(app, client, worker, publish, stream):
    await publish()
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(run):
        await run.start()
        begun.set()
        await go_on.wait()
        await run.complete("done")

    worker.scripts["hello"] = slow
    async with stream("/workflows/hello/run/sync", method="POST", body=b"1"):
        await asyncio.wait_for(begun.wait(), 5)
    (execution,) = (await client.get("/executions")).json()["executions"]
    assert execution["state"] == "RUNNING"
    assert app.state.services.bus._waiters == {}
    following = asyncio.ensure_future(app.state.services.executions.wait_until_settled(execution["execution_id"]))
    go_on.set()
    assert (await following).state == "COMPLETED"
