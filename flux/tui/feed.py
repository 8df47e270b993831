"""Keeps the store in step with the server: lists first, then live events, again after every break."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from flux.clock import Clock, to_datetime
from flux.errors import FluxError, NotFoundError
from flux.tui.model.store import Connection, Store, Topic

if TYPE_CHECKING:
    from flux.client.api import FluxApi

PAGE = 200
_FIRST_RETRY = 0.1
_LONGEST_RETRY = 5.0
_RESYNC_AFTER = 1.0
_HTTP_LATER = 0.05


class Feed:
    """Loads, follows and reloads what the store holds.

    Args:
        changed: told after every change what it concerns; must be quick.
    """

    def __init__(self, api: FluxApi, store: Store, clock: Clock, changed: Callable[[set[Topic]], None]) -> None:
        self.api = api
        self.store = store
        self.clock = clock
        self._changed = changed
        self._pending: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    async def run(self) -> None:
        """Follow the server until cancelled."""
        attempts = 0
        while True:
            try:
                await self.api.ready()
                attempts = 0
                await self._follow()
                error = "the stream ended"
            except asyncio.CancelledError:
                raise
            except Exception as problem:  # whatever broke the connection, it is tried again
                error = describe(problem)
            delay = min(_FIRST_RETRY * 2**attempts, _LONGEST_RETRY)
            attempts += 1
            self._disconnected(error, attempts, delay)
            await self.clock.sleep(delay)

    async def close(self) -> None:
        """Stop the requests under way."""
        tasks = list(self._pending.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _follow(self) -> None:
        first = self.store.last_event_id is None
        stream = asyncio.create_task(self._consume(), name="flux-live")
        try:
            await self.load_all()
            self._set(Connection(connected=True, ever=True))
            if first:
                self.later("resync", self._resync)
            await stream
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)

    async def _consume(self) -> None:
        async for message in self.api.live(self.store.last_event_id):
            topics = self.store.apply(message)
            if Topic.GAP in topics:
                self.later("all", self.load_all)
            if Topic.WAITS in topics:
                self.later("waits", self.load_waits)
            if topics:
                self._changed(topics)

    async def _resync(self) -> None:
        """What happened between the first lists and the first live event is fetched once more."""
        await self.clock.sleep(_RESYNC_AFTER)
        await self.load_all()

    def _set(self, connection: Connection) -> None:
        self.store.connection = connection
        self._changed({Topic.CONNECTION})

    def _disconnected(self, error: str, attempts: int, delay: float) -> None:
        now = to_datetime(self.clock.now())
        known = self.store.connection
        self._set(
            replace(
                known,
                connected=False,
                attempts=attempts,
                error=error,
                retry_at=now + timedelta(seconds=delay),
                since=known.since or now,
            )
        )

    # requests

    def later(self, name: str, request: Callable[[], Awaitable[None]]) -> None:
        """Run a request soon; requests of one name under way at once become one more after it."""
        if name in self._pending:
            self._again.add(name)
            return

        async def run() -> None:
            try:
                await asyncio.sleep(_HTTP_LATER if name == "waits" else 0)
                await request()
            except Exception as problem:  # shown in the pane; the next event or key tries again
                self._failed(problem)
            finally:
                del self._pending[name]
                if name in self._again:
                    self._again.discard(name)
                    self.later(name, request)

        self._pending[name] = asyncio.create_task(run(), name=f"flux-{name}")

    def _failed(self, problem: Exception) -> None:
        self.store.loaded.error = describe(problem)
        self._changed({Topic.CONNECTION})

    async def load_all(self) -> None:
        """Ask for every list again."""
        results = await asyncio.gather(
            self._load_executions(),
            self.load_waits(),
            self._load_workflows(),
            self._load_workers(),
            self._load_logs(),
            self._load_reloads(),
            *(self.load_detail(execution_id) for execution_id in list(self.store.histories)[-3:]),
            return_exceptions=True,
        )
        problems = [result for result in results if isinstance(result, Exception)]
        self.store.loaded.error = describe(problems[0]) if problems else ""
        self._changed(set(Topic) - {Topic.GAP})
        if len(problems) == len(results):
            raise problems[0]

    async def _load_executions(self) -> None:
        self.store.set_executions(await self.api.list_executions(limit=PAGE))

    async def load_more(self) -> None:
        """Ask for the next older page of executions."""
        if self.store.cursor is not None:
            page = await self.api.list_executions(limit=PAGE, cursor=self.store.cursor)
            self.store.set_executions(page, older=True)
            self._changed({Topic.EXECUTIONS})

    async def load_waits(self) -> None:
        """Ask for the open waits."""
        self.store.set_waits(await self.api.list_waits())
        self._changed({Topic.WAITS})

    async def _load_workflows(self) -> None:
        self.store.set_workflows(await self.api.list_workflows())

    async def _load_workers(self) -> None:
        self.store.set_workers(await self.api.list_workers())

    async def _load_logs(self) -> None:
        self.store.add_logs(await self.api.logs(after=self.store.last_log_id))

    async def _load_reloads(self) -> None:
        for reload in await self.api.reloads():
            self.store.add_reload(reload)

    async def load_detail(self, execution_id: str) -> None:
        """Ask for one execution with its events, and for its output lines."""
        try:
            detail = await self.api.get_execution(execution_id)
        except NotFoundError:
            return
        self.store.set_detail(detail)
        self._changed({Topic.EVENTS, Topic.EXECUTIONS})
        self.store.set_archive(execution_id, await self.api.logs(execution_id=execution_id))
        self._changed({Topic.LOGS})


def describe(problem: BaseException) -> str:
    """A problem in one sentence."""
    if isinstance(problem, FluxError):
        return problem.message
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
