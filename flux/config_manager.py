"""Door: `from flux.config_manager import ConfigManager`."""

from flux.local.managers import ConfigManager

__all__ = ["ConfigManager"]
