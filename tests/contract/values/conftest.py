"""Three ways to run a workflow, behind one face: inline, on an embedded worker, on a remote one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import pytest_asyncio

from flux import ExecutionContext
from flux.catalog.files import collect_file
from flux.cli.loading import find_workflow
from flux.client import FluxClient
from flux.codec import Codec, to_plain
from flux.config import Settings
from flux.local.opening import open_store
from flux.server.serve import bind, serve
from flux.store import Store
from flux.wire.models import ModuleUpload, Publication
from flux.worker.agent import Agent
from flux.worker.remote import RemotePort

FILE = Path(__file__).with_name("value_flows.py")
PATIENCE = 60


class Inline:
    """`wf.run()` in this process."""

    takes_python = True

    def __init__(self, flows: ModuleType) -> None:
        self._flows = flows

    async def start(self, workflow: str, input: Any = None) -> ExecutionContext[Any]:
        return await self._workflow(workflow).run_async(input)

    async def answer(self, ctx: ExecutionContext[Any], value: Any = None) -> ExecutionContext[Any]:
        return await self._workflow(ctx.name).resume_async(ctx.execution_id, value)

    async def count(self) -> int:
        async with open_store() as store:
            return (await store.executions.list()).total

    def _workflow(self, name: str) -> Any:
        return find_workflow(self._flows, name, FILE)


class OnServer:
    """Over HTTP; contexts are read from the store, as a runner would read them."""

    takes_python = False

    def __init__(self, client: FluxClient, store: Store, codec: Codec) -> None:
        self._client = client
        self._store = store
        self._codec = codec

    async def start(self, workflow: str, input: Any = None) -> ExecutionContext[Any]:
        return await self._context((await self._client.run(workflow, self._plain(input), "sync")).execution_id)

    async def answer(self, ctx: ExecutionContext[Any], value: Any = None) -> ExecutionContext[Any]:
        await self._client.resume_sync(ctx.execution_id, self._plain(value))
        return await self._context(ctx.execution_id)

    async def count(self) -> int:
        return (await self._store.executions.list()).total

    async def _context(self, execution_id: str) -> ExecutionContext[Any]:
        execution = await self._store.executions.get(execution_id)
        return ExecutionContext(execution, self._codec, list(await self._store.executions.history(execution_id)))

    def _plain(self, value: Any) -> Any:
        """What a caller writes in JSON for it."""
        return to_plain(self._codec.encode(value))


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["inline", "embedded", "remote"])
async def way(request, tmp_path_factory) -> AsyncIterator[Inline | OnServer]:
    home = tmp_path_factory.mktemp(request.param)
    if request.param == "inline":
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("FLUX_HOME", str(home))
            yield Inline(sys.modules["value_flows"])
        return
    settings = Settings(home=str(home), database_synchronous="normal")
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(_served(settings, embedded=request.param == "embedded"))
        if request.param == "remote":
            await stack.enter_async_context(_worker(settings, url))
        client = await stack.enter_async_context(FluxClient(url, timeout=PATIENCE))
        await client.publish(_publication())
        store = await Store.open(settings.database_url)
        stack.push_async_callback(store.close)
        yield OnServer(client, store, Codec("pkl", settings.signing_key()))


@contextlib.asynccontextmanager
async def _served(settings: Settings, *, embedded: bool) -> AsyncIterator[str]:
    (sock,) = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    ready = asyncio.Event()
    reading, writing = os.pipe()
    agents = (lambda port: [_agent(settings, port)]) if embedded else None
    serving = asyncio.create_task(
        serve(settings, host="127.0.0.1", fd=sock.detach(), parent_pipe=reading, embedded=agents, on_ready=ready.set)
    )
    async with asyncio.timeout(PATIENCE):
        await ready.wait()
    try:
        yield url
    finally:
        os.close(writing)
        await asyncio.wait_for(serving, PATIENCE)
        os.close(reading)


@contextlib.asynccontextmanager
async def _worker(settings: Settings, url: str) -> AsyncIterator[None]:
    port = RemotePort(url, settings.bootstrap_token())
    online = asyncio.Event()
    agent = _agent(settings, port, on_connection=lambda up, reason: online.set())
    working = asyncio.create_task(agent.run())
    async with asyncio.timeout(PATIENCE):
        await online.wait()
    try:
        yield
    finally:
        await asyncio.wait_for(agent.stop(), PATIENCE)
        await working
        await port.close()


def _agent(settings: Settings, port: Any, **more: Any) -> Agent:
    return Agent(port, name="w1", runner_processes=1, key=settings.signing_key(), cwd=settings.home, **more)


def _publication() -> Publication:
    bundle = collect_file(FILE)
    modules = {
        name: ModuleUpload(path=module.path, source=module.source, package=module.package)
        for name, module in bundle.modules.items()
    }
    return Publication(entry=bundle.entry, modules=modules, workflows=[])
