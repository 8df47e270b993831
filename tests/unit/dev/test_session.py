import asyncio
import os
import signal
import sys

import pytest

from flux.dev.session import DevSession
from flux.dev.supervisor import Supervisor, bind
from flux.errors import ServerUnavailableError
from flux.wire.models import Ready

TIMEOUT = 20
SERVE = """
import os, select, socket, sys
sock = socket.socket(fileno=int(sys.argv[1])); pipe = int(sys.argv[2])
while True:
    ready, _, _ = select.select([sock, pipe], [], [])
    if pipe in ready:
        sys.exit(0)
    peer, _ = sock.accept(); peer.sendall(b"ready"); peer.close()
"""


class Api:
    """Answers `ready` when the child on the socket does; not before `workers` are there."""

    def __init__(self, sock):
        self.sock = sock
        self.workers = 1

    async def ready(self):
        reader, writer = await asyncio.open_connection(*self.sock.getsockname())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        if answer != b"ready":
            raise ServerUnavailableError("gone")
        return Ready(status="ready" if self.workers else "starting", database=True, workers=self.workers)


class Watcher:
    """Notes what it is asked to do."""

    def __init__(self):
        self.calls = []
        self.news = asyncio.Event()

    def _note(self, call):
        self.calls.append(call)
        self.news.set()

    async def run(self, up):
        self._note("run")
        await up.wait()
        self._note("up")
        await asyncio.Event().wait()

    async def check_all(self):
        self._note("check_all")

    async def server_is_back(self):
        self._note("server_is_back")

    async def until(self, *calls):
        async with asyncio.timeout(TIMEOUT):
            while self.calls != list(calls):
                self.news.clear()
                await self.news.wait()


@pytest.fixture
async def session():
    with bind("127.0.0.1", 0) as sock:
        supervisor = Supervisor(
            sock=sock, command=lambda fd, pipe: [sys.executable, "-c", SERVE, str(fd), str(pipe)], backoff=(0.01,)
        )
        session = DevSession(supervisor, Watcher(), Api(sock))
        yield session
        await session.stop()


async def test_the_watcher_looks_ahead_until_the_server_answers(session):
    await session.start()
    await session.watcher.until("run", "up")
    assert session.supervisor.status.state == "running"
    await session.reload_now()
    assert session.watcher.calls == ["run", "up", "check_all"]


async def test_a_server_that_was_started_before_is_not_started_twice(session):
    await session.supervisor.start()
    pid = session.supervisor.status.pid
    await session.start()
    await session.watcher.until("run", "up")
    assert session.supervisor.status.pid == pid


async def test_nothing_is_published_before_a_worker_is_there(session):
    session._api.workers = 0
    await session.start()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(session.up.wait(), 0.2)
    session._api.workers = 1
    await session.watcher.until("run", "up")


async def test_after_a_death_the_watcher_tells_the_new_server(session):
    await session.start()
    await session.watcher.until("run", "up")
    os.kill(session.supervisor.status.pid, signal.SIGKILL)
    await session.watcher.until("run", "up", "server_is_back")
    assert session.supervisor.status.state == "running"
    await session.restart_server()
    await session.watcher.until("run", "up", "server_is_back", "server_is_back")


async def test_a_server_that_is_given_up_ends_the_session(session):
    session.supervisor.command = lambda fd, pipe: [sys.executable, "-c", "raise SystemExit(2)"]
    await session.start()
    async with asyncio.timeout(TIMEOUT):
        await session.ended.wait()
    assert session.supervisor.status.state == "stopped"
