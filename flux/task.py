"""Door: `from flux.task import task`."""

from flux.engine.task import Task, TaskMetadata, task

__all__ = ["Task", "TaskMetadata", "task"]
