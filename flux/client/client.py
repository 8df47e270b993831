"""The HTTP client behind the command line, the dashboard and the watcher."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from httpx_sse import SSEError
from pydantic import TypeAdapter, ValidationError

from flux.client.admin import AdminCalls
from flux.client.errors import from_problem
from flux.client.services import ServiceCalls
from flux.client.spellings import Spellings
from flux.client.sse import Message, messages
from flux.domain.workflow import WorkflowRef
from flux.errors import FluxError, ServerUnavailableError
from flux.wire.models import (
    CheckReport,
    EventModel,
    EventPage,
    ExecutionDetail,
    ExecutionPage,
    ExecutionSnapshot,
    ExecutionSummary,
    LiveEvent,
    LogModel,
    LogPage,
    PendingWaitModel,
    Publication,
    Ready,
    ReloadModel,
    WorkerModel,
    WorkflowDetail,
    WorkflowSummary,
)

T = TypeVar("T")

DEFAULT_SERVER_URL = "http://localhost:8000"
_SSE = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
_WORKFLOWS = TypeAdapter(list[WorkflowSummary])
_WAITS = TypeAdapter(list[PendingWaitModel])
_WORKERS = TypeAdapter(list[WorkerModel])
_RELOADS = TypeAdapter(list[ReloadModel])
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class FluxClient(ServiceCalls, AdminCalls, Spellings):
    """Implements `flux.client.api.FluxApi` over HTTP.

    Args:
        server_url: where the server answers.
        token: sent as `Authorization: Bearer …` when given.
        transport: another way to reach the application (`httpx.ASGITransport(app)` in tests).
        timeout: seconds for ordinary answers; calls that wait for an execution have no limit.

    Every method raises the `FluxError` that the server raised, or `ServerUnavailableError`.

    Example:
        >>> async with FluxClient("http://localhost:8000") as client:  # doctest: +SKIP
        ...     execution = await client.run("hello", "World", mode="sync")
        ...     print(execution.state, execution.output)
    """

    def __init__(
        self,
        server_url: str = DEFAULT_SERVER_URL,
        *,
        token: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 30.0,
    ) -> None:
        self.base_url = server_url.rstrip("/")
        self._timeout = httpx.Timeout(timeout, connect=5.0)
        self._endless = httpx.Timeout(None, connect=5.0)
        local = httpx.URL(self.base_url).host in _LOOPBACK
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            transport=transport,
            timeout=self._timeout,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            # Loading the machine's certificates takes longer than a request; only https needs them,
            # and no proxy can know what runs on this machine.
            verify=self.base_url.startswith("https"),
            trust_env=not local,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close connections."""
        await self._http.aclose()

    async def ready(self) -> Ready:
        """`GET /ready`"""
        return Ready.model_validate(await self._call("GET", "/ready", also_ok=(503,)))

    # Workflows

    async def list_workflows(self, namespace: str | None = None) -> list[WorkflowSummary]:
        """`GET /workflows`"""
        return self._read(_WORKFLOWS, await self._call("GET", "/workflows", params={"namespace": namespace}))

    async def get_workflow(self, ref: str, version: int | None = None) -> WorkflowDetail:
        """`GET /workflows/{ref}`"""
        body = await self._call("GET", f"/workflows/{_ref(ref)}", params={"version": version})
        return WorkflowDetail.model_validate(body)

    async def list_versions(self, ref: str) -> list[WorkflowSummary]:
        """`GET /workflows/{ref}/versions`"""
        return self._read(_WORKFLOWS, await self._call("GET", f"/workflows/{_ref(ref)}/versions"))

    async def publish(self, publication: Publication) -> list[WorkflowSummary]:
        """`POST /workflows` with a JSON body; a worker imports the source when no workflows are named"""
        body = publication.model_dump(mode="json")
        return self._read(_WORKFLOWS, await self._call("POST", "/workflows", body=body, endless=True))

    async def upload(self, name: str, source: bytes) -> list[WorkflowSummary]:
        """`POST /workflows` multipart, read with `ast` on the server"""
        files = {"file": (name, source, "text/x-python")}
        return self._read(_WORKFLOWS, await self._call("POST", "/workflows", files=files))

    async def check_workflow(
        self,
        ref: str,
        publication: Publication | None = None,
        *,
        finished: bool = False,
        version: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> CheckReport:
        """`POST /workflows/{ref}/check?finished=&version=&limit=&cursor=`: a version, or the source in the body"""
        params = {"finished": "true" if finished else None, "version": version, "limit": limit, "cursor": cursor}
        sent = None if publication is None else publication.model_dump(mode="json")
        body = await self._call("POST", f"/workflows/{_ref(ref)}/check", params=params, body=sent, endless=True)
        return CheckReport.model_validate(body)

    async def delete_workflow(self, ref: str) -> None:
        """`DELETE /workflows/{ref}`"""
        await self._call("DELETE", f"/workflows/{_ref(ref)}")

    # Executions

    async def run(
        self, ref: str, input: Any = None, mode: str = "async", version: int | None = None, idempotency_key: str = ""
    ) -> ExecutionSummary:
        """`POST /workflows/{ref}/run/{sync|async}`"""
        body = await self._call(
            "POST",
            f"/workflows/{_ref(ref)}/run/{mode}",
            params={"version": version},
            body=input,
            headers={"Idempotency-Key": idempotency_key} if idempotency_key else {},
            endless=mode == "sync",
        )
        return ExecutionSummary.model_validate(body)

    async def stream(
        self, ref: str, input: Any = None, version: int | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """`POST /workflows/{ref}/run/stream`: (SSE event name, data)"""
        path = f"/workflows/{_ref(ref)}/run/stream"
        async for message in self._messages("POST", path, params={"version": version}, body=input):
            yield message.event, json.loads(message.data)

    async def resume_stream(
        self, ref: str, execution_id: str, input: Any = None, wait: str | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """`POST /workflows/{ref}/resume/{id}/stream`: (SSE event name, data)"""
        path = f"/workflows/{_ref(ref)}/resume/{_part(execution_id)}/stream"
        async for message in self._messages("POST", path, params={"wait": wait}, body=input):
            yield message.event, json.loads(message.data)

    async def resume(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionSummary:
        """`POST /executions/{id}/resume?wait=`"""
        return await self._resume(execution_id, input, wait, "async")

    async def resume_sync(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionSummary:
        """`POST /executions/{id}/resume?wait=&mode=sync`"""
        return await self._resume(execution_id, input, wait, "sync")

    async def _resume(self, execution_id: str, input: Any, wait: str | None, mode: str) -> ExecutionSummary:
        body = await self._call(
            "POST",
            f"/executions/{_part(execution_id)}/resume",
            params={"wait": wait, "mode": mode},
            body=input,
            endless=mode == "sync",
        )
        return ExecutionSummary.model_validate(body)

    async def cancel(self, execution_id: str, mode: str = "async") -> ExecutionSummary:
        """`POST /executions/{id}/cancel?mode=`"""
        path = f"/executions/{_part(execution_id)}/cancel"
        body = await self._call("POST", path, params={"mode": mode}, endless=mode == "sync")
        return ExecutionSummary.model_validate(body)

    async def get_execution(self, execution_id: str) -> ExecutionDetail:
        """`GET /executions/{id}?detailed=true`"""
        path = f"/executions/{_part(execution_id)}"
        return ExecutionDetail.model_validate(await self._call("GET", path, params={"detailed": "true"}))

    async def get_snapshot(self, execution_id: str, at: int) -> ExecutionSnapshot:
        """`GET /executions/{id}?at=`: how it stood behind that event"""
        path = f"/executions/{_part(execution_id)}"
        return ExecutionSnapshot.model_validate(await self._call("GET", path, params={"at": at}))

    async def get_events(self, execution_id: str, after: int = 0) -> list[EventModel]:
        """`GET /executions/{id}/events?after=`"""
        path = f"/executions/{_part(execution_id)}/events"
        return EventPage.model_validate(await self._call("GET", path, params={"after": after})).events

    async def follow(self, execution_id: str, after: int = 0) -> AsyncIterator[EventModel]:
        """`GET /executions/{id}/events` as a stream: past `seq` `after`, then live, until the execution has finished"""
        path = f"/executions/{_part(execution_id)}/events"
        headers = {"Last-Event-ID": str(after)} if after else {}
        async for message in self._messages("GET", path, params={"after": after or None}, headers=headers):
            try:
                yield EventModel.model_validate_json(message.data)
            except ValidationError:
                continue  # progress and state messages of the same stream

    async def list_executions(
        self,
        state: Sequence[str] = (),
        workflow: str | None = None,
        namespace: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
        parent: str | None = None,
    ) -> ExecutionPage:
        """`GET /executions`"""
        params = {
            "state": ",".join(state) or None,
            "workflow": workflow,
            "namespace": namespace,
            "limit": limit,
            "cursor": cursor,
            "parent": parent,
        }
        return ExecutionPage.model_validate(await self._call("GET", "/executions", params=params))

    async def pending(self, execution_id: str) -> list[PendingWaitModel]:
        """`GET /executions/{id}/pending`"""
        return self._read(_WAITS, await self._call("GET", f"/executions/{_part(execution_id)}/pending"))

    async def list_waits(self) -> list[PendingWaitModel]:
        """`GET /waits`: every open wait, oldest first"""
        return self._read(_WAITS, await self._call("GET", "/waits"))

    # What surrounds them

    async def logs(self, execution_id: str | None = None, after: int = 0, limit: int = 1000) -> list[LogModel]:
        """`GET /logs?execution_id=&after=&limit=`"""
        params = {"execution_id": execution_id, "after": after, "limit": limit}
        return LogPage.model_validate(await self._call("GET", "/logs", params=params)).lines

    async def list_workers(self) -> list[WorkerModel]:
        """`GET /workers`"""
        return self._read(_WORKERS, await self._call("GET", "/workers"))

    async def get_worker(self, name: str) -> WorkerModel:
        """`GET /workers/{name}`"""
        return WorkerModel.model_validate(await self._call("GET", f"/workers/{_part(name)}"))

    async def report_reload(self, reload: ReloadModel) -> None:
        """`POST /reloads`: the watcher tells everyone what came of a save"""
        await self._call("POST", "/reloads", body=reload.model_dump(mode="json"))

    async def reloads(self) -> list[ReloadModel]:
        """`GET /reloads`: newest result of each watched file"""
        return self._read(_RELOADS, await self._call("GET", "/reloads"))

    async def live(self, last_event_id: int | None = None) -> AsyncIterator[LiveEvent]:
        """`GET /events`: SSE firehose; ends with the connection (reconnecting is the caller's)"""
        headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
        async for message in self._messages("GET", "/events", headers=headers):
            yield LiveEvent.model_validate_json(message.data)

    # HTTP

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        files: Any = None,
        headers: Mapping[str, str] | None = None,
        endless: bool = False,
        also_ok: Sequence[int] = (),
    ) -> Any:
        """One request, one JSON answer."""
        request = self._request(method, path, params, body, files, headers, endless)
        async with self._reaching():
            response = await self._http.send(request)
        if response.is_success or response.status_code in also_ok:
            return response.json() if response.content else None
        raise _failure(response)

    async def _messages(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Message]:
        """One request, answered by a stream of server-sent events."""
        request = self._request(method, path, params, body, None, {**(headers or {}), **_SSE}, endless=True)
        async with self._reaching():
            response = await self._http.send(request, stream=True)
            try:
                if not response.is_success:
                    await response.aread()
                    raise _failure(response)
                async for message in messages(response):
                    yield message
            finally:
                await response.aclose()

    def _request(
        self,
        method: str,
        path: str,
        params: Mapping[str, Any] | None,
        body: Any,
        files: Any,
        headers: Mapping[str, str] | None,
        endless: bool,
    ) -> httpx.Request:
        content = None
        sent = dict(headers or {})
        if method in ("POST", "PUT") and files is None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        return self._http.build_request(
            method,
            path,
            params={name: value for name, value in (params or {}).items() if value is not None},
            content=content,
            files=files,
            headers=sent,
            timeout=self._endless if endless else self._timeout,
        )

    @asynccontextmanager
    async def _reaching(self) -> AsyncIterator[None]:
        """Say in our words that the server cannot be reached."""
        try:
            yield
        except httpx.TimeoutException as error:
            message = f"The server at {self.base_url} did not answer in time."
            raise ServerUnavailableError(message, hint="Is it overloaded? Try again.") from error
        except (httpx.ConnectError, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise ServerUnavailableError(f"No Flux server answers at {self.base_url}.") from error
        except (httpx.TransportError, httpx.StreamError, SSEError) as error:
            raise ServerUnavailableError(
                f"The connection to {self.base_url} broke: {error or type(error).__name__}."
            ) from error

    def _read(self, adapter: TypeAdapter[T], body: Any) -> T:
        return adapter.validate_python(body)


def _failure(response: httpx.Response) -> FluxError:
    try:
        body = response.json()
    except ValueError:
        body = None
    fallback = f"The server answered {response.status_code} {response.reason_phrase} to {response.request.url.path}."
    return from_problem(response.status_code, body, fallback)


def _ref(ref: str) -> str:
    WorkflowRef.parse(ref)  # what is neither form would be some other path
    return quote(ref, safe="/")


def _part(text: str) -> str:
    return quote(text, safe="")
