"""The server as a worker on another machine sees it: `WorkerPort` over HTTP and server-sent events."""

from __future__ import annotations

import asyncio
import json
import platform
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from urllib.request import getproxies

import httpx
import msgspec
from httpx_sse import aconnect_sse

from flux.client.errors import from_problem
from flux.codec import Payload
from flux.dispatch.messages import MEDIA_TYPE, CheckpointAnswer, Session, from_event, pack, unpack
from flux.dispatch.port import (
    Acknowledged,
    Checkpoint,
    Delivery,
    HistoryPage,
    ProbeResult,
    Progress,
    Registration,
    ReplayResult,
    RunnerDied,
    ValidationResult,
    WorkerPort,
)
from flux.domain import Bundle, Claim, Inquiry, LogLine
from flux.errors import FluxError, ServerUnavailableError
from flux.worker.http import PostClient

_Pending = tuple[Checkpoint, asyncio.Future[Acknowledged]]
SILENCE = 45.0
"""Seconds without any event, pings included, after which a connection counts as lost."""

_CHECKPOINTS_AT_ONCE = 200


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
        self._checkpoints: deque[_Pending] = deque()
        self._sending: asyncio.Task[None] | None = None
        self._client = httpx.AsyncClient(base_url=self._url, timeout=timeout)
        self._direct = None if _proxied(self._url) else PostClient(self._url, timeout)

    async def close(self) -> None:
        """Close all connections."""
        if self._direct is not None:
            self._direct.close()
        await self._client.aclose()

    async def register(self, registration: Registration) -> None:
        """Announce the worker and receive the session token."""
        answer = await self._request("POST", "/workers/register", pack(registration), token=self._token)
        self._session = unpack(answer, Session).session_token

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
                    if (delivery := from_event(event.event, event.data)) is not None:
                        yield delivery
        except httpx.HTTPError as error:
            raise self._unavailable(error) from error

    async def claim(self, worker: str, execution_id: str) -> Claim:
        """Take an execution."""
        return unpack(await self._post(_path(worker, "claim", execution_id)), Claim)

    async def checkpoint(self, worker: str, batch: Checkpoint) -> Acknowledged:
        """Make events durable; what other executions have ready while a request is away goes in the next one."""
        answer: asyncio.Future[Acknowledged] = asyncio.get_running_loop().create_future()
        self._checkpoints.append((batch, answer))
        if self._sending is None:
            self._sending = asyncio.create_task(self._send_checkpoints(worker))
        return await answer

    async def bundle(self, worker: str, digest: str) -> Bundle:
        """The source of a version."""
        return unpack(await self._request("GET", _path(worker, "bundles", digest)), Bundle)

    async def ask(self, worker: str, execution_id: str, inquiry: Inquiry) -> Mapping[str, Payload]:
        """What an execution asks for."""
        return unpack(await self._post(_path(worker, "ask", execution_id), inquiry), dict[str, Payload])

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

    async def history(self, worker: str, execution_id: str, after: int = 0) -> HistoryPage:
        """Some events of an execution."""
        path = _path(worker, "histories", execution_id, str(after))
        return unpack(await self._request("GET", path), HistoryPage)

    async def replayed(self, worker: str, result: ReplayResult) -> None:
        """Answer a replay request."""
        await self._post(_path(worker, "replayed"), result)

    async def leave(self, worker: str) -> None:
        """The worker goes away."""
        await self._post(_path(worker, "leave"))

    async def _send_checkpoints(self, worker: str) -> None:
        try:
            while self._checkpoints:
                count = min(_CHECKPOINTS_AT_ONCE, len(self._checkpoints))
                together = [self._checkpoints.popleft() for _ in range(count)]
                try:
                    await self._send_together(worker, together)
                except (FluxError, msgspec.MsgspecError) as error:
                    for _, answer in together:
                        if not answer.done():
                            answer.set_exception(error)
        finally:
            self._sending = None

    async def _send_together(self, worker: str, together: Sequence[_Pending]) -> None:
        body = [checkpoint for checkpoint, _ in together]
        answers = unpack(await self._post(_path(worker, "checkpoints"), body), list[CheckpointAnswer])
        for (_, future), answer in zip(together, answers, strict=True):
            if future.done():
                continue
            if answer.acknowledged is not None:
                future.set_result(answer.acknowledged)
            else:
                problem = answer.problem or {}
                future.set_exception(from_problem(int(problem.get("status", 500)), problem))

    async def _post(self, path: str, value: Any = None) -> bytes:
        body = b"" if value is None else pack(value)
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
        headers = {"Content-Type": MEDIA_TYPE, "Accept": MEDIA_TYPE, "User-Agent": _AGENT}
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
