"""The parts of a running server, built in one place and handed to routes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request

from flux.clock import Clock
from flux.codec import Codec
from flux.dispatch.bus import Bus
from flux.dispatch.control import Executions
from flux.dispatch.crashes import Crashes, RetryPolicy
from flux.dispatch.desk import ServerDesk
from flux.dispatch.dispatcher import Dispatcher
from flux.dispatch.presence import Presence
from flux.dispatch.records import Recorder
from flux.dispatch.replaying import Replays
from flux.dispatch.secrecy import Secrecy
from flux.dispatch.validation import Questions, Validator
from flux.scheduling.timers import Timers
from flux.server.live import Firehose
from flux.server.port import EmbeddedPort
from flux.server.publishing import Publisher
from flux.store import Store
from flux.wire.models import ReloadModel

log = logging.getLogger("flux.server")


@dataclass(slots=True)
class Services:
    """Everything routes may use."""

    store: Store
    clock: Clock
    bus: Bus
    presence: Presence
    dispatcher: Dispatcher
    executions: Executions
    questions: Questions
    publisher: Publisher
    replays: Replays
    timers: Timers
    port: EmbeddedPort
    firehose: Firehose
    reloads: dict[str, ReloadModel] = field(default_factory=dict)
    expects_workers: bool = False

    def expect_workers(self) -> None:
        """A worker is about to come online: readiness and publications wait for it."""
        self.expects_workers = self.publisher.expects_workers = True

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Background loops while the server runs; open streams and waiters end with it."""
        self.bus.mark.skip_to(await self.store.executions.last_position())
        await self.store.secrets.redactor()  # known before the first event comes
        tasks = [
            asyncio.create_task(self.dispatcher.run(), name="flux-dispatcher"),
            asyncio.create_task(self.timers.run(), name="flux-timers"),
        ]
        self.dispatcher.poke()
        try:
            yield
        finally:
            self.close()
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.error("a background loop had failed", exc_info=outcome)

    def close(self) -> None:
        """End all streams and waiters."""
        self.bus.close()
        self.presence.close()
        self.questions.close()


def build(store: Store, clock: Clock, codec: Codec, *, policy: RetryPolicy) -> Services:
    """Wire the parts together."""
    bus = Bus()
    recorder = Recorder(clock)
    presence = Presence(clock)
    dispatcher = Dispatcher(store, bus, presence, recorder)
    timers = Timers(store, clock, dispatcher.poke)
    dispatcher.remind = timers.planned
    questions = Questions(presence, recorder.ids)
    secrecy = Secrecy(store.secrets, codec)
    validator = Validator(questions, secrecy)
    crashes = Crashes(store, bus, dispatcher, presence, recorder, codec, secrecy, policy)
    return Services(
        store=store,
        clock=clock,
        bus=bus,
        presence=presence,
        dispatcher=dispatcher,
        executions=Executions(store, bus, dispatcher, validator, recorder, secrecy),
        questions=questions,
        publisher=Publisher(store, bus, presence, questions),
        replays=Replays(store, questions),
        timers=timers,
        port=EmbeddedPort(
            store,
            bus,
            presence,
            dispatcher,
            crashes,
            questions,
            ServerDesk(store, validator),
            timers,
            recorder,
            secrecy,
        ),
        firehose=Firehose(store, bus),
    )


async def services(request: Request) -> Services:
    """Dependency: the parts of the server that answers this request."""
    found: Services = request.app.state.services
    return found


Flux = Annotated[Services, Depends(services)]
