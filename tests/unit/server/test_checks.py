"""`POST /workflows/{ref}/check`: the server asks a worker, and shows what it found."""

import pytest

from flux.wire.models import CheckReport

PUBLICATION = {
    "entry": "hello",
    "modules": {"hello": {"path": "/home/me/hello.py", "source": "x = 'edited'"}},
    "workflows": [],
}


async def paused(run):
    await run.start()
    await run.pause("a")


@pytest.fixture
async def waiting(client, worker, publish, flux):
    """Three executions that wait, newest first."""
    await publish("hello")
    worker.scripts["hello"] = paused
    ids = [(await client.post("/workflows/hello/run/sync")).json()["execution_id"] for _ in range(3)]
    return ids[::-1]


async def check(client, path="/workflows/hello/check", **options):
    response = await client.post(path, **options)
    assert response.status_code == 200, response.text
    return CheckReport.model_validate(response.json())


async def test_the_newest_version_is_checked(client, worker, waiting):
    worker.diverging = {waiting[1]}
    report = await check(client)
    assert [(one.execution_id, str(one.outcome)) for one in report.executions] == [
        (waiting[0], "waits"),
        (waiting[1], "diverges"),
        (waiting[2], "waits"),
    ]
    assert (report.version, report.diverging, report.next_cursor) == (1, 1, None)
    bad = report.executions[1]
    assert (bad.state, bad.version, bad.divergence["recorded_at"]) == ("PAUSED", 1, "/srv/a.py:2")
    assert "Recorded: a() at /srv/a.py:2" in bad.detail
    assert report.executions[0].location == "/srv/a.py:3"


async def test_source_in_the_body_is_checked_and_not_published(client, worker, waiting, flux):
    report = await check(client, json=PUBLICATION)
    assert (report.version, report.path) == (0, "/home/me/hello.py")
    assert [asked.bundle.modules["hello"].source for asked in worker.replayed] == ["x = 'edited'"]
    assert (await client.get("/workflows/hello")).json()["version"] == 1


async def test_finished_executions_are_checked_when_asked_for(client, worker, waiting):
    await client.post(f"/executions/{waiting[0]}/resume", json=1)
    worker.scripts["hello"] = lambda run: run.complete(1)
    ended = (await client.post("/workflows/hello/run/sync")).json()["execution_id"]
    live = [one.execution_id for one in (await check(client)).executions]
    assert ended not in live
    report = await check(client, "/workflows/hello/check?finished=true")
    assert {one.execution_id: str(one.outcome) for one in report.executions}[ended] == "ends"


async def test_pages(client, worker, waiting):
    first = await check(client, "/workflows/hello/check?limit=2")
    rest = await check(client, f"/workflows/hello/check?limit=2&cursor={first.next_cursor}")
    assert [one.execution_id for one in [*first.executions, *rest.executions]] == waiting
    assert rest.next_cursor is None


async def test_many_executions_are_asked_for_in_several_questions(client, worker, waiting, monkeypatch):
    monkeypatch.setattr("flux.dispatch.replaying.AT_ONCE", 2)
    report = await check(client)
    assert [len(asked.execution_ids) for asked in worker.replayed] == [2, 1]
    assert [one.execution_id for one in report.executions] == waiting


async def test_a_workflow_nobody_knows(client, worker):
    response = await client.post("/workflows/nope/check")
    assert (response.status_code, response.json()["code"]) == (404, "workflow_not_found")
    assert (await check(client, "/workflows/nope/check", json=PUBLICATION)).executions == []


async def test_without_a_worker_there_is_nobody_to_ask(client, publish, flux):
    await publish("hello")
    assert (await check(client)).executions == []
    await client.post("/workflows/hello/run/async")
    response = await client.post("/workflows/hello/check")
    assert (response.status_code, response.json()["code"]) == (503, "runner_unavailable")


@pytest.mark.parametrize("body", [{"entry": "hello"}, {"entry": "other", "modules": {}, "workflows": []}])
async def test_a_body_that_is_no_source(client, worker, waiting, body):
    response = await client.post("/workflows/hello/check", json=body)
    assert response.status_code in (400, 422)
