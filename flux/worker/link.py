"""The way to the server: registering, staying connected, showing that the worker is alive."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from flux.clock import Clock
from flux.dispatch.port import Delivery, Registration, WorkerPort
from flux.errors import (
    FluxError,
    ServerUnavailableError,
    StoreError,
    UnauthorizedError,
    WorkerNotFoundError,
)

logger = logging.getLogger("flux.worker")
T = TypeVar("T")

UNREACHABLE = (ServerUnavailableError, StoreError, UnauthorizedError, WorkerNotFoundError, OSError, TimeoutError)
"""Errors after which the same request may succeed later."""
HEARTBEAT = 5.0
"""Seconds between two heartbeats."""
_BACKOFF = (0.1, 5.0)
_UNKNOWN_TRIES = 5


class Connection:
    """Whether the server can be reached; failed senders wait here."""

    def __init__(self) -> None:
        self.up = asyncio.Event()
        self.lost = asyncio.Event()

    def established(self) -> None:
        """The worker is registered."""
        self.lost.clear()
        self.up.set()

    def broken(self) -> None:
        """A request failed: the worker should register again."""
        self.up.clear()
        self.lost.set()

    async def retried(self, request: Callable[[], Awaitable[T]]) -> T:
        """Repeat a request, which must be harmless to repeat, until the server answers it.

        Raises what the server refuses it with.
        """
        delay, unknown = 0.05, 0
        while True:
            try:
                return await request()
            except UNREACHABLE as error:
                if not isinstance(error, StoreError):
                    self.broken()
                logger.debug("request failed, will be repeated: %s", error)
            except FluxError as error:
                unknown += 1
                if error.status < 500 or unknown >= _UNKNOWN_TRIES:
                    raise
            except Exception:
                unknown += 1
                if unknown >= _UNKNOWN_TRIES:
                    raise
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.up.wait(), delay * 10)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5.0)


class Link:
    """Keeps a worker registered and connected.

    Args:
        registration: what the worker says of itself now.
        on_delivery: takes what the server sends.
        on_change: told when the server is reached or lost, with a reason.
        running: ids of the executions that the worker holds.
    """

    def __init__(
        self,
        port: WorkerPort,
        name: str,
        connection: Connection,
        *,
        registration: Callable[[], Registration],
        on_delivery: Callable[[Delivery], None],
        on_change: Callable[[bool, str], None],
        running: Callable[[], Sequence[str]],
        clock: Clock,
    ) -> None:
        self._port = port
        self._name = name
        self._connection = connection
        self._registration = registration
        self._on_delivery = on_delivery
        self._on_change = on_change
        self._running = running
        self._clock = clock

    async def hold(self, stopping: asyncio.Event) -> None:
        """Stay connected, coming back after every loss, until `stopping`.

        Raises what the server refuses the worker with, unless it had taken it before.
        """
        delay, known = _BACKOFF[0], False
        while not stopping.is_set():
            try:
                await self._port.register(self._registration())
                self._connection.established()
                self._on_change(True, "")
                known, delay = True, _BACKOFF[0]
                await self._consume(stopping)
                reason = "the connection ended"
            except (FluxError, OSError, TimeoutError) as error:
                if _is_final(error, known):
                    raise
                reason = str(error) or type(error).__name__
            if stopping.is_set():
                return
            self._connection.broken()
            self._on_change(False, reason)
            logger.info("server not reachable (%s); trying again", reason)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), delay * random.uniform(0.8, 1.2))
            delay = min(delay * 2, _BACKOFF[1])

    async def beat(self) -> None:
        """Heartbeats, for as long as the task lives."""
        while True:
            await self._clock.sleep(HEARTBEAT)
            if not self._connection.up.is_set():
                continue
            try:
                await self._port.heartbeat(self._name, self._running())
            except UNREACHABLE as error:
                logger.debug("heartbeat failed: %s", error)
                self._connection.broken()
            except FluxError as error:
                logger.warning("the server refused a heartbeat: %s", error)

    async def _consume(self, stopping: asyncio.Event) -> None:
        """Deliveries until the connection ends or the worker stops."""
        loop = asyncio.get_running_loop()
        reading = loop.create_task(self._read())
        others = [loop.create_task(stopping.wait()), loop.create_task(self._connection.lost.wait())]
        try:
            await asyncio.wait([reading, *others], return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
        finally:
            for task in (reading, *others):
                task.cancel()
            await asyncio.gather(reading, *others, return_exceptions=True)

    async def _read(self) -> None:
        async for delivery in self._port.deliveries(self._name):
            self._on_delivery(delivery)


def _is_final(error: Exception, known: bool) -> bool:
    """Whether trying again is pointless: the server has refused a worker that it never had taken."""
    if isinstance(error, UNREACHABLE):
        return not known and isinstance(error, FluxError) and error.status in (401, 403)
    return isinstance(error, FluxError) and error.status < 500
