"""The names of older code, on a real server without workers."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from flux import task, workflow
from flux.client import FluxClient
from flux.config import Settings
from flux.errors import ExecutionError, NotPausedError
from flux.security import Tokens
from flux.server.app import create_app
from flux.store import Store

SOURCE = '''
from flux import workflow

@workflow.with_options(namespace="shop")
async def order(ctx):
    """Sells."""
'''


@pytest.fixture
async def client(tmp_path):
    store = await Store.open("sqlite:///:memory:")
    app = create_app(Settings(home=str(tmp_path)), store, tokens=Tokens("boot", b"key"))
    client = FluxClient("http://localhost", transport=httpx.ASGITransport(app))
    async with app.router.lifespan_context(app), client:
        await client.register_dynamic_workflow(SOURCE, "order.py")
        yield client
    await store.close()


async def test_workflows_are_registered_and_found(client):
    (again,) = await client.register_dynamic_workflow(SOURCE.encode().replace(b"Sells", b"Sells more"), "order.py")
    assert again["version"] == 2
    assert [one.version for one in await client.get_workflow_versions("shop/order")] == [2, 1]
    assert [one["name"] for one in await client.list_workflows()] == ["order"]
    assert (await client.get_workflow("shop/order"))["source"].count("Sells more") == 1


async def test_executions_are_started_found_and_cancelled(client):
    execution = await client.run_workflow("shop/order", {"id": 7})
    assert (execution["state"], execution["input"]) == ("CREATED", {"id": 7})
    page = await client.get_workflow_executions("shop/order")
    assert [one.execution_id for one in page.executions] == [execution.execution_id]
    with pytest.raises(NotPausedError):
        await client.resume_execution(execution.execution_id, 1)
    with pytest.raises(NotPausedError):
        await client.resume_execution_sync(execution.execution_id, 1)
    assert (await client.cancel_execution(execution.execution_id))["state"] == "CANCELLED"
    assert (await client.get_execution(execution.execution_id))["state"] == "CANCELLED"
    with pytest.raises(KeyError):
        execution["no such member"]


async def test_who_runs_synchronously_comes_back_at_the_end(client):
    running = asyncio.create_task(client.run_workflow_sync("shop/order", 1, version=1))
    while not (page := await client.list_executions()).executions:
        await asyncio.sleep(0)
    await client.cancel_execution(page.executions[0].execution_id, "sync")
    assert (await running)["state"] == "CANCELLED"


async def test_health(client):
    assert (await client.health_check())["status"] == "healthy"
    assert await client.list_workers() == []


async def test_tasks_find_the_server_of_the_settings(lab, monkeypatch):
    monkeypatch.setenv("FLUX_WORKERS__SERVER_URL", "http://flux.example:8000")

    @task
    async def find() -> str:
        client = await FluxClient.for_current_execution()
        await client.close()
        return client.base_url

    @workflow
    async def w(ctx):
        return await find()

    assert (await lab.run(w)).context.output == "http://flux.example:8000"
    with pytest.raises(ExecutionError):
        await FluxClient.for_current_execution()
