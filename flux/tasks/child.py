"""`call`: another workflow as a child execution."""

from __future__ import annotations

from typing import Any

from flux.engine.workflow import Workflow
from flux.errors import UsageError


async def call(workflow: Workflow[Any, Any] | str, input: Any = None) -> Any:
    """Run another workflow as a child execution and return its output.

    Raises `UsageError`: this release starts no child executions.
    """
    raise UsageError(
        f"`call({workflow!r})` cannot start a child execution in this release.",
        hint="Share the steps as tasks, or start the other workflow over HTTP from a task.",
    )
