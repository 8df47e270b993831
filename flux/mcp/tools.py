"""The tools. Their names, parameters and docstrings are what an agent reads."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from flux.client.api import FluxApi
from flux.mcp.errors import told
from flux.wire.models import (
    EventModel,
    ExecutionDetail,
    ExecutionSummary,
    PendingWaitModel,
    WorkflowDetail,
    WorkflowSummary,
)


class ExecutionReport(ExecutionSummary):
    """An execution, and what it waits for.

    `state` tells how it stands. `output` is the result when COMPLETED, the error when FAILED, and what the
    workflow shows when PAUSED: answer one of `waits` whose kind is `input` with a resume tool then.
    """

    waits: list[PendingWaitModel] = Field(default_factory=list)
    events: list[EventModel] = Field(default_factory=list)


class Tools:
    """One method for each tool, over one client."""

    def __init__(self, client: FluxApi) -> None:
        self._client = client

    async def list_workflows(self, namespace: str | None = None) -> list[WorkflowSummary]:
        """List the workflows that can be run.

        Args:
            namespace: only of this namespace.
        """
        with told():
            return await self._client.list_workflows(namespace)

    async def get_workflow_details(self, workflow: str, version: int | None = None) -> WorkflowDetail:
        """Show a workflow: its description, the JSON schema of its input, its tasks and its source.

        Args:
            workflow: `name` or `namespace/name`.
            version: an earlier version instead of the current one.
        """
        with told():
            return await self._client.get_workflow(workflow, version)

    async def upload_workflow(self, source: str, filename: str = "workflows.py") -> list[WorkflowSummary]:
        """Register the workflows of a Python file. A workflow gets a new version if its code has changed.

        Args:
            source: the text of the file.
            filename: its name; workflows of one file belong together.
        """
        with told():
            return await self._client.upload(filename, source.encode())

    async def execute_workflow_sync(
        self, workflow: str, input: Any = None, version: int | None = None
    ) -> ExecutionReport:
        """Run a workflow and wait until it is finished or paused.

        Args:
            workflow: `name` or `namespace/name`.
            input: a JSON value that fits the workflow's input schema.
            version: an earlier version instead of the current one.
        """
        with told():
            return await self._report(await self._client.run(workflow, input, "sync", version))

    async def execute_workflow_async(
        self, workflow: str, input: Any = None, version: int | None = None
    ) -> ExecutionReport:
        """Start a workflow and return at once; ask get_execution_status how it goes.

        Args:
            workflow: `name` or `namespace/name`.
            input: a JSON value that fits the workflow's input schema.
            version: an earlier version instead of the current one.
        """
        with told():
            return await self._report(await self._client.run(workflow, input, "async", version))

    async def get_execution_status(self, execution_id: str, detailed: bool = False) -> ExecutionReport:
        """Show how an execution stands: its state, its output, and what it waits for.

        Args:
            execution_id: as the execute tools return it.
            detailed: add all its events.
        """
        with told():
            return await self._report(await self._client.get_execution(execution_id), detailed)

    async def cancel_execution(self, execution_id: str) -> ExecutionReport:
        """Ask an execution to stop. It cleans up first: its state is CANCELLING until then, CANCELLED after.

        Args:
            execution_id: as the execute tools return it.
        """
        with told():
            return await self._report(await self._client.cancel(execution_id))

    async def resume_workflow_sync(
        self, execution_id: str, input: Any = None, wait: str | None = None
    ) -> ExecutionReport:
        """Answer a paused execution and wait until it is finished or paused again.

        Args:
            execution_id: of an execution whose state is PAUSED.
            input: the answer: a JSON value that fits the `input_schema` of the wait.
            wait: name or id of the wait to answer, needed when several are open.
        """
        with told():
            return await self._report(await self._client.resume_sync(execution_id, input, wait))

    async def resume_workflow_async(
        self, execution_id: str, input: Any = None, wait: str | None = None
    ) -> ExecutionReport:
        """Answer a paused execution and return at once.

        Args:
            execution_id: of an execution whose state is PAUSED.
            input: the answer: a JSON value that fits the `input_schema` of the wait.
            wait: name or id of the wait to answer, needed when several are open.
        """
        with told():
            return await self._report(await self._client.resume(execution_id, input, wait))

    async def _report(self, execution: ExecutionSummary, detailed: bool = False) -> ExecutionReport:
        over = execution.state.is_terminal
        waits = [] if over else await self._client.pending(execution.execution_id)
        events = execution.events if detailed and isinstance(execution, ExecutionDetail) else []
        return ExecutionReport(**execution.model_dump(exclude={"events"}), waits=waits, events=events)
