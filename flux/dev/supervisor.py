"""Keeps the server child running: starts it on a socket bound here, restarts it, stops it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from flux.clock import Clock, SystemClock
from flux.errors import ConfigurationError

State = Literal["starting", "running", "restarting", "stopped"]

TAIL_LINES = 50
MAX_DEATHS = 5
DEATH_WINDOW = 60.0
GRACE = 10.0
_LINE_LIMIT = 1 << 20
_HOPELESS = 2  # exit code of wrong settings: they do not change by trying again


@dataclass(frozen=True, slots=True)
class ChildStatus:
    """How the server child stands.

    Attributes:
        state: `restarting` while it is being brought back, `stopped` when nobody tries any more.
        pid: of the running child, or None.
        exit_code: of the last child that ended; negative for a signal; None while none has.
        reason: one sentence on the last end, or "".
        output: its last lines of output, oldest first.
        restarts: how often it was started again.
    """

    state: State = "starting"
    pid: int | None = None
    exit_code: int | None = None
    reason: str = ""
    output: tuple[str, ...] = ()
    restarts: int = 0


def bind(host: str, port: int) -> socket.socket:
    """A listening socket for the child; raises `ConfigurationError` that names the port when it is taken.

    Bound in the parent so that the port survives restarts of the child, and so that clients which
    connect meanwhile wait instead of failing.
    """
    family, _, _, _, address = _resolve(host, port)
    # asyncio sets TCP_NODELAY only on sockets that name the protocol; without it answers take 40 ms.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise _bind_error(host, port, error) from error
    return sock


def server_command(fd: int, parent_pipe: int, workers: int, host: str, port: int) -> list[str]:
    """The command line of the server child; `host` and `port` are what the socket is bound to."""
    # -P: a file of the user named like a module of the library must not be imported in its place.
    start = [sys.executable, "-P", "-m", "flux.cli.main", "start", "server"]
    address = ["--host", host, "--port", str(port), "--fd", str(fd)]
    return [*start, *address, "--workers", str(workers), "--parent-pipe", str(parent_pipe)]


@dataclass(slots=True)
class Supervisor:
    """Starts the server child and starts it again when it dies.

    Args:
        sock: listening socket, passed down (see `bind`).
        command: makes the command line from the socket's and the parent pipe's descriptors.
        on_line: gets every line of the child's output.
        on_status: called after every change of `status`.
        env: the child's environment; None = this process's.
        backoff: seconds before the n-th restart in a row.

    The child runs in a session of its own, so keys pressed in the terminal do not reach it. It holds
    the reading end of a pipe whose end of file tells it that this process is gone.
    """

    sock: socket.socket
    command: Callable[[int, int], Sequence[str]]
    on_line: Callable[[str], None] = lambda line: None
    on_status: Callable[[ChildStatus], None] = lambda status: None
    env: Mapping[str, str] | None = None
    backoff: Sequence[float] = (0.1, 0.5, 1.0, 2.0, 4.0)
    clock: Clock = field(default_factory=SystemClock)
    status: ChildStatus = field(default_factory=ChildStatus)
    _process: asyncio.subprocess.Process | None = None
    _reading: asyncio.Task[None] | None = None
    _pipe: int | None = None
    _tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL_LINES))
    _deaths: list[float] = field(default_factory=list)
    _keeper: asyncio.Task[None] | None = None
    _wanted: bool = True
    _asked: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        """Start the child and keep it running until `stop`."""
        self._wanted = True
        await self._spawn("starting")
        self._keeper = asyncio.create_task(self._keep(), name="flux-dev-supervisor")

    async def restart(self) -> None:
        """Stop the child if it runs, and start it again; past deaths are forgotten."""
        self._deaths.clear()
        if self._keeper is None or self._keeper.done():
            await self.start()
            return
        self._asked.set()
        await self._terminate()

    async def stop(self) -> None:
        """Let the child finish what it is doing, then end it. The socket stays open; it is the caller's."""
        self._wanted = False
        if self._keeper is not None and not self._keeper.done():
            self._asked.set()
        await self._terminate()
        if self._keeper is not None:
            await self._keeper
        self._close_pipe()

    def kill(self) -> None:
        """End the child and what it started at once."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def ready(self) -> None:
        """Somebody got an answer from the child: it runs."""
        if self.status.state in ("starting", "restarting") and self.status.pid is not None:
            self._set(state="running")

    async def _keep(self) -> None:
        """The supervising loop: wait for the child's end, decide, start it again."""
        while True:
            code = await self._ended()
            if not self._wanted:
                self._set(state="stopped", pid=None, exit_code=code, reason="stopped")
                return
            asked = self._asked.is_set()
            self._asked.clear()
            if not asked and not await self._may_restart(code):
                return
            try:
                await self._spawn("restarting", restarts=self.status.restarts + 1)
            except OSError as error:
                self._set(state="stopped", pid=None, reason=f"it cannot be started: {error}")
                return

    async def _may_restart(self, code: int) -> bool:
        """Record a death and wait before the next start; False after too many in a minute, or `stop`."""
        if code == _HOPELESS and self.status.state != "running":
            self._set(state="stopped", pid=None, exit_code=code, reason="it refused to start")
            return False
        now = self.clock.monotonic()
        self._deaths = [then for then in self._deaths if now - then < DEATH_WINDOW] + [now]
        if len(self._deaths) >= MAX_DEATHS:
            reason = f"{describe_exit(code)}; it died {len(self._deaths)} times within a minute"
            self._set(state="stopped", pid=None, exit_code=code, reason=reason)
            return False
        self._set(state="restarting", pid=None, exit_code=code, reason=describe_exit(code))
        delay = self.backoff[min(len(self._deaths), len(self.backoff)) - 1]
        await self._pause(delay)
        if not self._wanted:
            self._set(state="stopped")
        return self._wanted

    async def _pause(self, seconds: float) -> None:
        """Sleep, cut short by `restart` and `stop`."""
        sleeping = asyncio.ensure_future(self.clock.sleep(seconds))
        asked = asyncio.ensure_future(self._asked.wait())
        await asyncio.wait({sleeping, asked}, return_when=asyncio.FIRST_COMPLETED)
        for task in (sleeping, asked):
            task.cancel()
        await asyncio.gather(sleeping, asked, return_exceptions=True)
        self._asked.clear()

    async def _spawn(self, state: State, restarts: int = 0) -> None:
        self._close_pipe()
        reading, self._pipe = os.pipe()
        fd = self.sock.fileno()
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self.command(fd, reading),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(fd, reading),
                start_new_session=True,
                limit=_LINE_LIMIT,
                env=self.env,
            )
        finally:
            os.close(reading)
        assert self._process.stdout is not None
        self._reading = asyncio.create_task(self._read(self._process.stdout), name="flux-dev-output")
        self._set(state=state, pid=self._process.pid, restarts=restarts)
        if not self._wanted:
            await self._terminate()  # `stop` came while it started

    async def _ended(self) -> int:
        """Wait for the child's end; its exit code."""
        assert self._process is not None and self._reading is not None
        code = await self._process.wait()
        # Its grandchildren may hold the pipe a little longer; what they still say is not worth a hang.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._reading, timeout=1.0)
        return code

    async def _read(self, stream: asyncio.StreamReader) -> None:
        while line := await self._line(stream):
            text = line.decode(errors="replace").rstrip("\r\n")
            self._tail.append(text)
            self.on_line(text)

    async def _line(self, stream: asyncio.StreamReader) -> bytes:
        """The next line; one that is too long comes in pieces."""
        try:
            return await stream.readuntil(b"\n")
        except asyncio.IncompleteReadError as error:
            return error.partial
        except asyncio.LimitOverrunError as error:
            return await stream.readexactly(error.consumed)

    async def _terminate(self) -> None:
        """SIGTERM, and SIGKILL to the whole session if that is not obeyed in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout=GRACE)
        except TimeoutError:
            self.kill()

    def _close_pipe(self) -> None:
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None

    def _set(self, **changes: Any) -> None:
        self.status = replace(self.status, output=tuple(self._tail), **changes)
        self.on_status(self.status)


def describe_exit(code: int) -> str:
    """An exit code in words.

    Example:
        >>> describe_exit(-9), describe_exit(3)
        ('killed by SIGKILL', 'exited with code 3')
    """
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _resolve(host: str, port: int) -> tuple[int, int, int, str, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigurationError(f"The host '{host}' is not known here: {error.strerror}.") from error
    # IPv4 first: `localhost` is looked for at 127.0.0.1 by more clients than at ::1.
    return sorted(found, key=lambda info: info[0] != socket.AF_INET)[0]


def _bind_error(host: str, port: int, error: OSError) -> ConfigurationError:
    if error.errno == errno.EADDRINUSE:
        return ConfigurationError(
            f"Port {port} is taken: another program listens on {host}:{port}.",
            hint=f"Stop it, choose another port with `--port {port + 1}`, or attach to it with "
            f"`flux top http://{host}:{port}`.",
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return ConfigurationError(
            f"Port {port} may not be used by this user.", hint="Choose a port above 1023 with `--port`."
        )
    return ConfigurationError(f"Cannot listen on {host}:{port}: {error.strerror}.")
