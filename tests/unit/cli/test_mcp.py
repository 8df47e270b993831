import socket
import sys

import fastmcp
import pytest
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError
from typer.testing import CliRunner

from flux.cli.main import app
from flux.config import load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://localhost:8000"),
        ({"server_port": 9001}, "http://localhost:9001"),
        ({"workers": {"server_url": "http://flux:1"}}, "http://flux:1"),
        ({"workers": {"server_url": "http://flux:1"}, "mcp": {"server_url": "http://other:2"}}, "http://other:2"),
    ],
)
def test_the_server_it_works_for(given, url):
    assert load_settings(given).mcp.server_url == url


def test_a_port_in_use_is_told():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["start", "mcp", "--host", "127.0.0.1", "--port", port])
    assert result.exit_code == 2
    assert port in result.stderr
    assert "Traceback" not in result.stderr


async def test_an_agent_starts_it_and_talks_through_pipes(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
    arguments = ["-m", "flux.cli.main", "start", "mcp", "--transport", "stdio", "--server-url", nobody]
    with (tmp_path / "stderr").open("w") as stderr:
        transport = StdioTransport(sys.executable, arguments, cwd=str(tmp_path), keep_alive=False, log_file=stderr)
        async with fastmcp.Client(transport) as agent:
            assert len(await agent.list_tools()) == 9
            with pytest.raises(ToolError, match="server_unavailable: No Flux server answers"):
                await agent.call_tool("list_workflows", {})
