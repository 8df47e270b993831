from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import Awaitable, Callable
from types import SimpleNamespace

import httpx
import pytest

from flux.clock import MICROSECOND, SystemClock
from flux.codec import Codec, Payload, from_plain, to_plain
from flux.dispatch.port import (
    Answered,
    Assigned,
    CancelRequested,
    Checkpoint,
    ProbeRequested,
    ProbeResult,
    Registration,
    ReplayRequested,
    ReplayResult,
    ValidationRequested,
    ValidationResult,
)
from flux.domain import Claim, EventRecord, ExecutionEventType, ExecutionState, Manifest, Wait, WaitKind, WorkflowSpec
from flux.domain.verdict import Outcome, Verdict, diverges
from flux.errors import ConflictError, NonDeterminismError
from flux.security import Tokens
from flux.server.app import create_app
from flux.store import Store

E = ExecutionEventType
Script = Callable[["Run"], Awaitable[None]]


class Run:
    """One claimed execution in the hands of a scripted worker."""

    def __init__(self, worker: ScriptedWorker, claim: Claim) -> None:
        self.worker = worker
        self.claim = claim
        self.id = claim.execution.id
        self.input = to_plain(claim.execution.input)
        self.cancelled = asyncio.Event()
        self.answers: asyncio.Queue[EventRecord] = asyncio.Queue()
        self._ordinals = itertools.count(1)

    @property
    def answer(self):
        """The newest recorded answer, or None."""
        found = [event for event in self.claim.history if event.type is E.WORKFLOW_RESUMING]
        return to_plain(found[-1].payload) if found else None

    @property
    def cancelling(self) -> bool:
        return self.claim.execution.state is ExecutionState.CANCELLING

    def event(self, kind, source="", name="", value=None, wait=None, payload: Payload | None = None) -> EventRecord:
        return EventRecord(
            kind,
            source or self.id,
            name or self.claim.execution.ref.name,
            self.worker.clock.now(),
            f"{self.id}-{self.claim.execution.generation}-{next(self.worker.ids)}",
            payload if payload is not None else from_plain(value),
            ordinal=next(self._ordinals),
            wait=wait,
        )

    async def write(self, *events: EventRecord, release: bool = False) -> None:
        batch = Checkpoint(self.id, self.claim.execution.generation, tuple(events), release)
        await self.worker.port.checkpoint(self.worker.name, batch)

    async def start(self) -> None:
        await self.write(self.event(E.WORKFLOW_STARTED, value=self.input))

    async def task(self, name: str, value=None) -> None:
        call = f"{name}-1"
        await self.write(self.event(E.TASK_STARTED, call, name), self.event(E.TASK_COMPLETED, call, name, value))

    async def complete(self, value=None) -> None:
        await self.write(self.event(E.WORKFLOW_COMPLETED, value=value), release=True)

    async def fail(self, error: Exception) -> None:
        await self.write(self.event(E.WORKFLOW_FAILED, payload=Codec().encode(error)), release=True)

    async def cancel(self) -> None:
        await self.write(self.event(E.WORKFLOW_CANCELLED), release=True)

    async def pause(self, *names: str, output=None, schema: dict | None = None, model: str = "") -> None:
        text = json.dumps(schema) if schema else ""
        waits = [Wait(f"{name}-1", name, WaitKind.INPUT, None, from_plain(output), text, model) for name in names]
        events = [self.event(E.TASK_PAUSED, wait.id, wait.name, wait=wait) for wait in waits]
        await self.write(*events, self.event(E.WORKFLOW_PAUSED, value=output), release=True)

    async def sleep(self, seconds: float) -> None:
        wake_at = self.worker.clock.now() + int(seconds * MICROSECOND)
        wait = Wait("sleep-1", "sleep", WaitKind.TIMER, wake_at)
        await self.write(self.event(E.TASK_WAITING, "sleep-1", "sleep", wait=wait), release=True)


