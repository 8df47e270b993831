"""Door: `from flux.domain.execution_context import ExecutionContext`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux.engine.context import CURRENT_CONTEXT, ExecutionContext

__all__ = ["CURRENT_CONTEXT", "ExecutionContext"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("flux.engine.context"), name)
    raise AttributeError(f"module 'flux.domain.execution_context' has no attribute {name!r}")
