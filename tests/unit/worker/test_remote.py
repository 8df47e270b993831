"""A worker over HTTP on a real server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import uvicorn

from flux.config import load_settings
from flux.dispatch.port import Checkpoint, Progress, Registration
from flux.domain import LogLine
from flux.errors import (
    ExecutionContextNotFoundError,
    ServerUnavailableError,
    UnauthorizedError,
    VersionNotFoundError,
)
from flux.server.app import create_app
from flux.store import Store
from flux.worker.agent import Agent
from flux.worker.probe import probe
from flux.worker.remote import RemotePort

TOKEN = "bootstrap-for-tests"
SOURCE = """
    from flux.tasks import pause
    from flux.engine.context import ExecutionContext
    import asyncio, dataclasses

    @task
    async def double(x):
        return 2 * x

    @workflow
    async def doubles(ctx):
        return [await double(item) for item in ctx.input]

    @workflow
    async def asks(ctx):
        return await pause("approval")

    @workflow
    async def lingers(ctx):
        print("begun")
        await asyncio.Event().wait()

    @dataclasses.dataclass
    class Order:
        id: int

    @workflow
    async def typed(ctx: ExecutionContext[Order]):
        return ctx.input.id
"""


@dataclass
class Server:
    url: str
    store: Store
    client: httpx.AsyncClient

    async def result(self, path: str, value: object = None) -> dict:
        response = await self.client.post(path, json=value)
        assert response.status_code < 300, response.text
        return response.json()


@pytest.fixture
async def server(tmp_path) -> AsyncIterator[Server]:
    settings = load_settings({"home": str(tmp_path / ".flux"), "workers": {"bootstrap_token": TOKEN}})
    store = await Store.open("sqlite:///:memory:")
    app = create_app(settings, store)
    with socket.create_server(("127.0.0.1", 0)) as sock:
        http = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))
        http.capture_signals = contextlib.nullcontext
        async with app.state.services.running():
            serving = asyncio.create_task(http.serve([sock]))
            url = f"http://127.0.0.1:{sock.getsockname()[1]}"
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                yield Server(url, store, client)
            app.state.services.close()
            http.should_exit = True
            await serving
    await store.close()


@pytest.fixture
async def remote(server) -> AsyncIterator[RemotePort]:
    port = RemotePort(server.url, TOKEN)
    yield port
    await port.close()


@pytest.fixture
async def worker(server, remote, bundle, tmp_path) -> AsyncIterator[Agent]:
    code = bundle(SOURCE)
    await server.store.catalog.publish((await probe(code)).manifest.workflows, code)
    agent = Agent(remote, name="far-away", runner_processes=1, cwd=str(tmp_path))
    running = asyncio.create_task(agent.run())
    yield agent
    await asyncio.wait_for(agent.stop(), 30)
    await running


async def test_a_workflow_runs_on_a_remote_worker(server, worker):
    result = await server.result("/workflows/doubles/run/sync", [1, 2, 3])
    assert (result["state"], result["output"]) == ("COMPLETED", [2, 4, 6])


async def test_many_executions_at_once(server, worker):
    results = await asyncio.gather(*(server.result("/workflows/doubles/run/sync", [n]) for n in range(30)))
    assert [result["output"] for result in results] == [[2 * n] for n in range(30)]


async def test_a_pause_is_answered(server, worker):
    paused = await server.result("/workflows/asks/run/sync")
    assert paused["state"] == "PAUSED"
    result = await server.result(f"/workflows/asks/resume/{paused['execution_id']}/sync", {"ok": True})
    assert (result["state"], result["output"]) == ("COMPLETED", {"ok": True})


async def test_a_running_execution_is_cancelled(server, worker):
    running = await server.result("/workflows/lingers/run/async")
    execution_id = running["execution_id"]
    lines = server.client.stream("GET", f"/executions/{execution_id}/events", headers={"Accept": "text/event-stream"})
    async with lines as response:
        async for line in response.aiter_lines():
            if "WORKFLOW_STARTED" in line:
                break
    result = await server.result(f"/workflows/lingers/cancel/{execution_id}?mode=sync")
    assert result["state"] == "CANCELLED"


async def test_input_is_validated_by_the_workers_code(server, worker):
    assert (await server.result("/workflows/typed/run/sync", {"id": 3}))["output"] == 3
    refused = await server.client.post("/workflows/typed/run/sync", json={"id": "x"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_problems_become_errors(server, remote):
    await remote.register(Registration("w"))
    with pytest.raises(VersionNotFoundError):
        await remote.bundle("w", "no-such-digest")
    with pytest.raises(ExecutionContextNotFoundError):
        await remote.claim("w", "no-such-execution")


async def test_a_stale_checkpoint_fails_alone(server, remote, bundle):
    await remote.register(Registration("w"))
    answers = await asyncio.gather(
        *(remote.checkpoint("w", Checkpoint(f"unknown-{number}", 1, ())) for number in range(3)),
        return_exceptions=True,
    )
    assert all(isinstance(answer, Exception) for answer in answers)


async def test_logs_and_progress_are_taken(server, remote):
    await remote.register(Registration("w"))
    await remote.progress("w", Progress("e", "s", "n", "1"))
    await remote.logs("w", [LogLine(1, "INFO", "stdout", "hello from far away")])
    assert [line.text for line in await server.store.logs.read()] == ["hello from far away"]


async def test_a_wrong_token_is_refused(server):
    port = RemotePort(server.url, "wrong")
    with pytest.raises(UnauthorizedError):
        await Agent(port, name="w").run()
    await port.close()


async def test_no_server_is_told_so():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    port = RemotePort(url, TOKEN)
    with pytest.raises(ServerUnavailableError, match=url):
        await port.register(Registration("w"))
    with pytest.raises(ServerUnavailableError, match=url):
        await port.heartbeat("w", [])
    await port.close()
