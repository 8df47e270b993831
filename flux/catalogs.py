"""Door: `from flux.catalogs import WorkflowCatalog`."""

from flux.local.workflows import WorkflowCatalog, WorkflowInfo

__all__ = ["WorkflowCatalog", "WorkflowInfo"]
