"""The server process: sockets, signals, embedded agents, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import uvicorn

from flux.config import Settings
from flux.dispatch.port import WorkerPort
from flux.errors import ConfigurationError
from flux.security import is_loopback
from flux.server.app import create_app
from flux.server.state import Services
from flux.store import Store

GRACE = 5.0
"""Seconds that running executions get to finish when the server is asked to stop."""

_TICK = 1.0
_LAST_ANSWERS = 3
"""Seconds that open requests get after the agents have stopped."""

log = logging.getLogger("flux.server")


class EmbeddedAgent(Protocol):
    """A worker agent that lives in the server process."""

    async def run(self) -> None:
        """Work until stopped."""
        ...

    async def stop(self, grace: float = 0.0) -> None:
        """Take no more work, and give what runs `grace` seconds."""
        ...


Agents = Callable[[WorkerPort], Iterable[EmbeddedAgent]]


async def serve(
    settings: Settings,
    *,
    host: str | None = None,
    port: int | None = None,
    fd: int | None = None,
    parent_pipe: int | None = None,
    embedded: Agents | None = None,
    grace: float = GRACE,
    on_ready: Callable[[], None] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, or until the parent process is gone.

    Args:
        host: address to bind; the settings' when not given. port: likewise.
        fd: a bound, listening socket of the parent instead.
        parent_pipe: reading end of a pipe; its end of file means that the parent is gone.
        embedded: makes the agents to run in this process, given their port.
        grace: seconds for running executions at the end; a second signal cuts it short.
        on_ready: called once requests are answered.

    Raises `ConfigurationError` when the address is taken, and `DatabaseConnectionError` when the database
    cannot be opened or another server has it.
    """
    check_authentication(settings)
    host = host or settings.server_host
    sockets = [inherited(fd)] if fd is not None else bind(host, settings.server_port if port is None else port)
    try:
        store = await Store.open(
            settings.database_url,
            synchronous=settings.database_synchronous,
            exclusive=True,
            secrets_key=settings.secrets_key,
        )
    except BaseException:
        _close(sockets)
        raise
    try:
        await _Process(settings, store, sockets, host, grace, on_ready).run(parent_pipe, embedded)
    finally:
        _close(sockets)
        await store.close()


def bind(host: str, port: int) -> list[socket.socket]:
    """Listening sockets; `localhost` means both of its addresses. Raises `ConfigurationError`."""
    if host != "localhost":
        return [_listening(host, port)]
    first = _listening("127.0.0.1", port)
    with contextlib.suppress(ConfigurationError):
        return [first, _listening("::1", first.getsockname()[1])]
    return [first]


def inherited(fd: int) -> socket.socket:
    """A listening socket that the parent process has bound.

    The protocol is named explicitly: asyncio sets TCP_NODELAY only on sockets that do, and without it
    answers take 40 ms.
    """
    family = socket.socket(fileno=os.dup(fd))
    with family:
        return socket.socket(family.family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=fd)


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling and polling."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._leave = asyncio.Event()
        self._on_ready = on_ready

    def leave(self) -> None:
        """Stop accepting; open requests may finish."""
        self.should_exit = True
        self._leave.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled by the process around it."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        # What was imported stays for good: collections need not look at it, and next to nothing of it is garbage.
        gc.freeze()
        if self._on_ready is not None:
            self._on_ready()

    async def main_loop(self) -> None:
        """Refresh the Date header now and then until asked to leave."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK):
                    await self._leave.wait()


class _Process:
    """What runs between opening the store and closing it."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        sockets: Sequence[socket.socket],
        host: str,
        grace: float,
        on_ready: Callable[[], None] | None,
    ) -> None:
        app = create_app(settings, store, host=host)
        self._services: Services = app.state.services
        self._sockets = list(sockets)
        self._grace = grace
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=int(grace) + _LAST_ANSWERS,
        )
        self._server = _Server(config, on_ready)
        _warn_about_exposure(host)

    async def run(self, parent_pipe: int | None, embedded: Agents | None) -> None:
        """Everything from the first request to the last."""
        agents = list(embedded(self._services.port)) if embedded is not None else []
        if agents:
            self._services.expect_workers()
        with self._watching(parent_pipe):
            async with self._services.running():
                serving = asyncio.create_task(self._server.serve(self._sockets), name="flux-http")
                working = [asyncio.create_task(agent.run(), name="flux-agent") for agent in agents]
                stopping = asyncio.create_task(self._stop.wait())
                try:
                    await asyncio.wait((stopping, serving, *working), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    stopping.cancel()
                    await self._drain(agents, serving, working)

    async def _drain(
        self, agents: Sequence[EmbeddedAgent], serving: asyncio.Task[None], working: Sequence[asyncio.Task[None]]
    ) -> None:
        """Stop accepting, let agents finish, end streams; then report what had gone wrong, if anything."""
        self._server.leave()
        live = [agent for agent, task in zip(agents, working, strict=True) if not task.done()]
        await self._stop_agents(live)
        self._services.close()
        for task in working:
            task.cancel()
        for outcome in await asyncio.gather(serving, *working, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome

    async def _stop_agents(self, agents: Sequence[EmbeddedAgent]) -> None:
        if not agents:
            return
        stopped = asyncio.gather(*(agent.stop(self._grace) for agent in agents))
        hurried = asyncio.ensure_future(self._hurry.wait())
        await asyncio.wait((stopped, hurried), return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()

    @contextlib.contextmanager
    def _watching(self, parent_pipe: int | None) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._asked_to_stop)
        if parent_pipe is not None:
            loop.add_reader(parent_pipe, self._parent_spoke, parent_pipe)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)
            if parent_pipe is not None:
                loop.remove_reader(parent_pipe)

    def _asked_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _parent_spoke(self, pipe: int) -> None:
        if not os.read(pipe, 1024):
            asyncio.get_running_loop().remove_reader(pipe)
            log.info("the parent process is gone")
            self._stop.set()


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        raise ConfigurationError(
            f"Cannot listen on {host}:{port}: {error.strerror or error}.",
            hint="Another server may run there; choose another port with --port.",
        ) from error
    return sock


def check_authentication(settings: Settings) -> None:
    """Refuse to serve unprotected to somebody who has asked for protection. Raises `ConfigurationError`."""
    if settings.security.auth.enabled:
        raise ConfigurationError(
            "`security.auth.enabled` is set, but this version of Flux cannot authenticate callers.",
            hint="Unset it, and keep the server on a loopback address or behind a proxy that authenticates.",
        )


def _warn_about_exposure(host: str) -> None:
    if not is_loopback(host):
        log.warning("listening on %s without authentication: everyone who reaches this address may run code here", host)
        log.warning(
            "secrets and configs (/admin) answer to this machine only; code that runs here may ask for them all"
        )


def _close(sockets: Sequence[socket.socket]) -> None:
    for sock in sockets:
        sock.close()
