"""What a client of the HTTP API offers; `FluxClient` implements it, tests may replace it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from flux.wire.models import (
    EventModel,
    ExecutionDetail,
    ExecutionPage,
    ExecutionSummary,
    LiveEvent,
    LogModel,
    PendingWaitModel,
    Publication,
    Ready,
    ReloadModel,
    WorkerModel,
    WorkflowDetail,
    WorkflowSummary,
)


class FluxApi(Protocol):
    """One method for each documented HTTP call. All raise `FluxError` subclasses built from problem+json."""

    base_url: str

    async def ready(self) -> Ready:
        """`GET /ready`"""
        ...

    async def list_workflows(self, namespace: str | None = None) -> list[WorkflowSummary]:
        """`GET /workflows`"""
        ...

    async def get_workflow(self, ref: str, version: int | None = None) -> WorkflowDetail:
        """`GET /workflows/{ref}`"""
        ...

    async def list_versions(self, ref: str) -> list[WorkflowSummary]:
        """`GET /workflows/{ref}/versions`"""
        ...

    async def publish(self, publication: Publication) -> list[WorkflowSummary]:
        """`POST /workflows` with a JSON body; without `workflows` in it a worker imports the source to find them"""
        ...

    async def upload(self, name: str, source: bytes) -> list[WorkflowSummary]:
        """`POST /workflows` multipart, read with `ast` on the server"""
        ...

    async def delete_workflow(self, ref: str) -> None:
        """`DELETE /workflows/{ref}`"""
        ...

    async def run(
        self, ref: str, input: Any = None, mode: str = "async", version: int | None = None, idempotency_key: str = ""
    ) -> ExecutionSummary:
        """`POST /workflows/{ref}/run/{sync|async}`"""
        ...

    def stream(
        self, ref: str, input: Any = None, version: int | None = None
    ) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        """`POST /workflows/{ref}/run/stream`: (SSE event name, data)"""
        ...

    async def resume(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionSummary:
        """`POST /executions/{id}/resume?wait=`"""
        ...

    async def resume_sync(self, execution_id: str, input: Any = None, wait: str | None = None) -> ExecutionSummary:
        """`POST /executions/{id}/resume?wait=&mode=sync`"""
        ...

    async def cancel(self, execution_id: str, mode: str = "async") -> ExecutionSummary:
        """`POST /executions/{id}/cancel?mode=`"""
        ...

    async def get_execution(self, execution_id: str) -> ExecutionDetail:
        """`GET /executions/{id}?detailed=true`"""
        ...

    async def get_events(self, execution_id: str, after: int = 0) -> list[EventModel]:
        """`GET /executions/{id}/events?after=`"""
        ...

    async def list_executions(
        self,
        state: Sequence[str] = (),
        workflow: str | None = None,
        namespace: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> ExecutionPage:
        """`GET /executions`"""
        ...

    async def pending(self, execution_id: str) -> list[PendingWaitModel]:
        """`GET /executions/{id}/pending`"""
        ...

    async def list_waits(self) -> list[PendingWaitModel]:
        """`GET /waits`: every open wait, oldest first"""
        ...

    async def logs(self, execution_id: str | None = None, after: int = 0, limit: int = 1000) -> list[LogModel]:
        """`GET /logs?execution_id=&after=&limit=` (without an id: the newest lines of everything)"""
        ...

    async def list_workers(self) -> list[WorkerModel]:
        """`GET /workers`"""
        ...

    async def get_worker(self, name: str) -> WorkerModel:
        """`GET /workers/{name}`"""
        ...

    async def report_reload(self, reload: ReloadModel) -> None:
        """`POST /reloads`: the watcher tells everyone what came of a save"""
        ...

    async def reloads(self) -> list[ReloadModel]:
        """`GET /reloads`: newest result of each watched file"""
        ...

    def live(self, last_event_id: int | None = None) -> AsyncIterator[LiveEvent]:
        """`GET /events`: SSE firehose; ends with the connection (reconnecting is the caller's)"""
        ...

    async def close(self) -> None:
        """Close connections."""
        ...
