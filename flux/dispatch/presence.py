"""Which workers are there, what each of them runs, and the way to reach them.

Presence is the memory of this server process; what must survive it (who holds which execution, which
workers were ever registered) is in the store.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Sequence
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
        execution: as last committed.
        claim: kept until the worker has shown that it received it.
        fetched: the worker has asked for the claim.
        since: monotonic seconds.
    """

    execution: Execution
    since: float
    claim: Claim | None = None
    fetched: bool = False


@dataclass(slots=True)
class Worker:
    """One registered worker; `reserved` slots are those of claims that are being committed.

    `gone` is set when it has left, or a new process has taken its name.
    """

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
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def name(self) -> str:
        """Unique name."""
        return self.registration.name

    @property
    def free(self) -> int:
        """Slots that can take another execution."""
        return self.registration.slots - len(self.assigned) - self.reserved


class Connection:
    """What is for one worker, until it reconnects or leaves, or the server closes."""

    def __init__(self, worker: Worker, session: int, closed: Callable[[], bool]) -> None:
        self._worker = worker
        self._session = session
        self._closed = closed

    @property
    def open(self) -> bool:
        """Whether this is still the worker's connection."""
        return self._worker.session == self._session and not self._closed()

    async def batch(self, timeout: float | None = None) -> list[Delivery] | None:
        """All that is queued, waiting for the first; [] after `timeout` seconds, None at the end."""
        if self.open and not self._worker.queue:
            self._worker.wake.clear()
            try:
                async with asyncio.timeout(timeout):
                    await self._worker.wake.wait()
            except TimeoutError:
                return []
        if not self.open:
            return None
        deliveries = list(self._worker.queue)
        self._worker.queue.clear()
        return deliveries

    def close(self) -> None:
        """The worker cannot be reached any more."""
        if self._worker.session == self._session:
            self._worker.connected = False


class Presence:
    """The workers of this server.

    Example:
        presence.register(Registration("w1", slots=10), embedded=True)
        connection = presence.connect("w1")
        deliveries = await connection.batch()
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._workers: dict[str, Worker] = {}
        self._closed = False
        self._arrival = asyncio.Event()

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
            known.gone.set()
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

    async def any_online(self, timeout: float) -> bool:
        """Whether a worker is online, waiting for the first one up to `timeout` seconds."""
        if not self.online():
            self._arrival.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout):
                    await self._arrival.wait()
        return bool(self.online())

    def forget(self, name: str) -> list[Execution]:
        """The worker is gone; returns what it held."""
        worker = self._workers.pop(name, None)
        if worker is None:
            return []
        worker.connected = False
        worker.session += 1
        worker.wake.set()
        worker.gone.set()
        return [assignment.execution for assignment in worker.assigned.values()]

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

    def room(self) -> int:
        """Free slots of all online workers."""
        return sum(max(0, worker.free) for worker in self._workers.values() if worker.connected)

    def adopt(self, name: str, executions: Iterable[Execution]) -> None:
        """The worker held these before this server started, or before it reconnected."""
        worker = self.get(name)
        now = self._clock.monotonic()
        for execution in executions:
            worker.assigned.setdefault(execution.id, Assignment(execution, now, fetched=True))

    def assign(self, name: str, claim: Claim) -> bool:
        """The worker holds a claim now; false when it has gone meanwhile."""
        worker = self._workers.get(name)
        if worker is None:
            return False
        execution = claim.execution
        worker.assigned[execution.id] = Assignment(execution, self._clock.monotonic(), claim)
        worker.warm.add(execution.digest)
        return True

    def fetch(self, name: str, execution_id: str) -> Claim | None:
        """The claim made for the worker, if it has not shown yet that it has it."""
        assignment = self.get(name).assigned.get(execution_id)
        if assignment is None or assignment.claim is None:
            return None
        assignment.fetched = True
        return assignment.claim

    def confirm(self, name: str, execution: Execution) -> None:
        """The worker has shown that it runs the execution, which now stands like this."""
        assignment = self._assignment(name, execution.id, execution.generation)
        if assignment is not None:
            assignment.claim = None
            assignment.execution = execution

    def running(self, name: str, execution_id: str) -> Execution | None:
        """The execution as last committed, if the worker holds it."""
        worker = self._workers.get(name)
        assignment = worker.assigned.get(execution_id) if worker is not None else None
        return assignment.execution if assignment is not None else None

    def release(self, name: str, execution_id: str, generation: int) -> None:
        """The worker does not hold this claim of the execution any more."""
        if self._assignment(name, execution_id, generation) is not None:
            del self._workers[name].assigned[execution_id]

    def seen(self, name: str, running: Sequence[str]) -> list[Execution]:
        """A heartbeat: extends the lease; returns claims that must have been lost on their way."""
        worker = self.get(name)
        self._touch(worker)
        late = self._clock.monotonic() - GRACE
        alive = set(running)
        lost: list[Execution] = []
        for assignment in worker.assigned.values():
            if assignment.execution.id in alive:
                # Not yet fetched: what is still running there is the claim before this one.
                assignment.claim = None if assignment.fetched else assignment.claim
            elif assignment.since <= late:
                lost.append(assignment.execution)
        for execution in lost:
            del worker.assigned[execution.id]
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

    def connect(self, name: str) -> Connection:
        """Open the way to a worker; an earlier connection of it ends."""
        worker = self.get(name)
        worker.session += 1
        worker.wake.set()
        worker.wake = asyncio.Event()
        queued = {item.execution_id for item in worker.queue if isinstance(item, Assigned)}
        for assignment in worker.assigned.values():
            if not assignment.fetched and assignment.execution.id not in queued:
                worker.queue.append(Assigned(assignment.execution.id, assignment.execution.digest))
        worker.connected = True
        self._arrival.set()
        self._touch(worker)
        return Connection(worker, worker.session, lambda: self._closed)

    def close(self) -> None:
        """End all deliveries."""
        self._closed = True
        self._arrival.set()
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

    def _assignment(self, name: str, execution_id: str, generation: int) -> Assignment | None:
        worker = self._workers.get(name)
        found = worker.assigned.get(execution_id) if worker is not None else None
        return found if found is not None and found.execution.generation == generation else None

    def _touch(self, worker: Worker) -> None:
        worker.last_seen = self._clock.now()
        worker.lease = self._clock.monotonic() + LEASE
