"""Door: `from flux.events import ExecutionEvent`."""

from flux.domain.events import ExecutionEvent, ExecutionEventType, ExecutionState

__all__ = ["ExecutionEvent", "ExecutionEventType", "ExecutionState"]
