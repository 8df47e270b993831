"""The settings of this process, as programs use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flux.config.loading import load_settings, process_overrides
from flux.config.settings import Settings


class Configuration:
    """The one configuration of this process.

    Example:
        configuration = Configuration.get()
        configuration.settings.server_port             # 8000
        configuration.override(workers={"retry_attempts": 5}, server_port=9000)
        configuration.reset()                          # as if never overridden
    """

    _current: Configuration | None = None

    def __init__(self) -> None:
        self._settings: Settings | None = None

    @classmethod
    def get(cls) -> Configuration:
        """The configuration of this process."""
        if cls._current is None:
            cls._current = cls()
        return cls._current

    @property
    def settings(self) -> Settings:
        """The settings in force, read at the first use. Raises `ConfigurationError`."""
        if self._settings is None:
            self._settings = load_settings()
        return self._settings

    def override(self, **nested: Any) -> Settings:
        """Change values for this process, everything that reads settings included; refused whole when wrong.

        Groups are given as dicts, or with `__`: `workers={"retry_attempts": 5}`, `workers__retry_attempts=5`.
        """
        before = dict(process_overrides)
        for key, value in _flat(nested).items():
            process_overrides[key] = value
        try:
            self._settings = load_settings()
        except Exception:
            process_overrides.clear()
            process_overrides.update(before)
            raise
        return self._settings

    def reload(self) -> Settings:
        """Read all sources again; overrides stay."""
        self._settings = load_settings()
        return self._settings

    def reset(self) -> None:
        """Forget all overrides; sources are read again at the next use."""
        process_overrides.clear()
        self._settings = None


def _flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted keys, so that overriding one value of a group leaves earlier overrides of others alone."""
    flat: dict[str, Any] = {}
    for name, value in nested.items():
        key = prefix + name.replace("__", ".")
        if isinstance(value, Mapping) and key != "dev.keys":
            flat |= _flat(value, f"{key}.")
        else:
            flat[key] = value
    return flat
