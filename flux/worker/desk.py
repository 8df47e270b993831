"""The engine's desk inside a runner: questions travel to the agent, answers come back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from flux.codec import Payload
from flux.domain import Execution, Inquiry
from flux.engine.ports import Desk
from flux.engine.quiet import FluxFuture
from flux.errors import ServerUnavailableError
from flux.worker.channel import Channel
from flux.worker.frames import Ask, Told


class PipeDesk(Desk):
    """The desk of one execution under one claim."""

    def __init__(self, loop: asyncio.AbstractEventLoop, channel: Channel, execution: Execution) -> None:
        self._loop = loop
        self._channel = channel
        self._id = execution.id
        self._generation = execution.generation
        self._asked = 0
        self._waiting: dict[int, FluxFuture] = {}

    async def ask(self, inquiry: Inquiry) -> Mapping[str, Payload]:
        """See `Desk.ask`."""
        self._asked += 1
        number = self._asked
        answer = self._waiting[number] = FluxFuture(loop=self._loop)
        self._channel.send(Ask(self._id, self._generation, number, inquiry))
        try:
            told: Told = await answer
        finally:
            del self._waiting[number]
        if told.error:
            raise ServerUnavailableError(told.error)
        return told.values

    def told(self, frame: Told) -> None:
        """An answer has come; whoever asked may be gone."""
        answer = self._waiting.get(frame.request_id)
        if answer is not None and not answer.done():
            answer.set_result(frame)
