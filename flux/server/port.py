"""The server's end of the worker port: what agents ask of it.

Embedded agents call it directly; the routes under `/workers/{name}/…` call the same object for remote
ones.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from flux.clock import MICROSECOND
from flux.codec import Payload
from flux.dispatch.bus import Bus, Logged, Progressed, WorkerChanged
from flux.dispatch.crashes import Crashes
from flux.dispatch.desk import ServerDesk
from flux.dispatch.dispatcher import Dispatcher
from flux.dispatch.port import (
    Acknowledged,
    Checkpoint,
    Delivery,
    HistoryPage,
    ProbeResult,
    Progress,
    Registration,
    ReplayResult,
    RunnerDied,
    ValidationResult,
)
from flux.dispatch.presence import Presence
from flux.dispatch.records import Recorder
from flux.dispatch.replaying import history_page
from flux.dispatch.secrecy import Secrecy
from flux.dispatch.validation import Questions
from flux.domain import Bundle, Claim, Inquiry, LogLine
from flux.errors import StaleClaimError, WorkerNotFoundError
from flux.scheduling.timers import Timers
from flux.store import Append, Store

_SEEN_EVERY = 30 * MICROSECOND


class EmbeddedPort:
    """Implements `flux.dispatch.port.WorkerPort` by direct calls.

    Example:
        port = EmbeddedPort(store, bus, presence, dispatcher, crashes, questions, desk, timers, recorder, secrecy)
        agent = Agent(port, name="embedded", slots=100)
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        presence: Presence,
        dispatcher: Dispatcher,
        crashes: Crashes,
        questions: Questions,
        desk: ServerDesk,
        timers: Timers,
        recorder: Recorder,
        secrecy: Secrecy,
    ) -> None:
        self._store = store
        self._bus = bus
        self._presence = presence
        self._dispatcher = dispatcher
        self._crashes = crashes
        self._questions = questions
        self._timers = timers
        self._recorder = recorder
        self._secrecy = secrecy
        self._desk = desk
        self._noted: dict[str, int] = {}
        self._shown: dict[str, int] = {}

    async def register(self, registration: Registration, *, embedded: bool = True) -> None:
        """Announce the worker; again after a lost connection.

        A new process under a known name holds nothing any more; the same process goes on with what it has.
        """
        name = registration.name
        before = await self._last_pid(name)
        fresh = self._presence.register(registration, embedded=embedded)
        await self._store.workers.register(name, _stored(registration))
        if not fresh:
            return
        held = await self._store.executions.held(name)
        if registration.pid and registration.pid == before:
            self._presence.adopt(name, held)
        else:
            await self._dispatcher.requeue((one.id, one.generation) for one in held)

    async def deliveries(self, worker: str) -> AsyncIterator[Delivery]:
        """Work for this worker until it reconnects, leaves, or the server closes."""
        async for batch in self.batches(worker):
            for delivery in batch:
                yield delivery

    async def batches(self, worker: str, timeout: float | None = None) -> AsyncIterator[list[Delivery]]:
        """As `deliveries`, all that is queued at once; an empty batch after `timeout` seconds of silence."""
        connection = self._presence.connect(worker)
        self._show(worker)
        self._dispatcher.poke()
        try:
            while (batch := await connection.batch(timeout)) is not None:
                yield batch
        finally:
            connection.close()
            self._show(worker)

    def known(self, worker: str) -> None:
        """Raises `WorkerNotFoundError` unless the worker has registered with this server."""
        self._presence.get(worker)

    async def claim(self, worker: str, execution_id: str) -> Claim:
        """Take an execution. Raises `StaleClaimError` when somebody else has it."""
        return await self._dispatcher.claim(worker, execution_id)

    async def checkpoint(self, worker: str, batch: Checkpoint) -> Acknowledged:
        """Make events durable. Raises `StaleClaimError` for a stale generation."""
        events = self._secrecy.events(batch.events)
        append = Append(batch.execution_id, batch.generation, events, release=batch.release)
        try:
            appended = await self._store.executions.append(append)
        except StaleClaimError:
            self._presence.release(worker, batch.execution_id, batch.generation)
            raise
        events = appended.events
        if not appended.duplicate:
            self._bus.committed(appended.execution, events)
        self._presence.confirm(worker, appended.execution)
        if batch.release:
            self._dispatcher.released(worker, appended.execution, appended.ready)
            if not appended.execution.state.is_terminal:
                self._timers.replan()
        self._dispatcher.announce(appended.others)
        ordinal = batch.events[-1].ordinal if batch.events else 0
        first_seq = events[0].seq if events else appended.execution.last_seq + 1
        return Acknowledged(batch.execution_id, ordinal, first_seq)

    async def bundle(self, worker: str, digest: str) -> Bundle:
        """The source of a version. Raises `VersionNotFoundError`."""
        return await self._store.catalog.bundle(digest)

    async def ask(self, worker: str, execution_id: str, inquiry: Inquiry) -> Mapping[str, Payload]:
        """What an execution asks for. Raises `StaleClaimError` unless this worker holds it."""
        if self._presence.running(worker, execution_id) is None:
            raise StaleClaimError(f"Execution '{execution_id}' is not held by worker '{worker}'.")
        return await self._desk.ask(await self._secrecy.inquiry(inquiry))

    async def heartbeat(self, worker: str, running: Sequence[str]) -> None:
        """Extend the lease of the worker and of what it runs.

        Raises `WorkerNotFoundError` when the worker must register again.
        """
        lost = self._presence.seen(worker, running)
        await self._dispatcher.requeue((one.id, one.generation) for one in lost)
        if self._shown.get(worker) != len(running):
            self._show(worker)
        now = self._recorder.clock.now()
        if now - self._noted.get(worker, 0) >= _SEEN_EVERY:
            self._noted[worker] = now
            await self._store.workers.seen(worker, now)

    async def progress(self, worker: str, progress: Progress) -> None:
        """Stream an ephemeral value."""
        execution = self._presence.running(worker, progress.execution_id)
        progress = replace(progress, value=await self._secrecy.text(progress.value))
        self._bus.publish(Progressed(progress, self._recorder.clock.now(), execution))

    async def logs(self, worker: str, lines: Sequence[LogLine]) -> None:
        """Keep captured output."""
        if lines:
            self._bus.publish(Logged(tuple(await self._store.logs.add(await self._secrecy.lines(lines)))))

    async def died(self, worker: str, death: RunnerDied) -> None:
        """Report a dead runner."""
        await self._crashes.died(worker, death)

    async def validated(self, worker: str, result: ValidationResult) -> None:
        """Answer a validation request."""
        self._questions.answer(result.request_id, result)

    async def probed(self, worker: str, result: ProbeResult) -> None:
        """Answer a probe request."""
        self._questions.answer(result.request_id, result)

    async def history(self, worker: str, execution_id: str, after: int = 0) -> HistoryPage:
        """The next events of an execution beyond `after`, for a replay."""
        return await history_page(self._store, execution_id, after)

    async def replayed(self, worker: str, result: ReplayResult) -> None:
        """Answer a replay request."""
        self._questions.answer(result.request_id, result)

    async def leave(self, worker: str) -> None:
        """The worker goes away; what it still holds goes back to the queue."""
        await self._dispatcher.lose(worker)
        with suppress(WorkerNotFoundError):
            await self._store.workers.remove(worker)

    def _show(self, worker: str) -> None:
        model = self._presence.model(worker)
        if model is not None and not self._bus.closed:
            self._shown[worker] = model.running
            self._bus.publish(WorkerChanged(model))

    async def _last_pid(self, name: str) -> int:
        known = self._presence.find(name)
        if known is not None:
            return known.registration.pid
        try:
            return int((await self._store.workers.get(name)).data.get("pid", 0))
        except WorkerNotFoundError:
            return 0


def _stored(registration: Registration) -> dict[str, Any]:
    return {
        "slots": registration.slots,
        "runtime": registration.runtime,
        "packages": registration.packages,
        "resources": registration.resources,
        "labels": registration.labels,
        "pid": registration.pid,
    }
