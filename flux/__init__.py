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
    from flux.catalogs import WorkflowCatalog
    from flux.context_managers import ContextManager
    from flux.domain.schedule import Schedule, ScheduleStatus, ScheduleType, cron, interval, once
    from flux.observability.logs import logger
    from flux.output_storage import InlineOutputStorage, LocalFileStorage, OutputStorage, OutputStorageReference
    from flux.secret_managers import SecretManager
    from flux.tasks.graph import Graph

__version__ = "0.1.0"

WorkflowExecutionContext = ExecutionContext

__all__ = [
    "ContextManager",
    "ExecutionContext",
    "ExecutionEvent",
    "ExecutionEventType",
    "ExecutionState",
    "Graph",
    "InlineOutputStorage",
    "LocalFileStorage",
    "OutputStorage",
    "OutputStorageReference",
    "ResourceRequest",
    "Schedule",
    "ScheduleStatus",
    "ScheduleType",
    "SecretManager",
    "TaskMetadata",
    "WorkflowCatalog",
    "WorkflowExecutionContext",
    "__version__",
    "call",
    "choice",
    "cron",
    "interval",
    "logger",
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

_LAZY = {
    "flux.catalogs": ("WorkflowCatalog",),
    "flux.context_managers": ("ContextManager",),
    "flux.domain.schedule": ("Schedule", "ScheduleStatus", "ScheduleType", "cron", "interval", "once"),
    "flux.observability.logs": ("logger",),
    "flux.output_storage": ("InlineOutputStorage", "LocalFileStorage", "OutputStorage", "OutputStorageReference"),
    "flux.secret_managers": ("SecretManager",),
    "flux.tasks.graph": ("Graph",),
}
_HOMES = {name: module for module, names in _LAZY.items() for name in names}


def __getattr__(name: str) -> Any:
    """Names that cost an import are fetched when they are first used."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'flux' has no attribute {name!r}")
