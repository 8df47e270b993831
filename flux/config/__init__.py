"""Settings: one tree, five sources, and the home folder.

Names load when they are used: `flux.config.home` alone needs no pydantic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flux.config.configuration import Configuration
    from flux.config.loading import Origin, load_settings, origins
    from flux.config.settings import Settings
    from flux.config.settings import Settings as FluxConfig

__all__ = ["Configuration", "FluxConfig", "Origin", "Settings", "load_settings", "origins"]

_HOMES = {
    "Configuration": "flux.config.configuration",
    "FluxConfig": "flux.config.settings",
    "Origin": "flux.config.loading",
    "Settings": "flux.config.settings",
    "load_settings": "flux.config.loading",
    "origins": "flux.config.loading",
}

_NAMED = {"FluxConfig": "Settings"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'flux.config' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), _NAMED.get(name, name))
