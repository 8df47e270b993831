"""The identity of the code that a local run executes."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from typing import Any

from flux.codec import to_plain
from flux.domain import EventRecord, Execution, ExecutionEventType
from flux.engine.workflow import Workflow

LOCAL = "local:"
"""Digests of local runs start with this; no server dispatches such executions."""


def source_digest(workflow: Workflow[Any, Any]) -> str:
    """Digest of the file that defines the workflow; of nothing for code that was typed in."""
    try:
        file = inspect.getsourcefile(workflow.func)
        lines, _ = inspect.findsource(workflow.func) if file else ([], 0)
    except (OSError, TypeError):
        lines = []
    return digest_of(lines)


def digest_of(lines: Sequence[str]) -> str:
    """Digest of a file's lines, each with its end."""
    return LOCAL + (hashlib.sha256("".join(lines).encode("utf-8", "surrogatepass")).hexdigest() if lines else "")


def recorded_digest(execution: Execution, history: Sequence[EventRecord]) -> str:
    """The code the execution runs by its record: that of its start, or of its last move."""
    for record in reversed(history):
        if record.type is ExecutionEventType.WORKFLOW_MOVED and record.payload is not None:
            return str(to_plain(record.payload)["to"])
    return execution.digest
