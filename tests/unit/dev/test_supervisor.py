import asyncio
import os
import signal
import socket
import sys

import pytest

from flux.dev.supervisor import ChildStatus, Supervisor, bind, describe_exit, server_command
from flux.errors import ConfigurationError

TIMEOUT = 20

SERVE = """
import os, select, socket, sys
sock = socket.socket(fileno=int(sys.argv[1])); pipe = int(sys.argv[2])
print("serving", os.getpid(), os.getsid(0) == os.getpid(), flush=True)
while True:
    ready, _, _ = select.select([sock, pipe], [], [])
    if pipe in ready and not os.read(pipe, 1):
        print("parent gone", flush=True); sys.exit(0)
    if sock in ready:
        peer, _ = sock.accept(); peer.sendall(str(os.getpid()).encode()); peer.close()
"""
DIE = "import sys; print('cannot start', flush=True); sys.exit(3)"


class Clock:
    """Time stands still and sleeping takes none of it."""

    def __init__(self):
        self.slept = []

    def now(self):
        return 0

    def monotonic(self):
        return 0.0

    async def sleep(self, seconds):
        self.slept.append(seconds)


class Watched:
    """A supervisor whose status changes and output can be waited for."""

    def __init__(self, sock, source):
        self.lines = []
        self.statuses = []
        self._changed = asyncio.Condition()
        self.clock = Clock()
        self.supervisor = Supervisor(
            sock=sock,
            command=lambda fd, pipe: [sys.executable, "-c", source, str(fd), str(pipe)],
            on_line=self._line,
            on_status=self._status,
            clock=self.clock,
        )
        self._event = asyncio.Event()

    def _line(self, line):
        self.lines.append(line)
        self._event.set()

    def _status(self, status):
        self.statuses.append(status)
        self._event.set()

    async def until(self, condition):
        async with asyncio.timeout(TIMEOUT):
            while not condition(self):
                self._event.clear()
                await self._event.wait()


@pytest.fixture
def sock():
    with bind("127.0.0.1", 0) as sock:
        yield sock


async def ask(sock):
    """The pid of the child that answers on the socket."""
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(*sock.getsockname())
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    return int(answer)


async def test_the_child_serves_on_the_inherited_socket_in_a_session_of_its_own(sock):
    watched = Watched(sock, SERVE)
    await watched.supervisor.start()
    try:
        pid = await ask(sock)
        assert pid == watched.supervisor.status.pid
        await watched.until(lambda w: w.lines)
        assert watched.lines == [f"serving {pid} True"]
        assert watched.supervisor.status.state == "starting"
        watched.supervisor.ready()
        assert watched.supervisor.status.state == "running"
    finally:
        await watched.supervisor.stop()
    assert watched.supervisor.status.state == "stopped"
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_a_killed_child_is_replaced_on_the_same_port(sock):
    watched = Watched(sock, SERVE)
    await watched.supervisor.start()
    try:
        first = await ask(sock)
        os.kill(first, signal.SIGKILL)
        await watched.until(
            lambda w: w.supervisor.status.restarts == 1 and w.supervisor.status.pid not in (None, first)
        )
        assert await ask(sock) == watched.supervisor.status.pid
        assert watched.supervisor.status.reason == "killed by SIGKILL"
        assert watched.supervisor.status.exit_code == -9
    finally:
        await watched.supervisor.stop()


async def test_a_child_that_keeps_dying_is_given_up_with_its_last_words(sock):
    watched = Watched(sock, DIE)
    await watched.supervisor.start()
    await watched.until(lambda w: w.supervisor.status.state == "stopped")
    status = watched.supervisor.status
    assert status.exit_code == 3
    assert status.reason == "exited with code 3; it died 5 times within a minute"
    assert status.output == ("cannot start",) * 5
    assert watched.clock.slept == [0.1, 0.5, 1.0, 2.0]
    await watched.supervisor.stop()


async def test_a_given_up_child_can_be_started_again(sock):
    watched = Watched(sock, DIE)
    await watched.supervisor.start()
    await watched.until(lambda w: w.supervisor.status.state == "stopped")
    watched.supervisor.command = lambda fd, pipe: [sys.executable, "-c", SERVE, str(fd), str(pipe)]
    await watched.supervisor.restart()
    try:
        assert await ask(sock) == watched.supervisor.status.pid
    finally:
        await watched.supervisor.stop()


async def test_a_restart_by_hand_is_no_death(sock):
    watched = Watched(sock, SERVE)
    await watched.supervisor.start()
    try:
        pids = {await ask(sock)}
        for count in range(1, 7):
            await watched.supervisor.restart()
            await watched.until(lambda w, n=count: w.supervisor.status.restarts == n and w.supervisor.status.pid)
            pids.add(await ask(sock))
        assert len(pids) == 7
        assert watched.clock.slept == []
    finally:
        await watched.supervisor.stop()


async def test_the_child_notices_that_its_parent_is_gone(sock):
    watched = Watched(sock, SERVE)
    supervisor = watched.supervisor
    await supervisor.start()
    await ask(sock)
    supervisor._wanted = False
    supervisor._close_pipe()  # what the kernel does when the parent dies
    await watched.until(lambda w: w.supervisor.status.state == "stopped")
    assert watched.lines[-1] == "parent gone"
    await supervisor.stop()


async def test_very_long_lines_do_not_stop_the_reading(sock):
    watched = Watched(sock, "print('x' * 3_000_000); print('after', flush=True); import time; time.sleep(60)")
    await watched.supervisor.start()
    await watched.until(lambda w: "after" in w.lines)
    assert sum(len(line) for line in watched.lines) == 3_000_005
    await watched.supervisor.stop()


def test_a_taken_port_is_named_with_what_to_do():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is taken") as caught:
            bind("127.0.0.1", port)
    assert f"--port {port + 1}" in caught.value.hint


def test_an_unknown_host_is_named():
    with pytest.raises(ConfigurationError, match=r"no\.such\.host\.invalid"):
        bind("no.such.host.invalid", 8000)


def test_the_socket_names_its_protocol_for_quick_answers():
    with bind("127.0.0.1", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP


def test_the_command_line_of_the_server_child():
    command = " ".join(server_command(5, 7, 2, "localhost", 8000)[1:])
    assert command == (
        "-P -m flux.cli.main start server --host localhost --port 8000 --fd 5 --workers 2 --parent-pipe 7"
    )


async def test_wrong_settings_are_not_tried_five_times(sock):
    watched = Watched(sock, "import sys; print('Error: wrong'); sys.exit(2)")
    await watched.supervisor.start()
    await watched.until(lambda w: w.supervisor.status.state == "stopped")
    assert watched.supervisor.status.output == ("Error: wrong",)
    assert watched.supervisor.status.restarts == 0
    await watched.supervisor.stop()


def test_exit_codes_read_as_words():
    assert [describe_exit(code) for code in (0, -15, -999)] == [
        "exited with code 0",
        "killed by SIGTERM",
        "killed by signal 999",
    ]
    assert ChildStatus().state == "starting"
