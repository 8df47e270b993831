"""A server in this process, with a worker whose runner is a real process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx

from flux.config import Settings
from flux.dispatch.port import WorkerPort
from flux.security import Tokens
from flux.server.app import create_app
from flux.store import Store
from flux.worker.agent import Agent

PATIENCE = 30.0


@contextlib.asynccontextmanager
async def serving(
    home: Path, flows: bytes, joined: Callable[[Any], AbstractAsyncContextManager[WorkerPort]] | None = None
) -> AsyncIterator[tuple[Store, httpx.AsyncClient]]:
    """Serve the workflows of a file; its store, and a client of its HTTP API.

    Args:
        flows: source of the file.
        joined: how the worker reaches the application; it calls it directly unless given.
    """
    settings = Settings(home=str(home), workers={"retry_delay": 0})
    store = await Store.open(f"sqlite:///{home / 'flux.db'}", synchronous="normal")
    app = create_app(settings, store, tokens=Tokens("boot", b"key"))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        await stack.enter_async_context(app.router.lifespan_context(app))
        port = await stack.enter_async_context(joined(app)) if joined else app.state.services.port
        agent = Agent(port, name="w1", runner_processes=1, cwd=str(home))
        working = asyncio.create_task(agent.run())
        stack.push_async_callback(lambda: working)
        stack.push_async_callback(agent.stop)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=PATIENCE)
        await stack.enter_async_context(client)
        await app.state.services.presence.any_online(PATIENCE)
        registered = await client.post("/workflows", files={"file": ("flows.py", flows)})
        assert registered.status_code < 300, registered.text
        yield store, client
