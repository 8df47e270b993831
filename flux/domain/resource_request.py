"""Door: `from flux.domain.resource_request import ResourceRequest`."""

from flux.domain.workflow import ResourceRequest

__all__ = ["ResourceRequest"]
