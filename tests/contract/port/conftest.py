from __future__ import annotations

import asyncio
import contextlib
import itertools
from dataclasses import dataclass, field

import pytest
import uvicorn

from flux.config import Settings
from flux.dispatch.port import Assigned, Checkpoint, Delivery, Registration, WorkerPort
from flux.domain import Bundle, Claim, EventRecord, ExecutionEventType, Module, WorkflowRef, WorkflowSpec
from flux.engine.source import bundle_of
from flux.security import Tokens
from flux.server.app import create_app
from flux.server.serve import bind
from flux.server.state import Services
from flux.store import Store
from flux.worker.remote import RemotePort

REF = WorkflowRef("default", "hello")
BUNDLE = bundle_of("hello", {"hello": Module("/src/hello.py", "x = 1")})


@dataclass
class Bench:
    """A port under test, and the server behind it."""

    port: WorkerPort
    services: Services
    bundle: Bundle = BUNDLE
    _ids: itertools.count = field(default_factory=lambda: itertools.count(1))

    @contextlib.asynccontextmanager
    async def joined(self, name: str = "w1", slots: int = 10, pid: int = 1):
        """The deliveries of a worker that has registered."""
        await self.port.register(Registration(name, slots, pid=pid))
        queue: asyncio.Queue[Delivery] = asyncio.Queue()
        reading = asyncio.create_task(self._read(name, queue))
        await self.services.presence.any_online(5)
        try:
            yield queue
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def start(self, value=None) -> str:
        return (await self.services.executions.start(REF, value)).id

    async def claimed(self, queue) -> Claim:
        """The claim of the next execution that the worker is given."""
        delivery = await self.next(queue, Assigned)
        return await self.port.claim("w1", delivery.execution_id)

    async def next(self, queue, kind):
        while True:
            delivery = await asyncio.wait_for(queue.get(), 5)
            if isinstance(delivery, kind):
                return delivery

    def event(self, kind: ExecutionEventType, claim: Claim, ordinal: int, source: str = "", **more) -> EventRecord:
        execution_id = claim.execution.id
        number = next(self._ids)
        return EventRecord(kind, source or execution_id, "hello", 1, f"event-{number}", ordinal=ordinal, **more)

    async def send(self, claim: Claim, *events: EventRecord, release: bool = False):
        batch = Checkpoint(claim.execution.id, claim.execution.generation, events, release)
        return await self.port.checkpoint("w1", batch)

    async def _read(self, name: str, queue) -> None:
        async with contextlib.aclosing(self.port.deliveries(name)) as deliveries:
            async for delivery in deliveries:
                queue.put_nowait(delivery)


@contextlib.asynccontextmanager
async def listening(app):
    """The application on a real socket."""
    (sock,) = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, ws="none"))
    serving = asyncio.create_task(server.serve([sock]))
    try:
        yield url
    finally:
        app.state.services.close()
        server.should_exit = True
        await serving


@pytest.fixture(params=["embedded", "remote"])
async def bench(request, tmp_path):
    url = f"sqlite:///{tmp_path / 'flux.db'}"
    store = await Store.open(url, synchronous="normal", secrets_key=lambda: b"secrets-key")
    app = create_app(Settings(home=str(tmp_path)), store, tokens=Tokens("boot", b"key"))
    services = app.state.services
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(store.close)
        await stack.enter_async_context(app.router.lifespan_context(app))
        await store.catalog.publish([WorkflowSpec("default", "hello")], BUNDLE)
        port: WorkerPort = services.port
        if request.param == "remote":
            port = RemotePort(await stack.enter_async_context(listening(app)), "boot")
            stack.push_async_callback(port.close)
        yield Bench(port, services)
