"""`flux start mcp`: the MCP server, over the client of a Flux server."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flux.cli.render import talk
from flux.cli.session import connector
from flux.config import Settings, load_settings
from flux.mcp.server import PATHS, Transport, create_server, serve_http, serve_stdio
from flux.security import is_loopback

if TYPE_CHECKING:
    from fastmcp import FastMCP


def run_mcp(
    host: str | None, port: int | None, transport: Transport | None, server_url: str, names: Sequence[str] = ()
) -> None:
    """Serve the tools until stdin ends (stdio), or until SIGTERM or SIGINT.

    Args:
        names: further host names that agents reach it by.

    Raises `ConfigurationError` when the address is taken.
    """
    given = {"host": host, "port": port, "transport": transport}
    settings = load_settings({"mcp": {name: value for name, value in given.items() if value is not None}})
    asyncio.run(_serve(settings, server_url or settings.mcp.server_url, names))


async def _serve(settings: Settings, url: str, names: Sequence[str]) -> None:
    client = connector.get()(url)
    try:
        server = create_server(client, settings.mcp.name)
        if settings.mcp.transport == "stdio":
            await serve_stdio(server)
        else:
            await _listen(server, settings, url, names)
    finally:
        await client.close()


async def _listen(server: FastMCP, settings: Settings, url: str, names: Sequence[str]) -> None:
    from flux.server.serve import bind

    mcp = settings.mcp
    sockets = bind(mcp.host, mcp.port)
    try:
        port = sockets[0].getsockname()[1]
        talk(f"Flux's tools for agents are on http://{mcp.host}:{port}{PATHS[mcp.transport]}, working for {url}.")
        if not is_loopback(mcp.host):
            talk("Warning: everyone who reaches this address may run workflows: there is no authentication.")
        await serve_http(server, sockets, mcp.transport, [mcp.host, *names])
    finally:
        for one in sockets:
            one.close()
