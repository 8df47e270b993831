"""One body of tests for every database: `memory` and `file`."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flux.codec import Payload
from flux.domain import (
    EventRecord,
    Execution,
    ExecutionEventType,
    ExecutionState,
    Wait,
    WaitKind,
    WorkflowRef,
)
from flux.store import Append, Store
from flux.testing.clock import FakeClock

E = ExecutionEventType


@dataclass
class Make:
    """Makes records with ids of their own."""

    clock: FakeClock
    count: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def execution(self, name: str = "order", namespace: str = "shop", input: bytes = b"1") -> Execution:
        return Execution(
            id=f"execution-{next(self.count)}",
            ref=WorkflowRef(namespace, name),
            state=ExecutionState.CREATED,
            input=Payload(input),
            version=1,
            digest="d1",
        )

    def event(
        self,
        type: ExecutionEventType,
        ordinal: int = 0,
        *,
        source: str = "workflow",
        name: str = "order",
        payload: bytes | None = None,
        wait: Wait | None = None,
        wait_id: str = "",
    ) -> EventRecord:
        return EventRecord(
            type,
            source,
            name,
            self.clock.now(),
            f"event-{next(self.count)}",
            None if payload is None else Payload(payload),
            ordinal=ordinal,
            wait=wait,
            wait_id=wait_id,
        )

    def waiting(
        self,
        ordinal: int,
        id: str,
        name: str = "",
        kind: WaitKind = WaitKind.INPUT,
        wake_in: float | None = None,
        output: bytes | None = None,
    ) -> EventRecord:
        """The event with which a task starts to wait."""
        wake_at = None if wake_in is None else self.clock.now() + round(wake_in * 1e6)
        wait = Wait(id, name or id, kind, wake_at, None if output is None else Payload(output), '{"type":"string"}')
        type = E.TASK_PAUSED if kind is WaitKind.INPUT else E.TASK_WAITING
        return self.event(type, ordinal, source=id, name=name or id, wait=wait)

    def answer(self, payload: bytes = b'"yes"') -> EventRecord:
        return self.event(E.WORKFLOW_RESUMING, source="execution", payload=payload)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(clock: FakeClock) -> Make:
    return Make(clock)


@pytest.fixture(params=["memory", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "sqlite:///:memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/flux.db"


@pytest.fixture
async def store(url: str, clock: FakeClock) -> AsyncIterator[Store]:
    store = await Store.open(url, clock=clock, synchronous="normal")
    yield store
    await store.close()


@pytest.fixture
def started(store: Store, make: Make):
    """Starts an execution that worker `ada` holds: `execution = await started()`."""

    async def start(name: str = "order", namespace: str = "shop") -> Execution:
        new = make.execution(name, namespace)
        await store.executions.create(new)
        await store.executions.claim(new.id, "ada", [make.event(E.WORKFLOW_SCHEDULED), make.event(E.WORKFLOW_CLAIMED)])
        append = Append(new.id, 1, [make.event(E.WORKFLOW_STARTED, 1, payload=b"1")])
        return (await store.executions.append(append)).execution

    return start


@pytest.fixture
def paused(store: Store, make: Make, started):
    """Starts an execution and pauses it at `approval`; nobody holds it then."""

    async def pause(wait: EventRecord | None = None) -> Execution:
        execution = await started()
        waiting = wait or make.waiting(2, "call-approval", "approval", output=b'"which?"')
        events = [waiting, make.event(E.WORKFLOW_PAUSED, 3)]
        return (await store.executions.append(Append(execution.id, 1, events, release=True))).execution

    return pause
