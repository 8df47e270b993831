import fastmcp
import httpx
import httpx2
import pytest
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.utilities.asgi_transport import StreamingASGITransport, run_asgi_lifespan

from flux.mcp.server import http_app


@pytest.fixture
async def web(tools):
    made = http_app(tools, hosts=["flux.internal"])
    async with run_asgi_lifespan(made):
        yield made


async def test_an_agent_works_over_http(web, worker, publish):
    await publish()

    def client(**options):
        return httpx2.AsyncClient(transport=StreamingASGITransport(web), **options)

    transport = StreamableHttpTransport("http://localhost/mcp", httpx_client_factory=client)
    async with fastmcp.Client(transport) as agent:
        result = await agent.call_tool("execute_workflow_sync", {"workflow": "hello", "input": "Joe"})
    assert result.structured_content["output"] == "Hello, Joe"


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Host": "localhost:8080"}, None),
        ({"Host": "flux.internal:8080"}, None),
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000"}, None),
    ],
)
async def test_foreign_hosts_and_origins_are_refused(web, headers, refused):
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    accept = {"Accept": "application/json, text/event-stream"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(web), base_url="http://localhost") as browser:
        response = await browser.post("/mcp", json=hello, headers={**accept, **headers})
    assert response.status_code == (refused or 200), response.text


def test_stdio_has_no_application(tools):
    with pytest.raises(ValueError, match="stdio"):
        http_app(tools, "stdio")
