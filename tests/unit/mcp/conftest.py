"""The MCP server over a real Flux application with a scripted worker."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import fastmcp
import httpx
import pytest

from flux.client import FluxClient
from flux.mcp.server import create_server

_spec = spec_from_file_location("server_fixtures", Path(__file__).parents[1] / "server" / "conftest.py")
_server = module_from_spec(_spec)
_spec.loader.exec_module(_server)

settings, store, app, flux = _server.settings, _server.store, _server.app, _server.flux
worker, publish = _server.worker, _server.publish


@pytest.fixture
async def tools(app):
    """The MCP server."""
    async with FluxClient("http://localhost", transport=httpx.ASGITransport(app)) as client:
        yield create_server(client)


@pytest.fixture
async def agent(tools):
    """An MCP client in the same process."""
    async with fastmcp.Client(tools) as client:
        yield client
