"""Run the dashboard on the terminal, and leave the terminal as it was, whatever ends the process."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from flux.wire.models import LogModel

if TYPE_CHECKING:
    from flux.tui.app import FluxApp

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


async def run_dashboard_async(app: FluxApp, *, stray: int | None = None, mouse: bool = True) -> int:
    """Show the dashboard in the running loop until it is left.

    Args:
        stray: descriptor from which to read what was written to standard output and error meanwhile
            (`flux.dev.terminal.TerminalTakeover.reader`); it becomes log lines.

    Returns:
        The exit code for the process: 0, or what the app was left with.
    """
    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    for number in _SIGNALS:
        loop.add_signal_handler(number, app.exit)
    if stray is not None:
        loop.add_reader(stray, _stray_reader(app, stray))
    try:
        await app.run_async(mouse=mouse)
    finally:
        if stray is not None:
            loop.remove_reader(stray)
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
        loop.set_task_factory(factory)
    return app.return_code or 0


def run_dashboard(
    app: FluxApp, *, stray: int | None = None, mouse: bool = True, beside: Callable[[], Awaitable[None]] | None = None
) -> int:
    """`run_dashboard_async` in a loop of its own; must be called from the main thread.

    Args:
        beside: a coroutine function that runs while the dashboard does (the watcher, the supervisor) and is
            cancelled with it.
    """

    async def main() -> int:
        task = asyncio.ensure_future(beside()) if beside else None
        try:
            return await run_dashboard_async(app, stray=stray, mouse=mouse)
        finally:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(main())


def _stray_reader(app: FluxApp, descriptor: int) -> Callable[[], None]:
    rest = b""

    def read() -> None:
        nonlocal rest
        try:
            data = os.read(descriptor, 65536)
        except BlockingIOError:
            return
        if not data:
            asyncio.get_running_loop().remove_reader(descriptor)
            return
        *rows, rest = (rest + data).split(b"\n")
        if len(rest) > 65536:
            rows, rest = [*rows, rest], b""
        for row in rows:
            _keep(app, row.decode("utf-8", "replace"))

    return read


def _keep(app: FluxApp, text: str) -> None:
    from flux.tui.model.store import Topic

    app.store.add_log(LogModel(time=datetime.now(UTC), level="WARNING", source="dev", text=text))
    app.changed({Topic.LOGS})
