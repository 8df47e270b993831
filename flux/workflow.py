"""Door: `from flux.workflow import workflow`."""

from flux.engine.workflow import Workflow, workflow

__all__ = ["Workflow", "workflow"]
