import asyncio

from flux.domain import LogLine
from flux.wire.models import LiveEvent


async def test_everything_live(client, worker, publish, stream):
    await publish()
    async with stream("/events") as events:
        await events._received.get()
        await client.post("/workflows/hello/run/sync", json="Joe")
        kinds, last = [], 0
        while True:
            event = await events.event()
            live = LiveEvent.model_validate(event.data)
            if live.kind == "event" and live.event:
                kinds.append(str(live.event.type))
                assert int(event.id) == live.id > last
                last = live.id
                if kinds[-1] == "WORKFLOW_COMPLETED":
                    break
    assert kinds[:3] == ["WORKFLOW_SCHEDULED", "WORKFLOW_CLAIMED", "WORKFLOW_STARTED"]
    assert live.execution.state == "COMPLETED"


async def test_resuming_loses_nothing(client, worker, publish, stream):
    await publish()
    first = (await client.post("/workflows/hello/run/sync", json=1)).json()
    async with stream("/events", headers={"last-event-id": "2"}) as events:
        second = asyncio.ensure_future(client.post("/workflows/hello/run/sync", json=2))
        ids = []
        while len(ids) < 10:
            event = await events.event()
            if event.data["kind"] == "event" and event.data.get("event"):
                ids.append((int(event.id), event.data["execution"]["execution_id"]))
    assert [number for number, _ in ids] == list(range(3, 13))
    assert ids[0][1] == first["execution_id"]
    assert ids[-1][1] == (await second).json()["execution_id"]


async def test_an_id_of_another_database_gives_a_gap(stream):
    async with stream("/events", headers={"last-event-id": "999999"}) as events:
        assert (await events.event()).data["kind"] == "gap"


async def test_filters(client, worker, publish, stream):
    await publish()
    await publish("other", namespace="shop")

    async def quick(run):
        await run.start()
        await run.complete(1)

    worker.scripts["other"] = quick
    async with stream("/events", query="workflow=shop/other&type=workflow_completed") as events:
        await events._received.get()
        await client.post("/workflows/hello/run/sync", json=1)
        await client.post("/workflows/shop/other/run/sync", json=1)
        event = await events.event()
    assert (event.data["event"]["type"], event.data["execution"]["workflow"]) == ("WORKFLOW_COMPLETED", "other")


async def test_logs_reloads_and_workers_pass_by(client, worker, stream, flux, make_worker):
    async with stream("/events", query="type=log,reload,worker,workflow") as events:
        await events._received.get()
        await worker.port.logs("w1", [LogLine(1, "INFO", "stdout", "hi", "e1", "say")])
        log = (await events.event()).data
        assert (log["kind"], log["log"]["text"], log["log"]["id"]) == ("log", "hi", 1)
        report = {"path": "/a.py", "status": "broken", "error": "SyntaxError", "time": "2026-01-01T00:00:00Z"}
        assert (await client.post("/reloads", json=report)).status_code == 204
        assert (await events.event()).data["reload"]["status"] == "broken"
        async with make_worker(name="w2"):
            event = await events.until(lambda event: event.data["kind"] == "worker")
            assert (event.data["worker"]["name"], event.data["worker"]["online"]) == ("w2", True)
            await flux.port.leave("w2")
        event = await events.until(lambda event: event.data["kind"] == "worker" and not event.data["worker"]["online"])
        assert event.data["worker"]["name"] == "w2"
    assert (await client.get("/reloads")).json()[0]["path"] == "/a.py"
    assert (await client.get("/logs?execution_id=e1")).json()["lines"][0]["text"] == "hi"


async def test_streams_end_when_the_server_closes(stream, flux):
    async with stream("/events") as events:
        await events._received.get()
        flux.close()
        await asyncio.wait_for(events.ended.wait(), 5)
