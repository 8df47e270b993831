"""From runners to the server: nothing blocks a runner's frames, nothing of importance is lost."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from flux.dispatch.port import Acknowledged, Checkpoint, Progress, WorkerPort
from flux.domain import EventRecord, LogLine
from flux.errors import FluxError
from flux.worker.frames import Append
from flux.worker.link import Connection

logger = logging.getLogger("flux.worker")

_EVENTS_AT_ONCE = 1_000
_LINES_AT_ONCE = 2_000
_LINES_KEPT = 20_000
_PROGRESS_KEPT = 1_000


class Shipment:
    """The checkpoints of one execution: one at a time, what queues up meanwhile goes together.

    Args:
        on_acknowledged: an append is durable from this seq on.
        on_refused: the server will not have them; the execution must stop here.
    """

    def __init__(
        self,
        port: WorkerPort,
        worker: str,
        connection: Connection,
        on_acknowledged: Callable[[Append, int], None],
        on_refused: Callable[[Append, str], None],
    ) -> None:
        self._port = port
        self._worker = worker
        self._connection = connection
        self._on_acknowledged = on_acknowledged
        self._on_refused = on_refused
        self._queue: deque[Append] = deque()
        self._task: asyncio.Task[None] | None = None
        self.refused = False
        self.releasing = False
        self.released = False

    def add(self, append: Append) -> None:
        """Send these events, after those before them."""
        if self.refused:
            self._on_refused(append, "another owner has the execution")
            return
        self.releasing = self.releasing or append.release
        self._queue.append(append)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._ship())

    async def settled(self, timeout: float) -> None:
        """Come back when everything is sent, or after `timeout` seconds."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)

    def abandon(self) -> None:
        """Send no more."""
        self.refused = True
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def _ship(self) -> None:
        try:
            while self._queue:
                await self._send(self._take())
        finally:
            self._task = None

    def _take(self) -> list[Append]:
        """The appends that go together: nothing goes behind one that lets go, or under another claim than its own."""
        batch = [self._queue.popleft()]
        events = len(batch[0].events)
        while self._queue and not batch[-1].release and self._queue[0].generation == batch[0].generation:
            events += len(self._queue[0].events)
            if events > _EVENTS_AT_ONCE:
                break
            batch.append(self._queue.popleft())
        return batch

    async def _send(self, batch: list[Append]) -> None:
        checkpoint = _checkpoint(batch)
        try:
            answer = await self._checkpoint(checkpoint)
        except FluxError as error:
            logger.info("execution %s stops here: %s", checkpoint.execution_id, error)
            self._refuse(batch, error)
            return
        except Exception as error:
            # Nobody would notice: the server gives the execution out again once it is not named as running.
            logger.exception("execution %s stops here: its events cannot be sent", checkpoint.execution_id)
            self._refuse(batch, error)
            return
        self.released = self.released or checkpoint.release
        seq = answer.first_seq
        for append in batch:
            self._on_acknowledged(append, seq)
            seq += len(append.events)

    async def _checkpoint(self, checkpoint: Checkpoint) -> Acknowledged:
        return await self._connection.retried(lambda: self._port.checkpoint(self._worker, checkpoint))

    def _refuse(self, batch: list[Append], error: Exception) -> None:
        self.refused = True
        self._queue.clear()
        self._on_refused(batch[0], str(error) or type(error).__name__)


class Stream:
    """Batches that may be lost at worst: output lines and progress. One request at a time, oldest dropped.

    Args:
        send: delivers a batch.
    """

    def __init__(self, send: Callable[[Sequence[Any]], Awaitable[None]], keep: int, at_once: int) -> None:
        self._send = send
        self._queue: deque[Any] = deque(maxlen=keep)
        self._at_once = at_once
        self._task: asyncio.Task[None] | None = None

    def add(self, items: Sequence[Any]) -> None:
        """Send these after those before them."""
        self._queue.extend(items)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._drain())

    async def settled(self, timeout: float) -> None:
        """Come back when everything is sent, or after `timeout` seconds."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=timeout)

    def abandon(self) -> None:
        """Send no more."""
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def _drain(self) -> None:
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(self._at_once, len(self._queue)))]
                try:
                    await self._send(batch)
                except Exception as error:
                    logger.debug("%d items were not delivered: %s", len(batch), error)
        finally:
            self._task = None


def log_stream(port: WorkerPort, worker: str, connection: Connection) -> Stream:
    """Captured output on its way to the server; survives a lost connection up to a bound."""

    async def send(lines: Sequence[LogLine]) -> None:
        await connection.retried(lambda: port.logs(worker, lines))

    return Stream(send, _LINES_KEPT, _LINES_AT_ONCE)


def progress_stream(port: WorkerPort, worker: str) -> Stream:
    """Progress values on their way to the server, one by one and in order; not repeated."""

    async def send(values: Sequence[Progress]) -> None:
        for value in values:
            await port.progress(worker, value)

    return Stream(send, _PROGRESS_KEPT, 1)


def _checkpoint(batch: Sequence[Append]) -> Checkpoint:
    first = batch[0]
    events: tuple[EventRecord, ...] = first.events
    if len(batch) > 1:
        events = tuple(event for append in batch for event in append.events)
    return Checkpoint(first.execution_id, first.generation, events, any(append.release for append in batch))