class ScriptedWorker:
    """The worker's side of the port, with scripts in place of runners."""

    def __init__(self, port, name: str = "w1", slots: int = 100) -> None:
        self.port = port
        self.name = name
        self.slots = slots
        self.clock = SystemClock()
        self.ids = itertools.count(1)
        self.scripts: dict[str, Script] = {"hello": greet}
        self.refuses: dict[str, list[dict]] = {}
        self.manifest: Manifest | ProbeResult = Manifest((WorkflowSpec("default", "hello", input_schema=None),))
        self.runs: dict[str, Run] = {}
        self.prewarmed: list[str] = []
        self.replayed: list[ReplayRequested] = []
        self.diverging: set[str] = set()
        self._tasks: set[asyncio.Task] = set()

    async def __aenter__(self):
        await self.port.register(Registration(self.name, self.slots, pid=4711))
        deliveries = self.port.deliveries(self.name)
        self._spawn(self._work(deliveries))
        return self

    async def __aexit__(self, *exc):
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, deliveries) -> None:
        async with contextlib.aclosing(deliveries):
            async for delivery in deliveries:
                self._spawn(self._handle(delivery))

    async def _handle(self, delivery) -> None:
        match delivery:
            case Assigned():
                with contextlib.suppress(ConflictError):
                    claim = await self.port.claim(self.name, delivery.execution_id)
                    run = self.runs[delivery.execution_id] = Run(self, claim)
                    await self.scripts[claim.execution.ref.name](run)
            case Answered():
                self.runs[delivery.execution_id].answers.put_nowait(delivery.event)
            case CancelRequested():
                self.runs[delivery.execution_id].cancelled.set()
            case ValidationRequested():
                errors = tuple(self.refuses.get(delivery.kind, ()))
                await self.port.validated(self.name, ValidationResult(delivery.request_id, errors))
            case ProbeRequested():
                found = self.manifest
                result = found if isinstance(found, ProbeResult) else ProbeResult("", found)
                await self.port.probed(
                    self.name,
                    ProbeResult(
                        delivery.request_id, result.manifest, result.error, result.traceback, result.path, result.line
                    ),
                )
            case ReplayRequested():
                self.replayed.append(delivery)
                verdicts = tuple([await self.verdict(one) for one in delivery.execution_ids])
                await self.port.replayed(self.name, ReplayResult(delivery.request_id, verdicts))
            case _:
                self.prewarmed.append(delivery.digest)

    async def verdict(self, execution_id: str) -> Verdict:
        page = await self.port.history(self.name, execution_id)
        if page.execution.state.is_terminal:
            return Verdict(Outcome.ENDS, "ends as recorded: COMPLETED")
        if execution_id not in self.diverging:
            return Verdict(Outcome.WAITS, "waits at input 'a'", "/srv/a.py:3")
        return diverges(NonDeterminismError(recorded="a()", recorded_at="/srv/a.py:2", attempted="b()", cause="c"))

    def _spawn(self, work) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def greet(run: Run) -> None:
    """A workflow with one task."""
    await run.start()
    await run.task("say", f"Hello, {run.input}")
    await run.complete(f"Hello, {run.input}")


class Stream:
    """A streaming request: `httpx.ASGITransport` answers only when a response is complete."""

    def __init__(self, app, path: str, method="GET", headers=None, query="", body=b"") -> None:
        raw = [
            (name.lower().encode(), value.encode()) for name, value in {"host": "localhost", **(headers or {})}.items()
        ]
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": raw,
            "scheme": "http",
            "server": ("localhost", 80),
            "client": ("127.0.0.1", 1),
            "root_path": "",
        }
        self._app = app
        self._body = body
        self._gone = asyncio.Event()
        self._sent = False
        self._received: asyncio.Queue = asyncio.Queue()
        self._buffer = b""
        self.status = 0
        self.ended = asyncio.Event()

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *exc):
        self._gone.set()
        await asyncio.wait_for(asyncio.gather(self._task, return_exceptions=True), 5)

    async def _run(self) -> None:
        try:
            await self._app(self._scope, self._receive, self._send)
        finally:
            self.ended.set()
            self._received.put_nowait(None)

    async def _receive(self):
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self._received.put_nowait(message.get("body", b""))

    async def event(self, timeout: float = 5) -> SimpleNamespace | None:
        """The next event with data; None at the end."""
        while True:
            head, found, rest = self._buffer.partition(b"\n\n")
            if not found:
                chunk = await asyncio.wait_for(self._received.get(), timeout)
                if chunk is None:
                    return None
                self._buffer += chunk
                continue
            self._buffer = rest
            fields = dict(line.split(": ", 1) for line in head.decode().splitlines() if not line.startswith(":"))
            if "data" in fields:
                return SimpleNamespace(
                    id=fields.get("id"), event=fields.get("event", "message"), data=json.loads(fields["data"])
                )

    async def until(self, wanted) -> SimpleNamespace:
        """The first event for which `wanted` holds."""
        while (event := await self.event()) is not None:
            if wanted(event):
                return event
        raise AssertionError("the stream ended")


@pytest.fixture
def settings(tmp_path):
    from flux.config import Settings

    return Settings(home=str(tmp_path / "home"))


@pytest.fixture
async def store(tmp_path):
    opened = await Store.open(
        f"sqlite:///{tmp_path / 'flux.db'}", synchronous="normal", secrets_key=lambda: b"secrets-key"
    )
    yield opened
    await opened.close()


@pytest.fixture
async def app(settings, store):
    made = create_app(settings, store, tokens=Tokens("boot", b"key"))
    async with made.router.lifespan_context(made):
        yield made


@pytest.fixture
def flux(app):
    return app.state.services


@pytest.fixture
async def client(app):
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=10) as made:
        yield made


@pytest.fixture
async def worker(flux):
    async with ScriptedWorker(flux.port) as made:
        yield made


@pytest.fixture
def stream(app):
    return lambda path, **options: Stream(app, path, **options)


@pytest.fixture
def make_worker(flux):
    return lambda **options: ScriptedWorker(flux.port, **options)


@pytest.fixture
def publish(flux):
    async def publish(name: str = "hello", namespace: str = "default", source: str = "x = 1", **spec):
        from flux.domain import Module
        from flux.engine.source import bundle_of

        bundle = bundle_of(name, {name: Module(f"/{name}.py", source)})
        return (await flux.store.catalog.publish([WorkflowSpec(namespace, name, **spec)], bundle))[0]

    return publish
