"""A server with one worker, embedded or remote, spoken to over its HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
import uvicorn

from flux.domain import ExecutionState
from flux.domain.transitions import fold
from flux.server.serve import bind
from flux.store import Store
from flux.worker.remote import RemotePort

from ..serving import PATIENCE, serving

FLOWS = Path(__file__).with_name("flows.py")


class Server:
    """What the tests do to a server."""

    def __init__(self, store: Store, client: httpx.AsyncClient) -> None:
        self.store = store
        self.client = client

    async def run(self, ref: str, value: Any = None, mode: str = "sync") -> dict[str, Any]:
        return await self.post(f"/workflows/{ref}/run/{mode}", value)

    async def post(self, path: str, value: Any = None, status: int | None = None) -> dict[str, Any]:
        response = await self.client.post(path, json=value)
        assert response.status_code in ((200, 202) if status is None else (status,)), response.text
        return dict(response.json())

    async def get(self, path: str) -> Any:
        response = await self.client.get(path)
        assert response.status_code == 200, response.text
        return response.json()

    async def children(self, execution_id: str) -> list[dict[str, Any]]:
        return list((await self.get(f"/executions/{execution_id}"))["children"])

    async def types(self, execution_id: str) -> list[str]:
        """The types of its events without those of claims; the state must be a fold over all."""
        history = await self.store.executions.history(execution_id)
        assert [event.seq for event in history] == list(range(1, len(history) + 1))
        assert fold(history) is (await self.store.executions.get(execution_id)).state
        return [str(event.type) for event in history if not event.type.endswith(("SCHEDULED", "CLAIMED"))]

    async def until(self, execution_id: str, state: ExecutionState) -> None:
        async with asyncio.timeout(PATIENCE):
            while (await self.store.executions.get(execution_id)).state is not state:
                await asyncio.sleep(0.01)

    async def begun(self, execution_id: str) -> str:
        """The id of the only child, once its code runs."""
        async with asyncio.timeout(PATIENCE):
            while not (found := await self.store.executions.children(execution_id)) or found[0].started_at is None:
                await asyncio.sleep(0.01)
        return found[0].id


@contextlib.asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    (sock,) = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
    running = asyncio.create_task(server.serve([sock]))
    try:
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    finally:
        app.state.services.close()
        server.should_exit = True
        await running


@contextlib.asynccontextmanager
async def remote(app: Any) -> AsyncIterator[RemotePort]:
    """The way to the application over a real socket."""
    async with listening(app) as url:
        port = RemotePort(url, "boot")
        yield port
        await port.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["embedded", "remote"])
async def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    joined = remote if request.param == "remote" else None
    async with serving(tmp_path_factory.mktemp("family"), FLOWS.read_bytes(), joined) as (store, client):
        yield Server(store, client)
