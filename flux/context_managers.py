"""Door: `from flux.context_managers import ContextManager`."""

from flux.local.contexts import ContextManager

__all__ = ["ContextManager"]
