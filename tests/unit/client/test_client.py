import asyncio
import json
import socket
from datetime import UTC, datetime

import httpx
import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from flux.client import FluxClient
from flux.errors import NotPausedError, ServerUnavailableError, WorkflowNotFoundError
from flux.wire.models import Publication, ReloadModel

NOW = datetime(2026, 1, 2, tzinfo=UTC).isoformat()


def summary(**more):
    base = {"execution_id": "e1", "namespace": "default", "workflow": "hello", "state": "CREATED"}
    return {**base, "created_at": NOW, "updated_at": NOW, **more}


class Recorder:
    """A small HTTP application that remembers what it was asked."""

    def __init__(self):
        self.app = FastAPI()
        self.seen = []

        @self.app.api_route("/{path:path}", methods=["GET", "POST", "DELETE"])
        async def answer(path: str, request: Request):
            body = await request.body()
            self.seen.append((request.method, str(request.url).removeprefix("http://flux"), body, request.headers))
            return self.answers[request.method, path](request)

        self.answers = {}

    def answer(self, method, path, content, status=200):
        self.answers[method, path] = lambda _: JSONResponse(content, status)

    def stream(self, method, path, text):
        self.answers[method, path] = lambda _: StreamingResponse(iter([text]), media_type="text/event-stream")


@pytest.fixture
def server():
    return Recorder()


@pytest.fixture
async def client(server):
    async with FluxClient("http://flux", transport=httpx.ASGITransport(server.app)) as client:
        yield client


async def test_a_run_sends_its_input_version_and_key(server, client):
    server.answer("POST", "workflows/shop/order/run/sync", summary(state="COMPLETED", output=3))
    execution = await client.run("shop/order", {"n": 1}, mode="sync", version=2, idempotency_key="k")
    method, url, body, headers = server.seen[0]
    assert (method, url, json.loads(body)) == ("POST", "/workflows/shop/order/run/sync?version=2", {"n": 1})
    assert headers["idempotency-key"] == "k"
    assert (execution.state, execution.output) == ("COMPLETED", 3)


async def test_executions_are_filtered_on_the_server(server, client):
    server.answer("GET", "executions", {"executions": [summary()], "total": 1})
    page = await client.list_executions(["PAUSED", "FAILED"], workflow="hello", cursor="c")
    assert server.seen[0][1] == "/executions?state=PAUSED%2CFAILED&workflow=hello&limit=50&cursor=c"
    assert page.executions[0].execution_id == "e1"


async def test_problems_become_the_errors_they_were(server, client):
    server.answer("GET", "workflows/nope", {"code": "workflow_not_found", "detail": "No nope."}, 404)
    with pytest.raises(WorkflowNotFoundError, match="No nope"):
        await client.get_workflow("nope")
    server.answer("POST", "executions/e1/resume", {"code": "not_paused", "detail": "It runs."}, 409)
    with pytest.raises(NotPausedError, match="It runs"):
        await client.resume("e1", {"ok": True}, wait="approval")
    assert server.seen[-1][1] == "/executions/e1/resume?wait=approval&mode=async"


async def test_a_stream_yields_names_and_data(server, client):
    first = ': hello\n\nevent: task.started\ndata: {"name": "a"}\n\n'
    text = first + 'event: workflow.execution.completed\ndata: {"output": 1}\n\n'
    server.stream("POST", "workflows/hello/run/stream", text)
    got = [message async for message in client.stream("hello", 1)]
    assert got == [("task.started", {"name": "a"}), ("workflow.execution.completed", {"output": 1})]
    assert server.seen[0][3]["accept"] == "text/event-stream"


async def test_a_refused_stream_raises_what_was_wrong(server, client):
    server.answer("POST", "workflows/nope/run/stream", {"code": "workflow_not_found", "detail": "No nope."}, 404)
    with pytest.raises(WorkflowNotFoundError):
        async for _ in client.stream("nope"):
            pass


async def test_live_events_resume_after_the_last_id(server, client):
    server.stream("GET", "events", 'id: 8\ndata: {"id": 8, "kind": "gap"}\n\n')
    got = [event async for event in client.live(7)]
    assert [(event.id, event.kind) for event in got] == [(8, "gap")]
    assert server.seen[0][3]["last-event-id"] == "7"


async def test_following_one_execution_skips_what_is_not_stored(server, client):
    event = {"type": "TASK_STARTED", "source_id": "t", "name": "a", "time": NOW, "id": "1", "seq": 3}
    text = f"event: task.progress\ndata: 5\n\nid: 3\ndata: {json.dumps(event)}\n\n"
    server.stream("GET", "executions/e1/events", text)
    assert [event.seq async for event in client.follow("e1", after=2)] == [3]


async def test_the_remaining_calls_name_their_routes(server, client):
    workflow = {"namespace": "default", "name": "hello", "version": 1}
    worker = {"name": "w", "online": True}
    answers = [
        ("GET", "ready", {"status": "ready", "database": True}, client.ready()),
        ("GET", "workflows", [workflow], client.list_workflows("default")),
        ("GET", "workflows/hello/versions", [workflow], client.list_versions("hello")),
        ("POST", "workflows", [workflow], client.publish(Publication(entry="a", modules={}, workflows=[]))),
        ("POST", "workflows", [workflow], client.upload("a.py", b"x = 1")),
        ("DELETE", "workflows/hello", None, client.delete_workflow("hello")),
        ("POST", "executions/e1/resume", summary(), client.resume_sync("e1")),
        ("POST", "executions/e1/cancel", summary(), client.cancel("e1", "sync")),
        ("GET", "executions/e1", summary(), client.get_execution("e1")),
        ("GET", "executions/e1/events", {"events": []}, client.get_events("e1")),
        ("GET", "executions/e1/pending", [], client.pending("e1")),
        ("GET", "waits", [], client.list_waits()),
        ("GET", "logs", {"lines": []}, client.logs("e1")),
        ("GET", "workers", [worker], client.list_workers()),
        ("GET", "workers/w", worker, client.get_worker("w")),
        ("POST", "reloads", None, client.report_reload(ReloadModel(path="a.py", status="ok", time=datetime.now(UTC)))),
        ("GET", "reloads", [], client.reloads()),
    ]
    for method, path, content, call in answers:
        server.answer(method, path, content)
        await call
        assert server.seen[-1][0] == method
        assert server.seen[-1][1].partition("?")[0] == f"/{path}"


async def test_an_address_where_nobody_answers_is_named():
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{held.getsockname()[1]}"
        async with FluxClient(url) as client:
            with pytest.raises(ServerUnavailableError, match=url) as caught:
                await client.ready()
    assert "flux dev" in caught.value.hint
    assert caught.value.exit_code == 3


async def test_a_broken_connection_is_said_in_our_words():
    async def hang_up(reader, writer):
        await reader.read(10)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server, FluxClient(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as client:
        with pytest.raises(ServerUnavailableError, match="broke"):
            await client.list_workers()
