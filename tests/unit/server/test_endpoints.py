import pytest

from flux.wire.services import ServiceRun


@pytest.fixture
async def greeter(client, publish):
    """A service `greeter` with one workflow, `hello`."""
    await publish()
    await client.post("/services", json={"name": "greeter", "namespaces": ["default"]})


async def approve(run):
    if run.answer is None:
        await run.start()
        await run.pause("approval", output={"amount": 3})
    else:
        await run.complete(run.answer)


async def test_input_in_output_out(client, worker, greeter):
    response = await client.post("/services/greeter/hello", json="Joe")
    assert (response.status_code, response.json()) == (200, "Hello, Joe")
    assert (await client.post("/services/greeter/hello/sync", json="Ann")).json() == "Hello, Ann"


async def test_detailed_answers_with_the_execution(client, worker, greeter):
    body = (await client.post("/services/greeter/hello?detailed=true", json="Joe")).json()
    assert ServiceRun.model_validate(body).state == "COMPLETED"
    assert set(body) == {"execution_id", "state", "output", "namespace", "workflow"}


async def test_async_says_where_to_ask(client, worker, flux, greeter):
    response = await client.post("/services/greeter/hello/async", json="Joe")
    body = response.json()
    assert response.status_code == 202
    assert body["status_url"] == f"/services/greeter/hello/status/{body['execution_id']}"
    await flux.executions.wait_until_settled(body["execution_id"])
    status = await client.get(body["status_url"])
    assert (status.status_code, status.json()["state"], status.json()["output"]) == (200, "COMPLETED", "Hello, Joe")


async def test_a_pause_says_where_to_answer(client, worker, greeter):
    worker.scripts["hello"] = approve
    response = await client.post("/services/greeter/hello", json=1)
    body = response.json()
    assert (response.status_code, body["state"], body["output"]) == (202, "PAUSED", {"amount": 3})
    assert body["resume_url"] == f"/services/greeter/hello/resume/{body['execution_id']}"
    assert (await client.get(body["status_url"])).json() == body
    resumed = await client.post(body["resume_url"], json={"ok": True})
    assert (resumed.status_code, resumed.json()) == (200, {"ok": True})
    again = await client.post(f"{body['resume_url']}/async", json=1)
    assert (again.status_code, again.json()["code"]) == (409, "execution_finished")


async def test_resume_can_be_asynchronous(client, worker, flux, greeter):
    worker.scripts["hello"] = approve
    paused = (await client.post("/services/greeter/hello", json=1)).json()
    response = await client.post(f"{paused['resume_url']}/async?wait=approval", json=7)
    assert response.status_code == 202
    assert (await flux.executions.wait_until_settled(paused["execution_id"])).state == "COMPLETED"


async def test_a_failure_is_500_with_its_details(client, worker, greeter):
    async def break_down(run):
        await run.start()
        await run.fail(ValueError("kaboom"))

    worker.scripts["hello"] = break_down
    response = await client.post("/services/greeter/hello", json=1)
    body = response.json()
    assert (response.status_code, body["code"], body["state"]) == (500, "execution_failed", "FAILED")
    assert body["detail"] == "The workflow failed: ValueError: kaboom."
    assert (body["output"]["type"], body["workflow"]) == ("ValueError", "hello")
    assert response.headers["content-type"] == "application/problem+json"
    status = await client.get(f"/services/greeter/hello/status/{body['execution_id']}")
    assert (status.status_code, status.json()["output"]["message"]) == (200, "kaboom")


async def test_a_cancelled_run_has_no_output(client, worker, greeter):
    async def stop(run):
        await run.start()
        await client.post(f"/executions/{run.id}/cancel")
        await run.cancelled.wait()
        await run.cancel()

    worker.scripts["hello"] = stop
    response = await client.post("/services/greeter/hello", json=1)
    assert (response.status_code, response.json()["code"]) == (409, "execution_cancelled")


async def test_stream(app, stream, worker, greeter):
    async with stream("/services/greeter/hello/stream", method="POST", body=b'"Joe"') as events:
        last = await events.until(lambda event: event.event == "workflow.execution.completed")
    assert last.data["output"] == "Hello, Joe"


async def test_what_leads_nowhere(client, greeter):
    await client.post("/services", json={"name": "none"})
    for path, code in (
        ("/services/nope/hello", "service_not_found"),
        ("/services/greeter/nope", "endpoint_not_found"),
        ("/services/none/hello", "endpoint_not_found"),
        ("/services/greeter/hello?version=7", "version_not_found"),
        ("/services/greeter/hello/resume/nope", "execution_not_found"),
    ):
        response = await client.post(path, json=1)
        assert (response.status_code, response.json()["code"]) == (404, code), path
    assert (await client.post("/services/greeter/hello/sometimes", json=1)).status_code == 422


async def test_an_execution_of_another_workflow_is_not_shown(client, publish, greeter):
    await publish("other", "elsewhere")
    other = (await client.post("/workflows/elsewhere/other/run/async", json=1)).json()
    response = await client.get(f"/services/greeter/hello/status/{other['execution_id']}")
    assert (response.status_code, response.json()["code"]) == (404, "execution_not_found")


async def test_a_collision_stops_its_own_name_only(client, worker, publish, greeter):
    await publish("bye", "default")
    await publish("bye", "other")
    await client.put("/services/greeter", json={"add_namespaces": ["other"]})
    refused = await client.post("/services/greeter/bye", json=1)
    assert (refused.status_code, refused.json()["code"]) == (409, "endpoint_collision")
    assert refused.json()["workflows"] == ["default/bye", "other/bye"]
    assert "default/bye and other/bye" in refused.json()["detail"]
    assert (await client.post("/services/greeter/hello", json="Joe")).status_code == 200


async def test_the_catalog_is_asked_at_each_request(client, worker, publish, greeter):
    assert (await client.post("/services/greeter/late", json=1)).status_code == 404
    await publish("late")
    worker.scripts["late"] = worker.scripts["hello"]
    assert (await client.post("/services/greeter/late", json=1)).status_code == 200
    await client.delete("/workflows/late")
    assert (await client.post("/services/greeter/late", json=1)).status_code == 404


async def test_version_and_idempotency_key(client, worker, publish, greeter):
    await publish(source="x = 2")
    headers = {"Idempotency-Key": "k1"}
    calls = [await client.post("/services/greeter/hello/async?version=1", json=1, headers=headers) for _ in range(2)]
    ids = {call.json()["execution_id"] for call in calls}
    assert len(ids) == 1
    assert (await client.get(f"/executions/{ids.pop()}")).json()["version"] == 1
