"""The calls of the client under the names that older code has for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from flux.client.api import FluxApi
from flux.engine.frame import current_frame
from flux.wire.models import ExecutionPage, ExecutionSummary, WorkflowSummary


class Spellings(ABC):
    """Each of these is a call of `FluxApi`. Part of `FluxClient`.

    Example:
        >>> async with FluxClient("http://localhost:8000") as client:  # doctest: +SKIP
        ...     execution = await client.run_workflow_sync("shop/order", {"id": 7})
        ...     print(execution["state"], execution["output"])
    """

    @abstractmethod
    async def _call(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """One request, one JSON answer."""

    @classmethod
    async def for_current_execution(cls) -> Any:
        """A client of the server at `workers.server_url`, for use inside tasks.

        Raises `ExecutionError` outside of an execution.
        """
        current_frame()
        from flux.config import load_settings

        client: Any = cls  # of which this is a part
        return client(load_settings({}).workers.server_url)

    async def run_workflow(self: FluxApi, ref: str, input: Any = None, version: int | None = None) -> ExecutionSummary:
        """Start a workflow and come back at once."""
        return await self.run(ref, input, "async", version)

    async def run_workflow_sync(
        self: FluxApi, ref: str, input: Any = None, version: int | None = None
    ) -> ExecutionSummary:
        """Start a workflow and come back when it is finished or paused."""
        return await self.run(ref, input, "sync", version)

    async def resume_execution(
        self: FluxApi, execution_id: str, input: Any = None, wait: str | None = None
    ) -> ExecutionSummary:
        """Answer a pause and come back at once."""
        return await self.resume(execution_id, input, wait)

    async def resume_execution_sync(
        self: FluxApi, execution_id: str, input: Any = None, wait: str | None = None
    ) -> ExecutionSummary:
        """Answer a pause and come back when the execution is finished or paused again."""
        return await self.resume_sync(execution_id, input, wait)

    async def cancel_execution(self: FluxApi, execution_id: str, mode: str = "async") -> ExecutionSummary:
        """Cancel an execution; `sync` comes back when it has ended."""
        return await self.cancel(execution_id, mode)

    async def get_workflow_versions(self: FluxApi, ref: str) -> list[WorkflowSummary]:
        """All versions of a workflow, newest first."""
        return await self.list_versions(ref)

    async def get_workflow_executions(
        self: FluxApi, ref: str, limit: int = 50, cursor: str | None = None
    ) -> ExecutionPage:
        """The executions of a workflow, newest first."""
        return await self.list_executions(workflow=ref, limit=limit, cursor=cursor)

    async def register_dynamic_workflow(
        self: FluxApi, source: str | bytes, name: str = "dynamic.py"
    ) -> list[WorkflowSummary]:
        """Register the workflows in this source, as `flux workflow register` does for a file of that name."""
        return await self.upload(name, source.encode() if isinstance(source, str) else source)

    async def health_check(self) -> dict[str, Any]:
        """`GET /health`"""
        return dict(await self._call("GET", "/health"))
