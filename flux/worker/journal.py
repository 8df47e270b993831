"""The engine's journal inside a runner: appends travel to the agent, acknowledgements come back."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from flux.domain import EventRecord, Execution
from flux.engine.ports import Journal
from flux.errors import StaleClaimError
from flux.worker.channel import Channel
from flux.worker.frames import Ack, Append, Progressed


class PipeJournal(Journal):
    """The journal of one execution; the agent answers each append, in order, with one `Ack`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: Channel, execution: Execution) -> None:
        self._loop = loop
        self._channel = channel
        self._id = execution.id
        self._generation = execution.generation
        self._waiting: deque[asyncio.Future[int]] = deque()
        self._refused = ""
        self.ordinal = 0

    def append(self, events: Sequence[EventRecord], *, release: bool = False) -> asyncio.Future[int]:
        """Send the events; see `Journal.append`."""
        future: asyncio.Future[int] = self._loop.create_future()
        if self._refused:
            future.set_exception(StaleClaimError(self._refused))
            return future
        if events:
            self.ordinal = events[-1].ordinal
        self._waiting.append(future)
        self._channel.send(Append(self._id, self._generation, tuple(events), release))
        return future

    def progress(self, source_id: str, name: str, value: str) -> None:
        """Stream a value."""
        self._channel.send(Progressed(self._id, source_id, name, value))

    def acknowledged(self, ack: Ack) -> None:
        """Settle the oldest append; a refusal settles all, since the execution belongs to somebody else."""
        if ack.error:
            self.refuse(ack.error)
        elif self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(ack.first_seq)

    def refuse(self, reason: str) -> None:
        """Nothing of this execution will be written any more."""
        self._refused = reason
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_exception(StaleClaimError(reason))
