import asyncio

import pytest

from flux.domain import Execution, ExecutionState, WorkflowRef
from flux.wire.models import EventModel, ExecutionPage, ExecutionSnapshot


async def test_list_filters_and_pages(client, worker, publish):
    await publish()
    await publish("other", namespace="shop")
    ids = [(await client.post("/workflows/hello/run/sync", json=n)).json()["execution_id"] for n in range(3)]
    waiting = (await client.post("/workflows/hello/run/async?version=1", json=9)).json()
    assert waiting["state"] in ("CLAIMED", "CREATED")
    page = ExecutionPage.model_validate((await client.get("/executions?workflow=default/hello&limit=2")).json())
    assert page.next_cursor and page.total == 4
    older = (await client.get(f"/executions?limit=2&cursor={page.next_cursor}")).json()
    assert [one["execution_id"] for one in older["executions"]] == [ids[1], ids[0]]
    assert (await client.get("/executions?namespace=shop")).json()["executions"] == []
    states = (await client.get("/executions?state=completed,failed&state=PAUSED")).json()["executions"]
    assert {one["execution_id"] for one in states} >= set(ids)


@pytest.mark.parametrize("query", ["state=SLEEPY", "limit=0", "cursor=x", "limit=many"])
async def test_wrong_queries_are_problems(client, query):
    response = await client.get(f"/executions?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
    assert response.headers["content-type"] == "application/problem+json"


async def test_large_values_are_previewed_in_lists_only(client, worker, publish):
    await publish()
    text = "x" * 100_000
    execution = (await client.post("/workflows/hello/run/sync", json=text)).json()
    assert execution["input"] == text
    (listed,) = (await client.get("/executions")).json()["executions"]
    assert listed["input"]["$type"] == "truncated" and len(listed["input"]["preview"]) < 1000


async def test_events_after_a_seq(client, worker, publish):
    await publish()
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    events = (await client.get(f"/executions/{execution_id}/events?after=4")).json()["events"]
    assert [event["type"] for event in events] == ["TASK_COMPLETED", "WORKFLOW_COMPLETED"]


async def test_event_stream_of_a_finished_execution_ends(client, worker, publish):
    await publish()
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    headers = {"Accept": "text/event-stream", "Last-Event-ID": "4"}
    text = (await client.get(f"/executions/{execution_id}/events", headers=headers)).text
    assert [line for line in text.splitlines() if line.startswith("id")] == ["id: 5", "id: 6"]


async def test_event_stream_follows_live(client, worker, publish, stream):
    await publish()
    step = asyncio.Semaphore(0)

    async def stepwise(run):
        await run.start()
        for number in range(3):
            await step.acquire()
            await run.task(f"t{number}", number)
        await step.acquire()
        await run.complete()

    worker.scripts["hello"] = stepwise
    execution_id = (await client.post("/workflows/hello/run/async", json=1)).json()["execution_id"]
    seen = []
    async with stream(f"/executions/{execution_id}/events", headers={"accept": "text/event-stream"}) as events:
        await events.until(lambda event: event.event == "workflow.started")
        while (step.release(), event := await events.event())[1] is not None:
            seen.append(EventModel.model_validate(event.data))
    assert [str(event.type) for event in seen] == ["TASK_STARTED", "TASK_COMPLETED"] * 3 + ["WORKFLOW_COMPLETED"]
    assert [event.seq for event in seen] == list(range(4, 11))


async def test_unknown_execution(client):
    for path in ("", "/events", "/pending"):
        response = await client.get(f"/executions/nope{path}")
        assert (response.status_code, response.json()["code"]) == (404, "execution_not_found")
    streamed = await client.get("/executions/nope/events", headers={"Accept": "text/event-stream"})
    assert streamed.status_code == 404


async def test_cancel_before_it_begins(client, publish):
    await publish()
    execution_id = (await client.post("/workflows/hello/run/async", json=1)).json()["execution_id"]
    assert (await client.post(f"/executions/{execution_id}/cancel?mode=sync")).json()["state"] == "CANCELLED"


async def test_wrong_answer_keeps_it_paused(client, worker, publish):
    await publish()
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}

    async def approve(run):
        if run.answer is None:
            await run.start()
            await run.pause("approval", schema=schema)
        else:
            await run.complete(run.answer)

    worker.scripts["hello"] = approve
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    (wait,) = (await client.get(f"/executions/{execution_id}/pending")).json()
    assert wait["input_schema"] == schema
    refused = await client.post(f"/executions/{execution_id}/resume", json={"ok": "yes"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["ok"]
    assert (await client.get(f"/executions/{execution_id}")).json()["state"] == "PAUSED"
    accepted = await client.post(f"/executions/{execution_id}/resume?mode=sync", json={"ok": True})
    assert accepted.json()["output"] == {"ok": True}


async def test_the_beginning_of_an_id_names_an_execution_everywhere(client, worker, publish):
    await publish()

    async def ask(run):
        await run.start()
        if run.answer is None:
            await run.pause("approval")
        else:
            await run.complete(run.answer)

    worker.scripts["hello"] = ask
    execution_id = (await client.post("/workflows/hello/run/sync", json=1)).json()["execution_id"]
    short = execution_id[:12]
    for path in (f"/executions/{short}", f"/workflows/hello/status/{short}"):
        assert (await client.get(path)).json()["execution_id"] == execution_id
    assert (await client.get(f"/executions/{short}/events")).json()["events"]
    assert [one["name"] for one in (await client.get(f"/executions/{short}/pending")).json()] == ["approval"]
    resumed = (await client.post(f"/workflows/hello/resume/{short}/sync", json="yes")).json()
    assert (resumed["execution_id"], resumed["output"]) == (execution_id, "yes")
    assert (await client.post(f"/executions/{short}/cancel")).json()["code"] == "execution_finished"


async def test_a_beginning_of_several_ids_is_a_conflict(client, store):
    for last in "12":
        await store.executions.create(
            Execution("abcdef" + last * 26, WorkflowRef("default", "hello"), ExecutionState.CREATED)
        )
    refused = await client.get("/executions/abcdef")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert "abcdef" + "1" * 26 in refused.json()["detail"]


async def test_how_an_execution_stood(client, worker, publish):
    await publish("hello")
    execution_id = (await client.post("/workflows/hello/run/sync", json="Ada")).json()["execution_id"]

    async def at(seq):
        return await client.get(f"/executions/{execution_id[:8]}?at={seq}")

    total = (await client.get(f"/executions/{execution_id}")).json()["events_count"]
    stood = ExecutionSnapshot.model_validate((await at(total - 2)).json())
    assert (stood.state, stood.output, stood.at, stood.of) == ("RUNNING", None, total - 2, total)
    assert (stood.event.type, stood.event.name, stood.input) == ("TASK_STARTED", "say", "Ada")
    assert [(task.name, task.state, task.value) for task in stood.tasks] == [("say", "running", None)]
    ended = ExecutionSnapshot.model_validate((await at(total)).json())
    assert (ended.state, ended.output) == ("COMPLETED", "Hello, Ada")
    assert [(task.state, task.value) for task in ended.tasks] == [("completed", "Hello, Ada")]
    for wrong in (0, -1, total + 1):
        response = await at(wrong)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")
        assert f"numbered from 1 to {total}" in response.json()["errors"][0]["msg"]
