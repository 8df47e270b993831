"""The MCP server around the tools, and its transports."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from fastmcp import FastMCP
from fastmcp.tools import Tool
from mcp_types import ToolAnnotations

from flux.client.api import FluxApi
from flux.mcp.tools import Tools

if TYPE_CHECKING:
    from starlette.applications import Starlette

Transport = Literal["stdio", "streamable-http", "sse"]

PATHS = {"streamable-http": "/mcp", "sse": "/sse"}
"""Where each HTTP transport answers."""

_INSTRUCTIONS = (
    "Flux runs durable workflows. Look at a workflow's details before you run it: its input has to fit the schema. "
    "An execution that is PAUSED waits for an answer: its `waits` say for which; give it with a resume tool."
)


def create_server(client: FluxApi, name: str = "flux-workflows") -> FastMCP:
    """The server: nine tools over a client of a Flux server.

    Example:
        server = create_server(FluxClient("http://localhost:8000"))
        async with fastmcp.Client(server) as agent:
            await agent.call_tool("execute_workflow_sync", {"workflow": "hello", "input": "Joe"})
    """
    tools = Tools(client)
    looks = (tools.list_workflows, tools.get_workflow_details, tools.get_execution_status)
    acts = (
        tools.upload_workflow,
        tools.execute_workflow_sync,
        tools.execute_workflow_async,
        tools.cancel_execution,
        tools.resume_workflow_sync,
        tools.resume_workflow_async,
    )
    looking = [Tool.from_function(tool, annotations=ToolAnnotations(read_only_hint=True)) for tool in looks]
    acting = [Tool.from_function(tool, annotations=ToolAnnotations(read_only_hint=False)) for tool in acts]
    return FastMCP(name, _INSTRUCTIONS, tools=[*looking, *acting])


def http_app(server: FastMCP, transport: Transport = "streamable-http", hosts: Sequence[str] = ()) -> Starlette:
    """The ASGI application of an HTTP transport.

    It answers requests for a loopback name, for the address it was reached at, and for `hosts`; others, and
    those that pages of other sites send, are refused: otherwise any web page could run workflows.
    """
    if transport == "stdio":
        raise ValueError("stdio is no HTTP transport")
    return server.http_app(
        path=PATHS[transport], transport=transport, host_origin_protection=True, allowed_hosts=list(hosts)
    )


async def serve_stdio(server: FastMCP) -> None:
    """Serve on stdin and stdout until stdin ends."""
    await server.run_stdio_async(show_banner=False)


async def serve_http(
    server: FastMCP, sockets: list[socket.socket], transport: Transport = "streamable-http", hosts: Sequence[str] = ()
) -> None:
    """Serve on bound, listening sockets until SIGTERM or SIGINT."""
    import uvicorn

    config = uvicorn.Config(
        http_app(server, transport, hosts),
        lifespan="on",
        ws="none",
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    await uvicorn.Server(config).serve(sockets=sockets)
