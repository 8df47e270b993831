"""Secrets and configs that a test gives as plain dicts."""

from __future__ import annotations

from typing import Any

from flux.codec import from_plain
from flux.store import Store


class Given:
    """Brings the dicts into the store, from where tasks get them as anywhere else."""

    def __init__(self) -> None:
        self.secrets: dict[str, str] = {}
        self.configs: dict[str, Any] = {}
        self._kept: tuple[dict[str, str], dict[str, Any]] = ({}, {})

    async def keep(self, store: Store) -> None:
        """Make the store hold what the dicts hold now."""
        secrets, configs = self._kept
        for name in secrets.keys() - self.secrets.keys():
            await store.secrets.remove(name)
        for name in configs.keys() - self.configs.keys():
            await store.configs.remove(name)
        for name, secret in self.secrets.items():
            if secrets.get(name) != secret:
                await store.secrets.set(name, secret)
        for name, config in self.configs.items():
            await store.configs.set(name, from_plain(config))
        self._kept = dict(self.secrets), dict(self.configs)
