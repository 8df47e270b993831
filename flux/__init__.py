"""Flux: durable workflows in plain async Python, lived in from the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flux.domain import ExecutionEvent, ExecutionEventType, ExecutionState, ResourceRequest
from flux.engine.context import ExecutionContext
from flux.engine.task import TaskMetadata
from flux.task import task
from flux.tasks import (
    call,
    choice,
    now,
    parallel,
    pause,
    pipeline,
    progress,
    randint,
    randrange,
    sleep,
    uuid4,
)
from flux.workflow import workflow

if TYPE_CHECKING:
    from flux.scheduling.triggers import cron, interval, once
    from flux.tasks.graph import Graph

__version__ = "0.1.0"

WorkflowExecutionContext = ExecutionContext

__all__ = [
    "ExecutionContext",
    "ExecutionEvent",
    "ExecutionEventType",
    "ExecutionState",
    "Graph",
    "ResourceRequest",
    "TaskMetadata",
    "WorkflowExecutionContext",
    "__version__",
    "call",
    "choice",
    "cron",
    "interval",
    "now",
    "once",
    "parallel",
    "pause",
    "pipeline",
    "progress",
    "randint",
    "randrange",
    "sleep",
    "task",
    "uuid4",
    "workflow",
]

_LAZY = dict.fromkeys(("cron", "interval", "once"), "flux.scheduling.triggers") | {"Graph": "flux.tasks.graph"}


def __getattr__(name: str) -> Any:
    """Names that cost an import are fetched when they are first used."""
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'flux' has no attribute {name!r}")
