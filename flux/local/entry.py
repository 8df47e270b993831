"""The four ways into a local run: sync and async, start and answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from flux.engine.context import ExecutionContext
from flux.engine.workflow import Workflow
from flux.errors import ConfigurationError, UsageError
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
    if not _in_a_loop():
        try:
            return asyncio.run(make())
        except ConfigurationError as error:
            # Nothing in these frames helps whoever set something wrong; a script prints the traceback.
            if error.hint:
                error.add_note(error.hint)
            raise error.with_traceback(None) from None
    if importing := _imported_file():
        raise UsageError(f'{importing} calls {verb}() while it is imported; put it under `if __name__ == "__main__":`.')
    raise UsageError(
        f"`{workflow.name}.{verb}()` cannot block inside a running event loop.",
        hint=f"Use `await {workflow.name}.{verb}_async(…)` there.",
    )


def _in_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _imported_file() -> str:
    """Name of the file that is being imported by whoever called, or "": only a script's own module is `__main__`.

    Workers import files inside their event loop, and there such a call is never meant.
    """
    frame = sys._getframe(1)
    while (caller := frame.f_back) is not None:
        frame = caller
        if frame.f_code.co_name == "<module>" and _is_imported(frame.f_globals):
            return Path(frame.f_code.co_filename).name
    return ""


def _is_imported(namespace: Mapping[str, Any]) -> bool:
    """Whether these are the globals of a module, and not of a script or of code that somebody executes."""
    module = sys.modules.get(str(namespace.get("__name__")))
    return module is not None and module.__name__ != "__main__" and vars(module) is namespace
