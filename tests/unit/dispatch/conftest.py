from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field

import pytest

from flux.clock import MICROSECOND, SystemClock
from flux.codec import NULL, Codec, Payload
from flux.dispatch.bus import Bus
from flux.dispatch.control import Executions
from flux.dispatch.crashes import Crashes
from flux.dispatch.dispatcher import Dispatcher
from flux.dispatch.port import Assigned, Registration
from flux.dispatch.presence import Presence
from flux.dispatch.records import Recorder
from flux.dispatch.secrecy import Secrecy
from flux.dispatch.validation import Questions, Validator
from flux.domain import Bundle, EventRecord, ExecutionEventType, Module, Wait, WaitKind, WorkflowRef, WorkflowSpec
from flux.store import Append, Store

REF = WorkflowRef("default", "hello")


class HandClock(SystemClock):
    """Time that moves when told; sleepers wake when their time has come."""

    def __init__(self, start: int = 1_800_000_000 * MICROSECOND) -> None:
        self.time = start
        self._sleepers: list[tuple[int, asyncio.Event]] = []

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.time / MICROSECOND

    async def sleep(self, seconds: float) -> None:
        awake = asyncio.Event()
        self._sleepers.append((self.time + int(seconds * MICROSECOND), awake))
        await awake.wait()

    def advance(self, seconds: float) -> None:
        self.time += int(seconds * MICROSECOND)
        due = [sleeper for sleeper in self._sleepers if sleeper[0] <= self.time]
        self._sleepers = [sleeper for sleeper in self._sleepers if sleeper[0] > self.time]
        for _, awake in due:
            awake.set()


@dataclass
class World:
    """Real parts around a real store."""

    store: Store
    clock: HandClock
    bus: Bus = field(default_factory=Bus)

    def __post_init__(self) -> None:
        self.recorder = Recorder(self.clock)
        self.presence = Presence(self.clock)
        self.dispatcher = Dispatcher(self.store, self.bus, self.presence, self.recorder)
        self.questions = Questions(self.presence)
        self.codec = Codec()
        secrecy = Secrecy(self.store.secrets, self.codec)
        validator = Validator(self.questions, secrecy)
        self.executions = Executions(self.store, self.bus, self.dispatcher, validator, self.recorder, secrecy)
        self.crashes = Crashes(self.store, self.bus, self.dispatcher, self.presence, self.recorder, self.codec, secrecy)
        self._ids = itertools.count(1)
        self._ordinals: dict[tuple[str, int], int] = {}

    def join(self, name: str = "w1", slots: int = 10, pid: int = 1):
        """A worker that registers and connects."""
        self.presence.register(Registration(name, slots, pid=pid))
        return self.presence.connect(name)

    async def publish(self, name: str = "hello", **spec) -> None:
        bundle = Bundle(f"digest-{name}", name, {name: Module(f"/{name}.py", "x = 1")})
        await self.store.catalog.publish([WorkflowSpec("default", name, **spec)], bundle)

    async def assigned(self, connection) -> str:
        """Id of the next execution that a worker is given."""
        for delivery in await asyncio.wait_for(connection.batch(5), 5):
            if isinstance(delivery, Assigned):
                return delivery.execution_id
        raise AssertionError("nothing was assigned")

    def event(self, kind: ExecutionEventType, claim, source: str = "", value: str = "", wait=None) -> EventRecord:
        key = (claim.execution.id, claim.execution.generation)
        self._ordinals[key] = self._ordinals.get(key, 0) + 1
        payload = Payload(value.encode()) if value else NULL
        return EventRecord(
            kind,
            source or claim.execution.id,
            claim.execution.ref.name,
            self.clock.now(),
            f"event-{next(self._ids)}",
            payload,
            ordinal=self._ordinals[key],
            wait=wait,
        )

    async def write(self, worker: str, claim, *events: EventRecord, release: bool = False):
        """A checkpoint of a worker, as the port does it."""
        execution = claim.execution
        appended = await self.store.executions.append(Append(execution.id, execution.generation, events, release))
        self.bus.committed(appended.execution, appended.events)
        self.presence.confirm(worker, appended.execution)
        if release:
            self.dispatcher.released(worker, appended.execution, appended.ready)
        return appended.execution

    async def pause(self, worker: str, claim, name: str = "approval", schema: str = "", model: str = ""):
        wait = Wait(f"{name}-1", name, WaitKind.INPUT, schema=schema, model=model)
        kinds = ExecutionEventType
        return await self.write(
            worker,
            claim,
            self.event(kinds.WORKFLOW_STARTED, claim),
            self.event(kinds.TASK_PAUSED, claim, f"{name}-1", wait=wait),
            self.event(kinds.WORKFLOW_PAUSED, claim),
            release=True,
        )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def world(clock):
    store = await Store.open("sqlite:///:memory:", clock=clock)
    made = World(store, clock)
    await made.publish()
    await made.dispatcher.match()
    yield made
    await store.close()


@pytest.fixture
def ref() -> WorkflowRef:
    return REF
