"""The headless processes: a server with embedded workers, a worker of a server elsewhere."""

from __future__ import annotations

import asyncio
import logging
import os
import platform
from collections.abc import Iterable
from pathlib import Path

from flux.cli.render import talk
from flux.cli.signals import on_signals
from flux.config import Settings, load_settings
from flux.config.home import KEY_FILE, TOKEN_FILE
from flux.dispatch.port import WorkerPort
from flux.errors import ConfigurationError, UnauthorizedError
from flux.observability import set_up
from flux.worker.agent import Agent

GRACE = 5.0
"""Seconds that running executions get to finish after SIGTERM."""


def run_server(*, host: str | None, port: int | None, workers: int, fd: int | None, parent_pipe: int | None) -> None:
    """Serve until SIGTERM, SIGINT, or the end of the parent process.

    Args:
        workers: embedded agents.
        fd: descriptor of a bound, listening socket. parent_pipe: its end of file means the parent is gone.
    """
    from flux.server.serve import serve

    overrides = {"server_host": host, "server_port": port}
    settings = load_settings({name: value for name, value in overrides.items() if value is not None})
    # The output of a child of `flux dev` is no terminal, but people read it.
    _log(settings, as_json=None if parent_pipe is None else False)
    key = settings.signing_key()

    def agents(port: WorkerPort) -> Iterable[Agent]:
        return [agent_for(settings, port, f"embedded-{number}", key) for number in range(1, workers + 1)]

    def ready() -> None:
        if fd is None:
            talk(f"Flux serves on http://{settings.server_host}:{settings.server_port}, {_with(workers)}.")

    asyncio.run(
        serve(
            settings,
            host=host,
            port=port,
            fd=fd,
            parent_pipe=parent_pipe,
            embedded=agents if workers else None,
            grace=GRACE,
            on_ready=ready,
        )
    )


def run_worker(name: str, server_url: str) -> None:
    """Work for a server until SIGTERM or SIGINT.

    Raises `ConfigurationError` when there is no bootstrap token, `UnauthorizedError` with the URL when the
    server there knows another one.
    """
    settings = load_settings({})
    _log(settings)
    url = server_url or settings.workers.server_url
    check_known_here(settings, url)
    asyncio.run(_work(settings, name or f"{platform.node()}-{os.getpid()}", url))


def agent_for(settings: Settings, port: WorkerPort, name: str, key: bytes, **more: object) -> Agent:
    """An agent as the settings want it; user code runs in the folder this process was started in."""
    workers = settings.workers
    return Agent(
        port,
        name=name,
        slots=workers.max_concurrent_executions,
        runner_processes=workers.runner_processes,
        serializer=settings.serializer,
        key=key,
        home=settings.home,
        default_timeout=workers.default_timeout,
        cwd=str(Path.cwd()),
        **more,  # type: ignore[arg-type]  # the callers' own keyword arguments
    )


def check_known_here(settings: Settings, url: str) -> None:
    """Refuse to start a worker that has no token, and warn about one whose key only it knows.

    Raises `ConfigurationError` when no bootstrap token is configured and the home has none.
    """
    home = Path(settings.home)
    if not settings.workers.bootstrap_token and not (home / TOKEN_FILE).exists():
        raise ConfigurationError(
            f"There is no bootstrap token for {url}: none is configured, and no server has kept one in '{home}'.",
            hint=_token_hint(),
        )
    if not settings.security.encryption_key and not (home / KEY_FILE).exists():
        talk(
            "Warning: values that JSON cannot carry or that contain a secret need a key that only this worker has. "
            "Set FLUX_SECURITY__ENCRYPTION_KEY to the same text for all workers."
        )


async def _work(settings: Settings, name: str, url: str) -> None:
    from flux.worker.remote import RemotePort

    told = _Connection(name, url)
    port = RemotePort(url, settings.bootstrap_token())
    agent = agent_for(settings, port, name, settings.signing_key(), on_connection=told)
    running = asyncio.create_task(agent.run(), name="flux-agent")
    stopping = _stop_on_signals(agent, running)
    try:
        await running
    except UnauthorizedError as error:
        raise UnauthorizedError(f"The server at {url} refuses this worker: {error}", hint=_token_hint()) from None
    except asyncio.CancelledError:
        if not stopping:
            raise
    finally:
        for task in stopping:
            task.cancel()
        await asyncio.gather(*stopping, return_exceptions=True)
        await port.close()


class _Connection:
    """Tells a person how the connection to the server stands; the same reason is said once in a row."""

    def __init__(self, name: str, url: str) -> None:
        self._name = name
        self._url = url
        self._known = False
        self._said = ""

    def __call__(self, up: bool, reason: str) -> None:
        text = self._text(up, reason.rstrip("."))
        self._known = self._known or up
        if text != self._said:
            talk(text)
        self._said = text

    def _text(self, up: bool, reason: str) -> str:
        if up:
            return f"{self._name} works for {self._url}."
        if self._known:
            return f"{self._name} lost {self._url}: {reason}. Trying again …"
        return (
            f"{self._name} cannot reach a server at {self._url}: {reason}. Trying again …\n"
            "Start one there with `flux start server`, or name another one with `--server-url URL`."
        )


def _token_hint() -> str:
    return (
        f"Start the worker in the folder of the server, or set FLUX_WORKERS__BOOTSTRAP_TOKEN to what is in the "
        f"server's .flux/{TOKEN_FILE}. `--server-url URL` names another server."
    )


def _stop_on_signals(agent: Agent, running: asyncio.Task[None]) -> list[asyncio.Task[None]]:
    """The first signal drains the agent, a second one does not wait for what runs."""
    stopping: list[asyncio.Task[None]] = []

    def asked() -> None:
        if stopping:
            running.cancel()
        stopping.append(asyncio.ensure_future(agent.stop(GRACE)))

    on_signals(asked)
    return stopping


def _log(settings: Settings, *, as_json: bool | None = None) -> None:
    level = "DEBUG" if settings.debug else settings.log_level
    set_up(level, as_json=as_json)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)


def _with(workers: int) -> str:
    return f"with {workers} worker{'s' if workers > 1 else ''}" if workers else "waiting for workers"
