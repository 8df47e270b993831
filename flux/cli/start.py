"""`flux start …`: a server, a worker or an MCP server, without a dashboard."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from flux.cli.options import ServerUrl, example, new_app

app = new_app("Start a server, a worker or an MCP server, without a dashboard.")


@app.callback()
def start() -> None:
    """Start a server, a worker or an MCP server, without a dashboard."""


@app.command("server", epilog=example("flux start server", "flux start server --host 0.0.0.0 --port 9000 --workers 2"))
def server(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on. [default: localhost]")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="[default: 8000]")] = None,
    workers: Annotated[
        int, typer.Option("--workers", min=0, help="Workers in the server; 0 leaves all work to `flux start worker`.")
    ] = 0,
    fd: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
    parent_pipe: Annotated[int | None, typer.Option("--parent-pipe", hidden=True)] = None,
) -> None:
    """Start a server: the HTTP API, the scheduler and the store.

    SIGTERM lets what runs finish for a few seconds, then ends; what is left goes on after the next start.
    """
    from flux.cli.processes import run_server

    run_server(host=host, port=port, workers=workers, fd=fd, parent_pipe=parent_pipe)


@app.command("worker", epilog=example("flux start worker", "flux start worker gpu-1 --server-url http://flux:8000"))
def worker(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Unique among workers. [default: host-pid]", show_default=False)
    ] = "",
    server_url: ServerUrl = "",
) -> None:
    """Start a worker that takes work from a server.

    On the machine and in the folder of the server it finds the bootstrap token by itself; elsewhere set
    FLUX_WORKERS__BOOTSTRAP_TOKEN. SIGTERM lets what runs finish for a few seconds, then gives it back.
    """
    from flux.cli.processes import run_worker

    run_worker(name, server_url)


@app.command("mcp", epilog=example("flux start mcp", "flux start mcp --transport stdio"))
def mcp(
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on. [default: localhost]")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="[default: 8080]")] = None,
    transport: Annotated[
        Literal["stdio", "streamable-http", "sse"] | None,
        typer.Option("--transport", help="How agents connect. [default: streamable-http, at /mcp]"),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option("--allow-host", metavar="NAME", help="Another name that agents reach it by; may be repeated."),
    ] = None,
    server_url: ServerUrl = "",
) -> None:
    """Start an MCP server: tools with which agents run, answer and cancel workflows of a Flux server.

    With `stdio` the agent starts this command itself and talks to it through its pipes.
    """
    from flux.cli.mcp import run_mcp

    run_mcp(host, port, transport, server_url, allow_host or [])
