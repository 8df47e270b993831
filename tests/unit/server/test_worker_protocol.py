import asyncio

import pytest

from flux.dispatch.messages import CheckpointAnswer, Session, from_event, pack, unpack
from flux.dispatch.port import Acknowledged, Assigned, Checkpoint, Registration
from flux.domain import Bundle, Claim, EventRecord, ExecutionEventType

BOOT = {"Authorization": "Bearer boot"}


async def register(client, name="remote") -> dict[str, str]:
    response = await client.post("/workers/register", content=pack(Registration(name, 5, pid=9)), headers=BOOT)
    assert response.status_code == 200
    return {"Authorization": f"Bearer {unpack(response.content, Session).session_token}"}


def started(claim: Claim, ordinal: int = 1, kind=ExecutionEventType.WORKFLOW_STARTED) -> EventRecord:
    return EventRecord(kind, claim.execution.id, "hello", 1, f"{claim.execution.id}-{ordinal}", ordinal=ordinal)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic boot"}])
async def test_registration_needs_the_bootstrap_token(client, headers):
    response = await client.post("/workers/register", content=pack(Registration("x")), headers=headers)
    assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


async def test_calls_need_the_session_token_of_that_worker(client):
    headers = await register(client)
    for path in ("claim/e1", "checkpoint/e1", "checkpoints", "heartbeat", "progress", "logs", "died", "leave"):
        assert (await client.post(f"/workers/remote/{path}")).status_code == 401
        assert (await client.post(f"/workers/other/{path}", headers=headers)).status_code == 401
    assert (await client.get("/workers/remote/bundles/d", headers={})).status_code == 401


async def test_from_delivery_to_completion(client, stream, publish):
    version = await publish()
    headers = await register(client)
    async with stream("/workers/remote/connect", headers=headers) as events:
        assert (await events.event()).event == "ping"
        running = asyncio.ensure_future(client.post("/workflows/hello/run/sync", json=1))
        event = await events.until(lambda event: event.event != "ping")
        delivery = from_event(event.event, __import__("json").dumps(event.data))
        assert isinstance(delivery, Assigned)
        assert delivery.digest == version.digest
        response = await client.get(f"/workers/remote/bundles/{version.digest}", headers=headers)
        assert unpack(response.content, Bundle).entry == "hello"
        path = f"/workers/remote/claim/{delivery.execution_id}"
        claim = unpack((await client.post(path, headers=headers)).content, Claim)
        first = Checkpoint(claim.execution.id, 1, (started(claim),))
        path = f"/workers/remote/checkpoint/{claim.execution.id}"
        for _ in range(2):  # delivered twice: the same acknowledgement
            response = await client.post(path, content=pack(first), headers=headers)
            assert unpack(response.content, Acknowledged) == Acknowledged(claim.execution.id, 1, 3)
        last = started(claim, 2, ExecutionEventType.WORKFLOW_COMPLETED)
        batch = [Checkpoint(claim.execution.id, 1, (last,), release=True), Checkpoint(claim.execution.id, 7, ())]
        response = await client.post("/workers/remote/checkpoints", content=pack(batch), headers=headers)
        good, stale = unpack(response.content, list[CheckpointAnswer])
        assert good.acknowledged == Acknowledged(claim.execution.id, 2, 4)
        assert (stale.problem["code"], stale.problem["status"]) == ("stale_claim", 409)
        assert (await running).json()["state"] == "COMPLETED"
        model = (await client.get("/workers/remote")).json()
        assert (model["online"], model["slots"], model["running"], model["embedded"]) == (True, 5, 0, False)


async def test_garbage_is_refused(client):
    headers = await register(client)
    for path in ("heartbeat", "checkpoints", "died"):
        response = await client.post(f"/workers/remote/{path}", content=b"\xc1garbage", headers=headers)
        assert (response.status_code, response.json()["code"]) == (422, "invalid_input")


async def test_heartbeats_of_unknown_workers_ask_for_a_registration(client, app):
    token = app.state.tokens.issue("stranger")
    headers = {"Authorization": f"Bearer {token}"}
    response = await client.post("/workers/stranger/heartbeat", content=pack([]), headers=headers)
    assert (response.status_code, response.json()["code"]) == (404, "worker_not_found")
    assert (await client.get("/workers/stranger/connect", headers=headers)).status_code == 404


async def test_worker_that_leaves_gives_back_what_it_had(client, stream, publish, make_worker):
    await publish()
    headers = await register(client)
    async with stream("/workers/remote/connect", headers=headers) as events:
        running = asyncio.ensure_future(client.post("/workflows/hello/run/sync", json="Joe"))
        await events.until(lambda event: event.event == "execution_scheduled")
        assert (await client.post("/workers/remote/leave", headers=headers)).status_code == 204
        await asyncio.wait_for(events.ended.wait(), 5)
    async with make_worker():
        assert (await running).json()["output"] == "Hello, Joe"
    assert [one["name"] for one in (await client.get("/workers")).json()] == ["w1"]


async def test_offline_workers_stay_listed(client, stream, app):
    headers = await register(client)
    async with stream("/workers/remote/connect", headers=headers) as events:
        await events.event()
    model = (await client.get("/workers/remote")).json()
    assert (model["online"], model["slots"]) == (False, 5)
    await app.state.services.dispatcher.lose("remote")
    assert (await client.get("/workers/remote")).json()["online"] is False
    assert (await client.get("/workers/nope")).status_code == 404


async def test_same_process_keeps_its_work_and_a_new_one_does_not(flux, publish):
    await publish()
    port = flux.port
    await port.register(Registration("w", 5, pid=1))
    deliveries = port.deliveries("w")
    first = asyncio.ensure_future(anext(deliveries))
    await asyncio.sleep(0)
    from flux.domain import WorkflowRef

    execution = await flux.executions.start(WorkflowRef("default", "hello"), None)
    assert (await first).execution_id == execution.id
    claim = await port.claim("w", execution.id)
    await port.register(Registration("w", 5, pid=1))
    await port.checkpoint("w", Checkpoint(execution.id, 1, (started(claim),)))
    await port.register(Registration("w", 5, pid=2))
    again = await flux.store.executions.get(execution.id)
    assert again.owner == "" and again.generation > claim.execution.generation
    await deliveries.aclose()
