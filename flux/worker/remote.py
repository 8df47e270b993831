"""The server as a worker on another machine sees it: `WorkerPort` over HTTP and server-sent events."""

from __future__ import annotations

import json
import platform
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import quote
from urllib.request import getproxies

import httpx
import msgspec
from httpx_sse import aconnect_sse

from flux.client.errors import from_problem
from flux.dispatch.port import (
    Acknowledged,
    Answered,
    Assigned,
    CancelRequested,
    Checkpoint,
    Delivery,
    Prewarm,
    ProbeRequested,
    ProbeResult,
    Progress,
    Registration,
    RunnerDied,
    ValidationRequested,
    ValidationResult,
    WorkerPort,
)
from flux.domain import Bundle, Claim, LogLine
from flux.errors import FluxError, ServerUnavailableError
from flux.worker.http import PostClient

T = TypeVar("T")
CONTENT_TYPE = "application/msgpack"
SILENCE = 45.0
"""Seconds without any event, pings included, after which a connection counts as lost."""

_DELIVERIES: Mapping[str, type[Any]] = {
    "execution_scheduled": Assigned,
    "execution_resumed": Answered,
    "execution_cancelled": CancelRequested,
    "probe": ProbeRequested,
    "validate": ValidationRequested,
    "prewarm": Prewarm,
}


class RemotePort(WorkerPort):
    """A worker's connection to a server elsewhere.

    Args:
        server_url: such as `http://flux.internal:8000`.
        token: the bootstrap token; used to register only, everything else takes the session token.

    Example:
        >>> port = RemotePort("http://localhost:8000", token)  # doctest: +SKIP
        >>> agent = Agent(port, name=platform.node())  # doctest: +SKIP
    """

    def __init__(self, server_url: str, token: str = "", *, timeout: float = 30.0) -> None:
        self._url = server_url.rstrip("/")
        self._token = token
        self._session = ""
        self._client = httpx.AsyncClient(base_url=self._url, timeout=timeout)
        self._direct = None if _proxied(self._url) else PostClient(self._url, timeout)

    async def close(self) -> None:
        """Close all connections."""
        if self._direct is not None:
            self._direct.close()
        await self._client.aclose()

    async def register(self, registration: Registration) -> None:
        """Announce the worker and receive the session token."""
        body = msgspec.msgpack.encode(registration)
        answer = await self._request("POST", "/workers/register", body, token=self._token)
        self._session = msgspec.msgpack.decode(answer, type=dict[str, Any])["session_token"]

    async def deliveries(self, worker: str) -> AsyncIterator[Delivery]:
        """Events of the connection until it ends."""
        headers = {"Authorization": f"Bearer {self._session}"}
        path = _path(worker, "connect")
        timeout = httpx.Timeout(30.0, read=SILENCE)
        try:
            async with aconnect_sse(self._client, "GET", path, headers=headers, timeout=timeout) as source:
                if source.response.status_code >= 400:
                    raise _problem(source.response.status_code, await source.response.aread())
                async for event in source.aiter_sse():
                    if (kind := _DELIVERIES.get(event.event)) is not None:
                        delivery: Delivery = msgspec.json.decode(event.data, type=kind)
                        yield delivery
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error

    async def claim(self, worker: str, execution_id: str) -> Claim:
        """Take an execution."""
        return msgspec.msgpack.decode(await self._post(_path(worker, "claim", execution_id)), type=Claim)

    async def checkpoint(self, worker: str, batch: Checkpoint) -> Acknowledged:
        """Make events durable."""
        path = _path(worker, "checkpoint", batch.execution_id)
        return msgspec.msgpack.decode(await self._post(path, batch), type=Acknowledged)

    async def bundle(self, worker: str, digest: str) -> Bundle:
        """The source of a version."""
        return msgspec.msgpack.decode(await self._request("GET", _path(worker, "bundles", digest)), type=Bundle)

    async def heartbeat(self, worker: str, running: Sequence[str]) -> None:
        """Extend the leases."""
        await self._post(_path(worker, "heartbeat"), list(running))

    async def progress(self, worker: str, progress: Progress) -> None:
        """Stream an ephemeral value."""
        await self._post(_path(worker, "progress"), progress)

    async def logs(self, worker: str, lines: Sequence[LogLine]) -> None:
        """Keep captured output."""
        await self._post(_path(worker, "logs"), list(lines))

    async def died(self, worker: str, death: RunnerDied) -> None:
        """Report a dead runner."""
        await self._post(_path(worker, "died"), death)

    async def validated(self, worker: str, result: ValidationResult) -> None:
        """Answer a validation request."""
        await self._post(_path(worker, "validated"), result)

    async def probed(self, worker: str, result: ProbeResult) -> None:
        """Answer a probe request."""
        await self._post(_path(worker, "probed"), result)

    async def leave(self, worker: str) -> None:
        """The worker goes away."""
        await self._post(_path(worker, "leave"))

    async def _post(self, path: str, value: Any = None) -> bytes:
        body = b"" if value is None else msgspec.msgpack.encode(value)
        if self._direct is None:
            return await self._request("POST", path, body)
        try:
            answer = await self._direct.post(path, body, self._headers(self._session))
        except (OSError, TimeoutError) as error:
            raise self._unavailable(error) from error
        if answer.status >= 400:
            raise _problem(answer.status, answer.body)
        return answer.body

    async def _request(self, method: str, path: str, body: bytes = b"", token: str = "") -> bytes:
        try:
            answer = await self._client.request(
                method, path, content=body, headers=self._headers(token or self._session)
            )
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error
        if answer.status_code >= 400:
            raise _problem(answer.status_code, answer.content)
        return answer.content

    def _headers(self, token: str) -> dict[str, str]:
        headers = {"Content-Type": CONTENT_TYPE, "Accept": CONTENT_TYPE, "User-Agent": _AGENT}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return headers

    def _unavailable(self, error: Exception) -> ServerUnavailableError:
        detail = str(error) or type(error).__name__
        return ServerUnavailableError(f"The server at {self._url} does not answer: {detail}")


_AGENT = f"flux-worker python/{platform.python_version()}"


def _path(worker: str, *parts: str) -> str:
    return "/".join(["/workers", quote(worker, safe=""), *(quote(part, safe="") for part in parts)])


def _problem(status: int, body: bytes) -> FluxError:
    try:
        problem = json.loads(body)
    except ValueError:
        problem = body.decode("utf-8", "replace")
    return from_problem(status, problem, fallback=f"The server answered {status}.")


def _proxied(url: str) -> bool:
    """Whether the environment sends this address through a proxy; httpx knows how to speak to one."""
    scheme = url.partition(":")[0]
    proxies = getproxies()
    return bool(proxies.get(scheme) or proxies.get("all"))
