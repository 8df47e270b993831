"""`flux dev --plain`: the same session as lines, for pipes, CI and agents."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Mapping
from datetime import datetime

from flux.client.api import FluxApi
from flux.client.lines import format_live
from flux.clock import Clock, SystemClock
from flux.dev.supervisor import ChildStatus
from flux.errors import FluxError
from flux.wire.models import LiveEvent, ReloadModel

_RETRY = 0.2
_FALSE = ("", "0", "false", "no")

Write = Callable[[str], None]


def is_plain(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether lines are better than a screen: no terminal, a dumb one, or a CI job."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return True
    return environ.get("TERM", "") in ("", "dumb") or environ.get("CI", "").lower() not in _FALSE


def report_lines(report: ReloadModel) -> list[str]:
    """What came of a save, as lines."""
    return format_live(LiveEvent(id=0, kind="reload", reload=report))


def server_line(text: str) -> str:
    """A line that the server child printed."""
    return f"{datetime.now():%H:%M:%S}  {'server':<12}  {text}"


def status_line(status: ChildStatus) -> str:
    """How the server child stands, in a sentence."""
    match status.state:
        case "starting":
            return server_line(f"starting (pid {status.pid})")
        case "running":
            return server_line(f"running (pid {status.pid})")
        case "restarting" if status.pid is not None:
            return server_line(f"starting again (pid {status.pid})")
        case "restarting":
            return server_line(f"{status.reason}; starting it again")
    return server_line(f"stopped: {status.reason}" if status.reason != "stopped" else "stopped")


async def follow(api: FluxApi, write: Write, *, clock: Clock | None = None) -> None:
    """Write everything live as lines until cancelled, through restarts of the server.

    Results of checks are left out: the watcher next door says them first.
    """
    ticking = clock or SystemClock()
    last: int | None = None
    while True:
        try:
            async for event in api.live(last):
                last = event.id or last
                if event.kind != "reload":
                    for line in format_live(event):
                        write(line)
        except FluxError:
            pass  # the supervisor tells why the server is away
        await ticking.sleep(_RETRY)


async def first_of(*events: asyncio.Event) -> None:
    """Wait until one of these is set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
