"""Door: `from flux.decorators import task, workflow`."""

from flux.engine.task import TaskMetadata, task
from flux.engine.workflow import workflow

__all__ = ["TaskMetadata", "task", "workflow"]
