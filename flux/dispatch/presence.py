"""Which workers are there, what each of them runs, and the way to reach them.

Presence is the memory of this server process; what must survive it (who holds which execution, which
workers were ever registered) is in the store.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field

from flux.clock import Clock, to_datetime
from flux.dispatch.matching import Candidate
from flux.dispatch.port import Assigned, Delivery, Registration
from flux.domain import Claim, Execution
from flux.errors import WorkerNotFoundError
from flux.wire.models import WorkerModel

HEARTBEAT = 5.0
"""Seconds between the heartbeats of a worker."""

LEASE = 15.0
"""Seconds without a heartbeat after which a worker counts as gone."""

GRACE = 10.0
"""Seconds a worker has to report a claimed execution as running before the claim counts as lost."""


@dataclass(slots=True)
class Assignment:
    """An execution that a worker holds.

    Attributes:
        claim: kept until the worker has shown that it received it.
        fetched: the worker has asked for the claim.
        since: monotonic seconds.
    """

    execution_id: str
    generation: int
    digest: str
    since: float
    claim: Claim | None = None
    fetched: bool = False


@dataclass(slots=True)
class Worker:
    """One registered worker; `reserved` slots are those of claims that are being committed."""

    registration: Registration
    embedded: bool
    registered_at: int
    last_seen: int
    lease: float
    session: int = 0
    connected: bool = False
    reserved: int = 0
    assigned: dict[str, Assignment] = field(default_factory=dict)
    warm: set[str] = field(default_factory=set)
    queue: deque[Delivery] = field(default_factory=deque)
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Unique name."""
        return self.registration.name

    @property
    def free(self) -> int:
        """Slots that can take another execution."""
        return self.registration.slots - len(self.assigned) - self.reserved


