import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap

import httpx
import pytest

from flux.config import Settings
from flux.dispatch.port import Registration
from flux.errors import ConfigurationError, DatabaseConnectionError
from flux.server.serve import bind, inherited, serve

SCRIPT = textwrap.dedent(
    """
    import asyncio, sys
    from flux.config import Settings
    from flux.server.serve import serve
    asyncio.run(serve(Settings(home=sys.argv[1]), host="127.0.0.1", port=0, fd=int(sys.argv[2]),
                      on_ready=lambda: print("ready", flush=True)))
    print("ended", flush=True)
    """
)


class Idler:
    """An agent that only registers, and remembers how it was stopped."""

    def __init__(self, port) -> None:
        self.port = port
        self.stopped_with: float | None = None
        self.online = asyncio.Event()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        await self.port.register(Registration("idler", 1, pid=os.getpid()))
        deliveries = self.port.deliveries("idler")
        reading = asyncio.ensure_future(anext(deliveries))
        await asyncio.sleep(0)
        self.online.set()
        await self._stop.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    async def stop(self, grace: float = 0.0) -> None:
        self.stopped_with = grace
        self._stop.set()


@pytest.fixture
def settings(tmp_path):
    return Settings(home=str(tmp_path / "home"))


@contextlib.asynccontextmanager
async def served(settings, **options):
    """A server in this process; yields its URL and the pipe whose closing ends it."""
    (sock,) = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}"
    ready = asyncio.Event()
    reading, writing = os.pipe()
    running = asyncio.create_task(
        serve(settings, host="127.0.0.1", fd=sock.detach(), parent_pipe=reading, on_ready=ready.set, **options)
    )
    arrival = asyncio.create_task(ready.wait())
    await asyncio.wait((running, arrival), return_when=asyncio.FIRST_COMPLETED, timeout=10)
    arrival.cancel()
    try:
        yield url
    finally:
        os.close(writing)
        await asyncio.wait_for(running, 10)
        os.close(reading)


async def test_it_serves_until_the_parent_is_gone(settings):
    async with served(settings) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health")).json()["status"] == "healthy"
        assert (await client.get("/health", headers={"Host": "evil.example"})).status_code == 403
    async with httpx.AsyncClient() as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(f"{url}/health")


async def test_embedded_agents_are_started_and_stopped(settings):
    agents: list[Idler] = []

    def embedded(port):
        agents.append(Idler(port))
        return agents

    async with served(settings, embedded=embedded, grace=1.5) as url, httpx.AsyncClient(base_url=url) as client:
        await asyncio.wait_for(agents[0].online.wait(), 5)
        assert (await client.get("/ready")).json()["status"] == "ready"
        (worker,) = (await client.get("/workers")).json()
        assert (worker["name"], worker["online"], worker["embedded"]) == ("idler", True, True)
    assert agents[0].stopped_with == 1.5


async def test_open_streams_do_not_hold_up_the_end(settings):
    async with httpx.AsyncClient() as client:
        async with served(settings) as url:
            request = client.build_request("GET", f"{url}/events")
            response = await client.send(request, stream=True)
            chunks = response.aiter_raw()
            assert (await anext(chunks)).startswith(b"id: ")
        assert [chunk async for chunk in chunks] == []
        await response.aclose()


class Mute(Idler):
    """An agent that never answers a question."""

    def __init__(self, port) -> None:
        super().__init__(port)
        self.asked = asyncio.Event()

    async def run(self) -> None:
        await self.port.register(Registration("mute", 1, pid=os.getpid()))
        reading = asyncio.ensure_future(self._read())
        await self._stop.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    async def _read(self) -> None:
        async for _ in self.port.deliveries("mute"):
            self.asked.set()


async def test_open_questions_do_not_hold_up_the_end(settings, caplog):
    agents: list[Mute] = []

    def embedded(port):
        agents.append(Mute(port))
        return agents

    async with httpx.AsyncClient() as client:
        async with served(settings, embedded=embedded, grace=0.1) as url:
            files = {"file": ("m.py", b"from flux import workflow\n@workflow\nasync def hello(ctx): ...")}
            publishing = asyncio.create_task(client.post(f"{url}/workflows", files=files))
            await asyncio.wait_for(agents[0].asked.wait(), 5)
        response = await publishing
    assert (response.status_code, response.json()["detail"]) == (503, "The server is closing.")
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


async def test_an_agent_that_breaks_ends_the_server(settings):
    class Broken(Idler):
        async def run(self) -> None:
            raise RuntimeError("no runners here")

    with pytest.raises(RuntimeError, match="no runners here"):
        async with served(settings, embedded=lambda port: [Broken(port)]):
            pass


async def test_second_server_on_one_database_is_refused(settings):
    async with served(settings):
        with pytest.raises(DatabaseConnectionError, match=str(os.getpid())):
            await serve(settings, host="127.0.0.1", port=0)


async def test_taken_address_is_named(settings):
    (sock,) = bind("127.0.0.1", 0)
    with sock, pytest.raises(ConfigurationError, match=str(sock.getsockname()[1])):
        await serve(settings, host="127.0.0.1", port=sock.getsockname()[1])


def test_localhost_listens_on_both_of_its_addresses():
    sockets = bind("localhost", 0)
    assert sockets[0].getsockname()[0] == "127.0.0.1"
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        assert sock.proto == socket.IPPROTO_TCP
        sock.close()


def test_inherited_sockets_name_their_protocol():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as parent:
        parent.bind(("127.0.0.1", 0))
        parent.listen()
        with inherited(os.dup(parent.fileno())) as sock:
            assert (sock.proto, sock.getsockname()) == (socket.IPPROTO_TCP, parent.getsockname())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_the_process_in_order(tmp_path, number):
    (sock,) = bind("127.0.0.1", 0)
    with sock:
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "home"), str(sock.fileno())]
        with subprocess.Popen(command, pass_fds=[sock.fileno()], stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "ready\n"
            httpx.get(f"http://127.0.0.1:{sock.getsockname()[1]}/health").raise_for_status()
            process.send_signal(number)
            assert process.stdout.read() == "ended\n"
            assert process.wait(10) == 0
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / "flux.db")) as database:
        assert database.execute("pragma integrity_check").fetchone() == ("ok",)


async def test_who_asks_for_authentication_is_not_served_without_it(tmp_path):
    settings = Settings(home=str(tmp_path), security={"auth": {"enabled": True}})
    with pytest.raises(ConfigurationError, match="cannot authenticate"):
        await serve(settings, host="127.0.0.1", port=0)
