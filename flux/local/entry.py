"""The four ways into a local run: sync and async, start and answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from flux.engine.context import ExecutionContext
from flux.engine.workflow import Workflow
from flux.errors import UsageError
from flux.local.host import open_host


def run(workflow: Workflow[Any, Any], input: Any = None, execution_id: str | None = None) -> ExecutionContext[Any]:
    """See `Workflow.run`."""
    return _outside_loops(lambda: run_async(workflow, input, execution_id), workflow, "run")


def resume(
    workflow: Workflow[Any, Any], execution_id: str, input: Any = None, wait: str | None = None
) -> ExecutionContext[Any]:
    """See `Workflow.resume`."""
    return _outside_loops(lambda: resume_async(workflow, execution_id, input, wait), workflow, "resume")


async def run_async(
    workflow: Workflow[Any, Any], input: Any = None, execution_id: str | None = None
) -> ExecutionContext[Any]:
    """See `Workflow.run_async`."""
    async with open_host() as host:
        if execution_id is None:
            return await host.start(workflow, input)
        return await host.proceed(workflow, execution_id)


async def resume_async(
    workflow: Workflow[Any, Any], execution_id: str, input: Any = None, wait: str | None = None
) -> ExecutionContext[Any]:
    """See `Workflow.resume_async`."""
    async with open_host() as host:
        return await host.answer(workflow, execution_id, input, wait)


def _outside_loops(
    make: Callable[[], Coroutine[Any, Any, ExecutionContext[Any]]], workflow: Workflow[Any, Any], verb: str
) -> ExecutionContext[Any]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    raise UsageError(
        f"`{workflow.name}.{verb}()` cannot block inside a running event loop.",
        hint=f"Use `await {workflow.name}.{verb}_async(…)` there.",
    )
