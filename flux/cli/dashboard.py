"""Opening the dashboard: over a server of our own (`flux dev`) or over another one (`flux top`)."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flux.cli.render import talk
from flux.cli.signals import on_signals
from flux.dev.terminal import TerminalTakeover

if TYPE_CHECKING:
    from flux.cli.devkit import DevKit
    from flux.dev.session import DevSession
    from flux.tui.app import FluxApp
    from flux.tui.controls import ServerStatus
    from flux.wire.models import LogModel


class SessionControls:
    """Implements `flux.tui.controls.Controls` with the session of `flux dev`."""

    def __init__(self, session: DevSession) -> None:
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()

    def server_status(self) -> ServerStatus:
        """How the server child stands now."""
        from flux.tui.controls import ServerStatus

        return ServerStatus(**asdict(self._session.supervisor.status))

    async def reload_now(self) -> None:
        """Check all watched files now, changed or not; the reports tell what came of it."""
        self._later(self._session.reload_now())

    async def restart_server(self) -> None:
        """Stop the server child if it runs, and start it again; `server_status` tells how it goes."""
        self._later(self._session.restart_server())

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class ServerOutput:
    """Lines of the server child as log lines of the dashboard; kept until there is one."""

    def __init__(self) -> None:
        self._app: FluxApp | None = None
        self._early: list[LogModel] = []

    def add(self, line: str) -> None:
        """Take a line."""
        from flux.wire.models import LogModel

        log = LogModel(time=datetime.now(UTC), level="INFO", source="server", text=line)
        if self._app is None:
            self._early.append(log)
        else:
            self._show(self._app, log)

    def show_on(self, app: FluxApp) -> None:
        """Show all lines on this dashboard from now on."""
        self._app = app
        for log in self._early:
            self._show(app, log)
        self._early.clear()

    def _show(self, app: FluxApp, log: LogModel) -> None:
        from flux.tui.model.store import Topic

        app.store.add_log(log)
        app.changed({Topic.LOGS})


def run_dev(kit: DevKit) -> int:
    """The dashboard of `flux dev` until it is left; the exit code."""
    return asyncio.run(_dev(kit))


def attach(url: str) -> None:
    """The dashboard of a server that runs elsewhere until it is left."""
    asyncio.run(_attach(url))


async def _dev(kit: DevKit) -> int:
    output = ServerOutput()
    supervisor = kit.supervisor(on_line=output.add)
    await supervisor.start()
    # The server starts while the rest is imported.
    api = kit.client()
    session = kit.session(supervisor, api)
    try:
        await session.start()
        from flux.tui.app import FluxApp
        from flux.tui.run import run_dashboard_async

        app = FluxApp(api, SessionControls(session))
        output.show_on(app)
        with TerminalTakeover() as terminal:
            code = await run_dashboard_async(app, stray=terminal.reader)
        on_signals(supervisor.kill)
        talk("stopping … (Ctrl+C to stop at once)")
        return code
    finally:
        await session.stop()
        await api.close()


async def _attach(url: str) -> None:
    from flux.client.client import FluxClient
    from flux.tui.app import FluxApp
    from flux.tui.run import run_dashboard_async

    async with FluxClient(url) as api:
        await api.ready()
        with TerminalTakeover() as terminal:
            await run_dashboard_async(FluxApp(api), stray=terminal.reader)
