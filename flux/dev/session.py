"""The server child and the watcher, working together; what both the dashboard and plain mode run."""

from __future__ import annotations

import asyncio
import contextlib

from flux.client.api import FluxApi
from flux.clock import Clock, SystemClock
from flux.dev.supervisor import ChildStatus, Supervisor
from flux.dev.watcher import Watcher
from flux.errors import FluxError

_RETRY = 0.02


class DevSession:
    """Runs the server child and the watcher, which publishes as soon as the server answers.

    After every restart of the child the watcher checks what had to wait and reports again what the new
    server cannot know.

    Args:
        watcher: None with `--no-watch`.
    """

    def __init__(
        self, supervisor: Supervisor, watcher: Watcher | None, api: FluxApi, *, clock: Clock | None = None
    ) -> None:
        self.supervisor = supervisor
        self.watcher = watcher
        self.ended = asyncio.Event()
        self.up = asyncio.Event()
        self._api = api
        self._clock = clock or SystemClock()
        self._spawned = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._forward = supervisor.on_status
        supervisor.on_status = self._on_status

    async def start(self) -> None:
        """Start the child unless it runs already; the rest follows in the background."""
        if self.supervisor.status.pid is None:
            await self.supervisor.start()
        else:
            self._spawned.set()
        self._tasks = [asyncio.create_task(self._follow_restarts(), name="flux-dev-restarts")]
        if self.watcher is not None:
            self._tasks.append(asyncio.create_task(self.watcher.run(self.up), name="flux-dev-watcher"))

    async def stop(self) -> None:
        """Stop watching, then the child; what it is doing may finish."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.supervisor.stop()

    async def reload_now(self) -> None:
        """Check all watched files now, changed or not."""
        if self.watcher is not None:
            await self.watcher.check_all()

    async def restart_server(self) -> None:
        """Stop the child if it runs, and start it again."""
        self.ended.clear()
        await self.supervisor.restart()

    async def _follow_restarts(self) -> None:
        while True:
            await self._spawned.wait()
            self._spawned.clear()
            await self._until_it_answers()
            self.supervisor.ready()
            if self.up.is_set() and self.watcher is not None:
                await self.watcher.server_is_back()
            self.up.set()

    async def _until_it_answers(self) -> None:
        """Until a worker is there too: without one the server cannot tell broken code from good."""
        while True:
            with contextlib.suppress(FluxError):
                if (await self._api.ready()).status == "ready":
                    return
            await self._clock.sleep(_RETRY)

    def _on_status(self, status: ChildStatus) -> None:
        if status.pid is not None and status.state in ("starting", "restarting"):
            self._spawned.set()
        if status.state == "stopped":
            self.ended.set()
        self._forward(status)
