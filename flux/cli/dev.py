"""`flux dev`: the server, its workers and the watcher under one dashboard."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flux.cli.options import example, new_app
from flux.cli.render import put, talk

if TYPE_CHECKING:
    from flux.cli.devkit import DevKit
    from flux.wire.models import ReloadModel

app = new_app("Run everything here with a live dashboard, reloading on every save.")


@app.command("dev", epilog=example("flux dev", "flux dev flows/ --port 9000", "flux dev --plain | tee dev.log"))
def dev(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATHS…", help="Files and folders with workflows. [default: .]")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="[default: 8000]")] = None,
    host: Annotated[str | None, typer.Option("--host", help="[default: localhost]")] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Print lines instead of opening the dashboard.")] = False,
    no_watch: Annotated[bool, typer.Option("--no-watch", help="Do not look for files, do not reload.")] = False,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Embedded workers.")] = 1,
) -> None:
    """Run a server with workers, watch the files here, and open the dashboard.

    Save a file and the next run uses it. A broken save is reported and the last good version keeps
    serving. Without a terminal, in CI and with `--plain` lines are printed instead; Ctrl+C stops.
    """
    from flux.cli.devkit import DevKit
    from flux.dev.plain import is_plain

    as_lines = plain or is_plain()
    kit = DevKit.prepare(paths or [], port=port, host=host, workers=workers, watch=not no_watch)
    try:
        if as_lines:
            code = asyncio.run(_plain(kit))
        else:
            from flux.cli.dashboard import run_dev

            code = run_dev(kit)
    finally:
        kit.sock.close()
    if code:
        raise typer.Exit(code)


async def _plain(kit: DevKit) -> int:
    """Lines until a signal comes or the server is given up; the exit code."""
    from flux.cli.signals import on_signals
    from flux.dev import plain

    asked = asyncio.Event()

    def put_report(report: ReloadModel) -> None:
        for line in plain.report_lines(report):
            put(line)

    supervisor = kit.supervisor(
        on_line=lambda line: put(plain.server_line(line)), on_status=lambda status: put(plain.status_line(status))
    )

    def stop() -> None:
        if asked.is_set():
            supervisor.kill()  # asked twice: what runs goes on after the next start
        asked.set()

    on_signals(stop)
    talk(f"flux dev on {kit.url}, watching {kit.watched()}. Ctrl+C stops.")
    await supervisor.start()
    # The server starts while the rest is imported.
    api = kit.client()
    session = kit.session(supervisor, api, put_report)
    following = asyncio.create_task(plain.follow(api, put))
    try:
        await session.start()
        await plain.first_of(asked, session.ended)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        if asked.is_set():
            talk("stopping … (once more to stop at once)")
        await session.stop()
        await api.close()
    if asked.is_set():
        return 0
    talk(f"Error: the server was given up: {supervisor.status.reason}.", style="red")
    return 1