class Presence:
    """The workers of this server.

    Example:
        presence.register(Registration("w1", slots=10), embedded=True)
        async for delivery in presence.deliveries("w1"): ...
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._workers: dict[str, Worker] = {}
        self._closed = False

    # who is there

    def register(self, registration: Registration, *, embedded: bool = False) -> bool:
        """Note a worker; true when it is new here, or a new process under a known name."""
        known = self._workers.get(registration.name)
        if known is not None and known.registration.pid == registration.pid:
            known.registration = registration
            self._touch(known)
            return False
        if known is not None:
            known.session += 1
            known.wake.set()
        now = self._clock.now()
        self._workers[registration.name] = Worker(
            registration, embedded, registered_at=now, last_seen=now, lease=self._clock.monotonic() + LEASE
        )
        return True

    def get(self, name: str) -> Worker:
        """Raises `WorkerNotFoundError`."""
        worker = self._workers.get(name)
        if worker is None:
            raise WorkerNotFoundError(f"Worker '{name}' is not registered here.", hint="Register it again.")
        return worker

    def find(self, name: str) -> Worker | None:
        """The worker, or None."""
        return self._workers.get(name)

    def all(self) -> list[Worker]:
        """Every worker known to this process."""
        return list(self._workers.values())

    def online(self) -> list[Worker]:
        """Workers that can be reached now."""
        return [worker for worker in self._workers.values() if worker.connected]

    def forget(self, name: str) -> list[Assignment]:
        """The worker is gone; returns what it held."""
        worker = self._workers.pop(name, None)
        if worker is None:
            return []
        worker.connected = False
        worker.session += 1
        worker.wake.set()
        return list(worker.assigned.values())

    def expired(self) -> list[str]:
        """Names of workers whose lease has run out."""
        now = self._clock.monotonic()
        return [worker.name for worker in self._workers.values() if worker.lease <= now]

    def next_expiry(self) -> float:
        """Seconds until the first lease can run out; `LEASE` when there is none."""
        now = self._clock.monotonic()
        return max(0.0, min((worker.lease - now for worker in self._workers.values()), default=LEASE))

    # what they run

    def candidates(self) -> list[Candidate]:
        """Online workers as matching sees them."""
        return [
            Candidate(
                worker.name,
                worker.registration.slots,
                worker.free,
                worker.warm,
                worker.registration.resources,
                worker.registration.packages,
            )
            for worker in self._workers.values()
            if worker.connected
        ]

    def has_room(self) -> bool:
        """Whether any online worker has a free slot."""
        return any(worker.connected and worker.free > 0 for worker in self._workers.values())

    def adopt(self, name: str, executions: Iterable[Execution]) -> None:
        """The worker held these before this server started, or before it reconnected."""
        worker = self.get(name)
        now = self._clock.monotonic()
        for execution in executions:
            worker.assigned.setdefault(
                execution.id, Assignment(execution.id, execution.generation, execution.digest, now, fetched=True)
            )

    def assign(self, name: str, claim: Claim) -> bool:
        """The worker holds a claim now; false when it has gone meanwhile."""
        worker = self._workers.get(name)
        if worker is None:
            return False
        execution = claim.execution
        worker.assigned[execution.id] = Assignment(
            execution.id, execution.generation, execution.digest, self._clock.monotonic(), claim
        )
        worker.warm.add(execution.digest)
        return True

    def fetch(self, name: str, execution_id: str) -> Claim | None:
        """The claim made for the worker, if it has not shown yet that it has it."""
        assignment = self.get(name).assigned.get(execution_id)
        if assignment is None or assignment.claim is None:
            return None
        assignment.fetched = True
        return assignment.claim

    def confirm(self, name: str, execution_id: str) -> None:
        """The worker has shown that it runs the execution."""
        worker = self._workers.get(name)
        if worker is not None and (assignment := worker.assigned.get(execution_id)) is not None:
            assignment.claim = None

    def release(self, name: str, execution_id: str) -> Assignment | None:
        """The worker holds the execution no more."""
        worker = self._workers.get(name)
        return worker.assigned.pop(execution_id, None) if worker is not None else None

    def seen(self, name: str, running: Sequence[str]) -> list[Assignment]:
        """A heartbeat: extends the lease; returns claims that must have been lost on their way."""
        worker = self.get(name)
        self._touch(worker)
        late = self._clock.monotonic() - GRACE
        alive = set(running)
        lost = []
        for assignment in worker.assigned.values():
            if assignment.execution_id in alive:
                assignment.claim = None
            elif assignment.since <= late:
                lost.append(assignment)
        for assignment in lost:
            del worker.assigned[assignment.execution_id]
        return lost

    # how to reach them

    def deliver(self, name: str, delivery: Delivery) -> bool:
        """Queue something for a worker; false when it is not known here."""
        worker = self._workers.get(name)
        if worker is None:
            return False
        worker.queue.append(delivery)
        worker.wake.set()
        return True

    async def deliveries(self, name: str) -> AsyncIterator[Delivery]:
        """What is for this worker, until it reconnects, leaves, or the server closes."""
        worker = self.get(name)
        session = self._open(worker)
        try:
            while worker.session == session and not self._closed:
                while worker.queue and worker.session == session:
                    yield worker.queue.popleft()
                worker.wake.clear()
                await worker.wake.wait()
        finally:
            if worker.session == session:
                worker.connected = False

    def close(self) -> None:
        """End all deliveries."""
        self._closed = True
        for worker in self._workers.values():
            worker.wake.set()

    def model(self, name: str) -> WorkerModel | None:
        """The worker as the API shows it."""
        worker = self._workers.get(name)
        if worker is None:
            return None
        registration = worker.registration
        return WorkerModel(
            name=name,
            online=worker.connected,
            slots=registration.slots,
            running=len(worker.assigned),
            runtime=registration.runtime,
            resources=registration.resources,
            packages=registration.packages,
            labels=registration.labels,
            embedded=worker.embedded,
            last_seen=to_datetime(worker.last_seen),
            registered_at=to_datetime(worker.registered_at),
        )

    def _open(self, worker: Worker) -> int:
        worker.session += 1
        worker.wake.set()
        worker.wake = asyncio.Event()
        queued = {item.execution_id for item in worker.queue if isinstance(item, Assigned)}
        for assignment in worker.assigned.values():
            if not assignment.fetched and assignment.execution_id not in queued:
                worker.queue.append(Assigned(assignment.execution_id, assignment.digest))
        worker.connected = True
        self._touch(worker)
        return worker.session

    def _touch(self, worker: Worker) -> None:
        worker.last_seen = self._clock.now()
        worker.lease = self._clock.monotonic() + LEASE
